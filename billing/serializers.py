"""Money as programs see it: decimal text in whole units of the currency, "172.00"."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar

from django.conf import settings
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.rest.serializers import ModelSerializer, Serializer
from billing import bills, units
from billing.models import Account, Entry, Payout, TopUp, Transfer


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
        return units.decimal(value)


class WalletSerializer(Serializer):
    balance = MoneyField(read_only=True, help_text="What is in the wallet, with what is on hold.")
    held = MoneyField(read_only=True, help_text="Reserved for what is running.")
    available = MoneyField(read_only=True, help_text="`balance` less `held`.")
    owed = MoneyField(read_only=True, help_text="What earlier sessions still cost; the next top-up pays it first.")
    currency = serializers.SerializerMethodField(help_text="ISO 4217.")

    def get_currency(self, wallet: object) -> str:
        return settings.CURRENCY


@dataclass(frozen=True, slots=True)
class Line:
    entry: Entry
    reversed: Transfer | None


class EntrySerializer(Serializer):
    """A line of the statement: an entry, and the transfer that it reverses if it does."""

    id = serializers.IntegerField(source="entry.pk", read_only=True)
    at = serializers.DateTimeField(source="entry.transfer.created_at", read_only=True)
    kind = serializers.ChoiceField(Transfer.Kind.choices, source="entry.transfer.kind", read_only=True)
    description = serializers.CharField(source="entry.transfer.description", read_only=True)
    amount = MoneyField(source="entry.amount", read_only=True, help_text="What came in, or with `-` went out.")
    account = serializers.ChoiceField(
        [Account.Kind.WALLET.value, Account.Kind.RECEIVABLE.value],
        source="entry.account.kind",
        read_only=True,
        help_text="The wallet, or what is owed (`receivable`).",
    )
    session = serializers.SerializerMethodField(help_text="The session whose bill this is, or whose bill is reversed.")

    def get_session(self, line: Line) -> int | None:
        return bills.session_of(line.reversed or line.entry.transfer)


class TopUpSerializer(ModelSerializer[TopUp]):
    amount = MoneyField()

    class Meta:
        model = TopUp
        fields = ("id", "amount", "status", "created_at", "sent_at", "finished_at")
        read_only_fields = ("status", "created_at", "sent_at", "finished_at")
        extra_kwargs: ClassVar[dict[str, Any]] = {
            "sent_at": {"help_text": "Paid by bank, which may take weeks; null where nothing of it is known."}
        }


class RequestedTopUpSerializer(TopUpSerializer):
    payment_url = serializers.URLField(read_only=True, allow_null=True, help_text="Where to pay; null once it is paid.")

    class Meta(TopUpSerializer.Meta):
        fields = (*TopUpSerializer.Meta.fields, "payment_url")  # type: ignore[assignment]


class PayoutSerializer(ModelSerializer[Payout]):
    amount = MoneyField()
    bank_account = serializers.CharField(max_length=50, help_text="An IBAN, or as your bank writes it.")

    class Meta:
        model = Payout
        fields = ("id", "amount", "bank_account", "status", "reason", "created_at", "finished_at")
        read_only_fields = ("status", "reason", "created_at", "finished_at")


class OperatedPayoutSerializer(PayoutSerializer):
    """As operators see it."""

    class Meta(PayoutSerializer.Meta):
        fields = (*PayoutSerializer.Meta.fields, "user", "decided_by")  # type: ignore[assignment]  # two more
        read_only_fields = fields  # type: ignore[assignment]


class RefusalSerializer(Serializer):
    reason = serializers.CharField(max_length=200, help_text="The person reads it.")
