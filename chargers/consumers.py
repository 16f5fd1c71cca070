"""Browser sockets. Each joins its groups after a permission check, sends a snapshot, and sends a fresh one whenever an
event says "look again". They write nothing.

Close codes: 4401 log in first, 4404 there is no such thing (or it is somebody else's).
"""

import asyncio
import contextlib
import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import tzinfo
from http.cookies import SimpleCookie
from typing import Any, ClassVar
from urllib.parse import parse_qs

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.conf import settings
from django.db import DatabaseError
from django.db.models import Q
from django.utils import timezone, translation

from accounts import zones
from accounts.models import User
from chargers import hosts, live, pins, shapes, visibility
from chargers.models import CardClaim, Charger, ChargingSession, Command
from sharecharge import trace

logger = logging.getLogger(__name__)

LOG_IN = 4401
NOT_FOUND = 4404
TRY_AGAIN = 1011
# Events that arrive within this time make one snapshot.
GATHER_SECONDS = 0.15

# One slow snapshot must not keep all other browsers waiting; the bound keeps connections to the database few.
READERS = 4
readers = ThreadPoolExecutor(max_workers=READERS, thread_name_prefix="pages")

Event = dict[str, Any]


class Closed(Exception):
    """Nothing (more) to be seen here; the code goes to the browser, which then does not try again."""

    def __init__(self, code: int) -> None:
        self.code = code


def language_of(scope: dict[str, Any]) -> str:
    """The page says `?lang=cs`; else the cookie of the language switch; else the first language."""
    asked = parameter(scope, "lang")
    cookie = SimpleCookie(header(scope, b"cookie")).get(settings.LANGUAGE_COOKIE_NAME)
    for candidate in (asked, cookie.value if cookie else ""):
        with contextlib.suppress(LookupError):
            return translation.get_supported_language_variant(candidate)
    return settings.LANGUAGE_CODE


def header(scope: dict[str, Any], name: bytes) -> str:
    return dict(scope.get("headers", [])).get(name, b"").decode("latin-1")


def parameter(scope: dict[str, Any], name: str) -> str:
    query = parse_qs(scope.get("query_string", b"").decode("ascii", "replace"))
    return query.get(name, [""])[0]


class Watcher(AsyncJsonWebsocketConsumer):
    """One thing that is watched. Subclasses say which groups tell of it, and what it looks like.

    `admit` and `look` run in a database thread, in the language and the time zone of the page, and raise Closed.
    """

    groups: ClassVar[list[str]] = []
    user: User | None = None
    language: str = settings.LANGUAGE_CODE
    zone: tzinfo | None = None

    async def connect(self) -> None:
        trace.adopt(header(self.scope, b"x-request-id"))
        self.language = language_of(self.scope)
        # The zone of the page, not of the cookie: on a first visit the page came before the cookie.
        self.zone = zones.named(parameter(self.scope, "zone"))
        self.pending: list[Event] = []
        self.gathering: asyncio.Task[None] | None = None
        self.joined: list[str] = []
        await self.accept(self.subprotocol())
        try:
            # First the groups, then the snapshot: what happens in between is seen twice, not missed.
            for group in await self.ask(self.admit):
                await self.channel_layer.group_add(group, self.channel_name)
                self.joined.append(group)
            await self.tell([])
        except Closed as closed:
            await self.close(closed.code)

    async def disconnect(self, code: int) -> None:
        if self.gathering:
            self.gathering.cancel()
        for group in self.joined:
            await self.channel_layer.group_discard(group, self.channel_name)

    async def ask(self, question: Any, *arguments: Any) -> Any:
        work = database_sync_to_async(self._ask, thread_sensitive=False, executor=readers)
        return await work(question, *arguments)

    def _ask(self, question: Any, *arguments: Any) -> Any:
        """People may be switched off while they watch, so the person is read again every time."""
        self.user = self.visitor()
        with translation.override(self.language), timezone.override(self.zone):
            return question(*arguments)

    def visitor(self) -> User | None:
        key = getattr(self.scope.get("user"), "pk", None)
        return User.objects.filter(pk=key, is_active=True).first() if key else None

    def subprotocol(self) -> str | None:
        """What is chosen of the subprotocols that were offered."""
        return None

    def person(self) -> User:
        if self.user is None:
            raise Closed(LOG_IN)
        return self.user

    def admit(self) -> list[str]:
        """The groups to join. Closed when this visitor may not look."""
        raise NotImplementedError

    def look(self) -> shapes.Shape:
        """What it looks like now. Closed when this visitor may not look any more."""
        raise NotImplementedError

    def concerns(self, event: Event) -> bool:
        """Is this event about what is watched here? Groups of people carry more than one thing."""
        return True

    async def tell(self, events: list[Event]) -> None:
        await self.send_json({"type": "snapshot", "data": await self.ask(self.look)})

    async def look_again(self, event: Event) -> None:
        if not self.concerns(event):
            return
        self.pending.append(event)
        if self.gathering is None or self.gathering.done():
            self.gathering = asyncio.create_task(self.gather())

    async def gather(self) -> None:
        while self.pending:
            await asyncio.sleep(GATHER_SECONDS)
            events, self.pending = self.pending, []
            try:
                await self.tell(events)
            except Closed as closed:
                await self.close(closed.code)
                return
            except (DatabaseError, OSError):
                logger.exception("a page cannot be kept fresh: it shall connect again")
                await self.close(TRY_AGAIN)
                return

    # The types of live.py; every one of them means "look again".
    charger_changed = attempt_made = session_changed = command_changed = claim_changed = look_again

    async def receive_json(self, content: Any, **kwargs: Any) -> None:
        """Browsers only listen."""

    @classmethod
    async def decode_json(cls, text_data: str) -> Any:
        try:
            return await super().decode_json(text_data)
        except ValueError:
            return None


