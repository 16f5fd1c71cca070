"""The map's data: cheap to ask again, right when anything changed, and found by an index however many there are."""

import gzip
from datetime import timedelta
from unittest import mock

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.utils import timezone

from accounts.models import User
from chargers import pins, registry
from chargers.hours import Week, Window, week_of
from chargers.models import Charger, Connector
from chargers.models.fleet import in_local_time, silence_limit
from chargers.tests.test_api_chargers import close_now
from chargers.tests.test_hours import EVENINGS, at
from conftest import connect, make_user
from sharecharge.testing import volume

PATH = "/map/data/"


TOWN, COUNTRY = "49,16,50,17", "48,12,52,19"


def ask(client: Client | None = None, etag: str = "", box: str = TOWN, **headers: str):
    headers |= {"if-none-match": etag} if etag else {}
    return (client or Client()).get(PATH, {"box": box}, headers=headers)


# ------------------------------------------------------------------------------------------------ asking again


def test_what_has_not_changed_is_not_sent_again(online: Charger):
    first = ask()
    assert first.headers["Cache-Control"] == "no-cache"
    with mock.patch.object(pins, "of", side_effect=AssertionError("built for nothing")):
        again = ask(etag=first.headers["ETag"])
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]
    assert again.headers["Cache-Control"] == "no-cache"
    assert "Cookie" in again.headers["Vary"]


def open_only_today() -> Week:
    return week_of([Window(in_local_time(timezone.now()).weekday(), 0, 48)])


def set_price(charger: Charger) -> None:
    registry.set_price(charger.connectors.get(), 650)


