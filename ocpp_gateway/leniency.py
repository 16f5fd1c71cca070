"""Readers that accept what chargers really send. Pure. Each gives a value within bounds or None, never an exception."""

from decimal import Decimal, InvalidOperation
from typing import Any

# Registers and ids fit a database's big integer, currents and powers its integer.
BIG = 2**62
SMALL = 2**31 - 1


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
    """`number(value) * 10**places`, rounded half to even."""
    if type(value) is str:
        # What chargers send nearly always: no sign, no exponent. Twice as quick as by way of a Decimal.
        whole, _point, fraction = value.partition(".")
        fraction = fraction.rstrip("0")
        digits = whole + fraction
        if len(fraction) <= places and len(digits) < 16 and whole and digits.isdecimal():
            return int(digits) * 10 ** (places - len(fraction))
    parsed = number(value)
    return None if parsed is None else int((parsed * 10**places).to_integral_value())


def integer(value: Any) -> int | None:
    """A whole number, in whatever type it came: 12, "12", 12.0. Fractions are rounded half to even."""
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
