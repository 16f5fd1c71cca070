"""What `manage.py check --deploy` finds wrong with a set-up that is meant for the public."""

from typing import Any

from django.conf import settings
from django.core import checks


@checks.register(checks.Tags.security, deploy=True)
def production(**_options: Any) -> list[checks.Warning]:
    found = []
    if settings.PAYMENT_PROVIDER == "fake":
        found.append(_warning(1, "PAYMENT_PROVIDER=fake lets everybody fill their wallet for nothing."))
    if settings.STRIPE_SECRET_KEY.startswith(("sk_test_", "rk_test_")):
        found.append(_warning(5, "STRIPE_SECRET_KEY is a test key: everybody can pay with Stripe's test cards."))
    if settings.DATABASES["default"]["ENGINE"].endswith("sqlite3"):
        found.append(_warning(2, "DATABASE_URL is SQLite, which one server on one machine can use.", "Use PostgreSQL."))
    if settings.SECRET_KEY == settings.CHARGER_PASSWORD_PEPPER:
        found.append(_warning(3, "SECRET_KEY and CHARGER_PASSWORD_PEPPER are the same; one leak would cost both."))
    if not settings.HTTPS:
        found.append(_warning(4, "SITE_URL is not https: passwords and tokens travel in the open."))
    return found


def _warning(number: int, sentence: str, hint: str | None = None) -> checks.Warning:
    return checks.Warning(sentence, hint=hint, id=f"sharecharge.W{number:03}")
