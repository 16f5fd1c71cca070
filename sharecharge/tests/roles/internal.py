"""The internal API: no person gets in, whatever their role. What services get is in ocpp_gateway/tests/test_api.py."""

from sharecharge.tests.roles.row import Row

NOBODY = "401 401 401 401 401 401 401"
OF_CHARGER = {"address": lambda stage: {"ocpp_id": stage.charger.identity}}

ROWS = [
    Row("GET", "internal_exists", NOBODY, **OF_CHARGER),
    *(
        Row("POST", f"internal_{name}", NOBODY, **OF_CHARGER)
        for name in ("connect", "disconnect", "boot", "heartbeat", "authorize", "message", "next_call")
    ),
    *(Row("POST", f"internal_{name}", NOBODY) for name in ("status", "start", "meter_values", "stop", "prune")),
    Row("POST", "internal_answer", NOBODY, lambda stage: {"ocpp_id": stage.charger.identity, "pk": 1}),
]
