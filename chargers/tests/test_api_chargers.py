"""Chargers and plugs, for programs."""

from datetime import timedelta

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from billing import wallets
from chargers import authorization, registry
from chargers.hours import Window, week_of
from chargers.models import Charger, Connector, Message
from chargers.models.fleet import in_local_time
from chargers.tests.test_session_pages import make_session
from conftest import connect, make_user

pytestmark = pytest.mark.django_db

SECRETS = ("SC-SERIAL", "bob@example.com", "Tichá", "49.868613", "16.312749")
NEW = {"name": "Garage", "city": "Brno", "latitude": 49.2, "longitude": 16.6, "access": "public"}


def close_now(charger):
    """Open for half an hour, in three days."""
    registry.set_hours(charger, week_of([Window((in_local_time(timezone.now()).weekday() + 3) % 7, 0, 1)]))


def client_of(user=None) -> APIClient:
    client = APIClient()
    client.force_authenticate(user)
    return client


def get(path, user=None, **headers):
    response = client_of(user).get(f"/api/v1/{path}", headers=headers)
    return response.json() if response.content else response


def codes(query="", user=None):
    return [row["code"] for row in get(f"chargers{query}", user)["results"]]


@pytest.fixture
def other(bob, online):
    """A second one: DC, 50 kW, 9.00 per kWh, offline, far away."""
    charger = registry.register(owner=bob, name="B", latitude=50.1, longitude=14.4, access="public").charger
    plug = Connector.objects.create(charger=charger, connector_id=1, type="CCS", current="DC", max_power_w=50_000)
    registry.set_price(plug, 900)
    return charger


# ------------------------------------------------------------------------------------------------ reading


def test_everybody_sees_a_shared_charger_without_what_is_private(online):
    Charger.objects.update(serial_number="SC-SERIAL")
    [row] = get("chargers")["results"]
    assert get(f"chargers/{online.pk}") == {**row, "address": None, "position": None}
    assert row["view"] == "public"
    assert (row["latitude"], row["longitude"]) == (online.public_latitude, online.public_longitude)
    assert (row["state"], row["connectors"][0]["price_per_kwh"], row["connectors"][0]["state"]) == (
        "free", "5.00", "free",
    )  # fmt: skip
    assert not [secret for secret in (*SECRETS, online.identity) if secret in str(row)]


def test_who_could_charge_there_or_has_charged_learns_the_exact_place(online, connector, alice, oscar):
    dora = make_user("Dora")  # without money
    path, exact = f"chargers/{online.pk}", {"latitude": 49.868613, "longitude": 16.312749}
    assert (get(path, alice)["address"], get(path, alice)["position"]) == ("Tichá 1234, 570 01 Litomyšl", exact)
    assert (get(path, dora)["address"], get(path, dora)["position"]) == (None, None)
    assert [row["latitude"] for row in get("chargers", alice)["results"]] == [online.public_latitude]
    make_session(online, dora, status="ended", stop_received_at=timezone.now(), ended_at=timezone.now())
    assert get(path, dora)["position"] == exact


@pytest.mark.parametrize("who", ["bob", "oscar"])
def test_its_owner_and_operators_see_all_of_it_but_identity_and_password(who, online, request):
    Charger.objects.update(serial_number="SC-SERIAL")
    user = request.getfixturevalue(who)
    row = get(f"chargers/{online.pk}", user)
    assert row["view"] == "owner"
    assert (row["latitude"], row["street"], row["serial_number"], row["is_online"]) == (
        49.868613, "Tichá", "SC-SERIAL", True,
    )  # fmt: skip
    assert row["owner"] == {"id": online.owner_id, "name": "Bob"}
    assert online.identity not in str(row)
    assert get("chargers", user)["results"] == [row]


def test_a_private_charger_is_seen_by_its_owner_and_operators_only(online, alice, bob, oscar):
    Charger.objects.update(access="private")
    assert [len(codes(user=user)) for user in (None, alice, bob, oscar)] == [0, 0, 1, 1]
    path = f"/api/v1/chargers/{online.pk}"
    assert [client_of(user).get(path).status_code for user in (None, alice, bob, oscar)] == [404, 404, 200, 200]


