"""Events: group names, message types, and the only sender to the channel layer.

A message means "look again". The rows are the truth, so a lost message loses nothing, and a broken Redis is logged
and otherwise ignored. Everything is sent on commit, to narrow groups.
"""

import asyncio
import logging
from typing import Any

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.db import transaction

from chargers.models import Charger, ChargingSession, Connector

logger = logging.getLogger(__name__)

MAP_GROUP = "map"
SEND_TIMEOUT_SECONDS = 5.0


class _Loop:
    """The event loop of this server process, once it has one: layers are bound to the loop that uses them."""

    running: asyncio.AbstractEventLoop | None = None


def attach(loop: asyncio.AbstractEventLoop) -> None:
    """Called by the server's entrance, so that worker threads send through the server's own loop."""
    _Loop.running = loop


def gateway_group(charger_id: int) -> str:
    """The sockets of one charger (one, but during a takeover)."""
    return f"gateway.{charger_id}"


def charger_group(charger_id: int) -> str:
    """Pages of the charger's owner."""
    return f"charger.{charger_id}"


def session_group(session_id: int) -> str:
    return f"session.{session_id}"


def user_group(user_id: int) -> str:
    return f"user.{user_id}"


def publish_commands(charger_id: int) -> None:
    """A command waits for this charger."""
    _send_on_commit(gateway_group(charger_id), {"type": "commands.wake"})


def publish_takeover(charger_id: int, mark: str) -> None:
    """A newer socket serves this charger: the others close."""
    _send_on_commit(gateway_group(charger_id), {"type": "connection.replaced", "mark": mark})


def publish_charger(charger: Charger) -> None:
    """It connected, left, booted or changed its status."""
    event = {"type": "charger.changed", "charger": charger.pk}
    _send_on_commit(charger_group(charger.pk), event)
    if charger.access == Charger.Access.PUBLIC:
        _send_on_commit(MAP_GROUP, event)


def publish_connectors(connectors: list[Connector]) -> None:
    for charger in {connector.charger_id: connector.charger for connector in connectors}.values():
        publish_charger(charger)


def publish_attempt(charger_id: int) -> None:
    _send_on_commit(charger_group(charger_id), {"type": "attempt.made", "charger": charger_id})


def publish_session(session: ChargingSession) -> None:
    """It started, was measured, ended, was billed, or was put aside."""
    event = {"type": "session.changed", "session": session.pk}
    _send_on_commit(session_group(session.pk), event)
    _send_on_commit(charger_group(session.charger_id), event)
    if session.user_id:
        _send_on_commit(user_group(session.user_id), event)


def publish_measured(session_ids: set[int]) -> None:
    """New samples: only who looks at the session itself wants to know so often."""
    for key in session_ids:
        _send_on_commit(session_group(key), {"type": "session.changed", "session": key})


def publish_command(command_id: int, *, user_id: int | None, charger_id: int) -> None:
    """A command was sent, answered or given up."""
    event = {"type": "command.changed", "command": command_id}
    _send_on_commit(charger_group(charger_id), event)
    if user_id:
        _send_on_commit(user_group(user_id), event)


def _send_on_commit(group: str, message: dict[str, Any]) -> None:
    # Robust: what is committed stays committed, whatever becomes of the event.
    transaction.on_commit(lambda: _send(group, message), robust=True)


def _send(group: str, message: dict[str, Any]) -> None:
    loop = _Loop.running
    if loop is not None and loop.is_running():
        asyncio.run_coroutine_threadsafe(_group_send(group, message), loop)
    else:
        try:
            async_to_sync(_group_send)(group, message)
        except RuntimeError as error:  # the process is ending, and the interpreter starts no threads any more
            logger.info("event %s for %s was not delivered: %s", message["type"], group, error)


async def _group_send(group: str, message: dict[str, Any]) -> None:
    try:
        await asyncio.wait_for(get_channel_layer().group_send(group, message), SEND_TIMEOUT_SECONDS)
    except (OSError, TimeoutError, ConnectionError) as error:
        # R24: Redis is a doorbell. Sockets look for commands and takeovers by themselves every few seconds.
        logger.warning("event %s for %s was not delivered: %s", message["type"], group, error)
    except Exception:
        # redis-py has a tree of exceptions of its own; the money path must work with a broken layer of any kind.
        logger.exception("event %s for %s was not delivered", message["type"], group)