class NowhereConsumer(Watcher):
    """An address that is none."""

    def admit(self) -> list[str]:
        raise Closed(NOT_FOUND)


class MapConsumer(Watcher):
    """The public map: each pin that changes. All of them come from `views.places.map_data`, which knows a 304."""

    def admit(self) -> list[str]:
        return [live.MAP_GROUP]

    def look(self) -> shapes.Shape:
        """Our clock: hours are counted by it."""
        return {"now": timezone.now().isoformat()}

    async def tell(self, events: list[Event]) -> None:
        if not events:
            await super().tell(events)
            return
        was_public = {event["charger"] for event in events if event.get("was_public")}
        for change in await self.ask(self.changes, {event["charger"] for event in events}, was_public):
            await self.send_json(change)

    def changes(self, keys: set[int], was_public: set[int]) -> list[shapes.Shape]:
        """A pin for what may be seen; the end of a pin for what could be seen before. Of others not even the code."""
        visible = shapes.with_connectors(Charger.objects.visible_to(self.user).filter(pk__in=keys))
        changed: list[shapes.Shape] = [{"type": "pin", "data": pins.pin(charger)} for charger in visible]
        gone = self.hidden(keys - {charger.pk for charger in visible}, was_public)
        return changed + [{"type": "gone", "data": {"code": code}} for _key, code in gone]

    def hidden(self, keys: set[int], was_public: set[int]) -> list[tuple[int, str]]:
        """Key and code of those that could be seen before."""
        known = Q(access=Charger.Access.PUBLIC) | Q(pk__in=was_public)
        return list(Charger.objects.filter(known, pk__in=keys).values_list("pk", "code"))


class PlaceConsumer(Watcher):
    """A charger's public page."""

    key = 0

    def admit(self) -> list[str]:
        charger = self.charger()
        self.key = charger.pk
        # Changes of a charger that is not for everybody are told in its own group only.
        public = charger.access == Charger.Access.PUBLIC
        return [live.MAP_GROUP] if public else [live.charger_group(charger.pk)]

    def charger(self) -> Charger:
        code = self.scope["url_route"]["kwargs"]["code"].lower()
        charger = shapes.with_connectors(Charger.objects.live().select_related("owner")).filter(code=code).first()
        if charger is None or not visibility.may_open(charger, self.user):
            raise Closed(NOT_FOUND)
        return charger

    def look(self) -> shapes.Shape:
        return shapes.place(self.charger())

    def concerns(self, event: Event) -> bool:
        return event.get("charger") == self.key


class ChargerConsumer(Watcher):
    """The owner's page of a charger."""

    def charger(self) -> Charger:
        user = self.person()
        chargers = Charger.objects.live() if user.is_staff else Charger.objects.owned_by(user)
        charger = chargers.filter(pk=self.scope["url_route"]["kwargs"]["pk"]).first()
        if charger is None:
            raise Closed(NOT_FOUND)
        return charger

    def admit(self) -> list[str]:
        return [live.charger_group(self.charger().pk)]

    def look(self) -> shapes.Shape:
        return hosts.charger(self.charger())


class DashboardConsumer(Watcher):
    """An owner's first view: all of their chargers."""

    def admit(self) -> list[str]:
        chargers = Charger.objects.owned_by(self.person()).values_list("pk", flat=True)
        return [live.charger_group(key) for key in chargers]

    def look(self) -> shapes.Shape:
        return hosts.dashboard(self.person())


class SessionConsumer(Watcher):
    """A session's page: its readings, its end, and the stop that somebody asked for."""

    def session(self) -> ChargingSession:
        visible = ChargingSession.objects.with_all().visible_to(self.person())
        session = visible.filter(pk=self.scope["url_route"]["kwargs"]["pk"]).first()
        if session is None:
            raise Closed(NOT_FOUND)
        return session

    def admit(self) -> list[str]:
        session = self.session()
        # That the car paused is a status of its plug, which is told to the charger's group, as a bare "look again".
        charger = live.charger_group(session.charger_id)
        return [live.session_group(session.pk), live.user_group(self.person().pk), charger]

    def look(self) -> shapes.Shape:
        return shapes.session(self.session(), viewer=self.user)

    def concerns(self, event: Event) -> bool:
        key = self.scope["url_route"]["kwargs"]["pk"]
        return event.get("session", key) == key


class CommandConsumer(Watcher):
    """A start from the phone on its way: the command, its plug, and the session that it leads to."""

    def command(self) -> Command:
        user = self.person()
        commands = Command.objects.select_related("charger", "connector", "session", "requested_by")
        command = commands.filter(pk=self.scope["url_route"]["kwargs"]["pk"]).first()
        if command is None or not shapes.may_see_command(command, user):
            raise Closed(NOT_FOUND)
        return command

    def admit(self) -> list[str]:
        command = self.command()
        # The plug's changes are told to the charger's group, as bare "look again"s.
        return [live.user_group(self.person().pk), live.charger_group(command.charger_id)]

    def look(self) -> shapes.Shape:
        return shapes.command(self.command(), viewer=self.user)


class ClaimConsumer(Watcher):
    """A person who waits for a card to be read."""

    def admit(self) -> list[str]:
        return [live.user_group(self.person().pk)]

    def look(self) -> shapes.Shape:
        claim = CardClaim.objects.filter(user=self.person()).first()
        if claim is None:
            raise Closed(NOT_FOUND)
        return {"state": claim.state, "seconds_left": claim.seconds_left}

    def concerns(self, event: Event) -> bool:
        return "claim" in event