def test_plugs_that_are_off_are_shown_to_the_owner_only(online, connector, alice, bob):
    off = Connector.objects.create(charger=online, connector_id=2, is_enabled=False)
    for path in (f"chargers/{online.pk}/connectors", "chargers"):
        for user, count in ((None, 1), (alice, 1), (bob, 2)):
            [*rows] = get(path, user)["results"]
            assert len(rows if path != "chargers" else rows[0]["connectors"]) == count
    statuses = [client_of(user).get(f"/api/v1/connectors/{off.pk}").status_code for user in (None, alice, bob)]
    assert statuses == [404, 404, 200]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("?bbox=49.8,16.2,49.9,16.4", "a"),
        ("?bbox=-10,-10,0,0", ""),
        ("?connector_type=CCS", "b"),
        ("?current=AC", "a"),
        ("?min_power_w=11001", "b"),
        ("?max_power_w=11000", "a"),
        ("?max_price_per_kwh=5.00", "a"),
        ("?max_price_per_kwh=4.99", ""),
        ("?current=AC&min_power_w=20000", ""),
        ("?free_now=true", "a"),
        ("?free_now=false", "b"),
        ("?open_now=true", "ab"),
        ("?open_now=false", ""),
        ("?online=true", "a"),
        ("?online=false", "b"),
    ],
)
def test_the_filters(query, found, online, other):
    names = {online.code: "a", other.code: "b"}
    assert sorted(names[code] for code in codes(query)) == list(found)


def test_where_one_may_not_start_now(online, other, alice, charlie):
    Charger.objects.filter(pk=other.pk).update(is_sharing=True)
    registry.set_price(other.connectors.get(), None)
    assert codes("?usable_by_me=true", alice) == [online.code]
    assert codes("?usable_by_me=false", alice) == [other.code]
    assert sorted(codes("?usable_by_me=false", make_user("Dora"))) == sorted([online.code, other.code])


def test_one_plug_has_to_fulfil_all(online, connector):
    """A slow AC plug and a fast DC one are no fast AC plug."""
    Connector.objects.create(charger=online, connector_id=2, current="DC", max_power_w=50_000)
    assert codes("?current=AC&min_power_w=20000") == []
    assert codes("?current=DC&min_power_w=20000") == [online.code]


def test_mine_and_code(online, other, alice, bob):
    Charger.objects.filter(pk=other.pk).update(owner=alice)
    assert codes("?mine=true", bob) == [online.code]
    assert codes("?mine=false", bob) == [other.code]
    assert codes(f"?code={online.code.upper()}") == [online.code]
    assert client_of().get("/api/v1/chargers?mine=true").status_code == 401


def test_operators_also_find_by_owner_and_what_was_deleted(online, other, bob, oscar):
    registry.delete(other)
    assert codes(user=oscar) == codes(f"?owner={bob.pk}", oscar) == [online.code]
    assert codes("?deleted=true", oscar) == [other.code]
    assert get(f"chargers/{other.pk}", oscar)["deleted_at"]
    for query in ("?deleted=true", "?owner=1"):
        assert client_of(bob).get(f"/api/v1/chargers{query}").status_code == 403
    assert client_of(bob).get(f"/api/v1/chargers/{other.pk}").status_code == 404


@pytest.mark.parametrize(
    "query",
    ["?bbox=1,2,3", "?bbox=2,0,1,0", "?current=XX", "?min_power_w=-1", "?min_power_w=1.5", "?mine=perhaps",
     "?max_price_per_kwh=1.234", "?owner=99999999999999999999", "?ordering=name", "?colour=red"],
)  # fmt: skip
def test_a_filter_that_is_none_is_refused(query, online, oscar):
    response = client_of(oscar).get(f"/api/v1/chargers{query}")
    assert response.status_code == 400
    assert response.json()["field"] == query[1:].partition("=")[0]


