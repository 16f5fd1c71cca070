"""Looks in the database for everything that the server acknowledged. A process of its own, which has Django.

    DATABASE_URL=… python -m bench.witness < journals.json

The journals are those of the chargers, as `bench.generate` gives them, in the order of time.
"""

import os
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import orjson

PORTION = 500
SWEEP_SECONDS = 30.0

Journal = dict[str, Any]


def lost(journals: Sequence[Journal]) -> Counter[str]:
    """How many acknowledged things are not there, by kind; empty when the server kept its word."""
    missing: Counter[str] = Counter()
    told = list(_transactions(journals))
    for start in range(0, len(told), PORTION):
        missing += _lost_sessions(dict(told[start : start + PORTION]))
    missing += _lost_statuses({journal["identity"]: journal["status"] for journal in journals if journal["status"]})
    return +missing


def _transactions(journals: Sequence[Journal]) -> Iterator[tuple[int, Journal]]:
    """By transaction id, each with the identity of its charger."""
    for journal in journals:
        for transaction in journal["transactions"]:
            yield transaction["id"], {**transaction, "identity": journal["identity"]}


def _lost_sessions(told: dict[int, Journal]) -> Counter[str]:
    from django.db.models import Count

    from billing.models import Transfer
    from chargers.models import ChargingSession

    sessions = ChargingSession.objects.filter(pk__in=told).select_related("charger").in_bulk()
    values = dict(ChargingSession.objects.filter(pk__in=told).values_list("pk").annotate(number=Count("meter_values")))
    references = [session.reference for session in sessions.values()]
    bills = Counter(Transfer.objects.filter(reference__in=references).values_list("reference", flat=True))
    missing: Counter[str] = Counter()
    for key, transaction in told.items():
        session = sessions.get(key)
        if session is None or session.charger.identity != transaction["identity"]:
            missing["sessions"] += 1
            continue
        missing["meter values"] += max(0, transaction["values"] - values.get(key, 0))
        if transaction["meter_stop_wh"] is None:
            continue
        missing["stops"] += session.meter_stop_wh != transaction["meter_stop_wh"]
        energy_wh = transaction["meter_stop_wh"] - transaction["meter_start_wh"]
        is_billed = session.status == ChargingSession.Status.SETTLED and session.energy_wh == energy_wh
        missing["bills"] += not is_billed or bills[session.reference] != bool(session.cost)
    return missing


def _lost_statuses(told: dict[str, str]) -> Counter[str]:
    from chargers.models import Connector

    rows = Connector.objects.filter(connector_id=1, charger__identity__in=told)
    stored = dict(rows.values_list("charger__identity", "status"))
    return Counter({"statuses": sum(stored.get(identity) != status for identity, status in told.items())})


def wait_for_the_sweep() -> None:
    """What could not be billed at its stop is billed by the sweep of the server, which still runs."""
    from chargers.models import ChargingSession

    deadline = time.monotonic() + SWEEP_SECONDS
    while ChargingSession.objects.unsettled().exists() and time.monotonic() < deadline:
        time.sleep(0.5)


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sharecharge.settings")
    import django

    django.setup()
    from billing import ledger

    wait_for_the_sweep()
    journals: list[Journal] = orjson.loads(sys.stdin.buffer.read())
    transactions = [transaction for journal in journals for transaction in journal["transactions"]]
    found = {
        "sessions": len(transactions),
        "meter_values": sum(transaction["values"] for transaction in transactions),
        "lost": lost(journals),
        "breaches": ledger.breaches(),
    }
    sys.stdout.buffer.write(orjson.dumps(found))


if __name__ == "__main__":
    main()
