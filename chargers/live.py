"""Events: group names, message types, and the only sender to the channel layer.

A message means "look again". The rows are the truth, so a lost message loses nothing, and a broken Redis is logged
and otherwise ignored. Everything is sent on commit, to narrow groups. What pages are told is gathered for a moment, and
the same message for the same group is sent once; gateways are told at once.
"""

import asyncio
import logging
import threading
from collections.abc import Collection, Coroutine
from typing import Any

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.db import transaction

from accounts.models import User
from chargers.models import Charger, ChargingSession

logger = logging.getLogger(__name__)

MAP_GROUP = "map"
SEND_TIMEOUT_SECONDS = 5.0
# People see this as "at once", and a charger that tells ten things within it is looked at once.
GATHER_SECONDS = 0.25

Event = dict[str, Any]
Events = dict[tuple[Any, ...], Event]  # by group and content: the same is sent once


def gateway_group(mark: str) -> str:
    """The gateway process that holds this connection. A mark is `<process>.<connection>`."""
    return f"gateway.{mark.partition('.')[0]}"


def charger_group(charger_id: int) -> str:
    """Pages of the charger's owner."""
    return f"charger.{charger_id}"


def session_group(session_id: int) -> str:
    return f"session.{session_id}"


def user_group(user_id: int) -> str:
    return f"user.{user_id}"


def publish_commands(charger_id: int) -> None:
    """A command waits for this charger: the process that holds its socket is told."""

    def wake() -> None:
        mark = Charger.objects.filter(pk=charger_id).values_list("connection_mark", flat=True).first()
        if mark:
            _send_now(gateway_group(mark), {"type": "commands.wake", "mark": mark})

    transaction.on_commit(wake, robust=True)


def publish_takeover(mark: str) -> None:
    """The connection `mark` serves its charger no more: a newer one does."""
    event = {"type": "connection.replaced", "mark": mark}
    transaction.on_commit(lambda: _send_now(gateway_group(mark), event), robust=True)


def publish_charger(charger: Charger) -> None:
    """It connected, left, booted, changed its status, or who may see it."""
    was_public = charger.access == Charger.Access.PUBLIC
    event = {"type": "charger.changed", "charger": charger.pk}
    _send_on_commit([(charger_group(charger.pk), event), (MAP_GROUP, event | {"was_public": was_public})])


def publish_chargers(charger_ids: Collection[int]) -> None:
    """The same for many at once, of which only the keys are known: maps look by themselves what they may show."""
    groups = [(key, group) for key in charger_ids for group in (charger_group(key), MAP_GROUP)]
    _send_on_commit([(group, {"type": "charger.changed", "charger": key}) for key, group in groups])


def publish_owner(owner: User) -> None:
    """Who may see this person's chargers: the account was switched off or on."""
    publish_chargers(list(Charger.objects.owned_by(owner).values_list("pk", flat=True)))


def publish_attempt(charger_id: int) -> None:
    _send_on_commit([(charger_group(charger_id), {"type": "attempt.made", "charger": charger_id})])


def publish_session(session: ChargingSession) -> None:
    """It started, was measured, ended, was billed, or was put aside."""
    groups = [session_group(session.pk), charger_group(session.charger_id), user_group(session.owner_id)]
    groups += [user_group(session.user_id)] if session.user_id else []
    _send_on_commit([(group, {"type": "session.changed", "session": session.pk}) for group in groups])


def publish_measured(session_ids: set[int]) -> None:
    """New samples: only who looks at the session itself wants to know so often."""
    _send_on_commit([(session_group(key), {"type": "session.changed", "session": key}) for key in session_ids])


def publish_command(command_id: int, *, user_id: int | None, charger_id: int) -> None:
    """A command was sent, answered or given up."""
    groups = [charger_group(charger_id)] + ([user_group(user_id)] if user_id else [])
    _send_on_commit([(group, {"type": "command.changed", "command": command_id}) for group in groups])


def publish_claim(user_id: int) -> None:
    """The card that somebody waits for was read."""
    _send_on_commit([(user_group(user_id), {"type": "claim.changed", "claim": user_id})])


# ------------------------------------------------------------------------------------------------ sending


class _Bell:
    """Rings at pages, on the server's own event loop: what waits goes out in one round, then it pauses a moment."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.waiting: Events = {}
        self.is_ringing = False
        self.lock = threading.Lock()

    def ring(self, events: Events) -> None:
        """From any thread."""
        with self.lock:
            self.waiting.update(events)
            is_quiet, self.is_ringing = not self.is_ringing, True
        if is_quiet:
            asyncio.run_coroutine_threadsafe(self._run(), self.loop)

    async def _run(self) -> None:
        while events := self._take():
            await _deliver(events)
            await asyncio.sleep(GATHER_SECONDS)

    def _take(self) -> Events:
        with self.lock:
            events, self.waiting = self.waiting, {}
            self.is_ringing = bool(events)
            return events


class _Server:
    """The bell of this server process, once it has an event loop: layers are bound to the loop that uses them."""

    bell: _Bell | None = None


def attach(loop: asyncio.AbstractEventLoop) -> None:
    """Called by the server's entrance, so that workers and request threads send through the server's own loop."""
    if _Server.bell is None or _Server.bell.loop is not loop:
        _Server.bell = _Bell(loop)


def _running_bell() -> _Bell | None:
    bell = _Server.bell
    return bell if bell is not None and bell.loop.is_running() else None


def _send_on_commit(events: list[tuple[str, Event]]) -> None:
    # Robust: what is committed stays committed, whatever becomes of the event.
    if events:
        transaction.on_commit(lambda: _send(events), robust=True)


def _send(events: list[tuple[str, Event]]) -> None:
    once: Events = {(group, *event.values()): event for group, event in events}
    if bell := _running_bell():
        bell.ring(once)
    else:
        _run_here(_deliver(once))


def _send_now(group: str, event: Event) -> None:
    if bell := _running_bell():
        asyncio.run_coroutine_threadsafe(_group_send(group, event), bell.loop)
    else:
        _run_here(_group_send(group, event))


def _run_here(sending: Coroutine[Any, Any, None]) -> None:
    """In a process without a server: a command, a sweep, a test."""

    async def wait() -> None:
        await sending

    try:
        async_to_sync(wait)()
    except RuntimeError as error:  # the process is ending, and the interpreter starts no threads any more
        sending.close()
        logger.info("an event was not delivered: %s", error)


async def _deliver(events: Events) -> None:
    """To those groups that somebody has joined."""
    try:
        layer = get_channel_layer()
        groups = {group for group, *_content in events}
        listened = await asyncio.wait_for(layer.listened(groups), SEND_TIMEOUT_SECONDS)
    except Exception as error:  # redis-py's own tree of errors; R24: Redis is a doorbell
        logger.warning("%d events were not delivered: %r", len(events), error)
        return
    sent = [_group_send(group, event) for (group, *_content), event in events.items() if group in listened]
    await asyncio.gather(*sent)


async def _group_send(group: str, message: Event) -> None:
    try:
        await asyncio.wait_for(get_channel_layer().group_send(group, message), SEND_TIMEOUT_SECONDS)
    except Exception as error:  # redis-py's own tree of errors; R24: sockets look for commands and takeovers themselves
        logger.warning("event %s for %s was not delivered: %r", message["type"], group, error)
