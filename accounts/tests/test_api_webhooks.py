"""Webhooks, for programs."""

import pytest
from rest_framework.test import APIClient

from accounts import events, webhooks
from accounts.models import Delivery, Webhook

pytestmark = pytest.mark.django_db
ROOT = "/api/v1/webhooks"
NEW = {"url": "https://hooks.example/charging", "events": ["session.started"]}


@pytest.fixture
def client(bob) -> APIClient:
    client = APIClient()
    client.force_authenticate(bob)
    return client


def test_the_secret_is_shown_once(client):
    created = client.post(ROOT, NEW, format="json")
    assert created.status_code == 201
    secret = created.json()["secret"]
    assert secret == Webhook.objects.get().secret
    for path in (ROOT, created["Location"]):
        assert secret not in client.get(path).content.decode()
    answer = client.post(created["Location"] + "/secret")
    assert created["Cache-Control"] == answer["Cache-Control"] == "no-store"
    renewed = answer.json()["secret"]
    assert renewed == Webhook.objects.get().secret != secret


@pytest.mark.parametrize(
    ("changed", "field", "code"),
    [
        ({"url": "http://hooks.example/"}, "url", "bad_url"),
        ({"url": "https://10.0.0.1/"}, "url", "private_address"),
        ({"url": "nonsense"}, "url", "invalid"),
        ({"events": []}, "events", "min_length"),
        ({"events": ["session.exploded"]}, "events.0", "invalid_choice"),
        ({"user": 1}, "user", "unknown_field"),
        ({"secret": "mine"}, "secret", "unknown_field"),
    ],
)
def test_what_cannot_be_is_named(client, changed, field, code):
    response = client.post(ROOT, NEW | changed, format="json")
    assert response.status_code == 400
    assert (response.json()["field"], response.json()["code"]) == (field, code)
    assert not Webhook.objects.exists()


def test_it_can_be_changed_switched_off_and_ended(client):
    address = client.post(ROOT, NEW, format="json")["Location"]
    changed = client.patch(address, {"is_enabled": False, "events": ["payout.changed"]}, format="json").json()
    assert (changed["is_enabled"], changed["events"], changed["url"]) == (False, ["payout.changed"], NEW["url"])
    assert client.delete(address).status_code == 204
    assert client.get(address).status_code == 404
    assert client.get(ROOT).json()["results"] == []


def test_a_ping_shows_what_became_of_it(client):
    address = client.post(ROOT, NEW, format="json")["Location"]
    told = client.post(address + "/ping")
    assert told.status_code == 202
    assert client.get(told["Location"]).json()["status"] == "waiting"


def test_messages_are_listed_filtered_and_sent_again(client, bob):
    hook = webhooks.create(bob, url=NEW["url"], listens_to=[events.SESSION_STARTED])
    webhooks.tell(events.SESSION_STARTED, owner_id=bob.pk, data=lambda: {"id": 7})
    webhooks.ping(hook)
    Delivery.objects.update(next_attempt_at=None, error="HTTP 500", response_status=500)
    path = f"{ROOT}/{hook.pk}/deliveries"
    assert [row["event"] for row in client.get(path).json()["results"]] == ["ping", "session.started"]
    [row] = client.get(f"{path}?event=session.started").json()["results"]
    assert (row["status"], row["payload"]["data"]) == ("failed", {"id": 7})
    assert client.post(f"{path}/{row['id']}/replay").json()["status"] == "waiting"


def test_nobody_reads_what_others_were_told(client, oscar):
    theirs = webhooks.ping(webhooks.create(oscar, url=NEW["url"], listens_to=[events.PAYOUT]))
    assert client.get(f"{ROOT}/{theirs.webhook_id}/deliveries").json()["results"] == []
    assert client.get(f"{ROOT}/{theirs.webhook_id}/deliveries/{theirs.pk}").status_code == 404
