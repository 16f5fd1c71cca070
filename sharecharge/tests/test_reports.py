"""Error reports tell what broke, and no password, card number, address or link that somebody could use."""

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from typing import Any
from unittest import mock

import pytest
import sentry_sdk
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport

from accounts.models import User
from sharecharge import reports, trace

pytestmark = pytest.mark.once

CARD, PASSWORD = "04C5A2F7B1D901", "CANARYPASSWORD2345"
TAP = f'[2,"1","Authorize",{{"idTag":"{CARD}"}}]'
ROTATION = f'[2,"2","ChangeConfiguration",{{"key":"AuthorizationKey","value":"{PASSWORD}"}}]'

logger = logging.getLogger("ocpp_gateway.test")


class Post(Transport):
    """What would have gone over the network."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[Any] = []

    def capture_envelope(self, envelope: Envelope) -> None:
        self.events.append(envelope.get_event())

    @property
    def text(self) -> str:
        return json.dumps(self.events, ensure_ascii=False, default=str)


@pytest.fixture
def post() -> Iterator[Post]:
    transport = Post()
    reports.begin("https://key@sentry.example.com/1", transport=transport)
    yield transport
    sentry_sdk.init()  # as without a DSN


def test_an_error_is_reported_with_its_trace(post: Post):
    with trace.begun("mark.7"):
        logger.error("something broke")
    [event] = post.events
    assert event["logentry"]["message"] == "something broke"
    assert event["tags"]["trace"] == "mark.7"
    logger.warning("no error")
    assert len(post.events) == 1


@pytest.mark.parametrize("frame", [TAP, ROTATION, json.dumps(TAP), json.dumps(ROTATION), TAP[:-3], ROTATION[:-2]])
def test_frames_are_scrubbed(post: Post, frame: str):
    logger.info("breadcrumb %s", frame)
    try:
        raise ValueError(frame)
    except ValueError:
        logger.exception("cannot read %s", frame, extra={"frame": frame, "parts": [frame]})
    assert len(post.events) == 1
    assert "cannot read" in post.text
    assert CARD not in post.text
    assert PASSWORD not in post.text


def test_local_variables_stay_here(post: Post):
    def charge(id_tag: str, password: str) -> None:
        raise RuntimeError("boom")

    try:
        charge(CARD, PASSWORD)
    except RuntimeError:
        logger.exception("failed")
    assert "boom" in post.text
    assert CARD not in post.text
    assert PASSWORD not in post.text


def test_a_crashed_page_tells_nothing_of_its_visitor(post: Post, alice: User, client_of):
    client = client_of(alice)
    client.raise_request_exception = False
    with mock.patch("accounts.id_tags.issue", side_effect=RuntimeError("boom")):
        response = client.post(
            "/cards/", {"uid": CARD, "name": PASSWORD}, headers={"Authorization": f"Bearer {PASSWORD}"}
        )
    assert response.status_code == 500
    assert "boom" in post.text
    session = client.cookies["sessionid"].value
    for secret in (CARD, PASSWORD, session, alice.email, alice.name):
        assert secret not in post.text
    assert not any(event.get("user") for event in post.events)
    assert not sentry_sdk.get_client().should_send_default_pii()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Authorization: Basic c2VjcmV0OnNlY3JldA==", "Authorization: Basic …"),
        ("postgres://sharecharge:hunter2@db/x", "postgres://sharecharge:…@db/x"),
        ("http://x/accounts/password/reset/key/3-abc123/", "http://x/accounts/password/reset/key/…/"),
        ("/accounts/confirm-email/MQ:1abc/ of alice@example.com", "/accounts/confirm-email/…/ of …@…"),
        ("session 42 is held for review", "session 42 is held for review"),
    ],
)
def test_secrets_of_all_kinds(text, shown):
    assert reports.scrub_text(text) == shown


def test_without_a_dsn_nothing_is_loaded():
    code = "import django, sys; django.setup(); sys.exit('sentry_sdk' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
