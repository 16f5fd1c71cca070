"""What a charger says about itself: that it knocks, is connected, has booted, is gone."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import F, Q
from django.utils import timezone

from chargers import commands, live, rows, slips
from chargers.facts import Facts
from chargers.models import Charger, ConnectionAttempt
from chargers.models.fleet import silence_limit
from sharecharge import prepared
from sharecharge.prepared import Prepared

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
A_MINUTE = timedelta(minutes=1)
STRANGER_ROWS_PER_MINUTE = 10
# Of all strangers together: whose slip it was costs more than to note that somebody knocked.
MOST_GUESSES = 60
OF_STRANGERS = (Outcome.UNKNOWN_IDENTITY, Outcome.BAD_PATH)
# In the place of a connection's mark: the charger was disabled or deleted, so its socket closes.
REVOKED = "revoked"


def kept(path: str, remote_address: str, subprotocols: list[str]) -> tuple[str, str, str]:
    """What an attempt to connect showed, as it is stored."""
    return path[:300].replace("\0", ""), remote_address[:45], ", ".join(subprotocols)[:200].replace("\0", "")


def record_refusal(
    *, charger: Charger | None, path: str, remote_address: str, subprotocols: list[str], outcome: Outcome
) -> None:
    """Keeps that somebody knocked and was not let in, for the owner who waits and for the operator. Repeats are counted
    per minute. A mistyped identity is told to the owner of the charger that was meant."""
    now = timezone.now()
    path, remote_address, offered = kept(path, remote_address, subprotocols)
    key = {"path": path, "remote_address": remote_address, "subprotocols": offered, "outcome": outcome}
    lately = ConnectionAttempt.objects.filter(first_at__gt=now - A_MINUTE)
    recent = lately.filter(**key, **({"charger": charger} if charger else {})).first()
    if recent is None and charger is None:
        # Strangers who try many addresses: after a few rows a minute the rest is only counted.
        strangers = lately.filter(outcome__in=OF_STRANGERS, remote_address=remote_address)
        if strangers.count() >= STRANGER_ROWS_PER_MINUTE:
            recent = strangers.order_by(F("charger").desc(nulls_first=True), "-pk").first()
        else:
            is_quiet = (
                lately.filter(outcome=Outcome.UNKNOWN_IDENTITY, last_at__gt=now - A_MINUTE).count() < MOST_GUESSES
            )
            charger = slips.meant(path, may_guess=is_quiet and outcome == Outcome.UNKNOWN_IDENTITY)
    if recent:
        ConnectionAttempt.objects.filter(pk=recent.pk).update(count=F("count") + 1, last_at=now)
    else:
        ConnectionAttempt.objects.create(**key, charger=charger, first_at=now, last_at=now)
    told = recent.charger_id if recent else charger and charger.pk
    if told:
        live.publish_attempt(told)


def arrived(batch: Sequence[Facts]) -> None:
    """Newly authenticated sockets serve their chargers from now on; older ones are told to close (R15)."""
    if not batch:
        return
    newest = {facts.charger_id: (facts, facts.arrival) for facts in batch if facts.arrival}
    rows.update(
        Charger,
        ("id", "connection_mark", "connected_at", "last_seen_at", "disconnected_at"),
        [(key, told.mark, facts.received_at, facts.received_at, None) for key, (facts, told) in sorted(newest.items())],
    )
    _record_arrivals(batch)
    commands.connections_lost(newest)
    for _facts, told in newest.values():
        if told.replaced_mark:
            live.publish_takeover(told.replaced_mark)
    live.publish_chargers(newest.keys())


def _record_arrivals(batch: Sequence[Facts]) -> None:
    """Keeps who was let in. Repeats are counted per minute here too."""
    latest = max(facts.received_at for facts in batch)
    lately = ConnectionAttempt.objects.filter(
        charger__in={facts.charger_id for facts in batch}, outcome=Outcome.ACCEPTED,
        first_at__gt=latest - timedelta(minutes=1),
    )  # fmt: skip
    known = {(row.charger_id, row.path, row.remote_address, row.subprotocols): row for row in lately}
    touched: dict[tuple[Any, ...], ConnectionAttempt] = {}
    for facts in batch:
        assert facts.arrival is not None
        key = (facts.charger_id, facts.arrival.path, facts.arrival.remote_address, facts.arrival.subprotocols)
        row = touched.setdefault(key, known.get(key) or _first_arrival(*key, at=facts.received_at))
        row.count, row.last_at = row.count + 1, facts.received_at
    repeats = [(row.pk, row.count, row.last_at) for row in touched.values() if row.pk]
    rows.update(ConnectionAttempt, ("id", "count", "last_at"), repeats)
    ConnectionAttempt.objects.bulk_create(row for row in touched.values() if row.pk is None)
    for facts in batch:
        live.publish_attempt(facts.charger_id)


def _first_arrival(
    charger_id: int, path: str, remote_address: str, subprotocols: str, *, at: datetime
) -> ConnectionAttempt:
    return ConnectionAttempt(
        charger_id=charger_id, path=path, remote_address=remote_address, subprotocols=subprotocols,
        outcome=Outcome.ACCEPTED, count=0, first_at=at,
    )  # fmt: skip


def seen(heard: Mapping[int, datetime]) -> None:
    """These chargers were heard, each at its time. One that somebody is deciding about is left for the next time."""
    if not heard:
        return
    keys: Iterable[int] = heard
    if connection.features.has_select_for_update_skip_locked:
        free = Charger.objects.filter(pk__in=heard).select_for_update(no_key=True, skip_locked=True)
        keys = free.values_list("pk", flat=True)
    rows.update(Charger, ("id", "last_seen_at"), [(key, heard[key]) for key in sorted(keys)])


def left(batch: Sequence[Facts]) -> None:
    """These sockets closed. Nothing happens where a newer one has taken the place."""
    if not batch:
        return
    served = Charger.objects.filter(
        pk__in={facts.charger_id for facts in batch}, connection_mark__in={facts.left for facts in batch}
    )
    gone = list(served.select_for_update(no_key=True).order_by("pk").values_list("pk", flat=True))
    if gone:
        latest = max(facts.received_at for facts in batch)
        Charger.objects.filter(pk__in=gone).update(connection_mark="", disconnected_at=latest)
        commands.connections_lost(gone)
        live.publish_chargers(gone)


_locked = Prepared(lambda key: Charger.objects.select_for_update(no_key=True).filter(pk=key), key=1)


def booted(charger_id: int, reported: dict[str, Any]) -> Charger:
    """Keeps what a BootNotification says. Empty values do not wipe what is known; over-long ones are cut."""
    with transaction.atomic():
        charger = _locked.first(key=charger_id)
        assert charger is not None, "a charger that is connected has its row"
        changed = ["last_boot_at"]
        for name, length in BOOT_FIELDS.items():
            value = str(reported.get(name) or "").replace("\0", "").strip()[:length]
            if value and value != getattr(charger, name):
                setattr(charger, name, value)
                changed.append(name)
        charger.last_boot_at = timezone.now()
        if charger.registration == Charger.Registration.ACCEPTED:
            charger.booted_at = charger.booted_at or charger.last_boot_at
            changed.append("booted_at")
            commands.after_boot(charger, has_changed="firmware_version" in changed)
        prepared.update(charger, *changed)
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
