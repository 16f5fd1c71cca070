"""What is asked of chargers, and what became of it."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.rest.serializers import ChoiceField, ModelSerializer, Serializer
from chargers import commands, control, shapes
from chargers.models import Command
from chargers.serializers.people import PersonSerializer

STATES = ("waiting", "sent", "accepted", "rejected", "failed", "expired")
STEP_STATES = ("done", "now", "failed", "next")
# Of the payload. Neither the tag that a start carries nor a value that may be a secret is among it.
TOLD = ("connector_id", "transaction_id", "key", "keys", "what", "message", "is_hard", "limit_a", "phases")


class CommandSerializer(ModelSerializer[Command]):
    """A command on its way to a charger. Ask again until `state` says how it ended."""

    connector = serializers.IntegerField(
        source="connector.connector_id", read_only=True, allow_null=True, help_text="The plug's number."
    )
    state = serializers.ChoiceField(source="status", choices=STATES, read_only=True)
    requested_by = PersonSerializer(read_only=True, allow_null=True, help_text="Null: the platform itself.")
    payload = serializers.SerializerMethodField(help_text="What was asked for in detail.")
    answer = serializers.SerializerMethodField(help_text="The charger's own word, empty as long as there is none.")

    class Meta:
        model = Command
        fields = (
            "id", "action", "charger", "connector", "session", "state", "payload", "answer", "error", "requested_by",
            "created_at", "expires_at", "sent_at", "answered_at",
        )  # fmt: skip
        read_only_fields = fields

    @extend_schema_field({"type": "object", "additionalProperties": True})
    def get_payload(self, command: Command) -> dict[str, Any]:
        return {name: command.payload[name] for name in TOLD if name in command.payload}

    def get_answer(self, command: Command) -> str:
        return str((command.result or {}).get("status", ""))


class StepSerializer(Serializer):
    name = serializers.ChoiceField(choices=shapes.STEPS, read_only=True)
    state = serializers.ChoiceField(choices=STEP_STATES, read_only=True)


DETAILS = ("is_over", "steps", "seconds_left", "configuration")


class CommandDetailSerializer(CommandSerializer):
    """The same with the way of a remote start: accepted is not yet charging."""

    is_over = serializers.SerializerMethodField(
        help_text="Nothing more comes of it: it failed, was carried out, or led to a session."
    )
    steps = StepSerializer(source="shape.steps", many=True, read_only=True, help_text="Of a remote start.")
    seconds_left = serializers.IntegerField(
        source="shape.seconds_left", read_only=True, allow_null=True, help_text="To plug the car in."
    )
    session = serializers.IntegerField(source="shape.session", read_only=True, allow_null=True)
    configuration = serializers.SerializerMethodField(help_text="What get_configuration brought, for operators.")

    class Meta(CommandSerializer.Meta):
        fields = (*CommandSerializer.Meta.fields, *DETAILS)  # type: ignore[assignment]  # some more
        read_only_fields = fields  # type: ignore[assignment]

    def to_representation(self, command: Command) -> Any:
        command.shape = shapes.command(command)  # type: ignore[attr-defined]
        return super().to_representation(command)

    def get_is_over(self, command: Command) -> bool:
        """The page's `is_over` is about failures only: it goes on to the session by itself."""
        shape: Any = command.shape  # type: ignore[attr-defined]
        if shape["is_over"]:
            return True
        is_start = command.action == Command.Action.REMOTE_START
        return shape["session"] is not None if is_start else command.status == "accepted"

    @extend_schema_field({"type": ["array", "null"], "items": {"type": "object", "additionalProperties": True}})
    def get_configuration(self, command: Command) -> Any:
        is_read = command.action == Command.Action.GET_CONFIGURATION and command.result is not None
        if not (is_read and self.viewer and self.viewer.is_staff):
            return None
        return commands.told_configuration(command.result or {})


# ------------------------------------------------------------------------------------------------ what is asked


class PlugSerializer(Serializer):
    """Which plug."""

    connector = serializers.IntegerField(min_value=1, max_value=32_767, help_text="The plug's number.")


class UnlockSerializer(PlugSerializer):
    force = serializers.BooleanField(default=False, help_text="Also where a car charges; its session ends.")


class ResetSerializer(Serializer):
    type = ChoiceField(choices=("soft", "hard"), default="soft")
    force = serializers.BooleanField(default=False, help_text="Also while a car charges; its session ends.")


class StopSerializer(Serializer):
    session = serializers.IntegerField(min_value=1, max_value=2**63 - 1)


class NothingSerializer(Serializer):
    """No details."""


class LimitSerializer(Serializer):
    limit_w = serializers.IntegerField(min_value=control.LIMITS_W[0], max_value=control.LIMITS_W[1], help_text="W.")


class KeysSerializer(Serializer):
    keys = serializers.ListField(
        child=serializers.CharField(max_length=50), required=False, max_length=50, help_text="Without: all."
    )


class SettingSerializer(Serializer):
    key = serializers.CharField(max_length=50)
    value = serializers.CharField(max_length=500, allow_blank=True)


PAYLOADS: dict[str, type[Serializer]] = {
    Command.Action.REMOTE_START: PlugSerializer,
    Command.Action.REMOTE_STOP: StopSerializer,
    Command.Action.UNLOCK: UnlockSerializer,
    Command.Action.RESET: ResetSerializer,
    Command.Action.REFRESH: NothingSerializer,
    Command.Action.SET_CHARGING_PROFILE: LimitSerializer,
    Command.Action.GET_CONFIGURATION: KeysSerializer,
    Command.Action.CHANGE_CONFIGURATION: SettingSerializer,
}


ASKED = tuple(map(str, PAYLOADS))


class WishSerializer(Serializer):
    """A command. `payload` is what its action takes, see the examples."""

    action = ChoiceField(choices=ASKED)
    payload = serializers.DictField(required=False, default=dict)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        payload = PAYLOADS[attrs["action"]](data=attrs["payload"])
        if not payload.is_valid():
            raise serializers.ValidationError({"payload": payload.errors})
        return {"action": attrs["action"], "payload": payload.validated_data}
