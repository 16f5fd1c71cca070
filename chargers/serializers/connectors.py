"""Plugs as programs see them."""

from django.conf import settings
from rest_framework import serializers

from accounts.rest.serializers import ModelSerializer
from billing.serializers import MoneyField
from chargers.models import Connector
from chargers.registry import OWNERS_PRICE_LIMIT, POWER_LIMIT_W

LOWEST_POWER_W = 100
STATES = ("free", "busy", "closed", "faulty", "offline")


class ConnectorSerializer(ModelSerializer[Connector]):
    """A plug. Everybody may read it where its charger is public."""

    number = serializers.IntegerField(source="connector_id", read_only=True, help_text="OCPP's connectorId, from 1.")
    max_power_w = serializers.IntegerField(
        min_value=LOWEST_POWER_W,
        max_value=POWER_LIMIT_W,
        allow_null=True,
        required=False,
        help_text="Rated power (W).",
    )
    price_per_kwh = MoneyField(
        source="tariff.price_per_kwh",
        low=0,
        high=OWNERS_PRICE_LIMIT,
        allow_null=True,
        required=False,
        help_text="Null: others cannot start here. 0.00: free of charge.",
    )
    currency = serializers.SerializerMethodField(help_text="ISO 4217.")
    state = serializers.ChoiceField(
        source="offered", choices=STATES, read_only=True, help_text="What others than its owner may expect."
    )
    status = serializers.CharField(read_only=True, help_text="OCPP's status as the charger told it last.")
    error_code = serializers.CharField(read_only=True, help_text="OCPP's error code; empty when all is well.")
    status_at = serializers.DateTimeField(read_only=True, allow_null=True)

    class Meta:
        model = Connector
        fields = (
            "id", "charger", "number", "type", "current", "max_power_w", "price_per_kwh", "currency", "is_enabled",
            "state", "status", "error_code", "status_at",
        )  # fmt: skip
        read_only_fields = ("charger",)

    def get_currency(self, connector: Connector) -> str:
        return settings.CURRENCY
