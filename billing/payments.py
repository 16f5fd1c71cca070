"""Payments on their way in: who asks the provider what became of them, and what follows.

Three ways lead to the same `wallets.finish_top_up`, and each alone is enough: the provider tells us, the user comes
back from its page, the sweep asks about what is still open.
"""

import logging
from datetime import datetime, timedelta

from django.conf import settings

from billing import wallets
from billing.models import TopUp
from billing.providers import PROVIDERS, SILENT, Outcome, StripeProvider
from sharecharge.errors import Refused

logger = logging.getLogger(__name__)

# Whoever is still typing is not asked about; after two days no provider changes its mind by itself.
ASKED_AFTER, ASKED_UNTIL = timedelta(minutes=2), timedelta(days=2)
ASKED_AT_ONCE = 100


def hear_stripe(body: bytes, signature: str) -> None:
    """An event that Stripe sends: what it is about is asked of Stripe.

    Refused: (404) Stripe is not used here, (400) it is not from Stripe, (503) Stripe does not answer; it sends the event
    again then.
    """
    provider = PROVIDERS[StripeProvider.name]
    if provider.name != settings.PAYMENT_PROVIDER or not isinstance(provider, StripeProvider):
        raise Refused("payments_off", "Stripe is not used here.", status=404)
    if top_up := provider.heard(body, signature):
        look(top_up)


def look(top_up: TopUp) -> TopUp:
    """The top-up after its provider was asked. Refused (503): the provider does not answer."""
    provider = PROVIDERS.get(top_up.provider)
    if top_up.status == TopUp.Status.PAID or provider is None:
        return top_up
    payment = provider.look(top_up)
    if payment is None:
        return top_up
    return wallets.finish_top_up(top_up, paid=payment.outcome is Outcome.PAID, provider_reference=payment.reference)


def look_after(now: datetime) -> int:
    """Asks about the payments that are still open. Returns how many were decided."""
    waiting = TopUp.objects.filter(
        status=TopUp.Status.PENDING, created_at__range=(now - ASKED_UNTIL, now - ASKED_AFTER)
    ).exclude(provider_reference="")
    decided = 0
    # The newest first: those that were abandoned must not keep the others waiting.
    for top_up in waiting.order_by("-pk")[:ASKED_AT_ONCE]:
        try:
            decided += look(top_up).status != TopUp.Status.PENDING
        except Refused as refusal:
            logger.warning("top-up %s is asked about later: %s", top_up.pk, refusal.code)
            if refusal.code == SILENT:
                break  # the others would wait for nothing, too
    return decided
