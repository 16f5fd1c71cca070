"""Reports of problems as programs see them."""

from rest_framework import serializers

from accounts.models import User
from accounts.rest.serializers import ChoiceField, ModelSerializer, Serializer
from chargers.models import ChargingSession, ProblemReport
from chargers.models.problems import TEXT_LIMIT
from chargers.serializers.people import PersonSerializer
from chargers.serializers.sessions import PlaceSerializer


class ProblemSerializer(ModelSerializer[ProblemReport]):
    """What somebody says is wrong, and what was answered."""

    charger = PlaceSerializer(read_only=True)
    connector = serializers.IntegerField(
        source="connector.connector_id", read_only=True, allow_null=True, help_text="The plug's number."
    )
    reporter = PersonSerializer(read_only=True)
    status = serializers.ChoiceField(choices=ProblemReport.Status.choices, read_only=True)
    answered_by = serializers.CharField(
        source="answerer", read_only=True, help_text="`owner` or `operator`; empty while nobody has answered."
    )

    class Meta:
        model = ProblemReport
        fields = (
            "id", "charger", "connector", "session", "reporter", "kind", "text", "status", "created_at", "answer",
            "answered_by", "answered_at", "closed_at",
        )  # fmt: skip
        read_only_fields = fields


class NewProblemSerializer(Serializer):
    """A report to be made, of a charger and perhaps of a plug or a session there."""

    charger = serializers.IntegerField(min_value=1, max_value=2**63 - 1, help_text="The id of the charger.")
    connector = serializers.IntegerField(min_value=1, max_value=32_767, required=False, help_text="The plug's number.")
    session = serializers.PrimaryKeyRelatedField(queryset=ChargingSession.objects.none(), required=False)
    kind = ChoiceField(choices=ProblemReport.Kind.choices)
    text = serializers.CharField(max_length=TEXT_LIMIT)

    def __init__(self, *args: object, user: User | None = None, **options: object) -> None:
        """What `user` may not see does not exist."""
        super().__init__(*args, **options)  # type: ignore[arg-type]
        if user is not None:
            self.fields["session"].queryset = ChargingSession.objects.visible_to(user).select_related("connector")


class AnswerSerializer(Serializer):
    text = serializers.CharField(max_length=TEXT_LIMIT)
