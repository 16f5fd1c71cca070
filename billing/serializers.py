"""Money as programs see it: decimal text in whole units of the currency, "172.00"."""

from decimal import Decimal
from typing import Any

from django.conf import settings
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.rest.serializers import Serializer


@extend_schema_field({"type": "string", "format": "decimal", "pattern": r"^-?\d+\.\d{2}$", "examples": ["172.00"]})
class MoneyField(serializers.DecimalField):
    """Minor units inside, decimal text with two places outside. Reads text or a number, never more than two places."""

    def __init__(self, *, low: int | None = None, high: int | None = None, **options: Any) -> None:
        """`low` and `high` in minor units."""
        bounds = {"min_value": low, "max_value": high}
        limits: dict[str, Any] = {name: Decimal(bound) / 100 for name, bound in bounds.items() if bound is not None}
        super().__init__(max_digits=14, decimal_places=2, **limits, **options)

    def run_validation(self, data: Any = serializers.empty) -> Any:
        """The limits are held to what was written, so minor units are made of it afterwards."""
        value = super().run_validation(data)
        return int(value * 100) if isinstance(value, Decimal) else value

    def to_representation(self, value: Any) -> Any:
        return f"{Decimal(value) / 100:.2f}"


class WalletSerializer(Serializer):
    balance = MoneyField(read_only=True, help_text="What is in the wallet, with what is on hold.")
    held = MoneyField(read_only=True, help_text="Reserved for what is running.")
    available = MoneyField(read_only=True, help_text="`balance` less `held`.")
    owed = MoneyField(read_only=True, help_text="What earlier sessions still cost; the next top-up pays it first.")
    currency = serializers.SerializerMethodField(help_text="ISO 4217.")

    def get_currency(self, wallet: object) -> str:
        return settings.CURRENCY
