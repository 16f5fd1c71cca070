"""Sessions as programs see them. Who sees what of one: its driver what is paid, its owner what is earned."""

from typing import Any

from django.conf import settings
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.rest.serializers import ModelSerializer, Serializer
from billing import pricing
from billing.serializers import MoneyField
from chargers.models import ChargingSession, MeterValue
from chargers.receipts import Told
from chargers.serializers.people import PersonSerializer
from chargers.settlement import OPERATORS_LIMIT_WH

STATES = ("charging", "paused", "ended", "checking", "settled", "refused")


class PlaceSerializer(Serializer):
    """Where it was: a charger by name."""

    id = serializers.IntegerField(read_only=True)
    code = serializers.CharField(read_only=True)
    name = serializers.CharField(read_only=True)


class BillSerializer(Serializer):
    """What became of the bill."""

    paid = MoneyField(read_only=True)
    owed = MoneyField(read_only=True, help_text="Not paid yet; the next top-up pays it first.")
    taken_back = MoneyField(read_only=True, help_text="Given back by an operator.")


class SessionSerializer(Serializer):
    """One charge: of a car, at a plug, from its start to its bill. While it runs, energy and cost are those so far."""

    id = serializers.IntegerField(source="session.pk", read_only=True)
    charger = PlaceSerializer(source="session.charger", read_only=True)
    connector = serializers.IntegerField(
        source="session.connector.connector_id", read_only=True, allow_null=True, help_text="The plug's number."
    )
    driver = PersonSerializer(source="session.user", read_only=True, allow_null=True)
    card = serializers.SerializerMethodField(help_text="The end of the card's number. Null for the charger's owner.")
    state = serializers.ChoiceField(source="session.state", choices=STATES, read_only=True)
    is_running = serializers.BooleanField(source="session.is_running", read_only=True)
    refusal = serializers.CharField(source="session.refusal", read_only=True, help_text="Why it was refused, a code.")
    closed_by = serializers.CharField(source="session.closed_by", read_only=True)
    stop_reason = serializers.CharField(source="session.stop_reason", read_only=True, help_text="OCPP's reason.")
    started_at = serializers.DateTimeField(
        source="session.started_at", read_only=True, help_text="By the charger's clock, which may be wrong."
    )
    ended_at = serializers.DateTimeField(source="session.ended_at", read_only=True, allow_null=True)
    start_received_at = serializers.DateTimeField(
        source="session.start_received_at", read_only=True, help_text="By our clock."
    )
    stop_received_at = serializers.DateTimeField(source="session.stop_received_at", read_only=True, allow_null=True)
    energy_wh = serializers.IntegerField(read_only=True, allow_null=True)
    price_per_kwh = MoneyField(source="session.price_per_kwh", read_only=True, allow_null=True)
    cost = MoneyField(read_only=True, allow_null=True, help_text="Null while the bill is being checked.")
    currency = serializers.SerializerMethodField(help_text="ISO 4217.")
    settled_at = serializers.DateTimeField(source="session.settled_at", read_only=True, allow_null=True)
    is_corrected = serializers.SerializerMethodField(help_text="The first bill was corrected.")
    review_reasons = serializers.ListField(
        source="session.review_reasons", child=serializers.CharField(), read_only=True, help_text="Codes of doubts."
    )
    bill = serializers.SerializerMethodField(help_text="For whoever pays; null for the owner, and in operators' lists.")
    fee = serializers.SerializerMethodField(help_text="The platform's. Null for whoever pays.")
    owner_share = serializers.SerializerMethodField(help_text="What the owner earns. Null for whoever pays.")

    class Meta:
        model = ChargingSession

    def is_payer(self, row: ChargingSession) -> bool:
        return self.viewer is not None and (self.viewer.is_staff or row.user_id == self.viewer.pk)

    def is_host(self, row: ChargingSession) -> bool:
        return self.viewer is not None and (self.viewer.is_staff or row.owner_id == self.viewer.pk)

    @extend_schema_field({"type": ["string", "null"]})
    def get_card(self, told: Told) -> str | None:
        row = told.session
        return row.id_tag.masked_uid if row.id_tag and self.is_payer(row) else None

    def get_currency(self, told: Told) -> str:
        return told.session.price.currency if told.session.tariff else settings.CURRENCY

    def get_is_corrected(self, told: Told) -> bool:
        return told.session.corrections > 0

    @extend_schema_field(BillSerializer(allow_null=True))
    def get_bill(self, told: Told) -> Any:
        is_told = told.bill is not None and self.is_payer(told.session) and self.context.get("with_bills", True)
        return BillSerializer(told.bill).data if is_told else None

    @extend_schema_field(MoneyField(allow_null=True))
    def get_fee(self, told: Told) -> Any:
        return self._amount(told, told.session.fee)

    @extend_schema_field(MoneyField(allow_null=True))
    def get_owner_share(self, told: Told) -> Any:
        return self._amount(told, told.session.owner_share)

    def _amount(self, told: Told, amount: int | None) -> Any:
        return None if amount is None or not self.is_host(told.session) else MoneyField().to_representation(amount)


