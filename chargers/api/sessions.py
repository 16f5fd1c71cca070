"""Sessions: one's own, those at one's chargers, and their readings and bills."""

from datetime import timedelta
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema, extend_schema_view
from rest_framework import mixins
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.rest.errors import Error
from accounts.rest.filters import ChoiceFilter, Filters, KeyFilter, MomentFilter, SwitchFilter
from accounts.rest.ordering import Ordering
from accounts.rest.views import Resource
from chargers import documents, receipts, settlement, spreadsheets, statistics
from chargers.api import examples
from chargers.models import ChargingSession, MeterValue
from chargers.models.sessions import SessionQuerySet
from chargers.serializers import sessions as serializers

LONGEST_SPAN = timedelta(days=366)
LONGEST_EVERY = 86_400


class SessionFilters(Filters):
    """Whose sessions, and which of them. An operator sees everybody's."""

    as_owner = SwitchFilter(method="hosted", help_text="Those at your chargers, instead of your own.")
    charger = KeyFilter()
    connector = KeyFilter(help_text="The id of a plug.")
    driver = KeyFilter(field_name="user", help_text="The id of a person, for operators.")
    owner = KeyFilter(help_text="Of the charger: the id of a person, for operators.")
    state = ChoiceFilter(choices=[(state, state) for state in serializers.STATES], method="of_state")
    since = MomentFilter(
        field_name="start_received_at", lookup_expr="gte", help_text="Begun then or later (our clock)."
    )
    until = MomentFilter(field_name="start_received_at", lookup_expr="lt", help_text="Begun before.")

    def filter_queryset(self, queryset: QuerySet[ChargingSession]) -> QuerySet[ChargingSession]:
        person, found = self.require_person(), super().filter_queryset(queryset)
        if self.is_as_owner:
            return found.hosted_by(person)
        return found if person.is_staff else found.of_driver(person)

    @property
    def is_as_owner(self) -> bool:
        return bool(self.form.cleaned_data["as_owner"])

    def hosted(self, sessions: SessionQuerySet, name: str, value: bool) -> SessionQuerySet:
        """Done by `filter_queryset`, because its absence narrows, too."""
        return sessions

    def of_state(self, sessions: SessionQuerySet, name: str, value: str) -> SessionQuerySet:
        return sessions.in_state(value)

    def require_few(self) -> None:
        """What is summed up has to be somebody's, of one charger, or of a year."""
        asked = self.form.cleaned_data
        is_few = not self.require_person().is_staff or self.is_as_owner
        is_few |= any(asked[name] for name in ("charger", "connector", "driver", "owner"))
        begin, end = asked["since"], asked["until"] or timezone.now()
        if not is_few and (begin is None or end - begin > LONGEST_SPAN):
            raise ValidationError({"since": [_("Ask for at most a year, or for one charger or person.")]})


PDF = {
    (200, "application/pdf"): OpenApiTypes.BINARY,
    409: OpenApiResponse(Error, description="Nothing has been billed so far."),
}
ENERGY = OpenApiExample("Bill 12.5 kWh", request_only=True, value={"energy_wh": 12_500})


