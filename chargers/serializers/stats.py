"""Sums by day or month: what may be asked, and what is told."""

from datetime import date

from django.utils.translation import gettext as _
from rest_framework import serializers

from accounts.rest.filters import EARLIEST, LATEST
from accounts.rest.serializers import ChoiceField, Serializer
from chargers.serializers.sessions import TotalsSerializer


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
    by = ChoiceField(choices=("day", "month"), default="day")
    charger = serializers.IntegerField(min_value=1, max_value=2**63 - 1, required=False, help_text="Of this one only.")
    as_driver = serializers.BooleanField(default=False, help_text="What you spent, instead of what you earned.")


class PeriodSerializer(Serializer):
    begins = serializers.DateField(read_only=True, help_text="Its first day, in the platform's time zone.")
    totals = TotalsSerializer(read_only=True)


class StatsSerializer(Serializer):
    """Sums of the whole span, and of each day or month in it."""

    totals = TotalsSerializer(read_only=True)
    periods = PeriodSerializer(many=True, read_only=True)
