"""Webhooks: an owner's or operator's program asks to be told what happens."""

from typing import Any, ClassVar

from django.db.models import QuerySet
from django.urls import reverse
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_view
from rest_framework import mixins
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import events, webhooks
from accounts.models import Delivery, Webhook
from accounts.rest.filters import ChoiceFilter, Filters
from accounts.rest.permissions import IsOwner
from accounts.rest.views import Resource
from accounts.serializers import DeliverySerializer, NewWebhookSerializer, SecretSerializer, WebhookSerializer

TAG = "webhooks"


class DeliveryFilters(Filters):
    event = ChoiceFilter(choices=[(name, name) for name in events.ALL])


EXAMPLE = OpenApiExample(
    "A program that shows who charges",
    value={"url": "https://home.example.org/hooks/charging", "events": ["session.started", "session.stopped"]},
    request_only=True,
)


@extend_schema(tags=[TAG])
@extend_schema_view(
    list=extend_schema(summary="One's webhooks, newest first", operation_id="webhooks_list"),
    retrieve=extend_schema(summary="One webhook"),
    create=extend_schema(examples=[EXAMPLE], responses={201: NewWebhookSerializer}),
)
class Webhooks(mixins.ListModelMixin, mixins.RetrieveModelMixin, Resource):
    """One's own webhooks."""

    scope: ClassVar[str | None] = TAG
    permission_classes = (IsOwner,)
    serializer_class = WebhookSerializer

    def rows(self) -> QuerySet[Webhook]:
        return self.person.webhooks.live()

    def create(self, request: Request) -> Response:
        """Adds an address. It hears what happens a few seconds later; its secret is in this answer only."""
        told = self._read(request)
        webhook = webhooks.create(self.person, url=told["url"], listens_to=told["events"])
        if not told["is_enabled"]:
            webhooks.change(webhook, is_enabled=False)
        location = reverse("api:webhook-detail", args=[webhook.pk])
        where = {"Location": location, "Cache-Control": "no-store"}
        return Response(NewWebhookSerializer(webhook).data, status=201, headers=where)

    def partial_update(self, request: Request, pk: str) -> Response:
        """Changes address, events, or whether it is told anything."""
        webhook = self.get_object()
        told = self._read(request, partial=True)
        webhooks.change(webhook, url=told.get("url"), listens_to=told.get("events"), is_enabled=told.get("is_enabled"))
        return Response(WebhookSerializer(webhook).data)

    def destroy(self, request: Request, pk: str) -> Response:
        """Ends it, with what still waits to be sent."""
        webhooks.delete(self.get_object())
        return Response(status=204)

    @extend_schema(operation_id="webhooks_secret", request=None, responses=SecretSerializer)
    @action(detail=True, methods=["post"])
    def secret(self, request: Request, pk: str) -> Response:
        """A new secret, at once: what is sent from now on is signed with it."""
        secret = webhooks.rotate_secret(self.get_object())
        return Response({"secret": secret}, headers={"Cache-Control": "no-store"})

    @extend_schema(operation_id="webhooks_ping", request=None, responses={202: DeliverySerializer})
    @action(detail=True, methods=["post"])
    def ping(self, request: Request, pk: str) -> Response:
        """Sends a message that tells nothing, to try the address."""
        return accepted(webhooks.ping(self.get_object()))

    def _read(self, request: Request, *, partial: bool = False) -> dict[str, Any]:
        reader = WebhookSerializer(data=request.data, partial=partial)
        reader.is_valid(raise_exception=True)
        return dict(reader.validated_data)


@extend_schema(tags=[TAG])
@extend_schema_view(
    list=extend_schema(summary="What a webhook was told, newest first", operation_id="deliveries_list"),
    retrieve=extend_schema(summary="One message to a webhook", operation_id="deliveries_retrieve"),
)
class Deliveries(mixins.ListModelMixin, mixins.RetrieveModelMixin, Resource):
    """What a webhook was told, newest first."""

    scope: ClassVar[str | None] = TAG
    permission_classes = (IsOwner,)
    serializer_class = DeliverySerializer
    filterset_class = DeliveryFilters

    def rows(self) -> QuerySet[Delivery]:
        return (
            Delivery.objects.readable_by(self.person)
            .filter(webhook=self.kwargs["webhook_id"])
            .select_related("webhook")
        )

    @extend_schema(operation_id="deliveries_replay", request=None, responses={202: DeliverySerializer})
    @action(detail=True, methods=["post"])
    def replay(self, request: Request, webhook_id: str, pk: str) -> Response:
        """Sends it again, under the same id, whatever became of it."""
        return accepted(webhooks.replay(self.get_object()))


def accepted(delivery: Delivery) -> Response:
    """202: it will be sent; its address tells what became of it."""
    location = reverse("api:delivery-detail", args=[delivery.webhook_id, delivery.pk])
    return Response(DeliverySerializer(delivery).data, status=202, headers={"Location": location})