@extend_schema(tags=["sessions"])
@extend_schema_view(
    list=extend_schema(operation_id="sessions_list"),
    retrieve=extend_schema(
        operation_id="sessions_retrieve",
        responses=serializers.SessionDetailSerializer,
        examples=[OpenApiExample("a session that was billed", examples.SESSION_DETAIL, response_only=True)],
    ),
)
class SessionResource(mixins.ListModelMixin, mixins.RetrieveModelMixin, Resource):
    """Charges. A driver has one's own, an owner those at the own chargers, too, an operator all."""

    scope: ClassVar[str | None] = "sessions"
    serializer_class = serializers.SessionSerializer
    filter_backends = (DjangoFilterBackend, Ordering)
    filterset_class = SessionFilters
    filtered = frozenset({"list", "totals", "table"})
    ordering = ("-id",)
    ordering_fields = ("-id", "id")

    def rows(self) -> QuerySet[ChargingSession]:
        return ChargingSession.objects.visible_to(self.person).with_all()

    def filtered_set(self) -> tuple[SessionFilters, SessionQuerySet]:
        """The filters that were asked for, and what they find; for answers that are no pages."""
        found = SessionFilters(self.request.query_params, queryset=self.get_queryset(), request=self.request)
        if not found.is_valid():
            raise ValidationError(found.errors)
        return found, found.qs

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Sessions, newest first. With `as_owner` those at your chargers; an operator sees everybody's."""
        filters, found = self.filtered_set()
        rows = self.paginate_queryset(found) or []
        is_ones_own = not (self.person.is_staff or filters.is_as_owner)
        context = {**self.get_serializer_context(), "with_bills": is_ones_own}
        told = receipts.told(rows, with_debts=is_ones_own)
        return self.get_paginated_response(self.serializer_class(told, many=True, context=context).data)

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """One session with the latest of its readings."""
        return Response(self.detailed(self.get_object()))

    def detailed(self, session: ChargingSession) -> Any:
        context = self.get_serializer_context()
        return serializers.SessionDetailSerializer(receipts.detailed(session), context=context).data

    @extend_schema(operation_id="sessions_totals", responses=serializers.TotalsSerializer, filters=True)
    @action(detail=False, pagination_class=None)
    def totals(self, request: Request) -> Response:
        """Sums of what the list with the same filters shows. Operators narrow it to a year, a charger or a person."""
        filters, sessions = self.filtered_set()
        filters.require_few()
        for_owner = filters.is_as_owner or self.person.is_staff
        found = serializers.TotalsSerializer(statistics.totals(sessions), context={"for_owner": for_owner})
        return Response(found.data)

    @extend_schema(operation_id="sessions_csv", responses={(200, "text/csv"): str}, filters=True)
    def table(self, request: Request) -> StreamingHttpResponse:
        """The same list as CSV, whole. Money is decimal text, energy Wh; cells cannot be taken for formulas."""
        filters, sessions = self.filtered_set()
        for_owner = filters.is_as_owner or self.person.is_staff
        columns = spreadsheets.OWNERS if for_owner else spreadsheets.DRIVERS
        return spreadsheets.for_programs(sessions, columns, name="sessions.csv")

    @extend_schema(
        operation_id="sessions_receipt",
        responses=serializers.ReceiptSerializer,
        examples=[OpenApiExample("of a bill", examples.RECEIPT, response_only=True)],
    )
    @action(detail=True)
    def receipt(self, request: Request, pk: str) -> Response:
        """The bill: its lines, and the readings that it was made from."""
        context = self.get_serializer_context()
        return Response(serializers.ReceiptSerializer(receipts.receipt(self.get_object()), context=context).data)

    @extend_schema(operation_id="sessions_receipt_pdf", responses=PDF)
    def receipt_pdf(self, request: Request, pk: int) -> HttpResponse:
        """The receipt on paper, as PDF, in the language of `Accept-Language`. 409 while nothing is billed."""
        document = documents.receipt(self.get_object(), viewer=self.person)
        return documents.answer(document, name=f"sharecharge-{pk}.pdf")

    @extend_schema(
        operation_id="sessions_release",
        request=serializers.ReleaseSerializer,
        responses=serializers.SessionDetailSerializer,
        examples=[ENERGY],
    )
    @action(detail=True, methods=["post"])
    def release(self, request: Request, pk: str) -> Response:
        """Bills a session that is held for review. Owners bill what is believable, operators anything."""
        asked = serializers.ReleaseSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        session = self.get_object()
        settlement.release(session, by=self.person, energy_wh=asked.validated_data.get("energy_wh"))
        return Response(self.detailed(self.get_object()))


EVERY = OpenApiParameter(
    "every",
    {"type": "integer", "minimum": 1, "maximum": LONGEST_EVERY},
    description="Thinned out: one reading in so many seconds.",
)


@extend_schema(tags=["sessions"])
@extend_schema_view(list=extend_schema(operation_id="sessions_meter_values", parameters=[EVERY]))
class MeterValueResource(mixins.ListModelMixin, Resource):
    """What was measured during a session, oldest first."""

    scope: ClassVar[str | None] = "sessions"
    parameters = frozenset({"every"})
    serializer_class = serializers.MeterValueSerializer
    filter_backends = (Ordering,)
    ordering = ("id",)
    ordering_fields = ("id", "-id")

    @cached_property
    def session(self) -> ChargingSession:
        mine = ChargingSession.objects.visible_to(self.person)
        return get_object_or_404(mine, pk=self.kwargs["session"])

    def rows(self) -> QuerySet[MeterValue]:
        return receipts.samples(self.session, every=self.every())

    def every(self) -> timedelta | None:
        text = self.request.query_params.get("every")
        if text is None:
            return None
        if not (text.isascii() and text.isdecimal() and len(text) < 6 and 1 <= int(text) <= LONGEST_EVERY):
            raise ValidationError({"every": [_("Write a number from 1 to %(most)s.") % {"most": LONGEST_EVERY}]})
        return timedelta(seconds=int(text))

    def get_serializer_context(self) -> dict[str, Any]:
        context = dict(super().get_serializer_context())
        return context if getattr(self, "swagger_fake_view", False) else {**context, "session": self.session}
