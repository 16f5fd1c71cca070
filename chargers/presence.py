"""What a charger says about itself: that it knocks, is connected, has booted, is gone."""

import logging
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from chargers import commands, live
from chargers.models import Charger, ConnectionAttempt
from chargers.models.fleet import silence_limit

logger = logging.getLogger(__name__)

# With the lengths that are kept: over-long values (a serial number of 26 characters) are cut, not refused.
BOOT_FIELDS = {
    "vendor": 50,
    "model": 50,
    "serial_number": 50,
    "firmware_version": 50,
    "iccid": 20,
    "imsi": 20,
    "meter_type": 25,
    "meter_serial_number": 25,
}
Outcome = ConnectionAttempt.Outcome
STRANGER_ROWS_PER_MINUTE = 10
# In the place of a connection's mark: the charger was disabled or deleted, so its socket closes.
REVOKED = "revoked"


def record_attempt(
    *, charger: Charger | None, path: str, remote_address: str, subprotocols: list[str], outcome: Outcome
) -> None:
    """Keeps that somebody knocked, for the owner who waits and for the operator. Repeats are counted per minute."""
    now = timezone.now()
    key = {
        "charger": charger,
        "path": path[:300].replace("\0", ""),
        "remote_address": remote_address[:45],
        "subprotocols": ", ".join(subprotocols)[:200].replace("\0", ""),
        "outcome": outcome,
    }
    lately = ConnectionAttempt.objects.filter(first_at__gt=now - timedelta(minutes=1))
    recent = lately.filter(**key).first()
    if recent is None and charger is None:
        # Strangers who try many addresses: after a few rows a minute the rest is only counted.
        strangers = lately.filter(charger=None, remote_address=key["remote_address"]).order_by("-pk")
        recent = strangers.first() if strangers.count() >= STRANGER_ROWS_PER_MINUTE else None
    if recent:
        ConnectionAttempt.objects.filter(pk=recent.pk).update(count=F("count") + 1, last_at=now)
    else:
        ConnectionAttempt.objects.create(**key, first_at=now, last_at=now)
    if charger:
        live.publish_attempt(charger.pk)


def connected(charger: Charger, *, mark: str) -> None:
    """A newly authenticated socket serves this charger from now on; an older one is told to close (R15)."""
    with transaction.atomic():
        charger = Charger.objects.select_for_update(no_key=True).get(pk=charger.pk)
        if charger.is_online:
            logger.warning("a second connection takes over", extra={"connection": mark, "charger": charger.pk})
        now = timezone.now()
        charger.connection_mark = mark
        charger.connected_at = charger.last_seen_at = now
        charger.disconnected_at = None
        charger.save(update_fields=["connection_mark", "connected_at", "last_seen_at", "disconnected_at"])
        commands.connection_lost(charger.pk)
        live.publish_takeover(charger.pk, mark)
        live.publish_charger(charger)


def disconnected(charger_id: int, *, mark: str) -> None:
    """This socket closed. Nothing happens when a newer one has taken its place."""
    with transaction.atomic():
        own = Charger.objects.filter(pk=charger_id, connection_mark=mark)
        if own.update(connection_mark="", disconnected_at=timezone.now()):
            commands.connection_lost(charger_id)
            live.publish_charger(Charger.objects.get(pk=charger_id))


def booted(charger_id: int, reported: dict[str, Any]) -> Charger:
    """Keeps what a BootNotification says. Empty values do not wipe what is known; over-long ones are cut."""
    charger = Charger.objects.select_for_update(no_key=True).get(pk=charger_id)
    changed = ["last_boot_at"]
    for name, length in BOOT_FIELDS.items():
        value = str(reported.get(name) or "").replace("\0", "").strip()[:length]
        if value:
            setattr(charger, name, value)
            changed.append(name)
    charger.last_boot_at = timezone.now()
    if charger.registration == Charger.Registration.ACCEPTED:
        charger.booted_at = charger.booted_at or charger.last_boot_at
        changed.append("booted_at")
        commands.after_boot(charger)
    charger.save(update_fields=changed)
    live.publish_charger(charger)
    return charger


def firmware_status(charger_id: int, status: str) -> None:
    Charger.objects.filter(pk=charger_id).update(firmware_status=status[:50])


def diagnostics_status(charger_id: int, status: str) -> None:
    Charger.objects.filter(pk=charger_id).update(diagnostics_status=status[:50])


def current_marks(charger_ids: list[int]) -> dict[int, str]:
    """Which connection serves each of these chargers, as the database knows it; REVOKED: none may any more."""
    rows = Charger.objects.filter(pk__in=charger_ids)
    return {
        key: mark if is_enabled and deleted_at is None else REVOKED
        for key, mark, is_enabled, deleted_at in rows.values_list("pk", "connection_mark", "is_enabled", "deleted_at")
    }


def mark_silent(now: datetime) -> int:
    """Tells everybody about chargers that stopped talking although their socket never closed. Returns how many."""
    silent = Charger.objects.exclude(connection_mark="").filter(
        Q(disconnected_at=None) | Q(disconnected_at__lt=F("last_seen_at")), last_seen_at__lt=silence_limit(now)
    )
    count = 0
    for charger in silent[:1000]:
        with transaction.atomic():
            # Only if it is still silent: it may have spoken since the query.
            if Charger.objects.filter(pk=charger.pk, last_seen_at=charger.last_seen_at).update(
                disconnected_at=charger.last_seen_at
            ):
                live.publish_charger(charger)
                count += 1
    return count
