"""MeterValues into samples: measurands, units and phases of OCPP 1.6 §7.31 and what chargers make of them. Pure."""

import hashlib
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

import orjson

from chargers import clock
from chargers.recorder import Sample
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
    raw = [value for value in items(entry.get("sampledValue")) if isinstance(value, dict)]
    if not raw:
        return None  # Vestel sends empty lists
    whole, phases = _measured(raw)
    contexts = [text(value.get("context"), 20) for value in raw]
    return Sample(
        connector_id=connector_id,
        session_id=session_id,
        measured_at=clock.read(entry.get("timestamp"), received_at=received_at).at,
        context=next((name for name in contexts if name), context),
        raw=raw,
        digest=_digest([connector_id, session_id, entry]),
        phases=phases or None,
        **whole,
    )


def _measured(raw: list[dict[str, Any]]) -> tuple[dict[str, int], dict[str, dict[str, int]]]:
    """The values of the whole connector, and those of each line."""
    whole: dict[str, int] = {}
    phases: dict[str, dict[str, int]] = {}
    for value in raw:
        if text(value.get("format"), 20) == "SignedData":
            continue  # kept as sent; it is no number
        measurand = text(value.get("measurand"), 60) or DEFAULT_MEASURAND
        amount = _amount(measurand, value)
        if amount is None:
            continue
        phase = text(value.get("phase"), 10).upper()
        if phase == "":
            whole[FIELDS[measurand]] = amount
        elif phase[:2] in LINES and phase[2:] in ("", "-N"):
            phases.setdefault(phase[:2], {})[FIELDS[measurand]] = amount
    return _totals(phases) | whole, phases


def _amount(measurand: str, value: dict[str, Any]) -> int | None:
    factor = UNITS.get(measurand, {}).get(text(value.get("unit"), 20).lower())
    amount = number(value.get("value"))
    if factor is None or amount is None:
        return None
    scaled = integer(amount * factor)
    low, high = LIMITS.get(FIELDS[measurand], (-SMALL, SMALL))
    return scaled if scaled is not None and low <= scaled <= high else None


def _totals(phases: dict[str, dict[str, int]]) -> dict[str, int]:
    """For chargers that send lines only."""
    combine: dict[str, Callable[[list[int]], int]] = {
        "energy_wh": sum,
        "power_w": sum,
        "current_ma": max,
        "voltage_mv": max,
    }
    totals = {}
    for field, function in combine.items():
        values = [line[field] for line in phases.values() if field in line]
        if values:
            totals[field] = function(values)
    return totals


def _digest(content: Any) -> int:
    """63 bits of what was sent: a repeated sample finds itself."""
    data = orjson.dumps(content, option=orjson.OPT_SORT_KEYS)
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest()) >> 1
