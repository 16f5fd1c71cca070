"""What is forgotten, and when: old messages, attempts and meter values, so that tables grow no faster than they must.

Every step does a bounded piece of work and goes on in the next round. Rows are taken under lock, and rows that somebody
else has taken are left to him, so any number of processes may do it at once.
"""

import logging
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from accounts.models import Delivery
from chargers import settlement, thinning
from chargers.models import ChargingSession, ConnectionAttempt, Message, MeterValue

logger = logging.getLogger(__name__)

BATCH = 5_000
BATCHES_PER_ROUND = 4
SESSIONS_PER_ROUND = 200


def forget_messages(now: datetime) -> int:
    before = now - timedelta(days=settings.MESSAGE_LOG_DAYS)
    return _forget(Message.objects.filter(at__lt=before), oldest="at")


def forget_attempts(now: datetime) -> int:
    before = now - timedelta(days=settings.MESSAGE_LOG_DAYS)
    return _forget(ConnectionAttempt.objects.filter(last_at__lt=before), oldest="last_at")


def forget_deliveries(now: datetime) -> int:
    """What webhooks were told, or could not be told in the end."""
    before = now - timedelta(days=settings.MESSAGE_LOG_DAYS)
    return _forget(Delivery.objects.filter(created_at__lt=before, next_attempt_at=None), oldest="created_at")


def forget_loose_values(now: datetime) -> int:
    """Samples outside of any session, as chargers send them by the clock: no bill stands on them."""
    if not settings.METER_VALUES_FULL_DAYS:
        return 0
    before = now - timedelta(days=settings.METER_VALUES_FULL_DAYS)
    return _forget(MeterValue.objects.filter(session=None, received_at__lt=before), oldest="received_at")


def _forget(rows: QuerySet[Any], *, oldest: str) -> int:
    """Deletes the oldest of these rows, at most a round's worth. Returns how many."""
    count = 0
    for _batch in range(BATCHES_PER_ROUND):
        with transaction.atomic():
            free = rows.order_by(oldest).select_for_update(skip_locked=True)
            keys = list(free.values_list("pk", flat=True)[:BATCH])
            rows.model._base_manager.filter(pk__in=keys).delete()
        count += len(keys)
        if len(keys) < BATCH:
            break
    return count


def thin_sessions(now: datetime) -> int:
    """Sessions that were billed METER_VALUES_FULL_DAYS ago keep one sample in METER_VALUES_THIN_MINUTES, and whatever
    their bill stands on (see thinning.py). Returns how many sessions were looked at; each is, once.
    """
    if not settings.METER_VALUES_FULL_DAYS:
        return 0
    due = ChargingSession.objects.to_be_thinned(before=now - timedelta(days=settings.METER_VALUES_FULL_DAYS))

    def thin(key: int) -> bool:
        with transaction.atomic():
            session = due.filter(pk=key).select_for_update(no_key=True, skip_locked=True).first()
            if session:
                _thin(session)
            return session is not None

    return settlement.each(due.order_by("settled_at").values_list("pk", flat=True)[:SESSIONS_PER_ROUND], thin)


def _thin(session: ChargingSession) -> None:
    rows = session.meter_values.order_by("pk").values_list("pk", "measured_at", "received_at", "energy_wh")
    keys = thinning.superfluous(
        [thinning.Sample(*row) for row in rows],
        start=settlement.start_reading(session),
        stop=settlement.stop_reading(session),
        rated_power_w=session.rated_power_w,
        every=timedelta(minutes=settings.METER_VALUES_THIN_MINUTES),
    )
    for begin in range(0, len(keys), BATCH):
        MeterValue.objects.filter(pk__in=keys[begin : begin + BATCH]).delete()
    session.thinned_at = timezone.now()
    session.save(update_fields=["thinned_at"])
    logger.info("session %s: %d of its samples are forgotten", session.pk, len(keys))