def test_the_order(online, other):
    ids = [online.pk, other.pk]
    for order, wanted in (("id", ids), ("-id", ids[::-1])):
        assert [row["id"] for row in get(f"chargers?ordering={order}")["results"]] == wanted
    assert codes("?ordering=-code") == codes("?ordering=code")[::-1] == codes()[::-1]


def test_pages_follow_each_other(online, other):
    first = client_of().get("/api/v1/chargers?limit=1").json()
    second = client_of().get(first["next"]).json()
    assert [row["code"] for row in (*first["results"], *second["results"])] == codes()
    assert (first["previous"], second["next"]) == (None, None)


def test_an_unchanged_list_is_304(online, other):
    client, path = client_of(), "/api/v1/chargers?limit=1"
    etag = client.get(path)["ETag"]
    again = client.get(path, headers={"If-None-Match": etag})
    assert (again.status_code, again.content) == (304, b"")
    later = timezone.now() + timedelta(seconds=5)
    Charger.objects.exclude(last_seen_at=None).update(last_seen_at=later)
    assert client.get(path, headers={"If-None-Match": etag}).status_code == 304  # heard again is no news
    Connector.objects.update(status="Charging")
    changed = client.get(path, headers={"If-None-Match": etag})
    assert changed.status_code == 200
    assert "no-cache" in changed["Cache-Control"]


NEWS = {
    "a name": lambda charger: Charger.objects.update(name="New"),
    "silence": lambda charger: Charger.objects.update(last_seen_at=timezone.now() - timedelta(days=1)),
    "a price": lambda charger: registry.set_price(charger.connectors.get(), 700),
    "sharing": lambda charger: registry.set_sharing(charger, sharing=False),
    "closed": close_now,
    "exact place": lambda charger: registry.show_position(charger, exact=True),
    "one more": lambda charger: registry.register(owner=charger.owner, name="C", latitude=1.0, longitude=1.0),
}


@pytest.mark.parametrize("change", NEWS.values(), ids=NEWS)
def test_any_news_gives_the_list_another_etag(change, online, bob):
    client, path = client_of(bob), "/api/v1/chargers?limit=1&ordering=id"
    etag = client.get(path)["ETag"]
    change(online)
    assert client.get(path, headers={"If-None-Match": etag}).status_code == 200


@pytest.mark.parametrize("is_owner", [False, True])
@pytest.mark.parametrize("owes", [False, True])
@pytest.mark.parametrize(
    "change",
    [
        lambda charger: None,
        lambda charger: Charger.objects.update(access="private"),
        lambda charger: Charger.objects.update(is_sharing=False),
        lambda charger: Charger.objects.update(is_enabled=False),
        lambda charger: registry.set_price(charger.connectors.get(), None),
        lambda charger: registry.set_price(charger.connectors.get(), 0),
        lambda charger: Connector.objects.update(is_enabled=False),
        close_now,
        registry.delete,
    ],
)
def test_usable_by_me_is_what_a_start_would_say(change, owes, is_owner, online, connector, alice, bob):
    change(online)
    if owes:
        wallets.hold(alice, reference="x", minimum=1, wanted=100_000)
    user = bob if is_owner else alice
    online.refresh_from_db()
    tag = authorization.id_tags.virtual_tag(user)
    would = authorization.check(online, tag.uid).is_accepted
    rows = authorization.usable_by(user, Charger.objects.all())
    assert list(rows) == ([online] if would else [])
    assert len(codes("?usable_by_me=true", user)) <= len(rows)


# ------------------------------------------------------------------------------------------------ owning


def test_an_owner_registers_a_charger_and_is_told_its_password_once(bob):
    response = client_of(bob).post("/api/v1/chargers", NEW, format="json")
    assert response.status_code == 201
    row, charger = response.json(), Charger.objects.get()
    assert response["Location"].endswith(f"/api/v1/chargers/{charger.pk}")
    assert "no-store" in response["Cache-Control"]
    connection = row["connection"]
    assert connection["identity"] == charger.identity
    assert connection["full_url"] == f"{connection['server_url']}/{charger.identity}"
    assert registry.password_matches(charger, connection["password"].encode())
    assert get(f"chargers/{charger.pk}/connection", bob) == {
        name: connection[name] for name in ("identity", "server_url", "full_url")
    }


