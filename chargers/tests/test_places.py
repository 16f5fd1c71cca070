"""The map and a charger's page, for everybody; starting from the page. Nothing private is public."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts import id_tags, people
from accounts.models import User
from billing import units, wallets
from chargers import authorization, live, offers, registry, shapes
from chargers.hours import Window, week_of
from chargers.models import Charger, ChargingSession, Command, Connector
from conftest import connect, fund

# Thrown by hand, so that no digits are those of the exact position by chance.
BLURRED = {"public_latitude": 49.8712, "public_longitude": 16.3168}
CANARIES = {"serial_number": "CANARY-SERIAL", "street": "CANARY-STREET", "house_number": "CANARY-HOUSE"}


@pytest.fixture
def canary(online: Charger) -> Charger:
    Charger.objects.filter(pk=online.pk).update(
        **CANARIES, **BLURRED, iccid="CANARY-ICCID", meter_serial_number="CANARY-METER"
    )
    online.refresh_from_db()
    return online


def map_data(client: Client, **query) -> list[dict]:
    return client.get("/map/data/", query).json()["chargers"]


# ------------------------------------------------------------------------------------------------ privacy


@pytest.mark.parametrize("path", ["/", "/map/data/", "/c/{code}/"])
def test_public_pages_tell_nothing_private(canary: Charger, path):
    page = Client().get(path.format(code=canary.code)).content.decode()
    assert canary.name in page or canary.code in page
    secrets = [*CANARIES.values(), "CANARY-", canary.identity, canary.owner.email, canary.password_hmac]
    for secret in [*secrets, str(canary.latitude), str(canary.longitude), canary.postal_code]:
        assert secret not in page


def test_a_driver_with_money_sees_the_address_and_not_the_rest(canary: Charger, alice: User, client_of):
    page = client_of(alice).get(canary.get_absolute_url()).content.decode()
    assert "CANARY-STREET" in page
    for secret in ("CANARY-SERIAL", "CANARY-ICCID", "CANARY-METER", canary.identity, canary.owner.email):
        assert secret not in page


def test_a_driver_without_money_does_not_see_the_address(canary: Charger, db, client_of):
    poor = User.objects.create_user("poor@example.com", name="Poor")
    page = client_of(poor).get(canary.get_absolute_url()).content.decode()
    assert "CANARY-STREET" not in page
    assert str(canary.latitude) not in page
    assert "too little money" in page


def test_the_address_is_known_before_the_hours_begin(canary: Charger, alice: User, client_of):
    tomorrow = (timezone.localtime().weekday() + 1) % 7
    registry.set_hours(canary, week_of([Window(tomorrow, 0, 48)]))
    poor = User.objects.create_user("poor@example.com", name="Poor")
    assert "CANARY-STREET" in client_of(alice).get(canary.get_absolute_url()).content.decode()
    assert "CANARY-STREET" not in client_of(poor).get(canary.get_absolute_url()).content.decode()


# ------------------------------------------------------------------------------------------------ map


def test_it_lists_what_is_shared(online: Charger):
    page = Client().get("/").content.decode()
    assert "Bob&#x27;s garage" in page
    assert units.per_kwh(500) in page
    [pin] = map_data(Client())
    assert (pin["state"], pin["price_per_kwh"], pin["power_w"]) == ("free", 500, 11_000)
    assert (pin["latitude"], pin["longitude"]) == (online.public_latitude, online.public_longitude)


@pytest.mark.parametrize(
    "change", [{"access": "private"}, {"is_sharing": False}, {"is_enabled": False}, {"deleted_at": timezone.now()}]
)
def test_it_hides_what_is_not_shared(online: Charger, alice: User, client_of, change):
    Charger.objects.filter(pk=online.pk).update(**change)
    assert map_data(Client()) == map_data(client_of(alice)) == []


def test_of_an_owner_who_is_switched_off_others_see_nothing(online: Charger, alice: User, oscar: User, client_of):
    told = client_of(alice).get("/map/data/").headers["ETag"]
    people.set_active(online.owner, active=False)
    for client in (Client(), client_of(alice)):
        assert map_data(client) == []
        assert client.get(online.get_absolute_url()).status_code == 404
        assert client.get(f"/api/v1/chargers/{online.pk}").status_code == 404
    assert client_of(alice).get("/map/data/").headers["ETag"] != told
    assert client_of(oscar).get(online.get_absolute_url()).status_code == 200
    people.set_active(online.owner, active=True)
    assert len(map_data(Client())) == 1


def test_nobody_starts_at_a_charger_of_an_owner_who_is_switched_off(online: Charger, alice: User, oscar: User):
    people.set_active(online.owner, active=False)
    online.refresh_from_db()
    for person in (alice, oscar, online.owner):
        assert not authorization.admits(online, person)
    assert "owner is switched off" in str(authorization.check(online, id_tags.virtual_tag(alice).uid).sentence)


@pytest.mark.parametrize("active", [False, True])
def test_open_maps_hear_that_an_owner_was_switched(online: Charger, oscar: User, monkeypatch, active):
    told: list[int] = []
    monkeypatch.setattr(live, "publish_chargers", told.extend)
    people.change(online.owner, by=oscar, is_active=active)
    assert told == [online.pk]


def test_the_owner_sees_a_private_one(online: Charger, bob: User, client_of):
    Charger.objects.filter(pk=online.pk).update(access="private")
    assert len(map_data(client_of(bob))) == 1


def test_it_cuts_out_a_box(online: Charger):
    assert len(map_data(Client(), box="49,16,50,17")) == 1
    assert map_data(Client(), box="50,16,51,17") == []


@pytest.mark.parametrize("box", ["", "1,2,3", "a,b,c,d", "50,16,49,17", "nan,1,2,3", "1,1,inf,inf"])
def test_it_refuses_a_box_that_is_none(db, box):
    assert Client().get("/map/data/", {"box": box}).status_code == 400


@pytest.mark.parametrize(
    ("status", "state"), [("Available", "free"), ("Charging", "busy"), ("Preparing", "busy"), ("Faulted", "faulty")]
)
def test_a_pin_says_how_it_is(online: Charger, status, state):
    connect(online, status=status)
    [pin] = map_data(Client())
    assert pin["state"] == state


def test_stale_information_says_its_age(online: Charger):
    Charger.objects.filter(pk=online.pk).update(last_seen_at=timezone.now() - timedelta(hours=3))
    [pin] = map_data(Client())
    assert pin["state"] == "offline"
    assert "3\N{NO-BREAK SPACE}hours ago" in pin["age_text"]


def test_the_number_of_queries_does_not_grow(online: Charger, bob: User, django_assert_max_num_queries):
    for index in range(5):
        other = registry.register(owner=bob, name=f"C{index}", latitude=50, longitude=15, access="public").charger
        Connector.objects.create(charger=other, connector_id=1)
    with django_assert_max_num_queries(4):
        assert len(map_data(Client())) == 6


# ------------------------------------------------------------------------------------------------ a charger's page


def test_it_opens_by_its_code_however_typed(online: Charger):
    for path in (f"/c/{online.code}/", f"/c/{online.code}", f"/c/{online.code[:4].upper()}-{online.code[4:].upper()}"):
        assert Client().get(path).status_code == 200


@pytest.mark.parametrize(
    ("status", "visitors", "drivers"),
    [
        ("Available", "Log in to start", "Start charging"),
        ("Preparing", "Log in to start", "Start charging"),  # perhaps the visitor's own car
        ("Charging", "it is in use. This page says it by itself", "This plug is in use."),
        ("Faulted", "it is out of order", "This plug is out of order."),
        ("", "it is offline", "This plug is out of order."),
    ],
)
def test_it_offers_a_start_only_where_one_is_possible(online, alice, client_of, status, visitors, drivers):
    connect(online, status=status)
    for client, words in ((Client(), visitors), (client_of(alice), drivers)):
        page = client.get(online.get_absolute_url()).content.decode()
        assert words in page
        assert ("btn-big" in page) is (status in ("Available", "Preparing"))


def test_it_says_the_price_with_an_example(online: Charger):
    page = Client().get(online.get_absolute_url()).content.decode()
    assert units.per_kwh(500) in page
    assert units.money(10_000) in page  # 20 kWh
    assert f"/accounts/login/?next=/c/{online.code}/" in page


def test_a_private_one_is_not_there_for_others(online: Charger, alice: User, bob: User, oscar: User, client_of):
    Charger.objects.filter(pk=online.pk).update(access="private")
    path = online.get_absolute_url()
    assert Client().get(path).status_code == client_of(alice).get(path).status_code == 404
    assert client_of(bob).get(path).status_code == client_of(oscar).get(path).status_code == 200


def test_one_that_is_not_shared_now_says_so(online: Charger, alice: User, client_of):
    Charger.objects.filter(pk=online.pk).update(is_sharing=False)
    page = client_of(alice).get(online.get_absolute_url()).content.decode()
    assert "does not share this charger at the moment" in page
    assert "/start/" not in page


def test_a_deleted_one_is_gone(online: Charger):
    registry.delete(online)
    assert Client().get(online.get_absolute_url()).status_code == 404


def test_a_new_one_without_plugs_opens(charger: Charger):
    assert "never been connected" in Client().get(charger.get_absolute_url()).content.decode()


# ------------------------------------------------------------------------------------------------ starting


def start(client: Client, charger: Charger, number: int = 1, *, follow: bool = False):
    return client.post(reverse("charger_start", args=[charger.code, number]), follow=follow)


def test_it_starts_and_shows_the_steps(online: Charger, alice: User, client_of):
    client = client_of(alice)
    assert units.money(30_000) in client.get(online.get_absolute_url()).content.decode()
    response = start(client, online)
    command = Command.objects.get()
    assert response.url == f"/commands/{command.pk}/"
    assert (command.requested_by, command.action) == (alice, "remote_start")
    page = client.get(response.url).content.decode()
    assert "Requested" in page
    assert "Plug in the car now" in page
    assert "PHONE" not in page


def test_it_says_why_it_cannot_start(online: Charger, alice: User, bob: User, client_of, db):
    Charger.objects.filter(pk=online.pk).update(connection_mark="")
    assert "offline" in start(client_of(alice), online, follow=True).content.decode()
    poor = User.objects.create_user("poor@example.com", name="Poor")
    assert "too little money" in start(client_of(poor), online, follow=True).content.decode()
    assert not Command.objects.exists()


def test_it_asks_for_a_login_first(online: Charger):
    assert start(Client(), online).url.startswith("/accounts/login/")
    assert Client().get(reverse("charger_start", args=[online.code, 1])).status_code == 302


def test_there_is_no_such_plug(online: Charger, alice: User, client_of):
    assert start(client_of(alice), online, 7).status_code == 404


def test_the_address_of_a_start_leads_back_to_the_charger(online: Charger, alice: User, client_of):
    """After a log-in, a language switch or a reload; nothing is started."""
    path = reverse("charger_start", args=[online.code, 1])
    assert client_of(alice).get(path).url == online.get_absolute_url()
    switched = client_of(alice).post("/i18n/setlang/", {"language": "cs", "next": path}, follow=True)
    assert switched.redirect_chain[-1] == (online.get_absolute_url(), 302)
    assert client_of(alice).put(path).status_code == 405
    assert not Command.objects.exists()


def test_the_steps_of_others_are_not_there(online: Charger, alice: User, bob: User, charlie: User, client_of):
    path = start(client_of(alice), online).url
    assert client_of(charlie).get(path).status_code == 404
    assert client_of(bob).get(path).status_code == 200
    assert Client().get(path).status_code == 302


@pytest.fixture
def command(online: Charger, connector: Connector, alice: User) -> Command:
    expires_at = timezone.now() + timedelta(seconds=60)
    return Command.objects.create(
        charger=online, connector=connector, action="remote_start", requested_by=alice, expires_at=expires_at
    )


def states(command: Command) -> list[str]:
    command = Command.objects.select_related("connector", "session").get(pk=command.pk)
    return [step["state"] for step in shapes.command(command)["steps"]]


def answer(command: Command, **fields) -> None:
    Command.objects.filter(pk=command.pk).update(sent_at=timezone.now(), answered_at=timezone.now(), **fields)


def test_steps_go_on_as_the_charger_answers(command: Command):
    assert states(command) == ["done", "now", "next", "next"]
    answer(command, result={"status": "Accepted"})
    assert states(command) == ["done", "done", "now", "next"]
    command.refresh_from_db()
    assert 50 < shapes.command(command)["seconds_left"] <= 60
    command.charger.connectors.update(status="Preparing")
    assert states(command) == ["done", "done", "done", "now"]


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"result": {"status": "Rejected"}}, "turned the start down"),
        ({"error": "no_answer"}, "could not start"),
        ({"error": "expired"}, "did not answer in time"),
    ],
)
def test_a_failed_step_says_why(command: Command, fields, sentence):
    answer(command, **fields)
    command.refresh_from_db()
    shape = shapes.command(command)
    assert shape["steps"][1]["state"] == "failed"
    assert sentence in shape["failure_text"]
    assert shape["is_over"]


def test_nothing_plugged_in_is_a_failure_too(command: Command):
    answer(command, result={"status": "Accepted"})
    Command.objects.filter(pk=command.pk).update(answered_at=timezone.now() - timedelta(seconds=61))
    command.refresh_from_db()
    assert "No charging began" in shapes.command(command)["failure_text"]


def begin(command: Command, **fields) -> ChargingSession:
    now = timezone.now()
    return ChargingSession.objects.create(
        charger=command.charger, connector=command.connector, user=command.requested_by, owner=command.charger.owner,
        started_at=now, start_received_at=now, meter_start_wh=0, tariff=command.connector.tariff.snapshot(), **fields,
    )  # fmt: skip


def test_it_leads_to_the_session(command: Command, alice: User, client_of):
    answer(command, result={"status": "Accepted"})
    session = begin(command)
    assert client_of(alice).get(f"/commands/{command.pk}/").url == session.get_absolute_url()


def test_a_refused_session_is_a_failure_with_its_reason(command: Command, alice: User, client_of):
    answer(command, result={"status": "Accepted"})
    begin(command, status="refused", refusal="balance_too_low")
    page = client_of(alice).get(f"/commands/{command.pk}/").content.decode()
    assert "There is too little money" in page


def test_the_hold_is_what_the_wallet_has(online: Charger, db, client_of):
    modest = User.objects.create_user("modest@example.com", name="Modest")
    fund(modest, 6_000)
    assert units.money(6_000) in client_of(modest).get(online.get_absolute_url()).content.decode()


def test_plugs_that_are_alike_get_the_verdict_that_each_would_get(
    online: Charger, alice: User, bob: User, django_assert_max_num_queries
):
    """Enabled or not, with every kind of price, and where she charges at the moment."""
    for number in range(2, 12):
        plug = Connector.objects.create(
            charger=online, connector_id=number, is_enabled=number % 4 > 0, status="Available"
        )
        registry.set_price(plug, [None, 0, 500 + number][number % 3])
    plugs = list(online.connectors.select_related("tariff", "charger").order_by("connector_id"))
    for user in (alice, bob, User.objects.create_user("poor@example.com", name="Poor")):
        card = id_tags.virtual_tag(user)
        for busy in (None, plugs[0], plugs[4]):
            if busy:
                now = timezone.now()
                ChargingSession.objects.create(
                    charger=online, connector=busy, user=user, owner=bob, id_tag=card, started_at=now,
                    start_received_at=now, tariff={},
                )  # fmt: skip
            with django_assert_max_num_queries(35):
                found = offers.of(online, plugs, user, wallets.wallet_of(user))
            alone = [offers.of(online, [plug], user, wallets.wallet_of(user))[0] for plug in plugs]
            assert found == alone
            assert len({offer["obstacle"] for offer in found}) > 1 or user == bob  # who may start everywhere at home
        ChargingSession.objects.all().delete()


# ------------------------------------------------------------------------------------------------ label


def test_the_label_carries_number_and_code(online: Charger, bob: User, alice: User, client_of):
    address = f"/my/chargers/{online.pk}/label/"
    page = client_of(bob).get(address).content.decode()
    assert online.code in page
    assert online.identity not in page
    assert reverse("charger_qr", args=[online.code]) in page
    assert client_of(alice).get(address).status_code == 404


def test_the_code_is_a_picture(online: Charger):
    response = Client().get(f"/c/{online.code}/qr.svg")
    assert response.headers["Content-Type"] == "image/svg+xml"
    assert b"<path" in response.content
    Charger.objects.update(access="private")
    assert Client().get(f"/c/{online.code}/qr.svg").status_code == 404


def test_the_way_leads_to_where_one_may_know(online: Charger, alice: User, client_of):
    Charger.objects.filter(pk=online.pk).update(**BLURRED)
    assert f"destination={BLURRED['public_latitude']}" in Client().get(online.get_absolute_url()).content.decode()
    assert f"destination={online.latitude}" in client_of(alice).get(online.get_absolute_url()).content.decode()
