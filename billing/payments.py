"""Payments on their way in: who asks the provider what became of them, and what follows.

Three ways lead to the same `wallets.finish_top_up`, and each alone is enough: the provider tells us, the user comes
back from its page, the sweep asks about what is still open.
"""

import logging
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import F, Q, QuerySet

from accounts.models import User
from billing import wallets
from billing.models import TopUp
from billing.providers import PROVIDERS, SILENT, Outcome, StripeProvider
from sharecharge.errors import Refused

logger = logging.getLogger(__name__)

# Whoever is still typing is not asked about. What is sent, or is that old, is in the hands of a bank, which takes days
# or weeks: the provider tells us by itself, and asking is for the case that we have missed it.
ASKED_AFTER, OFTEN_FOR, ASKED_FOR = timedelta(minutes=2), timedelta(days=2), timedelta(days=30)
RARELY = timedelta(hours=6)
ASKED_AT_ONCE = 100


def hear_stripe(body: bytes, signature: str) -> None:
    """An event that Stripe sends: what it is about is asked of Stripe.

    Refused: (404) Stripe is not used here, (400) it is not from Stripe, (503) Stripe does not answer; it sends the
    event again then.
    """
    provider = PROVIDERS[StripeProvider.name]
    if provider.name != settings.PAYMENT_PROVIDER or not isinstance(provider, StripeProvider):
        raise Refused("payments_off", "Stripe is not used here.", status=404)
    if top_up := provider.heard(body, signature):
        look(top_up)


def open_of(user: User, now: datetime) -> list[TopUp]:
    """What this person may still pay, or has paid and is on its way; not what nobody asks about any more."""
    return list(TopUp.objects.open().filter(user=user, created_at__gt=now - ASKED_FOR))


def look(top_up: TopUp) -> TopUp:
    """The top-up after its provider was asked. Refused (503): the provider does not answer."""
    provider = PROVIDERS.get(top_up.provider)
    if top_up.status == TopUp.Status.PAID or provider is None:
        return top_up
    payment = provider.look(top_up)
    if payment is None:
        return top_up
    if payment.outcome is Outcome.SENT:
        return wallets.expect_top_up(top_up)
    is_paid = payment.outcome is Outcome.PAID
    return wallets.finish_top_up(top_up, paid=is_paid, provider_reference=payment.reference)


def look_after(now: datetime) -> int:
    """Asks about the payments that are still open. Returns how many were decided."""
    decided = 0
    for top_up in to_be_asked_about(now):
        # Before the answer: whatever comes of it, the others have their turn first.
        TopUp.objects.filter(pk=top_up.pk).update(asked_at=now)
        try:
            decided += look(top_up).status != TopUp.Status.PENDING
        except Refused as refusal:
            logger.warning("top-up %s is asked about later: %s", top_up.pk, refusal.code)
            if refusal.code == SILENT:
                break  # the others would wait for nothing, too
    return decided


def to_be_asked_about(now: datetime) -> QuerySet[TopUp]:
    """Those that have waited longest for being asked about: however many never end, all have their turn."""
    is_fresh = Q(sent_at=None, created_at__gt=now - OFTEN_FOR)
    is_due = is_fresh | Q(asked_at=None) | Q(asked_at__lte=now - RARELY)
    within = TopUp.objects.open().filter(is_due, created_at__range=(now - ASKED_FOR, now - ASKED_AFTER))
    return within.order_by(F("asked_at").asc(nulls_first=True))[:ASKED_AT_ONCE]
