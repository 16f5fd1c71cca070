"""How money comes in. A provider takes a payment somewhere else and tells us, once or often, whether it was paid."""

from typing import Protocol

from django.conf import settings
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from billing.models import TopUp
from sharecharge.errors import Refused


class PaymentProvider(Protocol):
    """`start` may talk to a network, so it is never called inside a database transaction."""

    name: str

    def start(self, top_up: TopUp) -> str:
        """The address of the page where the user pays. Called again for the same top-up it continues the payment."""
        ...


class FakeProvider:
    """For development and the demo: a page of ours that asks whether the payment should succeed."""

    name = "fake"

    def start(self, top_up: TopUp) -> str:
        return reverse("fake_payment", args=[top_up.pk])


PROVIDERS: dict[str, PaymentProvider] = {provider.name: provider for provider in (FakeProvider(),)}


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
