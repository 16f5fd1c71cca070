"""The periodic work. Every step is safe to run many times at once, in as many processes as one likes."""

import logging
import threading
from collections.abc import Callable

from django.conf import settings
from django.db import close_old_connections
from django.utils import timezone

from accounts import letters, logins, webhooks
from billing import audit, payments, wallets
from chargers import commands, metrics, notices, presence, retention, sessions, settlement
from sharecharge import trace

logger = logging.getLogger(__name__)

LOOK_AT_LEDGER_SECONDS = 60
LOOK_AT_WEBHOOKS_SECONDS = 2
LOOK_AT_LETTERS_SECONDS = 3
LOOK_AT_PAYMENTS_SECONDS = 300


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
        "absences told": lambda: notices.tell_absences(now),
        "returns told": notices.tell_returns,
        "messages forgotten": lambda: retention.forget_messages(now),
        "attempts forgotten": lambda: retention.forget_attempts(now),
        "meter values outside of sessions forgotten": lambda: retention.forget_loose_values(now),
        "webhook messages forgotten": lambda: retention.forget_deliveries(now),
        "letters forgotten": lambda: letters.forget(now),
        "logins forgotten": lambda: logins.forget(now),
        "sessions thinned": lambda: retention.thin_sessions(now),
    }


def sweep() -> dict[str, int]:
    """One round. A step that fails is logged and does not keep the others from their work."""
    with trace.begun():
        return _round()


def _round() -> dict[str, int]:
    done = {}
    for name, step in steps().items():
        try:
            with metrics.SWEEP_SECONDS.labels(name).time():
                count = step()
        except Exception:  # one of the two edges: the next round tries again
            metrics.SWEEP_FAILURES.labels(name).inc()
            logger.exception("sweep: %s failed", name)
            continue
        metrics.SWEEP_ROWS.labels(name).inc(count)
        if count:
            done[name] = count
            logger.info("sweep: %s: %d", name, count)
    metrics.SWEEP_ROUND_AT.set_to_current_time()
    return done


def check_ledger() -> None:
    """The check of this hour, unless it was made."""
    with trace.begun():
        try:
            audit.check_if_due(timezone.now())
        except Exception:  # like a step of the sweep: the next look tries again
            logger.exception("the ledger could not be checked")


def deliver_webhooks() -> None:
    """Tells programs what is due to be told."""
    with trace.begun():
        try:
            webhooks.postman.go_round(timezone.now())
        except Exception:  # like a step of the sweep: the next look tries again
            logger.exception("webhooks could not be told")


def send_letters() -> None:
    """Writes to people what is due to be written."""
    with trace.begun():
        try:
            letters.send_due(timezone.now())
        except Exception:  # like a step of the sweep: the next look tries again
            logger.exception("letters could not be sent")


def look_after_payments() -> None:
    """Asks about payments of which the provider has told us nothing."""
    with trace.begun():
        try:
            payments.look_after(timezone.now())
        except Exception:  # like a step of the sweep: the next look tries again
            logger.exception("payments could not be asked about")


def run(stopped: threading.Event) -> None:
    """Sweeps until told to stop. Beside it the ledger is checked, which may take long, and webhooks are told, letters
    sent, payments asked about, whose servers may be slow: budgets can wait for none of these."""
    beside = (
        (check_ledger, LOOK_AT_LEDGER_SECONDS),
        (deliver_webhooks, LOOK_AT_WEBHOOKS_SECONDS),
        (send_letters, LOOK_AT_LETTERS_SECONDS),
        (look_after_payments, LOOK_AT_PAYMENTS_SECONDS),
    )
    for work, seconds in beside:
        threading.Thread(target=_now_and_then, args=[work, seconds, stopped], name=work.__name__, daemon=True).start()
    while not stopped.wait(settings.SWEEP_INTERVAL_SECONDS):
        close_old_connections()
        sweep()


def _now_and_then(work: Callable[[], None], seconds: float, stopped: threading.Event) -> None:
    while not stopped.wait(seconds):
        close_old_connections()
        work()
