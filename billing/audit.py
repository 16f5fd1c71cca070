"""Is the ledger sound? Looked into every hour beside all other work; while it is not, no bills are made or paid out.

A breach stands until an operator has mended it and clears it, after one more check of everything. Charging goes on, and
top-ups do: their entries only add. What could not be billed meanwhile is billed by the sweep afterwards.

The hourly check looks at what is new: an account has to be what it was at its checkpoint plus its entries since. Once a
night everything is added up from the beginning. Both read one snapshot and take no locks.
"""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import IntegrityError, connection, transaction
from django.db.models import F, Max, OuterRef, Q, Subquery, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from billing import ledger
from billing.models import Account, Checkpoint, Entry, LedgerCheck, Transfer
from sharecharge.errors import Refused

logger = logging.getLogger(__name__)

FULL_CHECK_HOUR = 3  # of the night, where the platform is at home
# A transaction lasts no longer: what is younger than the last check by this may have been committed after it.
OVERLAP = timedelta(hours=1)
# Every process looks again after so many seconds whether a breach stands.
KNOWN_FOR_SECONDS = 5.0


# ------------------------------------------------------------------------------------------------ does a breach stand?


class _Known:
    halted = False
    until = 0.0


def is_halted() -> bool:
    """Does a breach stand? As of a few seconds ago, so that nobody asks the database for each session."""
    if time.monotonic() >= _Known.until:
        _Known.halted = LedgerCheck.objects.standing().exists()
        _Known.until = time.monotonic() + KNOWN_FOR_SECONDS
    return _Known.halted


def forget() -> None:
    """The next one who asks looks."""
    _Known.until = 0.0


def require_sound() -> None:
    """Refused while a breach stands."""
    if is_halted():
        raise Refused(
            "ledger_halted",
            _("We are checking our books. No bills are made and nothing is paid out for now."),
            status=503,
        )


# ------------------------------------------------------------------------------------------------ checking


def check_if_due(now: datetime) -> LedgerCheck | None:
    """The check of this hour, unless somebody has made it or is about to."""
    turn = f"{now:%Y-%m-%dT%H}"
    if LedgerCheck.objects.filter(turn=turn).exists():
        return None
    try:
        with transaction.atomic():
            made = LedgerCheck.objects.create(turn=turn, started_at=now, is_full=_is_night(now))
    except IntegrityError:  # another process looked at the same moment
        return None
    try:
        return _check(made)
    except Exception:  # it is raised again
        made.delete()  # or nobody would look again within this hour
        raise


def _is_night(now: datetime) -> bool:
    """Is it time for the check of everything?"""
    last = LedgerCheck.objects.filter(is_full=True).exclude(finished_at=None).order_by("-pk").first()
    local = timezone.localtime(now)
    night = local.replace(hour=FULL_CHECK_HOUR, minute=0, second=0, microsecond=0)
    if local < night:
        night -= timedelta(days=1)
    return last is None or last.started_at < night


def check() -> LedgerCheck:
    """Checks everything now."""
    return _check(LedgerCheck.objects.create(is_full=True))


def clear(*, by: User) -> LedgerCheck:
    """After mending: one more check of everything, and when it finds nothing, bills are made again."""
    if not by.is_staff:
        raise Refused("operators_only", _("Only an operator can do this."), status=403)
    made = check()
    if not made.breaches:
        LedgerCheck.objects.standing().update(cleared_at=timezone.now(), cleared_by=by)
        forget()
        logger.warning("the ledger is sound again, says %s", by.pk)
    return made


def _check(made: LedgerCheck) -> LedgerCheck:
    with _snapshot():
        made.last_entry = Entry.objects.aggregate(last=Max("pk"))["last"] or 0
        changed = _changed_accounts()
        made.breaches = ledger.breaches() if made.is_full else _new_breaches(changed)
    made.finished_at = timezone.now()
    made.save(update_fields=["breaches", "last_entry", "finished_at"])
    if made.breaches:
        forget()
        for breach in made.breaches:
            logger.error("ledger: %s", breach)
    else:
        _set_checkpoints(changed)
    return made


# ------------------------------------------------------------------------------------------------ what is new


class Changed(NamedTuple):
    """An account that is not what it was at its checkpoint, or has entries that the last check did not see.

    `total` is the checkpoint's, `added` the sum of the entries since, `last` the newest of them.
    """

    account: int
    balance: int
    total: int
    added: int
    last: int


def _changed_accounts() -> list[Changed]:
    seen = LedgerCheck.objects.aggregate(entry=Max("last_entry"))["entry"] or 0
    changed = Account.objects.filter(
        Q(checkpoint=None)
        | ~Q(checkpoint__total=F("balance"))
        | Q(pk__in=Entry.objects.filter(pk__gt=seen).order_by().values("account"))
    )
    own = Entry.objects.filter(account=OuterRef("pk"), pk__gt=Coalesce(OuterRef("checkpoint__last_entry"), 0))
    since = own.order_by().values("account")
    rows = changed.values_list(
        "pk",
        "balance",
        Coalesce("checkpoint__total", 0),
        Coalesce(Subquery(since.annotate(sum=Sum("amount")).values("sum")), 0),
        Coalesce(Subquery(since.annotate(last=Max("pk")).values("last")), "checkpoint__last_entry", 0),
    )
    return [Changed(*row) for row in rows]


def _new_breaches(changed: list[Changed]) -> list[str]:
    previous = LedgerCheck.objects.exclude(finished_at=None).order_by("-pk").first()
    since = previous.started_at - OVERLAP if previous else None
    young = Transfer.objects.filter(created_at__gte=since) if since else Transfer.objects.all()
    # A checkpoint only saves work: whoever does not fit his is added up from the beginning before anybody is alarmed.
    suspects = [row.account for row in changed if row.balance != row.total + row.added]
    return [
        *ledger.unbalanced(young),
        *ledger.wrong_balances(Account.objects.filter(pk__in=suspects)),
        *ledger.wrong_holds(),
    ]


def _set_checkpoints(changed: list[Changed]) -> None:
    """All is well, so a balance is the sum of the entries up to the last one.

    That is exact for each account: its entries are written under its lock, so they appear in their order.
    """
    Checkpoint.objects.bulk_create(
        [Checkpoint(account_id=row.account, total=row.balance, last_entry=row.last) for row in changed],
        batch_size=1000,
        update_conflicts=True,
        unique_fields=["account"],
        update_fields=["total", "last_entry"],
    )


@contextmanager
def _snapshot() -> Iterator[None]:
    """What is read inside is of one moment, however long it takes, and nobody who writes has to wait for it."""
    if connection.in_atomic_block:  # somebody's transaction, whose moment it is then
        yield
        return
    is_postgresql = connection.vendor == "postgresql"
    with connection.cursor() as cursor:
        cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY" if is_postgresql else "BEGIN DEFERRED")
        try:
            if is_postgresql:
                cursor.execute("SET LOCAL statement_timeout = 0")
            yield
        finally:
            cursor.execute("ROLLBACK")
