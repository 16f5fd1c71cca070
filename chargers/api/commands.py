"""Commands: asked for here, carried out by whatever process holds the wallbox's socket. The answer is 202 and where to
look for the outcome.
"""

from collections.abc import Callable
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_view
from rest_framework import mixins
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from accounts.models import User
from accounts.rest.throttles import Commands, Everybody
from accounts.rest.views import Resource
from chargers import authorization, commands, control, shapes
from chargers.api.chargers import OfCharger
from chargers.models import Charger, ChargingSession, Command, Connector
from chargers.serializers import commands as serializers
from sharecharge.errors import Refused

Action = Command.Action
Payload = dict[str, Any]


def plug(charger: Charger, number: int) -> Connector:
    found = charger.connectors.select_related("tariff", "charger__owner").filter(connector_id=number).first()
    if found is None:
        sentence = authorization.SENTENCES[authorization.Reason.NO_CONNECTOR]
        raise Refused("no_connector", sentence, status=404, field="connector")
    return found


def session_at(charger: Charger, pk: int) -> ChargingSession:
    found = charger.sessions.filter(pk=pk).first()
    if found is None:
        raise Refused("no_session", _("There is no such session at this charger."), status=404, field="session")
    return found


ASKS: dict[str, Callable[[Charger, Payload, User], Command]] = {
    Action.REMOTE_START: lambda charger, wish, by: commands.request_remote_start(
        charger, plug(charger, wish["connector"]), user=by
    ),
    Action.REMOTE_STOP: lambda charger, wish, by: commands.request_remote_stop(
        session_at(charger, wish["session"]), user=by
    ),
    Action.UNLOCK: lambda charger, wish, by: control.unlock(
        charger, plug(charger, wish["connector"]), by=by, force=wish["force"]
    ),
    Action.RESET: lambda charger, wish, by: control.reset(
        charger, by=by, is_hard=wish["type"] == "hard", force=wish["force"]
    ),
    Action.REFRESH: lambda charger, wish, by: control.refresh(charger, by=by),
    Action.SET_CHARGING_PROFILE: lambda charger, wish, by: control.limit_power(charger, by=by, **wish),
    Action.GET_CONFIGURATION: lambda charger, wish, by: control.read_configuration(charger, by=by, **wish),
    Action.CHANGE_CONFIGURATION: lambda charger, wish, by: control.change_configuration(charger, by=by, **wish),
}


def example(name: str, action: str, **payload: Any) -> OpenApiExample:
    return OpenApiExample(name, request_only=True, value={"action": str(action), "payload": payload})


EXAMPLES = [
    example("Start", Action.REMOTE_START, connector=1),
    example("Stop", Action.REMOTE_STOP, session=42),
    example("Unlock", Action.UNLOCK, connector=1, force=False),
    example("Restart", Action.RESET, type="soft", force=False),
    example("Refresh", Action.REFRESH),
    example("Limit the power", Action.SET_CHARGING_PROFILE, limit_w=6_900),
    example("Read the configuration (operators)", Action.GET_CONFIGURATION, keys=["HeartbeatInterval"]),
    example("Change it (operators)", Action.CHANGE_CONFIGURATION, key="HeartbeatInterval", value="300"),
]
ACCEPTED = {202: serializers.CommandDetailSerializer}
BEGUN: dict[str, Any] = {
    "id": 5, "action": "remote_start", "charger": 7, "connector": 1, "session": 42, "state": "accepted",
    "payload": {"connector_id": 1}, "answer": "Accepted", "error": "", "requested_by": {"id": 3, "name": "Alice"},
    "created_at": "2026-11-25T08:00:00Z", "expires_at": "2026-11-25T08:02:00Z", "sent_at": "2026-11-25T08:00:00Z",
    "answered_at": "2026-11-25T08:00:01Z", "is_over": True, "seconds_left": None, "configuration": None,
    "steps": [{"name": name, "state": "done"} for name in shapes.STEPS],
}  # fmt: skip


