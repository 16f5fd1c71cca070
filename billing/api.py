"""The wallet, for programs."""

from typing import Any, ClassVar

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema, extend_schema_view
from rest_framework import mixins
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from accounts.rest.errors import Error
from accounts.rest.filters import ChoiceFilter, Filters
from accounts.rest.pagination import MergedPages
from accounts.rest.permissions import IsOperator
from accounts.rest.views import Door, Resource
from billing import bills, payouts, providers, wallets
from billing.models import Entry, Payout, TopUp
from billing.serializers import (
    EntrySerializer,
    Line,
    OperatedPayoutSerializer,
    PayoutSerializer,
    RefusalSerializer,
    RequestedTopUpSerializer,
    TopUpSerializer,
    WalletSerializer,
)
from sharecharge.errors import Refused

KEY_LENGTH = 64
IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    required=True,
    description=f"Made up by you, at most {KEY_LENGTH} characters. A repeat with the same key does nothing new.",
)
KEY_REUSED = OpenApiResponse(Error, description="The key was used for something else.")
NOT_COVERED = OpenApiResponse(Error, description="There is too little free money, or something is owed.")

WALLET = OpenApiExample(
    "while a car charges",
    {"balance": "1000.00", "held": "172.00", "available": "828.00", "owed": "0.00", "currency": "CZK"},
    response_only=True,
)


def idempotency_key(request: Request) -> str:
    """Refused (400): there is none, or a longer one than we keep."""
    key = request.headers.get("Idempotency-Key", "").strip()
    if not 1 <= len(key) <= KEY_LENGTH or not key.isprintable():
        raise Refused(
            "idempotency_key", _("Send a header Idempotency-Key of 1 to 64 characters."), status=400,
            field="Idempotency-Key",
        )  # fmt: skip
    return key


class WalletView(Door):
    """One's own money."""

    scope: ClassVar[str | None] = "wallet"

    @extend_schema(responses=WalletSerializer, examples=[WALLET])
    def get(self, request: Request) -> Response:
        """What is in the wallet, on hold, and owed."""
        return Response(WalletSerializer(wallets.wallet_of(self.person)).data)


@extend_schema(tags=["wallet"])
class Entries(Resource):
    scope: ClassVar[str | None] = "wallet"
    serializer_class = EntrySerializer
    pagination_class = MergedPages

    def get_queryset(self) -> QuerySet[Entry]:
        """For the schema: what is shown are several lists."""
        return Entry.objects.none()

    @extend_schema(operation_id="wallet_entries_list")
    def list(self, request: Request) -> Response:
        """The statement, newest first: what moved in the wallet, and what is owed."""
        entries: Any = self.paginate_queryset(Entry.objects.statements_of(self.person))
        lines = [Line(*line) for line in bills.with_reversed(entries)]
        return self.get_paginated_response(self.get_serializer(lines, many=True).data)


@extend_schema(tags=["wallet"])
@extend_schema_view(
    list=extend_schema(summary="One's top-ups, newest first", operation_id="wallet_top_ups_list"),
    retrieve=extend_schema(summary="One top-up", operation_id="wallet_top_ups_retrieve"),
)
class TopUps(mixins.ListModelMixin, mixins.RetrieveModelMixin, Resource):
    scope: ClassVar[str | None] = "wallet"
    serializer_class = TopUpSerializer

    def rows(self) -> QuerySet[TopUp]:
        return TopUp.objects.filter(user=self.person)

    @extend_schema(
        operation_id="wallet_top_ups_create",
        parameters=[IDEMPOTENCY_KEY],
        responses={201: RequestedTopUpSerializer, 422: KEY_REUSED},
        examples=[OpenApiExample("new", {"amount": "500.00"}, request_only=True)],
    )
    def create(self, request: Request) -> Response:
        """Ask for a top-up. A person pays at `payment_url`; the money is there when the provider says so."""
        key = idempotency_key(request)
        asked = self.get_serializer(data=request.data)
        asked.is_valid(raise_exception=True)
        provider = providers.current()
        top_up = wallets.request_top_up(self.person, idempotency_key=key, provider=provider, **asked.validated_data)
        is_pending = top_up.status == TopUp.Status.PENDING
        top_up.payment_url = (  # type: ignore[attr-defined]  # only for this answer
            request.build_absolute_uri(provider.start(top_up)) if is_pending else None
        )
        where = {"Location": reverse("api:top-up-detail", args=[top_up.pk])}
        return Response(RequestedTopUpSerializer(top_up).data, status=201, headers=where)


