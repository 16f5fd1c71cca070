"""The periodic work. Every step is safe to run many times at once, in as many processes as one likes."""

import logging
import threading
from collections.abc import Callable
from datetime import timedelta

from django.conf import settings
from django.db import close_old_connections
from django.utils import timezone

from billing import ledger, wallets
from chargers import commands, presence, retention, sessions, settlement

logger = logging.getLogger(__name__)

CHECK_LEDGER_EVERY = timedelta(hours=1)


def steps() -> dict[str, Callable[[], int]]:
    """What a sweep does, by name; each step says how many rows it touched."""
    now = timezone.now()
    return {
        "sessions closed for silence": lambda: sessions.close_silent(now),
        "sessions billed late": settlement.settle_unsettled,
        "sessions stopped at the end of their money": settlement.enforce_budgets,
        "refused sessions stopped": settlement.stop_refused,
        "commands ended": lambda: commands.expire(now),
        "holds released": lambda: wallets.expire_holds(now),
        "chargers fallen silent": lambda: presence.mark_silent(now),
        "messages forgotten": lambda: retention.forget_messages(now),
        "attempts forgotten": lambda: retention.forget_attempts(now),
        "meter values outside of sessions forgotten": lambda: retention.forget_loose_values(now),
        "sessions thinned": lambda: retention.thin_sessions(now),
    }


def sweep() -> dict[str, int]:
    """One round. A step that fails is logged and does not keep the others from their work."""
    done = {}
    for name, step in steps().items():
        try:
            count = step()
        except Exception:  # one of the two edges: the next round tries again
            logger.exception("sweep: %s failed", name)
            continue
        if count:
            done[name] = count
            logger.info("sweep: %s: %d", name, count)
    return done


def run(stopped: threading.Event) -> None:
    """Sweeps until told to stop, and checks the ledger now and then."""
    checked_at = timezone.now()
    while not stopped.wait(settings.SWEEP_INTERVAL_SECONDS):
        close_old_connections()
        sweep()
        if timezone.now() - checked_at > CHECK_LEDGER_EVERY:
            checked_at = timezone.now()
            for breach in ledger.breaches():
                logger.error("ledger: %s", breach)
