"""What `check --deploy` says of a set-up."""

import pytest
from django.test import override_settings

from sharecharge import checks

pytestmark = pytest.mark.once

POSTGRES = {"default": {"ENGINE": "django.db.backends.postgresql"}}
GOOD = {
    "PAYMENT_PROVIDER": "none", "DATABASES": POSTGRES, "HTTPS": True, "SECRET_KEY": "a", "CHARGER_PASSWORD_PEPPER": "b",
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:Overriding setting DATABASES")
@pytest.mark.parametrize(
    ("bad", "number"),
    [
        ({}, None),
        ({"PAYMENT_PROVIDER": "fake"}, "W001"),
        ({"DATABASES": {"default": {"ENGINE": "django.db.backends.sqlite3"}}}, "W002"),
        ({"CHARGER_PASSWORD_PEPPER": "a"}, "W003"),
        ({"HTTPS": False}, "W004"),
        ({"STRIPE_SECRET_KEY": "sk_test_x"}, "W005"),
        ({"STRIPE_SECRET_KEY": "sk_live_x"}, None),
    ],
)
def test_what_is_not_for_the_public_is_named(bad, number):
    with override_settings(**{**GOOD, **bad}):
        assert [found.id for found in checks.production()] == ([f"sharecharge.{number}"] if number else [])
