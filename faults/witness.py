"""Holds the database against what chargers were told. A process of its own, which has Django.

    DATABASE_URL=… python -m faults.witness < testimonies.json

A testimony is what `Charger.testimony` gives. Everything that was acknowledged must be there, once.
"""

import os
import sys
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import orjson

SWEEP_SECONDS = 30.0
PRICE_PER_KWH, FEE_PERCENT = 750, 10

# As `Charger.testimony` gives it. `strays`: stops that name no session of the charger, which are kept as unmatched.
Testimony = dict[str, Any]


def faults(testimonies: Sequence[Testimony]) -> Counter[str]:
    """What is lost, doubled or wrong, by how often; empty when the platform kept its word."""
    found: Counter[str] = Counter()
    for testimony in testimonies:
        found += _faults_of(testimony)
    found += _money() + _commands(testimonies)
    strays = sum(testimony.get("strays", 0) for testimony in testimonies)
    found["stops that match no session"] = max(0, found["stops that match no session"] - strays)
    return +found


def _faults_of(testimony: Testimony) -> Counter[str]:
    from chargers.models import ChargingSession, Connector

    found: Counter[str] = Counter()
    rows = ChargingSession.objects.filter(charger__identity=testimony["identity"]).order_by("pk")
    stored: dict[str, list[ChargingSession]] = {}
    for row in rows:
        stored.setdefault(row.start_text, []).append(row)
    for told in testimony["transactions"]:
        found += _faults_of_session(told, stored.pop(told["started"], []))
    found["sessions that nobody began"] += sum(map(len, stored.values()))
    if testimony["status"]:
        status = Connector.objects.get(charger__identity=testimony["identity"], connector_id=1).status
        found["statuses lost"] += status != testimony["status"]
    return found


def _faults_of_session(told: dict[str, Any], rows: list[Any]) -> Counter[str]:
    found = Counter({"sessions doubled": max(0, len(rows) - 1)})
    if not told["answers"]:
        return found  # nobody was told anything, so it may be there or not
    if not rows:
        return Counter({"sessions lost": 1})
    session = rows[0]
    found["starts answered with another session"] += any(answer != session.pk for answer in told["answers"])
    found["verdicts changed"] += (session.status != "refused") != told["is_accepted"]
    kept = Counter(session.meter_values.values_list("energy_wh", flat=True))
    found["meter values lost"] += sum(1 for register_wh in told["values"] if not kept[register_wh])
    found["meter values doubled"] += sum(count - 1 for count in kept.values())
    if told["meter_stop_wh"] is not None:
        found += _faults_of_bill(told, session)
    return found


def _faults_of_bill(told: dict[str, Any], session: Any) -> Counter[str]:
    from billing.models import Entry, Transfer

    if session.meter_stop_wh != told["meter_stop_wh"]:
        return Counter({"stops lost": 1})
    energy_wh = told["meter_stop_wh"] - told["meter_start_wh"]
    cost = (energy_wh * PRICE_PER_KWH + 500) // 1000
    fee = (cost * FEE_PERCENT + 50) // 100
    moved = Transfer.objects.filter(reference__startswith=session.reference).filter(
        reference__in=[session.reference, *(f"{session.reference}:correction:{n}" for n in range(1, 9))]
    )
    gained: dict[tuple[str, int | None], int] = {
        (kind, user): amount
        for kind, user, amount in Entry.objects.filter(transfer__in=moved).values_list(
            "account__kind", "account__user", "amount"
        )
    }
    owner, platform = gained.get(("wallet", session.owner_id), 0), gained.get(("platform", None), 0)
    is_billed = (session.status, session.energy_wh, session.cost, session.fee) == ("settled", energy_wh, cost, fee)
    return Counter({
        "bills lost or wrong": not is_billed or (owner, platform) != (cost - fee, fee),
        "bills doubled": max(0, moved.count() - bool(cost)),
    })  # fmt: skip


def _money() -> Counter[str]:
    from billing import ledger
    from billing.models import Account, Hold, Transfer
    from chargers.models import ChargingSession, UnmatchedStop

    open_sessions = ChargingSession.objects.running().count()
    billed = ChargingSession.objects.filter(cost__gt=0).count()
    return Counter({
        "breaches of the ledger": len(ledger.breaches()),
        "wallets below zero": Account.objects.filter(kind="wallet", balance__lt=0).count(),
        "holds left over": max(0, Hold.objects.active().count() - open_sessions),
        "bills doubled": max(0, Transfer.objects.filter(kind="session").count() - billed),
        "stops that match no session": UnmatchedStop.objects.count(),
    })  # fmt: skip


def _commands(testimonies: Sequence[Testimony]) -> Counter[str]:
    """R11: a remote start reaches its charger at most once. Sent again it would have a new message id."""
    from chargers.models import Command

    sent = set(Command.objects.filter(action="remote_start").values_list("message_id", flat=True))
    received = Counter(
        message_id
        for testimony in testimonies
        for action, message_id in testimony["asked"]
        if action == "RemoteStartTransaction"
    )
    return Counter({
        "remote starts sent twice": sum(count - 1 for count in received.values()) + len(received.keys() - sent)
    })  # fmt: skip


def wait_for_the_sweep() -> None:
    """What could not be billed at its stop is billed by the sweep of a server, which still runs."""
    from chargers.models import ChargingSession

    deadline = time.monotonic() + SWEEP_SECONDS
    while ChargingSession.objects.unsettled().exists() and time.monotonic() < deadline:
        time.sleep(0.3)


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sharecharge.settings")
    import django

    django.setup()
    testimonies: list[Testimony] = orjson.loads(sys.stdin.buffer.read())
    wait_for_the_sweep()
    sys.stdout.buffer.write(orjson.dumps(faults(testimonies)))


if __name__ == "__main__":
    main()
