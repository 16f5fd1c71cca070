"""The wallet, for programs."""

from rest_framework.test import APIClient

from billing import wallets


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


def test_nobody_has_a_wallet(db):
    response = APIClient().get("/api/v1/wallet")
    assert response.status_code == 401
    assert response.json()["code"] == "not_authenticated"
    assert response["WWW-Authenticate"].startswith("Bearer")