CHANGES = {
    "status": lambda it: it.connectors.update(status="Charging"),
    "price": set_price,
    "no price": lambda it: it.connectors.update(tariff=None),
    "power": lambda it: it.connectors.update(max_power_w=22_000),
    "plug": lambda it: it.connectors.update(type="CCS", current="DC"),
    "one more plug": lambda it: Connector.objects.create(charger=it, connector_id=2),
    "plug off": lambda it: it.connectors.update(is_enabled=False),
    "gone": lambda it: Charger.objects.update(connection_mark=""),
    "fallen silent": lambda it: Charger.objects.update(last_seen_at=silence_limit() - timedelta(seconds=1)),
    "name": lambda it: Charger.objects.update(name="Renamed"),
    "town": lambda it: Charger.objects.update(city="Brno"),
    "closed": close_now,
    "open until": lambda it: registry.set_hours(it, open_only_today()),
    "exact place": lambda it: registry.show_position(it, exact=True),
    "moved": lambda it: Charger.objects.update(public_latitude=49.5),
    "not shared": lambda it: Charger.objects.update(is_sharing=False),
    "deleted": registry.delete,
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_has_changed_is_sent(online: Charger, change):
    first = ask()
    CHANGES[change](online)
    second = ask(etag=first.headers["ETag"])
    assert second.status_code == 200
    assert second.json() != first.json()
    assert second.headers["ETag"] != first.headers["ETag"]


def test_a_sign_of_life_changes_nothing(online: Charger):
    etag = ask().headers["ETag"]
    Charger.objects.update(last_seen_at=timezone.now())
    assert ask(etag=etag).status_code == 304


def test_its_age_changes_what_is_stale(online: Charger):
    Charger.objects.update(last_seen_at=timezone.now() - timedelta(hours=3))
    etag = ask().headers["ETag"]
    assert ask(etag=etag).status_code == 304
    Charger.objects.update(last_seen_at=timezone.now() - timedelta(hours=4, minutes=1))
    assert "4\N{NO-BREAK SPACE}hours" in ask(etag=etag).json()["chargers"][0]["age_text"]


def test_the_clock_opens_and_closes_it(online: Charger):
    registry.set_hours(online, week_of(EVENINGS))
    seen = []
    for moment in ("Tue 16:59", "Tue 17:00", "Wed 06:59", "Wed 07:00"):
        with time_machine.travel(at(moment), tick=False):
            connect(online)
            first = ask()
            [pin] = first.json()["chargers"]
            assert ask(etag=first.headers["ETag"]).status_code == 304
            seen.append((first.headers["ETag"], pin["state"], pin["state_text"], pin["changes_at"]))
    assert len({etag for etag, *_told in seen}) == 3
    assert [told for _etag, *told in seen] == [
        ["closed", "closed, opens today at 17:00", "2026-11-24T17:00:00+01:00"],
        ["free", "free", "2026-11-25T07:00:00+01:00"],
        ["free", "free", "2026-11-25T07:00:00+01:00"],
        ["closed", "closed, opens today at 17:00", "2026-11-25T17:00:00+01:00"],
    ]


@pytest.mark.parametrize("wish", ["free", "usable"])
def test_what_a_filter_hides_until_it_opens_tells_when(online: Charger, wish):
    registry.set_hours(online, week_of(EVENINGS))
    etags = set()
    for moment, change in (("Tue 16:00", "2026-11-24T17:00:00+01:00"), ("Wed 08:00", "2026-11-25T17:00:00+01:00")):
        with time_machine.travel(at(moment), tick=False):
            connect(online)
            assert ask().json()["changes_at"] is None  # its pin says it
            answer = Client().get(PATH, {"box": TOWN, wish: "on"})
            assert (answer.json()["chargers"], answer.json()["changes_at"]) == ([], change)
            etags.add(answer.headers["ETag"])
            assert Client().get(PATH, {"box": "10,10,11,11", wish: "on"}).json()["changes_at"] is None
    assert len(etags) == 2


@pytest.mark.parametrize(
    ("status", "state"), [("Available", "closed"), ("Charging", "closed"), ("Faulted", "faulty"), ("", "offline")]
)
def test_outside_its_hours_it_is_closed_unless_it_is_worse(online: Charger, status, state):
    close_now(online)
    connect(online, status=status)
    assert [pin["state"] for pin in ask().json()["chargers"]] == [state]


def test_each_language_has_its_own(online: Charger):
    etag = ask().headers["ETag"]
    assert ask(etag=etag, **{"accept-language": "cs"}).status_code == 200


def test_what_only_an_owner_sees_is_kept_by_no_proxy(online: Charger, bob: User, client_of):
    public = ask()
    registry.register(owner=bob, name="At home", latitude=49.5, longitude=16.5)
    own = ask(client_of(bob), etag=public.headers["ETag"])
    assert [pin["name"] for pin in own.json()["chargers"]] == ["Bob's garage", "At home"]
    assert own.headers["Cache-Control"] == "no-cache, private"
    assert ask(etag=public.headers["ETag"]).status_code == 304


def test_it_is_compressed(online: Charger):
    response = ask(**{"accept-encoding": "gzip"})
    assert response.headers["Content-Encoding"] == "gzip"
    assert online.code.encode() in gzip.decompress(response.content)
    assert ask(etag=response.headers["ETag"], **{"accept-encoding": "gzip"}).status_code == 304


def test_two_queries_are_all(online: Charger, django_assert_num_queries):
    with django_assert_num_queries(2):
        ask()


# ------------------------------------------------------------------------------------------------ many


def test_a_crowded_box_shows_a_part_and_says_so(online: Charger, connector: Connector, monkeypatch):
    multiply(online, 6)
    monkeypatch.setattr(pins, "BOX_LIMIT", 7)
    whole = ask(box=COUNTRY).json()
    assert (len(whole["chargers"]), whole["more"]) == (7, False)
    monkeypatch.setattr(pins, "BOX_LIMIT", 3)
    part = ask(box=COUNTRY).json()
    assert (len(part["chargers"]), part["more"]) == (3, True)
    assert ask(box=COUNTRY).json() == part


def multiply(charger: Charger, times: int) -> None:
    """More chargers all over the country, each with a copy of the only plug."""
    volume.multiply(
        charger,
        times,
        code="'c' || (n * 7919 % 10007)",  # in no order of place
        identity="'ID' || n",
        public_latitude="48.6 + n * 7919 % 10007 * 2.4 / 10007",
        public_longitude="12.1 + n * 104729 % 10009 * 6.7 / 10009",
    )
    volume.fill(
        "chargers_connector",
        "(charger_id, connector_id, type, current, max_power_w, tariff_id, is_enabled, status, error_code, info)"
        " SELECT c.id, p.connector_id, p.type, p.current, p.max_power_w, p.tariff_id,"
        " p.is_enabled, p.status, p.error_code, p.info"
        " FROM chargers_charger c, chargers_connector p WHERE c.id <> p.charger_id",
    )


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite explains no plan that counts rows")
@pytest.mark.parametrize("who", ["a visitor", "a driver", "an owner"])
def test_ten_thousand_chargers_are_not_looked_through(online: Charger, connector: Connector, who):
    multiply(online, 10_000)
    users = {"a visitor": None, "a driver": make_user("Dora"), "an owner": online.owner}
    seen = Charger.objects.visible_to(users[who]).order_by("code")

    few = {"accounts_user"}  # the owners are two or three here, and read as a whole or not as statistics have it

    town = volume.plan(seen.in_box(49.8, 14.0, 50.1, 14.5)[: pins.BOX_LIMIT + 1], execute=True)
    assert "charger_by_position" in town.indexes
    assert town.read_through <= few
    assert town.rows_looked_at < 1_500  # of a stripe as high as the box at most

    country = volume.plan(seen.in_box(48, 12, 52, 19)[: pins.BOX_LIMIT + 1], execute=True)
    assert country.read_through <= few
    assert not country.sorts("chargers_charger")
    assert country.rows_looked_at < 2 * pins.BOX_LIMIT
