"""How much was charged and earned, day by day or month by month."""

from datetime import timedelta
from typing import Any, ClassVar

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import User
from accounts.rest.errors import Error
from accounts.rest.permissions import IsPerson
from accounts.rest.views import Door
from chargers import statistics
from chargers.models import ChargingSession
from chargers.models.sessions import SessionQuerySet
from chargers.serializers.stats import AskedSerializer, StatsSerializer

USUAL_DAYS = 30


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
        last = wish.get("until", statistics.today())
        first = wish.get("since", last - timedelta(days=USUAL_DAYS - 1))
        rows = sessions_of(self.person, as_driver=wish["as_driver"], charger=wish.get("charger"))
        periods = statistics.course(rows, statistics.Span(first, last, wish["by"]))
        shape: dict[str, Any] = {"totals": statistics.together(period.totals for period in periods), "periods": periods}
        return Response(StatsSerializer(shape, context={"for_owner": not wish["as_driver"]}).data)


def sessions_of(user: User, *, as_driver: bool, charger: int | None) -> SessionQuerySet:
    """Whether there is a charger with that id is not told: elsewhere one has no sessions."""
    sessions = ChargingSession.objects.all()
    mine = sessions.of_driver(user) if as_driver else sessions.hosted_by(user)
    return mine if charger is None else mine.filter(charger=charger)