class SessionDetailSerializer(SessionSerializer):
    """The same with the latest of its readings."""

    meter_start_wh = serializers.IntegerField(source="session.meter_start_wh", read_only=True, allow_null=True)
    meter_stop_wh = serializers.IntegerField(source="session.meter_stop_wh", read_only=True, allow_null=True)
    is_clock_doubtful = serializers.BooleanField(source="session.is_clock_doubtful", read_only=True)
    warned_at = serializers.DateTimeField(
        source="session.warned_at", read_only=True, allow_null=True, help_text="The driver's money is nearly used up."
    )
    power_w = serializers.IntegerField(source="progress.power_w", read_only=True, allow_null=True)
    soc_percent = serializers.IntegerField(source="progress.soc_percent", read_only=True, allow_null=True)
    seconds = serializers.IntegerField(
        source="progress.seconds", read_only=True, help_text="How long it lasts, or lasted."
    )
    measured_at = serializers.DateTimeField(source="progress.measured_at", read_only=True, allow_null=True)


class ReleaseSerializer(Serializer):
    """What a held session is billed with."""

    energy_wh = serializers.IntegerField(
        min_value=0, max_value=OPERATORS_LIMIT_WH, required=False, help_text="Without it, what its readings give."
    )


class TotalsSerializer(Serializer):
    """Sums of sessions."""

    sessions = serializers.IntegerField(read_only=True)
    energy_wh = serializers.IntegerField(read_only=True)
    cost = MoneyField(read_only=True, help_text="What drivers pay.")
    income = serializers.SerializerMethodField(help_text="What of it is the owners'. Null for drivers.")
    currency = serializers.SerializerMethodField(help_text="ISO 4217.")

    @extend_schema_field(MoneyField(allow_null=True))
    def get_income(self, totals: Any) -> Any:
        return MoneyField().to_representation(totals.income) if self.context["for_owner"] else None

    def get_currency(self, totals: Any) -> str:
        return settings.CURRENCY


class MeterValueSerializer(ModelSerializer[MeterValue]):
    """What a charger measured at one moment."""

    register_wh = serializers.IntegerField(source="energy_wh", read_only=True, allow_null=True)
    energy_wh = serializers.SerializerMethodField(help_text="Since the start of the session.")

    class Meta:
        model = MeterValue
        fields = (
            "id", "measured_at", "received_at", "context", "register_wh", "energy_wh", "power_w", "current_ma",
            "voltage_mv", "soc_percent", "temperature_mc",
        )  # fmt: skip
        read_only_fields = fields

    @extend_schema_field({"type": ["integer", "null"]})
    def get_energy_wh(self, sample: MeterValue) -> int | None:
        session: ChargingSession = self.context["session"]
        return None if sample.energy_wh is None else session.energy_up_to(sample.energy_wh)


class ReadingSerializer(Serializer):
    """A register that the bill stands on."""

    register_wh = serializers.IntegerField(source="energy_wh", read_only=True)
    measured_at = serializers.DateTimeField(read_only=True)
    received_at = serializers.DateTimeField(read_only=True)


class PartSerializer(Serializer):
    """A line of the bill: `quantity` of `unit` at `unit_price` makes `amount`."""

    name = serializers.CharField(read_only=True)
    quantity = serializers.DecimalField(max_digits=20, decimal_places=3, read_only=True)
    unit = serializers.CharField(read_only=True)
    unit_price = MoneyField(read_only=True)
    amount = serializers.SerializerMethodField()

    @extend_schema_field(MoneyField())
    def get_amount(self, part: pricing.Part) -> str:
        return str(MoneyField().to_representation(pricing.round_half_up(part.exact)))


class ReceiptSerializer(Serializer):
    """The bill: its session, its lines, and the readings that it was made from."""

    session = SessionSerializer(source="told", read_only=True)
    lines = PartSerializer(source="parts", many=True, read_only=True)
    start = ReadingSerializer(read_only=True, allow_null=True)
    stop = ReadingSerializer(read_only=True, allow_null=True)
