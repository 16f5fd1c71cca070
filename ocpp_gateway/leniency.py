"""Readers that accept what chargers really send. Pure. Each gives a value within bounds or None, never an exception."""

from decimal import Decimal, InvalidOperation
from typing import Any

# Registers and ids fit a database's big integer, currents and powers its integer.
BIG = 2**62
SMALL = 2**31 - 1
POWERS = (1, 10, 100, 1000)


def number(value: Any) -> Decimal | None:
    """A finite number: 12, 12.0, "12", " 1130300.0 "; not true, not "NaN", not ""."""
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        return None
    text = str(value)
    if len(text) > 40:
        return None
    try:
        parsed = Decimal(text)  # strips blanks by itself
    except InvalidOperation:
        return None
    return parsed if parsed.is_finite() and -BIG < parsed < BIG else None


def scaled(value: Any, places: int) -> int | None:
    """`number(value) * 10**places`, rounded half to even. `places`: 0 to 3."""
    # What chargers send nearly always has no sign and no exponent: a third of the time that a Decimal takes.
    if type(value) is str and len(value) < 16:
        if value.isdecimal():
            return int(value) * POWERS[places]
        whole, _point, fraction = value.partition(".")
        if whole and len(fraction) <= places and (digits := whole + fraction).isdecimal():
            return int(digits) * POWERS[places - len(fraction)]
    parsed = number(value)
    return None if parsed is None else int((parsed * 10**places).to_integral_value())


def integer(value: Any) -> int | None:
    """A whole number, in whatever type it came: 12, "12", 12.0. Fractions are rounded half to even."""
    if type(value) is int and -BIG < value < BIG:
        return value
    parsed = number(value)
    return None if parsed is None else int(parsed.to_integral_value())


def text(value: Any, limit: int) -> str:
    """At most `limit` characters, trimmed, without NUL; "" for nothing."""
    if value is None or isinstance(value, list | dict):
        return ""
    return str(value).replace("\0", "").strip()[:limit]


def items(value: Any) -> list[Any]:
    """A list, also where a charger sends its only item instead of a list (Huawei)."""
    if isinstance(value, list):
        return value
    return [] if value is None else [value]
