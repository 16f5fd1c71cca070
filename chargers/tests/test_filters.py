"""What a driver looks for on the map: the same filters in the list, in the map's data, and in the address."""

import pytest
from django.test import Client
from django.utils.html import escape

from accounts.models import User
from chargers import pins, registry
from chargers.models import Charger, Connector
from conftest import connect, fund, make_user


@pytest.fixture
def place(online: Charger) -> Charger:
    """11 kW of AC on Type 2 for 5.00, and 50 kW of DC on CCS for 9.00, which is taken."""
    strong = Connector.objects.create(
        charger=online, connector_id=2, type="CCS", current="DC", max_power_w=50_000, status="Charging"
    )
    registry.set_price(strong, 900)
    return online


def found(client: Client | None = None, **asked: str) -> bool:
    """In the data and in the list, which must agree."""
    client = client or Client()
    in_data = len(client.get("/map/data/", asked).json()["chargers"]) == 1
    assert ("Bob&#x27;s garage" in client.get("/", asked).content.decode()) == in_data
    return in_data


@pytest.mark.parametrize(
    ("asked", "fits"),
    [
        ({}, True),
        ({"connector": "CCS"}, True),
        ({"connector": "Type1"}, False),
        ({"current": "DC"}, True),
        ({"power": "22000"}, True),
        ({"price": "5"}, True),
        ({"price": "4,99"}, False),
        ({"connector": "CCS", "price": "8"}, False),  # one plug must be all of it
        ({"current": "AC", "power": "22000"}, False),
        ({"current": "AC", "free": "on"}, True),
        ({"usable": "on"}, True),
    ],
)
def test_it_finds_what_fits(place: Charger, asked, fits):
    assert found(**asked) is fits


def test_free_now_is_online_and_free(online: Charger):
    assert found(free="on")
    connect(online, status="Charging")
    assert not found(free="on")
    connect(online)
    Charger.objects.update(connection_mark="")
    assert not found(free="on")
    assert found()


def test_usable_is_where_the_wallet_suffices(online: Charger, alice: User, bob: User, client_of):
    poor = make_user("Poor")
    assert found(client_of(alice), usable="on")
    assert not found(client_of(poor), usable="on")
    assert found(client_of(bob), usable="on")  # his own
    fund(poor, 10_000)
    assert found(client_of(poor), usable="on")


def test_usable_needs_no_money_where_it_is_free(online: Charger, db, client_of):
    registry.set_price(online.connectors.get(), 0)
    assert found(client_of(make_user("Poor")), usable="on")


def test_usable_needs_a_price(online: Charger):
    online.connectors.update(tariff=None)
    assert found()
    assert not found(usable="on")


@pytest.mark.parametrize(
    ("asked", "name"),
    [({"connector": "Garden hose"}, "Plug"), ({"price": "a lot"}, "Price"), ({"power": "7"}, "Power")],
)
def test_a_filter_that_is_none_is_told_and_the_others_are_kept(online: Charger, asked, name):
    response = Client().get("/map/data/", asked)
    fault = response.json()["fault"]
    assert fault.startswith(f"A filter was left out. {name}")
    assert response.headers["ETag"] != Client().get("/map/data/").headers["ETag"]
    page = Client().get("/", asked).content.decode()
    assert escape(fault) in page
    assert 'class="wrong"' in page
    assert found(**asked)
    connect(online, status="Charging")
    assert not found(**asked, free="on")


def test_the_form_keeps_what_was_asked(online: Charger):
    page = Client().get("/", {"connector": "CCS", "free": "on", "price": "7,5"}).content.decode()
    assert '<option value="CCS" selected>' in page
    assert 'value="7,5"' in page
    assert page.count(" checked") == 1


# ------------------------------------------------------------------------------------------------ distance


def test_the_nearest_comes_first(online: Charger, bob: User):
    far = registry.register(owner=bob, name="Far", latitude=49.2, longitude=16.6, access="public").charger
    registry.set_price(Connector.objects.create(charger=far, connector_id=1), 100)
    near = f"{online.public_latitude},{online.public_longitude}"
    first, second = Client().get("/map/data/", {"near": near}).json()["chargers"]
    assert (first["name"], round(first["distance_m"])) == ("Bob's garage", 0)
    assert 70_000 < second["distance_m"] < 80_000
    assert second["distance_text"].endswith("km")
    cheap = Client().get("/map/data/", {"near": "nonsense"}).json()["chargers"][0]
    assert (cheap["name"], cheap["distance_text"]) == ("Bob's garage", "")


def test_a_distance_is_known_from_the_globe():
    prague, brno = (50.0875, 14.4213), (49.1951, 16.6068)
    assert 184_000 < pins.distance_m(prague, brno) < 187_000
    assert pins.distance_m((0, 179.5), (0, -179.5)) < 112_000


def test_another_place_is_another_version(online: Charger):
    box = "49,16,50,17"
    first = Client().get("/map/data/", {"box": box, "near": "49.8,16.3"})
    again = Client().get("/map/data/", {"box": box, "near": "49.9,16.3"}, headers={"if-none-match": first["ETag"]})
    assert again.status_code == 200
