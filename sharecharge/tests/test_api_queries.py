"""No list of the API asks the database more often when there is more to tell: every list, few rows against many."""

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import User
from chargers.models import Charger, ChargingSession
from sharecharge.tests.test_queries import first, grow, platform  # noqa: F401 - a fixture
from sharecharge.tests.test_roles import routes


def charger() -> dict[str, int]:
    return {"charger": first(Charger).pk}


def session() -> dict[str, int]:
    return {"session": first(ChargingSession, user__name="Alice", status="running").pk}


# Who asks, and in which row the list lies.
LISTS = {
    "charger-list": ("alice", dict),
    "charger-connectors-list": ("alice", charger),
    "charger-attempts-list": ("bob", charger),
    "charger-messages-list": ("bob", charger),
    "charger-commands-list": ("bob", charger),
    "session-list": ("alice", dict),
    "session-meter-values-list": ("alice", session),
    "report-list": ("bob", dict),
    "webhook-list": ("bob", dict),
    "delivery-list": ("bob", lambda: {"webhook_id": 1}),
    "user-list": ("oscar", dict),
    "id-tag-list": ("alice", dict),
    "token-list": ("alice", dict),
    "entry-list": ("alice", dict),
    "top-up-list": ("alice", dict),
    "payout-list": ("bob", dict),
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


def queries_of(client: Client, path: str) -> int:
    assert client.get(path).status_code == 200, path  # what is looked up once per process is known after this
    with CaptureQueriesContext(connection) as captured:
        client.get(path)
    return len(captured)


def test_every_list_is_looked_at():
    assert {name for method, name in routes() if method == "GET" and name.endswith("-list")} == set(LISTS)


def test_no_list_asks_more_often_for_more_rows(platform: dict[str, User], client_of, settings):  # noqa: F811
    settings.API_RATES = dict.fromkeys(settings.API_RATES)
    clients = {who: client_of(user) for who, user in platform.items()}
    asked = [(who, reverse(f"api:{name}", kwargs=row())) for name, (who, row) in LISTS.items()]
    asked += [(who, reverse(f"api:{name}") + query) for name, who, query in MORE]
    few = {(who, path): queries_of(clients[who], path) for who, path in asked}
    for index in range(1, 5):
        grow(platform, index)
    many = {(who, path): queries_of(clients[who], path) for who, path in asked}
    assert {key: (few[key], many[key]) for key in few if many[key] > few[key]} == {}
    assert max(many.values()) < 20
