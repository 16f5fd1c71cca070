"""Figures that the database knows, looked up when Prometheus asks. Every look leads through an index."""

import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from django.db import Error
from django.db.models import Count, Min
from django.db.models.fields.json import KeyTextTransform
from django.utils import timezone
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from billing import audit
from billing.models import LedgerCheck
from chargers.models import Charger, ChargingSession, Command

logger = logging.getLogger(__name__)

RECENT = timedelta(hours=1)
RECENT_COMMANDS = 1000

MEANINGS = {
    "sharecharge_database_up": "1 when the database answered.",
    "sharecharge_chargers_connected": "Chargers that are connected and were heard of lately.",
    "sharecharge_sessions": "Sessions that are running, ended and not billed, or held for review.",
    "sharecharge_sessions_billed_last_hour": "Sessions that were billed or corrected within the last hour.",
    "sharecharge_sessions_unbilled_oldest_seconds": "How long the oldest bill that could be made has been waiting.",
    "sharecharge_commands_open": "Commands that have no answer yet.",
    "sharecharge_commands_recent": "How the newest 1000 commands of the last hour stand.",
    "sharecharge_ledger_halted": "1 while a breach of the ledger stops bills and payouts.",
    "sharecharge_ledger_breaches": "Breaches that the last check of the ledger found.",
    "sharecharge_ledger_checked_timestamp_seconds": "When the last check of the ledger began, by what was checked.",
}


class Figures(Collector):
    """Asks at every scrape. When the database is away it says so, and the rest of the page is there nevertheless."""

    def describe(self) -> list[Metric]:
        return [GaugeMetricFamily(name, meaning) for name, meaning in MEANINGS.items()]

    def collect(self) -> Iterator[Metric]:
        try:
            found = [*_chargers(), *_sessions(), *_commands(), *_ledger()]
        except Error as error:
            logger.warning("no figures for the metrics: %s", error)
            found = []
        yield _one("sharecharge_database_up", int(bool(found)))
        yield from found


def _one(name: str, value: float) -> Metric:
    return GaugeMetricFamily(name, MEANINGS[name], value=value)


def _by(name: str, labels: tuple[str, ...], values: Mapping[Any, float]) -> Metric:
    family = GaugeMetricFamily(name, MEANINGS[name], labels=labels)
    for key, value in values.items():
        family.add_metric(key, value)
    return family


def _chargers() -> Iterator[Metric]:
    yield _one("sharecharge_chargers_connected", Charger.objects.heard().count())


def _sessions() -> Iterator[Metric]:
    rows, now = ChargingSession.objects, timezone.now()
    unbilled = rows.unsettled().aggregate(count=Count("pk"), oldest=Min("stop_received_at"))
    counts = {"running": rows.running().count(), "ended": unbilled["count"], "held": rows.for_review().count()}
    yield _by("sharecharge_sessions", ("status",), {(status,): count for status, count in counts.items()})
    waited = (now - unbilled["oldest"]).total_seconds() if unbilled["oldest"] else 0
    yield _one("sharecharge_sessions_unbilled_oldest_seconds", max(0, waited))
    yield _one("sharecharge_sessions_billed_last_hour", rows.billed_since(now - RECENT).count())


def _commands() -> Iterator[Metric]:
    waiting = Command.objects.open().order_by().values_list("action").annotate(Count("pk"))
    yield _by("sharecharge_commands_open", ("action",), {(action,): count for action, count in waiting})
    since = timezone.now() - RECENT
    # Without what a configuration says: these are many, and long.
    told = Command.objects.annotate(answer=KeyTextTransform("status", "result")).defer("payload", "result")
    newest = [row for row in told.order_by("-pk")[:RECENT_COMMANDS] if row.created_at >= since]
    for row in newest:
        row.result = {"status": row.answer} if row.answer else {}
    stands = Counter((row.action, row.status) for row in newest)
    yield _by("sharecharge_commands_recent", ("action", "status"), stands)


def _ledger() -> Iterator[Metric]:
    finished = LedgerCheck.objects.exclude(finished_at=None).order_by("-pk")
    last, full = finished.first(), finished.filter(is_full=True).first()
    yield _one("sharecharge_ledger_halted", int(audit.is_halted()))
    yield _one("sharecharge_ledger_breaches", len(last.breaches) if last else 0)
    checked = {"anything": last, "everything": full}
    times = {(what,): check.started_at.timestamp() for what, check in checked.items() if check}
    yield _by("sharecharge_ledger_checked_timestamp_seconds", ("what",), times)