def test_a_driver_registers_none_and_only_operators_for_somebody_else(alice, bob, oscar):
    assert client_of(alice).post("/api/v1/chargers", NEW, format="json").json()["code"] == "permission_denied"
    for_bob = {**NEW, "owner": bob.pk}
    refused = client_of(make_user("Otto", role="owner")).post("/api/v1/chargers", for_bob, format="json")
    assert (refused.status_code, refused.json()["field"]) == (403, "owner")
    assert client_of(oscar).post("/api/v1/chargers", for_bob, format="json").json()["owner"]["name"] == "Bob"
    for_alice = client_of(oscar).post("/api/v1/chargers", {**NEW, "owner": alice.pk}, format="json")
    assert for_alice.json()["code"] == "not_an_owner"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"identity": "SC1"}, "identity"),
        ({"is_enabled": False}, "is_enabled"),
        ({"latitude": 91}, "latitude"),
        ({"latitude": 0, "longitude": 0}, "latitude"),
        ({"name": ""}, "name"),
        ({"access": "everybody"}, "access"),
    ],
)
def test_what_cannot_be_is_not_registered(change, field, bob):
    response = client_of(bob).post("/api/v1/chargers", {**NEW, **change}, format="json")
    assert (response.status_code, response.json()["field"]) == (400, field)
    assert not Charger.objects.exists()


def test_the_owner_changes_what_is_given_and_nothing_else(online, bob):
    before = (online.public_latitude, online.public_longitude)
    changes = {"name": "New", "is_sharing": False, "access": "private"}
    row = client_of(bob).patch(f"/api/v1/chargers/{online.pk}", changes, format="json").json()
    assert {name: row[name] for name in changes} == changes
    online.refresh_from_db()
    assert (online.name, online.street, online.access) == ("New", "Tichá", "private")
    assert (online.public_latitude, online.public_longitude) == before
    client_of(bob).patch(f"/api/v1/chargers/{online.pk}", {"latitude": 49.9}, format="json")
    online.refresh_from_db()
    assert (online.latitude, online.longitude) == (49.9, 16.312749)
    assert (online.public_latitude, online.public_longitude) != before


@pytest.mark.parametrize("field", ["identity", "owner", "code", "public_latitude", "deleted_at", "serial_number"])
def test_what_is_not_the_owners_to_write_is_refused(field, online, bob):
    response = client_of(bob).patch(f"/api/v1/chargers/{online.pk}", {field: "1"}, format="json")
    assert (response.status_code, response.json()["code"]) == (400, "unknown_field")


def test_operators_switch_a_charger_off_owners_do_not(online, bob, oscar):
    path = f"/api/v1/chargers/{online.pk}"
    refused = client_of(bob).patch(path, {"name": "X", "is_enabled": False}, format="json")
    assert (refused.status_code, refused.json()["field"]) == (403, "is_enabled")
    assert client_of(oscar).patch(path, {"is_enabled": False}, format="json").json()["is_enabled"] is False
    assert Charger.objects.get().name == online.name


def test_a_charger_of_somebody_else(online, alice):
    """Public: it is there, but not to be changed. Private: there is none."""
    client = client_of(alice)
    path = f"/api/v1/chargers/{online.pk}"
    for status in (403, 404):
        assert client.patch(path, {"name": "X"}, format="json").status_code == status
        assert client.delete(path).status_code == status
        assert client.post(f"{path}/password").status_code == status
        for part in ("connection", "attempts", "messages"):
            assert client.get(f"{path}/{part}").status_code == status
        Charger.objects.update(access="private")


def test_it_is_deleted_softly_and_not_while_a_car_charges(online, alice, bob):
    session = make_session(online, alice)
    path = f"/api/v1/chargers/{online.pk}"
    refused = client_of(bob).delete(path)
    assert (refused.status_code, refused.json()["code"]) == (409, "charger_busy")
    type(session).objects.update(status="refused")
    assert client_of(bob).delete(path).status_code == 204
    assert client_of(bob).get(path).status_code == 404
    assert Charger.objects.get().deleted_at


