"""No list of the API asks the database more often when there is more to list: every list, few rows against many."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from rest_framework.test import APIClient

from accounts import webhooks
from accounts.models import User, Webhook
from billing import audit
from chargers.models import Charger, ChargingSession
from sharecharge.tests.test_queries import first, grow
from sharecharge.tests.test_roles import routes

# Who lists, and what of the address is to be filled in.
LISTS = {
    "charger-list": ("alice", None),
    "charger-connectors-list": ("alice", lambda: {"charger": first(Charger).pk}),
    "charger-attempts-list": ("bob", lambda: {"charger": first(Charger).pk}),
    "charger-messages-list": ("bob", lambda: {"charger": first(Charger).pk}),
    "charger-commands-list": ("bob", lambda: {"charger": first(Charger).pk}),
    "session-list": ("alice", None),
    "session-meter-values-list": ("alice", lambda: {"session": first(ChargingSession, user__name="Alice").pk}),
    "report-list": ("bob", None),
    "user-list": ("oscar", None),
    "id-tag-list": ("alice", None),
    "token-list": ("alice", None),
    "entry-list": ("alice", None),
    "top-up-list": ("alice", None),
    "payout-list": ("bob", None),
    "operated-payout-list": ("oscar", None),
    "webhook-list": ("bob", None),
    "delivery-list": ("bob", lambda: {"webhook_id": first(Webhook, user__name="Bob").pk}),
}

# The same lists, asked otherwise, and what is summed up of them.
MORE = [
    ("charger-list", "bob", "?mine=true"),
    ("charger-list", "oscar", ""),
    ("charger-list", "alice", "?usable_by_me=true&free_now=true"),
    ("session-list", "bob", "?as_owner=true"),
    ("session-list", "oscar", ""),
    ("session-totals", "bob", "?as_owner=true"),
    ("stats", "bob", ""),
]


def test_every_list_is_looked_at():
    assert {name for method, name in routes() if method == "GET" and name.endswith("-list")} == LISTS.keys()


@pytest.fixture
def people(alice: User, bob: User, oscar: User) -> dict[str, User]:
    return {"alice": alice, "bob": bob, "oscar": oscar}


def listed(user: User, path: str) -> tuple[int, list[str]]:
    """How many rows, and the statements."""
    client = APIClient()
    client.force_authenticate(user)
    client.get(path)  # what is looked up once per process is known after this
    with CaptureQueriesContext(connection) as captured:
        response = client.get(path)
    assert response.status_code == 200, path
    answer = response.json()
    rows = answer if isinstance(answer, list) else answer.get("results", [])
    return len(rows), [query["sql"] for query in captured.captured_queries]


def test_no_list_asks_more_often_for_more_rows(people: dict[str, User], monkeypatch):
    monkeypatch.setattr(audit, "KNOWN_FOR_SECONDS", 3600)  # asked once, not whenever some seconds are over
    webhooks.listeners.forget()
    grow(people, 0)
    paths = {
        name: (people[who], reverse(f"api:{name}", kwargs=row() if row else {})) for name, (who, row) in LISTS.items()
    }
    paths |= {f"{name} for {who}{query}": (people[who], reverse(f"api:{name}") + query) for name, who, query in MORE}
    few = {name: listed(*asked) for name, asked in paths.items()}
    for index in range(1, 5):
        grow(people, index)
        webhooks.ping(first(Webhook, user=people["bob"]))
    many = {name: listed(*asked) for name, asked in paths.items()}
    assert {name for name in LISTS if many[name][0] <= few[name][0]} == set()  # there is more of everything
    assert {name: many[name] for name in paths if len(many[name][1]) > len(few[name][1])} == {}
    assert max(len(statements) for _count, statements in many.values()) <= 8