class Asking(Resource):
    """Whoever wakes a charger up is counted apart."""

    scope: ClassVar[str | None] = "commands"
    serializer_class = serializers.CommandSerializer

    def get_throttles(self) -> list[Any]:
        return [Everybody(), *([Commands()] if self.request.method == "POST" else [])]

    def read(self, shape: type[Any]) -> Payload:
        asked = shape(data=self.request.data)
        asked.is_valid(raise_exception=True)
        wish: Payload = asked.validated_data
        return wish

    def accepted(self, command: Command) -> Response:
        """202, and where the outcome will be."""
        location = reverse("api:command-detail", [command.pk], request=self.request)
        shape = serializers.CommandDetailSerializer(command, context=self.get_serializer_context())
        return Response(shape.data, status=202, headers={"Location": location})


@extend_schema(tags=["commands"])
@extend_schema_view(list=extend_schema(operation_id="chargers_commands"))
class CommandsOfCharger(mixins.ListModelMixin, Asking, OfCharger):
    """What was asked of a charger, newest first."""

    def rows(self) -> QuerySet[Command]:
        return self.charger().commands.select_related("connector", "requested_by")

    @extend_schema(
        operation_id="chargers_command",
        request=serializers.WishSerializer,
        responses=ACCEPTED,
        examples=EXAMPLES,
    )
    def create(self, request: Request, charger: str) -> Response:
        """Asks the charger for something. For its owner and operators; the configuration is for operators."""
        own = self.charger()
        wish = self.read(serializers.WishSerializer)
        return self.accepted(ASKS[wish["action"]](own, wish["payload"], self.person))


@extend_schema(tags=["commands"])
class ChargerControls(Asking, OfCharger):
    """The same, each at an address of its own."""

    def ask(self, action: Action, charger: Charger) -> Response:
        return self.accepted(ASKS[action](charger, self.read(serializers.PAYLOADS[action]), self.person))

    @extend_schema(operation_id="chargers_remote_start", request=serializers.PlugSerializer, responses=ACCEPTED)
    def remote_start(self, request: Request, charger: str) -> Response:
        """Starts charging from afar, for whoever asks. Refused with the reason why the rules say no."""
        found = get_object_or_404(Charger.objects.openable_by(self.person).select_related("owner"), pk=charger)
        return self.ask(Action.REMOTE_START, found)

    @extend_schema(operation_id="chargers_unlock", request=serializers.UnlockSerializer, responses=ACCEPTED)
    def unlock(self, request: Request, charger: str) -> Response:
        """Unlocks a plug."""
        return self.ask(Action.UNLOCK, self.charger())

    @extend_schema(operation_id="chargers_reset", request=serializers.ResetSerializer, responses=ACCEPTED)
    def reset(self, request: Request, charger: str) -> Response:
        """Restarts the charger."""
        return self.ask(Action.RESET, self.charger())

    @extend_schema(operation_id="chargers_refresh", request=None, responses=ACCEPTED)
    def refresh(self, request: Request, charger: str) -> Response:
        """Asks the charger for the state of its plugs, and for meter values where a car charges."""
        return self.ask(Action.REFRESH, self.charger())


@extend_schema(tags=["commands"])
class SessionStop(Asking):
    """The end of a session, asked for from afar."""

    def rows(self) -> QuerySet[ChargingSession]:
        return ChargingSession.objects.visible_to(self.person)

    @extend_schema(operation_id="sessions_stop", request=None, responses=ACCEPTED)
    def stop(self, request: Request, session: str) -> Response:
        """Asks the charger to stop. For the driver, the charger's owner and operators. Asked twice: one command."""
        found = get_object_or_404(self.rows(), pk=session)
        return self.accepted(commands.request_remote_stop(found, user=self.person))


@extend_schema(tags=["commands"])
@extend_schema_view(
    retrieve=extend_schema(
        operation_id="commands_retrieve",
        responses=serializers.CommandDetailSerializer,
        examples=[OpenApiExample("a start that led to a session", BEGUN, response_only=True)],
    )
)
class CommandResource(mixins.RetrieveModelMixin, Resource):
    """What became of a command."""

    scope: ClassVar[str | None] = "commands"
    serializer_class = serializers.CommandDetailSerializer

    def rows(self) -> QuerySet[Command]:
        return Command.objects.visible_to(self.person).select_related("charger", "connector", "session", "requested_by")

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """What became of a command. For whoever asked for it, the charger's owner and operators."""
        return super().retrieve(request, *args, **kwargs)
