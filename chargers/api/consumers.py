"""The live side of the API: the resources of /api/v1/ in the same shapes, told again whenever they change.

    wss://…/ws/v1/chargers          listed chargers that change        {"type": "charger" | "gone", "data": …}
    wss://…/ws/v1/chargers/7        one charger                        {"type": "snapshot", "data": …}
    wss://…/ws/v1/chargers/7/attempts   how it knocked, for its owner  {"type": "snapshot", "data": …}
    wss://…/ws/v1/sessions          sessions of mine, at mine          {"type": "session", "data": …}
    wss://…/ws/v1/sessions/42       one, with its latest readings      {"type": "snapshot", "data": …}
    wss://…/ws/v1/commands/5        a command on its way               {"type": "snapshot", "data": …}

Who listens is known by `Authorization: Bearer`, by the subprotocols `bearer` and the token (browsers can send no
header), or by the session's cookie. Close codes are those of chargers/consumers.py; 4401 also when a token has expired.
"""

from typing import Any, ClassVar

from accounts.models import User
from accounts.rest import authentication
from chargers import consumers, live, receipts, shapes
from chargers.consumers import LOG_IN, Closed, Event, header
from chargers.models import Charger, ChargingSession
from chargers.serializers.chargers import ChargerDetailSerializer, ChargerSerializer, ConnectionAttemptSerializer
from chargers.serializers.commands import CommandDetailSerializer
from chargers.serializers.sessions import SessionDetailSerializer, SessionSerializer

BEARER = "bearer"
ATTEMPTS_TOLD = 20


def token_of(scope: dict[str, Any]) -> str:
    """The token that a socket showed at its door; "" when it showed none."""
    scheme, _space, text = header(scope, b"authorization").partition(" ")
    if scheme.lower() == BEARER:
        return text.strip()
    offered = scope.get("subprotocols") or []
    return offered[1] if len(offered) == 2 and offered[0] == BEARER else ""


class Listener(consumers.Watcher):
    """A program. `area` is what a personal token must be allowed to read."""

    area: ClassVar[str]

    def visitor(self) -> User | None:
        token = token_of(self.scope)
        if not token:
            return super().visitor()
        user = authentication.reader_with(token, area=self.area)
        if user is None:
            raise Closed(LOG_IN)
        return user

    def subprotocol(self) -> str | None:
        return BEARER if BEARER in (self.scope.get("subprotocols") or []) else None

    @property
    def context(self) -> dict[str, Any]:
        return {"viewer": self.user}


class ChargersListener(Listener, consumers.MapConsumer):
    """Chargers that change, in the shape that this visitor may see; first an empty snapshot: from now on."""

    area = "chargers"

    def look(self) -> shapes.Shape:
        return {}

    def changes(self, keys: set[int], was_public: set[int]) -> list[shapes.Shape]:
        visible = shapes.with_plugs(Charger.objects.visible_to(self.user).filter(pk__in=keys))
        serializer = ChargerSerializer(context=self.context)
        changed = [{"type": "charger", "data": serializer.to_representation(charger)} for charger in visible]
        gone = self.hidden(keys - {charger.pk for charger in visible}, was_public)
        return changed + [{"type": "gone", "data": {"id": key, "code": code}} for key, code in gone]


class ChargerListener(Listener):
    """One charger: for its owner in full, for others as everybody sees it."""

    area = "chargers"

    def charger(self) -> Charger:
        seen = Charger.objects.openable_by(self.user).filter(pk=self.scope["url_route"]["kwargs"]["pk"])
        charger = shapes.with_plugs(seen).first()
        if charger is None:
            raise Closed(consumers.NOT_FOUND)
        return charger

    def admit(self) -> list[str]:
        return [live.charger_group(self.charger().pk)]

    def look(self) -> shapes.Shape:
        return dict(ChargerDetailSerializer(self.charger(), context=self.context).data)


class AttemptsListener(Listener, consumers.ChargerConsumer):
    """How a charger knocked lately, and why it was refused: for its owner, who waits for it to connect."""

    area = "chargers"

    def look(self) -> shapes.Shape:
        latest = self.charger().connection_attempts.order_by("-last_at")[:ATTEMPTS_TOLD]
        return {"results": ConnectionAttemptSerializer(latest, many=True).data}

    def concerns(self, event: Event) -> bool:
        return event["type"] == "attempt.made"


class SessionsListener(Listener):
    """One's sessions, as a driver and as an owner; first an empty snapshot: from now on."""

    area = "sessions"

    def admit(self) -> list[str]:
        return [live.user_group(self.person().pk)]

    def concerns(self, event: Event) -> bool:
        return "session" in event

    async def tell(self, events: list[Event]) -> None:
        if not events:
            await self.send_json({"type": "snapshot", "data": {}})
        for change in await self.ask(self.changes, {event["session"] for event in events}):
            await self.send_json({"type": "session", "data": change})

    def changes(self, keys: set[int]) -> list[shapes.Shape]:
        rows = ChargingSession.objects.with_all().visible_to(self.person()).filter(pk__in=keys).order_by("pk")
        return list(SessionSerializer(receipts.told(rows), many=True, context=self.context).data)


class SessionListener(Listener, consumers.SessionConsumer):
    area = "sessions"

    def look(self) -> shapes.Shape:
        return dict(SessionDetailSerializer(receipts.detailed(self.session()), context=self.context).data)


class CommandListener(Listener, consumers.CommandConsumer):
    area = "commands"

    def look(self) -> shapes.Shape:
        return dict(CommandDetailSerializer(self.command(), context=self.context).data)
