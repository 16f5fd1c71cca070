"""MeterValues into samples: measurands, units and phases of OCPP 1.6 §7.31 and what chargers make of them. Pure."""

import hashlib
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

import orjson

from chargers import clock
from chargers.facts import Sample
from ocpp_gateway.leniency import BIG, SMALL, integer, items, number, text

DEFAULT_MEASURAND = "Energy.Active.Import.Register"
# Factors to Wh, W, mA, mV, % and 1/1000 °C. "" is the unit that the specification assumes.
UNITS: dict[str, dict[str, Decimal]] = {
    "Energy.Active.Import.Register": {"": Decimal(1), "wh": Decimal(1), "kwh": Decimal(1000)},
    "Power.Active.Import": {"": Decimal(1), "w": Decimal(1), "kw": Decimal(1000)},
    "Current.Import": {"": Decimal(1000), "a": Decimal(1000), "ma": Decimal(1)},
    "Voltage": {"": Decimal(1000), "v": Decimal(1000), "mv": Decimal(1)},
    "SoC": {"": Decimal(1), "percent": Decimal(1), "%": Decimal(1)},
    # Edition 2 of OCPP 1.6 spells it Celsius, its schema Celcius.
    "Temperature": {"": Decimal(1000), "celsius": Decimal(1000), "celcius": Decimal(1000)},
}
FIELDS = {
    "Energy.Active.Import.Register": "energy_wh",
    "Power.Active.Import": "power_w",
    "Current.Import": "current_ma",
    "Voltage": "voltage_mv",
    "SoC": "soc_percent",
    "Temperature": "temperature_mc",
}
LIMITS = {"energy_wh": (0, BIG), "soc_percent": (0, 100)}
# A connector's value from those of its lines: energies and powers add up, the strongest line is the current.
COMBINED: dict[str, Callable[[list[int]], int]] = {
    "energy_wh": sum,
    "power_w": sum,
    "current_ma": max,
    "voltage_mv": max,
}
LINES = ("L1", "L2", "L3")


def read(
    meter_value: Any, *, connector_id: int, session_id: int | None, received_at: datetime, context: str = ""
) -> tuple[Sample, ...]:
    """One sample for each moment in a `meterValue` (or `transactionData`) that carries any value at all."""
    found = (
        _sample(entry, connector_id, session_id, received_at, context)
        for entry in items(meter_value)
        if isinstance(entry, dict)
    )
    return tuple(sample for sample in found if sample is not None)


def _sample(
    entry: dict[str, Any], connector_id: int, session_id: int | None, received_at: datetime, context: str
) -> Sample | None:
    values = [value for value in items(entry.get("sampledValue")) if isinstance(value, dict)]
    if not values:
        return None  # Vestel sends empty lists
    context = next((name for value in values if (name := text(value.get("context"), 20))), context)
    whole, phases, rest = _measured(values, context)
    return Sample(
        connector_id=connector_id,
        session_id=session_id,
        measured_at=clock.read(entry.get("timestamp"), received_at=received_at).at,
        context=context,
        raw=rest,
        digest=_digest([connector_id, session_id, entry]),
        phases=phases or None,
        **(_totals(phases) | whole if phases else whole),
    )


def _measured(
    values: list[dict[str, Any]], context: str
) -> tuple[dict[str, int], dict[str, dict[str, int]], list[dict[str, Any]]]:
    """The values of the whole connector, those of each line, and, as they were sent, those that none of them can tell:
    other measurands and units, signed data, other contexts and places than the usual ones, a second value of a kind."""
    whole: dict[str, int] = {}
    phases: dict[str, dict[str, int]] = {}
    rest = []
    for value in values:
        field, amount = _amount(value)
        place = _place(value, whole, phases) if field else None
        if field is None or place is None or field in place:
            rest.append(value)
            continue
        place[field] = amount
        if value.get("context", context) != context or value.get("location", "Outlet") != "Outlet":
            rest.append(value)
    return whole, {line: found for line, found in phases.items() if found}, rest


def _place(value: dict[str, Any], whole: dict[str, int], phases: dict[str, dict[str, int]]) -> dict[str, int] | None:
    """Where a value belongs: the whole connector, one of its lines; None: between lines, or nowhere that we know."""
    phase = value.get("phase")
    if not phase:
        return whole
    line = text(phase, 10).upper()
    return phases.setdefault(line[:2], {}) if line[:2] in LINES and line[2:] in ("", "-N") else None


def _amount(value: dict[str, Any]) -> tuple[str | None, int]:
    """The field of a sampled value and its amount in the field's unit; no field for what we have none for."""
    known = _known(text(value.get("measurand"), 60), text(value.get("unit"), 20))
    amount = number(value.get("value"))
    if known is None or amount is None or value.get("format", "Raw") != "Raw":
        return None, 0
    field, factor = known
    scaled = integer(amount * factor)
    low, high = LIMITS.get(field, (-SMALL, SMALL))
    return (field, scaled) if scaled is not None and low <= scaled <= high else (None, 0)


@lru_cache(maxsize=1024)
def _known(measurand: str, unit: str) -> tuple[str, Decimal] | None:
    """The field and the factor to its unit, for a measurand in a unit as they were sent."""
    measurand = measurand or DEFAULT_MEASURAND
    factor = UNITS.get(measurand, {}).get(unit.lower())
    return None if factor is None else (FIELDS[measurand], factor)


def _totals(phases: dict[str, dict[str, int]]) -> dict[str, int]:
    """For chargers that send lines only."""
    totals = {}
    for field, function in COMBINED.items():
        values = [line[field] for line in phases.values() if field in line]
        if values:
            totals[field] = function(values)
    return totals


def _digest(content: Any) -> int:
    """63 bits of what was sent: a repeated sample finds itself."""
    data = orjson.dumps(content, option=orjson.OPT_SORT_KEYS)
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest()) >> 1
