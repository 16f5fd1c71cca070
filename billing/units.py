"""The one place where stored integers become text: money, energy, power, time, in their local form.

Templates use these as filters, see sharecharge/templatetags/units.py.
"""

from decimal import ROUND_HALF_UP, Decimal

from django.conf import settings
from django.utils import formats
from django.utils.translation import gettext as _

SYMBOLS = {"CZK": "Kč", "EUR": "€", "PLN": "zł", "USD": "$", "GBP": "£"}
NO_BREAK = "\N{NO-BREAK SPACE}"
NOTHING = "–"


def symbol() -> str:
    """The currency as it stands beside an amount: "Kč"."""
    return SYMBOLS.get(settings.CURRENCY, settings.CURRENCY)


def money(minor: int | None) -> str:
    """12345 → "123.45 Kč". None → "–"."""
    if minor is None:
        return NOTHING
    amount = formats.number_format(Decimal(minor) / 100, decimal_pos=2, use_l10n=True, force_grouping=True)
    return f"{amount}{NO_BREAK}{symbol()}"


def decimal(minor: int) -> str:
    """12345 → "123.45": for programs and spreadsheets, in no language."""
    return f"{Decimal(minor) / 100:.2f}"


def kwh(energy_wh: int | None) -> str:
    """5400 → "5.400 kWh"."""
    if energy_wh is None:
        return NOTHING
    number = formats.number_format(Decimal(energy_wh) / 1000, decimal_pos=3, use_l10n=True, force_grouping=True)
    return f"{number}{NO_BREAK}kWh"


def kw(power_w: int | None) -> str:
    """11000 → "11.0 kW"."""
    if power_w is None:
        return NOTHING
    # Rounded here, because number_format cuts off.
    rounded = (Decimal(power_w) / 1000).quantize(Decimal("0.1"), ROUND_HALF_UP)
    return f"{formats.number_format(rounded, decimal_pos=1, use_l10n=True)}{NO_BREAK}kW"


def distance(metres: float) -> str:
    """840 → "840 m", 3240 → "3.2 km", 48100 → "48 km"."""
    if metres < 1000:
        return f"{round(metres / 10) * 10}{NO_BREAK}m"
    rounded = Decimal(metres / 1000).quantize(Decimal("0.1") if metres < 10_000 else Decimal(1), ROUND_HALF_UP)
    return f"{formats.number_format(rounded, use_l10n=True)}{NO_BREAK}km"


def per_kwh(minor: int | None) -> str:
    """550 → "5.50 Kč/kWh", 0 → "free", None → "–"."""
    if minor is None:
        return NOTHING
    return f"{money(minor)}/kWh" if minor else _("free of charge")


def percent(basis_points: int) -> str:
    """1000 → "10 %"."""
    number = formats.number_format((Decimal(basis_points) / 100).normalize(), use_l10n=True)
    return f"{number}{NO_BREAK}%"


def duration(seconds: int | None) -> str:
    """3900 → "1 h 5 min", 65 → "1 min 5 s"."""
    if seconds is None:
        return NOTHING
    hours, rest = divmod(max(0, seconds), 3600)
    minutes, rest = divmod(rest, 60)
    if hours:
        return f"{hours}{NO_BREAK}h {minutes}{NO_BREAK}min"
    return f"{minutes}{NO_BREAK}min {rest}{NO_BREAK}s" if minutes else f"{rest}{NO_BREAK}s"


def hours(minutes: int) -> str:
    """110 → "1 h 50 min", 120 → "2 h", 40 → "40 min"."""
    whole, rest = divmod(minutes, 60)
    parts = [f"{whole}{NO_BREAK}h"] * bool(whole) + [f"{rest}{NO_BREAK}min"] * bool(rest or not whole)
    return NO_BREAK.join(parts)
