"""Closing one's account, adding a card by tapping it, and places, for programs."""

import pytest
from django.core.cache import cache
from rest_framework.test import APIClient

from accounts import id_tags, logins, tokens
from accounts.models import User
from chargers import claims, gazetteer
from chargers.tests.test_api_chargers import client_of, get
from conftest import PASSWORD, fund

ME = "/api/v1/users/me"


@pytest.fixture
def dora(db) -> User:
    cache.clear()  # attempts are counted by address
    return User.objects.create_user("dora@example.com", PASSWORD, name="Dora")


def close(token: str, **body):
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    return client.delete(ME, body, format="json")


def test_an_account_is_closed_and_every_login_ends(dora):
    login = logins.begin(dora)
    assert close(login.access_token, password=PASSWORD).status_code == 204
    dora.refresh_from_db()
    assert (dora.is_active, "dora" in f"{dora.name}{dora.email}".lower()) == (False, False)
    assert close(login.access_token, password=PASSWORD).status_code == 401
    body = {"username": "dora@example.com", "password": PASSWORD}
    again = APIClient().post("/api/v1/login/access-token", body, format="json")
    assert again.status_code == 401


def test_what_stands_in_the_way_is_told(dora):
    fund(dora, 500)
    response = close(logins.begin(dora).access_token, password=PASSWORD)
    assert (response.status_code, response.json()["code"]) == (409, "account_in_use")
    assert "5.00" in response.json()["detail"]


@pytest.mark.parametrize(("body", "code"), [({}, "required"), ({"password": "wrong"}, "wrong_password")])
def test_the_password_is_asked_for(dora, body, code):
    response = close(logins.begin(dora).access_token, **body)
    assert (response.status_code, response.json()["code"], response.json()["field"]) == (400, code, "password")
    dora.refresh_from_db()
    assert dora.is_active


def test_the_password_cannot_be_guessed_here_either(dora):
    access = logins.begin(dora).access_token
    assert [close(access, password="wrong").status_code for _i in range(6)] == [400] * 5 + [429]


def test_a_personal_token_closes_no_account(dora):
    text = tokens.issue(dora, name="Home", scopes=tokens.SCOPES)[1]
    assert close(text, password=PASSWORD).status_code == 403


def test_a_card_is_added_by_holding_it_to_a_charger(online, alice, charlie):
    asked = client_of(alice).post(
        "/api/v1/id-tags/claims", {"code": f"{online.code[:4].upper()} {online.code[4:]}"}, format="json"
    )
    assert (asked.status_code, asked.json()["state"], asked.json()["charger"]["id"]) == (201, "waiting", online.pk)
    assert claims.check_at(online.pk, "04FFEEDD").is_accepted
    told = get("id-tags/claims", alice)
    assert (told["state"], told["id_tag"]) == ("taken", id_tags.find("04FFEEDD").pk)
    assert client_of(charlie).get("/api/v1/id-tags/claims").status_code == 404


def test_a_place_is_found_by_its_name(db, monkeypatch, settings):
    settings.GEOCODER_URL = "https://places.example"
    monkeypatch.setattr(gazetteer, "_ask", lambda query, language: [(query, 49.2, 16.6)])
    assert get("places?q=Brno")["results"] == [{"name": "Brno", "latitude": 49.2, "longitude": 16.6}]
