"""Plugs: read where the charger may be read, completed by its owner."""

from typing import Any, ClassVar

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_view
from rest_framework import mixins
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.rest.ordering import Ordering
from accounts.rest.permissions import IsPersonOrReads
from accounts.rest.views import Resource
from chargers import registry, visibility
from chargers.api.chargers import OfCharger, visitor
from chargers.models import Charger, Connector
from chargers.serializers.connectors import ConnectorSerializer

PRICE = OpenApiExample("A new price", request_only=True, value={"price_per_kwh": "6.50"})
WITH_ALL = ("charger", "charger__owner", "tariff")


@extend_schema(tags=["connectors"])
@extend_schema_view(retrieve=extend_schema(operation_id="connectors_retrieve"))
class ConnectorResource(mixins.RetrieveModelMixin, Resource):
    """A plug. Those that are switched off are seen by the owner and operators only."""

    scope: ClassVar[str | None] = "chargers"
    permission_classes = (IsPersonOrReads,)
    serializer_class = ConnectorSerializer

    def rows(self) -> QuerySet[Connector]:
        user = visitor(self.request)
        return Connector.objects.visible_to(user).select_related(*WITH_ALL)

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """One plug with its price and what a driver may expect of it."""
        return super().retrieve(request, *args, **kwargs)

    @extend_schema(operation_id="connectors_update", examples=[PRICE])
    def partial_update(self, request: Request, pk: str) -> Response:
        """Completes or changes a plug. A running session keeps its price."""
        connector: Connector = self.get_object()
        visibility.require_manager(connector.charger, self.person)
        asked = ConnectorSerializer(connector, data=request.data, partial=True)
        asked.is_valid(raise_exception=True)
        changes = dict(asked.validated_data)
        price = changes.pop("tariff", {"price_per_kwh": connector.price_per_kwh})["price_per_kwh"]
        registry.complete(connector, price_per_kwh=price, **changes)
        return Response(ConnectorSerializer(connector).data)


@extend_schema(tags=["connectors"])
@extend_schema_view(list=extend_schema(operation_id="chargers_connectors"))
class ConnectorsOfCharger(mixins.ListModelMixin, Resource):
    """The plugs of a charger, by number."""

    scope: ClassVar[str | None] = "chargers"
    permission_classes = (IsPersonOrReads,)
    serializer_class = ConnectorSerializer
    filter_backends = (Ordering,)
    ordering = ("connector_id",)
    ordering_fields = ("connector_id",)

    def rows(self) -> QuerySet[Connector]:
        user = visitor(self.request)
        charger = get_object_or_404(Charger.objects.openable_by(user), pk=self.kwargs["charger"])
        return Connector.objects.visible_to(user).filter(charger=charger).select_related(*WITH_ALL)


class ConnectorByIdentity(mixins.RetrieveModelMixin, OfCharger):
    """A plug by what the wallbox calls itself and it."""

    serializer_class = ConnectorSerializer

    def rows(self) -> QuerySet[Connector]:
        chargers = Charger.objects.live().with_identity(self.kwargs["identity"])
        mine = chargers if self.person.is_staff else chargers.filter(owner=self.person)
        return Connector.objects.filter(charger__in=mine).select_related(*WITH_ALL)

    def get_object(self) -> Connector:
        return get_object_or_404(self.rows(), connector_id=self.kwargs["number"])

    @extend_schema(tags=["connectors"], operation_id="connectors_by_identity")
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """One plug, by the wallbox's identity and the plug's number. For the charger's owner and operators."""
        return super().retrieve(request, *args, **kwargs)