def test_a_new_password_is_shown_once(online, bob):
    response = client_of(bob).post(f"/api/v1/chargers/{online.pk}/password")
    online.refresh_from_db()
    assert registry.password_matches(online, response.json()["password"].encode())
    assert "no-store" in response["Cache-Control"]


def test_attempts_and_messages(online, bob, oscar):
    online.connection_attempts.create(
        path="/ocpp/x", outcome="wrong_password", first_at=online.created_at, last_at=online.created_at
    )
    for number, action in enumerate(("Authorize", "Heartbeat")):
        Message.objects.create(
            charger=online, direction="in", action=action, at=online.created_at, is_error=number == 1,
            request='[2,"1","Authorize",{"idTag":"CANARY1234"}]',
        )  # fmt: skip
    path = f"chargers/{online.pk}"
    assert [row["outcome"] for row in get(f"{path}/attempts", bob)["results"]] == ["wrong_password"]
    for query, actions in (
        ("", ["Heartbeat", "Authorize"]),
        ("?action=Authorize", ["Authorize"]),
        ("?errors=true", ["Heartbeat"]),
        ("?direction=out", []),
    ):
        assert [row["action"] for row in get(f"{path}/messages{query}", bob)["results"]] == actions
    assert "…1234" in str(get(f"{path}/messages", bob))
    assert "CANARY" not in str(get(f"{path}/messages", bob))
    assert "CANARY1234" in str(get(f"{path}/messages", oscar))


# ------------------------------------------------------------------------------------------------ plugs


def test_the_owner_completes_a_plug(online, connector, bob):
    path = f"/api/v1/connectors/{connector.pk}"
    row = client_of(bob).patch(path, {"price_per_kwh": "6.50"}, format="json").json()
    assert (row["price_per_kwh"], row["max_power_w"], row["type"]) == ("6.50", 11_000, "Type2")
    changes = {"type": "CCS", "current": "DC", "max_power_w": 50_000, "is_enabled": False}
    row = client_of(bob).patch(path, changes, format="json").json()
    assert {**changes, "price_per_kwh": "6.50"}.items() <= row.items()
    assert client_of(bob).patch(path, {"price_per_kwh": None}, format="json").json()["price_per_kwh"] is None


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"price_per_kwh": "-1"}, "price_per_kwh"),
        ({"price_per_kwh": "100.01"}, "price_per_kwh"),
        ({"price_per_kwh": "1.001"}, "price_per_kwh"),
        ({"max_power_w": 99}, "max_power_w"),
        ({"max_power_w": 10**7}, "max_power_w"),
        ({"current": "XX"}, "current"),
        ({"number": 2}, "number"),
        ({"charger": 1}, "charger"),
        ({"status": "Available"}, "status"),
    ],
)
def test_what_cannot_be_is_refused(change, field, connector, bob):
    response = client_of(bob).patch(f"/api/v1/connectors/{connector.pk}", change, format="json")
    assert (response.status_code, response.json()["field"]) == (400, field)


def test_a_plug_of_somebody_else(connector, alice):
    for status in (403, 404):
        response = client_of(alice).patch(f"/api/v1/connectors/{connector.pk}", {"type": "CCS"}, format="json")
        assert response.status_code == status
        Charger.objects.update(access="private")


def test_a_plug_by_the_wallboxs_own_words(online, connector, alice, bob, oscar):
    path = f"/api/v1/connectors/ocpp/{online.identity.lower()}/1"
    for user, status in ((None, 401), (alice, 404), (bob, 200), (oscar, 200)):
        assert client_of(user).get(path).status_code == status
    assert client_of(bob).get(path).json()["id"] == connector.pk
    assert client_of(bob).get(path[:-1] + "2").status_code == 404


def test_what_is_offline_says_so(online):
    connect(online)
    Charger.objects.update(connection_mark="")
    [row] = get("chargers")["results"]
    assert (row["state"], row["connectors"][0]["state"]) == ("offline", "offline")
