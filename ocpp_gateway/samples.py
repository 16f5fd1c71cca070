"""MeterValues into samples: measurands, units and phases of OCPP 1.6 §7.31 and what chargers make of them. Pure."""

import hashlib
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

import orjson

from chargers import clock
from chargers.facts import Sample
from ocpp_gateway.leniency import BIG, SMALL, items, scaled, text

DEFAULT_MEASURAND = "Energy.Active.Import.Register"
# Decimal places between the unit and Wh, W, mA, mV, % and 1/1000 °C. "" is the unit that the specification assumes.
UNITS: dict[str, dict[str, int]] = {
    "Energy.Active.Import.Register": {"": 0, "wh": 0, "kwh": 3},
    "Power.Active.Import": {"": 0, "w": 0, "kw": 3},
    "Current.Import": {"": 3, "a": 3, "ma": 0},
    "Voltage": {"": 3, "v": 3, "mv": 0},
    "SoC": {"": 0, "percent": 0, "%": 0},
    # Edition 2 of OCPP 1.6 spells it Celsius, its schema Celcius.
    "Temperature": {"": 3, "celsius": 3, "celcius": 3},
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
        get = value.get
        meaning = _meaning(str(get("measurand", "")), str(get("unit", "")), str(get("phase") or ""))
        if meaning is None or get("format", "Raw") != "Raw":
            rest.append(value)
            continue
        field, places, line, low, high = meaning
        amount = scaled(get("value"), places)
        place = phases.setdefault(line, {}) if line else whole
        if amount is None or field in place or not low <= amount <= high:
            rest.append(value)
            continue
        place[field] = amount
        if get("context", context) != context or get("location", "Outlet") != "Outlet":
            rest.append(value)
    return whole, {line: found for line, found in phases.items() if found}, rest


class _Meaning(NamedTuple):
    """Where a sampled value belongs: the field, how its unit is scaled, its bounds; `line` is "" for the connector."""

    field: str
    places: int
    line: str
    low: int
    high: int


@lru_cache(maxsize=4096)
def _meaning(measurand: str, unit: str, phase: str) -> _Meaning | None:
    """What these words mean, as they were sent. None: between lines, or nothing that we have a field for."""
    measurand = text(measurand, 60) or DEFAULT_MEASURAND
    places = UNITS.get(measurand, {}).get(text(unit, 20).lower())
    line = text(phase, 10).upper()
    if places is None or (line and not (line[:2] in LINES and line[2:] in ("", "-N"))):
        return None
    return _Meaning(FIELDS[measurand], places, line[:2], *LIMITS.get(FIELDS[measurand], (-SMALL, SMALL)))


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
