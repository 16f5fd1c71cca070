"""How much was charged and earned, day by day or month by month."""

from datetime import date, timedelta
from typing import Any, ClassVar

from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import User
from accounts.rest.errors import Error
from accounts.rest.filters import EARLIEST, LATEST
from accounts.rest.permissions import IsPerson
from accounts.rest.serializers import Serializer
from accounts.rest.views import Door
from chargers import statistics
from chargers.models import ChargingSession
from chargers.models.sessions import SessionQuerySet
from chargers.serializers.sessions import TotalsSerializer

USUAL_DAYS = 30


def is_likely(day: date) -> None:
    """Other days overflow somewhere on the way to the database."""
    if not EARLIEST.date() <= day <= LATEST.date():
        raise serializers.ValidationError(_("This cannot be right."))


class AskedSerializer(Serializer):
    """What is asked for. The span is at most 366 days or 60 months."""

    since = serializers.DateField(
        required=False, validators=[is_likely], help_text="The first day; without it 30 days before the last one."
    )
    until = serializers.DateField(required=False, validators=[is_likely], help_text="The last day; without it today.")
    by = serializers.ChoiceField(choices=("day", "month"), default="day")
    charger = serializers.IntegerField(min_value=1, max_value=2**63 - 1, required=False, help_text="Of this one only.")
    as_driver = serializers.BooleanField(default=False, help_text="What you spent, instead of what you earned.")


class PeriodSerializer(Serializer):
    begins = serializers.DateField(read_only=True, help_text="Its first day, in the platform's time zone.")
    totals = TotalsSerializer(read_only=True)


class StatsSerializer(Serializer):
    """Sums of the whole span, and of each day or month in it."""

    totals = TotalsSerializer(read_only=True)
    periods = PeriodSerializer(many=True, read_only=True)


ANSWERS = {200: StatsSerializer, 404: OpenApiResponse(Error, description="`charger` is not one of yours.")}


class StatsView(Door):
    """One's own figures."""

    scope: ClassVar[str | None] = "stats"
    parameters = frozenset({"since", "until", "by", "charger", "as_driver"})
    permission_classes = (IsPerson,)

    @extend_schema(operation_id="stats", tags=["stats"], parameters=[AskedSerializer], responses=ANSWERS)
    def get(self, request: Request) -> Response:
        """Energy, income and sessions at your chargers. A session counts on the day on which it began."""
        asked = AskedSerializer(data=request.query_params.dict())
        asked.is_valid(raise_exception=True)
        wish = asked.validated_data
        last = wish.get("until", timezone.localdate())
        first = wish.get("since", last - timedelta(days=USUAL_DAYS - 1))
        rows = sessions_of(self.person, as_driver=wish["as_driver"], charger=wish.get("charger"))
        periods = statistics.course(rows, statistics.Span(first, last, wish["by"]))
        shape: dict[str, Any] = {"totals": statistics.together(periods), "periods": periods}
        return Response(StatsSerializer(shape, context={"for_owner": not wish["as_driver"]}).data)


def sessions_of(user: User, *, as_driver: bool, charger: int | None) -> SessionQuerySet:
    """Whether there is a charger with that id is not told: elsewhere one has no sessions."""
    sessions = ChargingSession.objects.all()
    mine = sessions.of_driver(user) if as_driver else sessions.hosted_by(user)
    return mine if charger is None else mine.filter(charger=charger)
