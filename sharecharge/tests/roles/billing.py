"""Money."""

from typing import Any

from billing import payouts, wallets
from billing.providers import FakeProvider
from conftest import fund
from sharecharge.tests.roles.row import Row
from sharecharge.tests.roles.stage import Stage

KEY = {"Idempotency-Key": "a key"}


def top_up(stage: Stage) -> dict[str, Any]:
    made = wallets.request_top_up(stage.alice, amount=100, idempotency_key="one", provider=FakeProvider())
    return {"pk": made.pk}


def payout(stage: Stage) -> dict[str, Any]:
    made = payouts.request(stage.alice, amount=100, bank_account="123457/0100", idempotency_key="one")
    return {"pk": made.pk}


def wish(stage: Stage) -> dict[str, str]:
    for person in (stage.bob, stage.otto, stage.oscar):
        fund(person, 100)
    return {"amount": "1.00", "bank_account": "123457/0100"}


OPERATORS = "401 403 403 403 403 200 401"

ROWS = [
    Row("GET", "wallet", "401 200 200 200 200 200 401"),
    Row("GET", "entry-list", "401 200 200 200 200 200 401"),
    Row("GET", "top-up-list", "401 200 200 200 200 200 401"),
    Row("POST", "top-up-list", "401 201 201 201 201 201 401", body=lambda stage: {"amount": "5.00"}, headers=KEY),
    Row("POST", "top-up-list", "401 400 400 400 400 400 401", body=lambda stage: {"amount": "5.00"}),
    Row("GET", "top-up-detail", "401 200 404 404 404 404 401", address=top_up),
    Row("GET", "payout-list", "401 200 200 200 200 200 401"),
    Row("POST", "payout-list", "401 201 201 201 201 201 401", body=wish, headers=KEY),
    Row("GET", "payout-detail", "401 200 404 404 404 404 401", address=payout),
    Row("GET", "operated-payout-list", OPERATORS),
    Row("GET", "operated-payout-detail", OPERATORS, address=payout),
    Row("POST", "operated-payout-pay", OPERATORS, address=payout),
    Row("POST", "operated-payout-refuse", OPERATORS, address=payout, body=lambda stage: {"reason": "No such account."}),
    Row("POST", "operated-payout-refuse", "401 403 403 403 403 400 401", address=payout, body=lambda stage: {}),
    Row("DELETE", "payout-detail", "401 204 404 404 404 404 401", address=payout),
]
