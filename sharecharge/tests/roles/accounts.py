"""Logins, people, cards and tokens."""

import secrets
from typing import Any

from accounts import tokens
from sharecharge.tests.roles.row import Row
from sharecharge.tests.roles.stage import Stage

NEW_PASSWORD = "a new horse, another battery"


def somebody(field: str, **more: str) -> Any:
    """A body with an address that was never seen: attempts are counted for each."""
    return lambda stage: {field: f"{secrets.token_hex(4)}@example.com", **more}


def alice(stage: Stage) -> dict[str, Any]:
    return {"pk": stage.alice.pk}


def alices_card(stage: Stage) -> dict[str, Any]:
    return {"pk": stage.card.pk}


def alices_token(stage: Stage) -> dict[str, Any]:
    return {"pk": tokens.issue(stage.alice, name="Home", scopes=["wallet:read"])[0].pk}


ROWS = [
    Row("POST", "login", "401 401 401 401 401 401 401", body=somebody("username", password="wrong")),
    Row("POST", "login_refresh", "401 401 401 401 401 401 401", body=lambda stage: {"refresh_token": "x"}),
    Row("POST", "logout", "401 401 401 401 401 401 401", body=lambda stage: {"refresh_token": "x"}),
    Row("POST", "email_confirm", "400 400 400 400 400 400 400", body=lambda stage: {"key": "x"}),
    Row(
        "POST", "email_change", "401 400 400 400 400 400 401",
        body=somebody("email", password="wrong"),
    ),
    Row("POST", "email_resend", "401 202 202 202 202 202 401"),
    Row("POST", "password_reset", "202 202 202 202 202 202 202", body=somebody("email")),
    Row(
        "POST", "password_reset_confirm", "400 400 400 400 400 400 400",
        body=lambda stage: {"key": "x-y", "password": NEW_PASSWORD},
    ),
    Row(
        "POST", "password_change", "401 400 400 400 400 400 401",
        body=lambda stage: {"old_password": "wrong", "password": NEW_PASSWORD},
    ),
    Row("GET", "me", "401 200 200 200 200 200 401"),
    Row("PATCH", "me", "401 200 200 200 200 200 401", body=lambda stage: {"name": "New"}),
    Row("DELETE", "me", "401 400 400 400 400 400 401", body=lambda stage: {"password": "wrong"}),
    Row("POST", "become_owner", "401 200 200 200 200 200 401"),
    Row("GET", "user-list", "401 403 403 403 403 200 401"),
    Row("POST", "user-list", "201 201 201 201 201 201 401", body=somebody("email", name="New", password=NEW_PASSWORD)),
    Row("GET", "user-detail", "401 200 404 404 404 200 401", address=alice),
    Row("PATCH", "user-detail", "401 403 403 403 403 200 401", address=alice, body=lambda stage: {"role": "owner"}),
    Row("DELETE", "user-detail", "401 403 403 403 403 204 401", address=alice),
    Row("GET", "id-tag-list", "401 200 200 200 200 200 401"),
    Row("POST", "id-tag-list", "401 201 201 201 201 201 401", body=lambda stage: {"uid": "04:FF:EE:01"}),
    Row("GET", "id-tag-detail", "401 200 404 404 404 200 401", address=alices_card),
    Row("PATCH", "id-tag-detail", "401 200 404 404 404 200 401", address=alices_card, body=lambda stage: {"name": "x"}),
    Row("DELETE", "id-tag-detail", "401 204 404 404 404 204 401", address=alices_card),
    Row("GET", "id_tag_lookup", "401 403 403 403 403 200 401", address=lambda stage: {"uid": stage.card.uid}),
    Row("GET", "token-list", "401 200 200 200 200 200 401"),
    Row(
        "POST", "token-list", "401 201 201 201 201 201 401",
        body=lambda stage: {"name": "Home", "scopes": ["wallet:read"]},
    ),
    Row("GET", "token-detail", "401 200 404 404 404 404 401", address=alices_token),
    Row("DELETE", "token-detail", "401 204 404 404 404 404 401", address=alices_token),
]  # fmt: skip
