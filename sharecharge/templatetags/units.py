"""The one place where stored integers become text for people: money, energy and power, in the reader's local form."""

from decimal import Decimal

from django import template
from django.conf import settings
from django.utils import formats

register = template.Library()

SYMBOLS = {"CZK": "Kč", "EUR": "€", "PLN": "zł", "USD": "$", "GBP": "£"}
NO_BREAK = "\N{NO-BREAK SPACE}"


@register.filter
def money(minor: int | None) -> str:
    """12345 → "123.45 Kč". None → "–"."""
    if minor is None:
        return "–"
    amount = formats.number_format(Decimal(minor) / 100, decimal_pos=2, use_l10n=True, force_grouping=True)
    return f"{amount}{NO_BREAK}{SYMBOLS.get(settings.CURRENCY, settings.CURRENCY)}"


@register.filter
def kwh(energy_wh: int | None) -> str:
    """5400 → "5.400 kWh"."""
    if energy_wh is None:
        return "–"
    return f"{formats.number_format(Decimal(energy_wh) / 1000, decimal_pos=3, use_l10n=True)}{NO_BREAK}kWh"


@register.filter
def kw(power_w: int | None) -> str:
    """11000 → "11.0 kW"."""
    if power_w is None:
        return "–"
    return f"{formats.number_format(Decimal(power_w) / 1000, decimal_pos=1, use_l10n=True)}{NO_BREAK}kW"
