"""How money comes in. A provider takes a payment somewhere else and tells us, once or often, whether it was paid."""

import logging
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from django.conf import settings
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from billing.models import TopUp
from sharecharge.errors import Refused

if TYPE_CHECKING:
    from stripe import StripeClient
    from stripe.checkout import Session

logger = logging.getLogger(__name__)

# In the address by which whoever has not paid comes back from a provider's page. It is words for a person, no news.
CANCELLED = "cancelled"


class Outcome(Enum):
    """SENT: the payer has done his part, and a bank takes its time, perhaps weeks; it may still fail."""

    PAID = "paid"
    FAILED = "failed"
    SENT = "sent"


class Payment(NamedTuple):
    """What a provider says became of a payment. `reference` is its own name for it."""

    reference: str
    outcome: Outcome


class PaymentProvider(Protocol):
    """Talks to a network, so nothing here is called inside a database transaction."""

    name: str

    def start(self, top_up: TopUp) -> str:
        """The address of the page where the user pays. Called again for the same top-up it continues the payment."""
        ...

    def look(self, top_up: TopUp) -> Payment | None:
        """What became of it. None: nothing is decided yet."""
        ...


class FakeProvider:
    """For development and the demo: a page of ours that asks whether the payment should succeed."""

    name = "fake"

    def start(self, top_up: TopUp) -> str:
        return reverse("fake_payment", args=[top_up.pk])

    def look(self, top_up: TopUp) -> Payment | None:
        return None


# ------------------------------------------------------------------------------------------------ Stripe

SILENT = "payment_unavailable"
SILENT_SENTENCE = gettext_lazy("The payment service does not answer. Nothing is lost; try again in a moment.")
EVENTS = frozenset(
    f"checkout.session.{what}" for what in ("completed", "async_payment_succeeded", "async_payment_failed", "expired")
)
# What the payment of a completed page comes back to when the bank has not paid after all.
REFUSED_BY_THE_BANK = frozenset({"requires_payment_method", "canceled"})


class StripeProvider:
    """Stripe Checkout: a page of Stripe's, with whatever ways to pay the operator has switched on there.

    https://docs.stripe.com/checkout/fulfillment
    """

    name = "stripe"

    def start(self, top_up: TopUp) -> str:
        """Refused (503) when Stripe does not answer, (400) when it takes no such amount."""
        if top_up.provider_reference:
            session = self._session(top_up)
            return session.url or _page_of(top_up)
        session = self._create(top_up)
        TopUp.objects.filter(pk=top_up.pk, provider_reference="").update(provider_reference=session.id)
        return session.url or _page_of(top_up)

    def look(self, top_up: TopUp) -> Payment | None:
        return _payment(self._session(top_up), top_up) if top_up.provider_reference else None

    def heard(self, body: bytes, signature: str) -> TopUp | None:
        """The top-up that a signed event is about. None: nothing that concerns us.

        An event only rings the bell: it may be old, late or of another version of Stripe's API, so what became of the
        payment is asked. Refused (400): Stripe has not signed this, or long ago.
        """
        import stripe

        try:
            event = stripe.Webhook.construct_event(body, signature, settings.STRIPE_WEBHOOK_SECRET)
        except (ValueError, stripe.SignatureVerificationError) as error:
            raise Refused("bad_signature", _("The signature does not fit."), status=400) from error
        if event.type not in EVENTS:
            return None
        reference = event.data.object["id"]
        top_up = TopUp.objects.filter(provider=self.name, provider_reference=reference).first()
        if top_up is None:
            logger.info("Stripe tells of a payment %s that we do not know", reference)
        return top_up

    def _create(self, top_up: TopUp) -> "Session":
        page = _page_of(top_up)
        # The same wish asked twice makes one page, so nothing here may differ the second time (Stripe compares); the
        # moment tells the rows of two databases apart.
        key = f"{settings.SITE_HOST}-top-up-{top_up.pk}-{top_up.created_at.timestamp():.6f}"
        price = {
            "currency": settings.CURRENCY.lower(),
            "unit_amount": top_up.amount,
            "product_data": {"name": "ShareCharge"},
        }
        return self._ask(
            "create",
            params={
                "mode": "payment",
                "line_items": [{"quantity": 1, "price_data": price}],
                "client_reference_id": str(top_up.pk),
                "customer_email": top_up.user.email,
                "success_url": page,
                "cancel_url": f"{page}?{CANCELLED}=1",
                "adaptive_pricing": {"enabled": False},  # it is paid in our currency, or it would not fit the wish
            },
            options={"idempotency_key": key},
        )

    def _session(self, top_up: TopUp) -> "Session":
        return self._ask("retrieve", top_up.provider_reference, params={"expand": ["payment_intent"]})

    def _ask(self, what: str, *arguments: Any, **options: Any) -> "Session":
        import stripe

        try:
            session: Session = getattr(_client().v1.checkout.sessions, what)(*arguments, **options)
        except (stripe.APIConnectionError, stripe.APIError, stripe.RateLimitError) as error:
            logger.warning("Stripe does not answer: %s", error)
            raise Refused(SILENT, SILENT_SENTENCE, status=503) from error
        except stripe.StripeError as error:
            if error.code == "amount_too_small":
                sentence = _("The payment service does not take this amount. Try a larger one.")
                raise Refused("top_up_amount", sentence, status=400, field="amount") from error
            # A wrong key, a page of another account, a parameter that it does not know: for the operator to mend.
            logger.error("Stripe refuses: %s", error)
            sentence = _("This payment cannot go on. Nothing was charged by us; start a new one, or ask the operator.")
            raise Refused("payment_refused", sentence, status=502) from error
        return session


def _client() -> "StripeClient":
    import stripe

    return stripe.StripeClient(
        settings.STRIPE_SECRET_KEY,
        base_addresses={"api": settings.STRIPE_API_URL},
        max_network_retries=1,
        http_client=stripe.RequestsClient(timeout=10),
    )


def _page_of(top_up: TopUp) -> str:
    return f"{settings.SITE_URL}{reverse('top_up_page', args=[top_up.pk])}"


def _payment(session: "Session", top_up: TopUp) -> Payment | None:
    """A payment is only what was asked for: all of it, in our currency, for this top-up."""
    if _has_failed(session):
        return Payment(session.id, Outcome.FAILED)
    if session.payment_status != "paid":
        return Payment(session.id, Outcome.SENT) if session.status == "complete" else None
    told = (session.amount_total, session.currency, session.client_reference_id)
    wanted = (top_up.amount, settings.CURRENCY.lower(), str(top_up.pk))
    if told != wanted:
        logger.error("Stripe's payment %s is of %s, top-up %s wants %s", session.id, told, top_up.pk, wanted)
        return None
    return Payment(session.id, Outcome.PAID)


def _has_failed(session: "Session") -> bool:
    """Nobody paid in time, or a bank has refused what was promised on a completed page."""
    if session.payment_status == "paid":
        return False
    intent: Any = session.payment_intent
    is_refused = session.status == "complete" and bool(intent) and intent.status in REFUSED_BY_THE_BANK
    return session.status == "expired" or is_refused


PROVIDERS: dict[str, PaymentProvider] = {provider.name: provider for provider in (FakeProvider(), StripeProvider())}


def current() -> PaymentProvider:
    """The provider that the settings name."""
    provider = PROVIDERS.get(settings.PAYMENT_PROVIDER)
    if provider is None:
        raise Refused(
            "payments_off",
            _("Top-ups are not set up on this platform. Ask the operator (setting PAYMENT_PROVIDER)."),
            status=503,
        )
    return provider