@extend_schema(tags=["wallet"])
@extend_schema_view(
    list=extend_schema(summary="One's payouts, newest first", operation_id="wallet_payouts_list"),
    retrieve=extend_schema(summary="One payout", operation_id="wallet_payouts_retrieve"),
)
class Payouts(mixins.ListModelMixin, mixins.RetrieveModelMixin, Resource):
    scope: ClassVar[str | None] = "wallet"
    only_logged_in = frozenset({"POST"})  # money leaves here, to whatever account is named
    serializer_class = PayoutSerializer

    def rows(self) -> QuerySet[Payout]:
        return Payout.objects.filter(user=self.person)

    @extend_schema(
        operation_id="wallet_payouts_create",
        parameters=[IDEMPOTENCY_KEY],
        responses={201: PayoutSerializer, 402: NOT_COVERED, 422: KEY_REUSED},
        examples=[
            OpenApiExample("new", {"amount": "500.00", "bank_account": "123456796/0800"}, request_only=True),
        ],
    )
    def create(self, request: Request) -> Response:
        """Ask for money to be sent to a bank account. It is on hold until an operator has decided."""
        key = idempotency_key(request)
        asked = self.get_serializer(data=request.data)
        asked.is_valid(raise_exception=True)
        payout = payouts.request(self.person, idempotency_key=key, **asked.validated_data)
        where = {"Location": reverse("api:payout-detail", args=[payout.pk])}
        return Response(PayoutSerializer(payout).data, status=201, headers=where)

    @extend_schema(operation_id="wallet_payouts_destroy")
    def destroy(self, request: Request, **address: Any) -> Response:
        """Take the wish back, while nobody has decided: the money is free again."""
        payouts.cancel(self.get_object())
        return Response(status=204)


class PayoutFilters(Filters):
    status = ChoiceFilter(choices=Payout.Status.choices)


@extend_schema(tags=["payouts"])
@extend_schema_view(
    list=extend_schema(summary="Everybody's payouts, newest first.", operation_id="payouts_list"),
    retrieve=extend_schema(summary="One payout of anybody.", operation_id="payouts_retrieve"),
)
class OperatedPayouts(mixins.ListModelMixin, mixins.RetrieveModelMixin, Resource):
    """For operators, who send the money and say so. No token can."""

    scope: ClassVar[str | None] = None
    permission_classes = (IsOperator,)
    serializer_class = OperatedPayoutSerializer
    filterset_class = PayoutFilters

    def rows(self) -> QuerySet[Payout]:
        return Payout.objects.all()

    @extend_schema(operation_id="payouts_pay", request=None)
    @action(detail=True, methods=["post"])
    def pay(self, request: Request, pk: str) -> Response:
        """The money was sent: it leaves the wallet, once."""
        return Response(self.get_serializer(payouts.pay(self.get_object(), by=self.person)).data)

    @extend_schema(operation_id="payouts_refuse", request=RefusalSerializer)
    @action(detail=True, methods=["post"])
    def refuse(self, request: Request, pk: str) -> Response:
        """The money is not sent and is free again; the person reads why."""
        asked = RefusalSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        refused = payouts.refuse(self.get_object(), by=self.person, **asked.validated_data)
        return Response(self.get_serializer(refused).data)
