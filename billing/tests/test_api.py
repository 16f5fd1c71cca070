"""The wallet, for programs."""

import pytest
from rest_framework.exceptions import ValidationError
from rest_framework.test import APIClient

from billing import wallets
from billing.serializers import MoneyField


def client_of(user) -> APIClient:
    client = APIClient()
    client.force_authenticate(user)
    return client


def test_the_wallet_tells_what_is_there_held_and_owed(alice):
    wallets.hold(alice, reference="a purpose", minimum=1, wanted=30_000)
    assert client_of(alice).get("/api/v1/wallet").json() == {
        "balance": "1000.00", "held": "300.00", "available": "700.00", "owed": "0.00", "currency": "CZK",
    }  # fmt: skip


def test_a_parameter_that_does_not_exist_is_refused(alice):
    response = client_of(alice).get("/api/v1/wallet?as_of=2026-01-01")
    assert response.status_code == 400
    fault = {"code": "unknown_parameter", "detail": "There is no such parameter here.", "field": "as_of"}
    assert response.json() == {**fault, "errors": [fault]}


@pytest.mark.parametrize(
    ("text", "amount"), [("6.5", 650), ("100.00", 10_000), ("100.01", None), ("-0.01", None), ("1.001", None)]
)
def test_limits_of_money_are_in_minor_units(text, amount):
    field = MoneyField(low=0, high=10_000)
    if amount is None:
        with pytest.raises(ValidationError):
            field.run_validation(text)
    else:
        assert field.run_validation(text) == amount


def test_nobody_has_a_wallet(db):
    response = APIClient().get("/api/v1/wallet")
    assert response.status_code == 401
    assert response.json()["code"] == "not_authenticated"
    assert response["WWW-Authenticate"].startswith("Bearer")
