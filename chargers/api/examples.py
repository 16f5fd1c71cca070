"""Answers as they look, for the schema: a charge at a Solax X3-HAC, from its first reading to the receipt."""

from typing import Any

SESSION: dict[str, Any] = {
    "id": 3,
    "charger": {"id": 1, "code": "cqqwaj28", "name": "Solax u Horáků"},
    "connector": 1,
    "driver": {"id": 3, "name": "Dana Řidičová"},
    "card": "…A2F7",
    "state": "settled",
    "is_running": False,
    "refusal": "",
    "closed_by": "stop",
    "stop_reason": "Local",
    "started_at": "2026-01-11T21:38:14Z",
    "ended_at": "2026-01-11T23:55:33Z",
    "start_received_at": "2026-01-11T21:38:14.700461Z",
    "stop_received_at": "2026-01-11T23:55:34.113358Z",
    "energy_wh": 5400,
    "price_per_kwh": "7.99",
    "cost": "43.15",
    "currency": "CZK",
    "settled_at": "2026-01-11T23:55:34.124147Z",
    "is_corrected": False,
    "review_reasons": [],
    "bill": {"paid": "43.15", "owed": "0.00", "taken_back": "0.00"},
    "fee": None,
    "owner_share": None,
}
SESSION_DETAIL: dict[str, Any] = {
    **SESSION,
    "meter_start_wh": 1_130_300,
    "meter_stop_wh": 1_135_700,
    "is_clock_doubtful": False,
    "warned_at": None,
    "power_w": None,
    "soc_percent": None,
    "seconds": 8239,
    "measured_at": "2026-01-11T23:55:11Z",
}
RECEIPT: dict[str, Any] = {
    "session": SESSION,
    "lines": [{"name": "energy", "quantity": "5.400", "unit": "kWh", "unit_price": "7.99", "amount": "43.15"}],
    "start": {
        "register_wh": 1_130_300, "measured_at": "2026-01-11T21:38:14Z", "received_at": "2026-01-11T21:38:14.700461Z",
    },
    "stop": {
        "register_wh": 1_135_700, "measured_at": "2026-01-11T23:55:33Z", "received_at": "2026-01-11T23:55:34.113358Z",
    },
}  # fmt: skip
