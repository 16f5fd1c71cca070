"""What owners see and do: add, connect, price, share, rotate, delete."""

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from billing import units
from chargers import hosts, message_log, registry, shapes, timeline
from chargers.models import Charger, ChargingSession, ConnectionAttempt, Connector, Message
from chargers.tests.test_session_pages import make_session

PLACE = {
    "name": "New box", "street": "Krátká", "house_number": "5", "city": "Brno", "postal_code": "602 00",
    "latitude": "49,195", "longitude": "16.608",
}  # fmt: skip
ACTIONS = [
    "edit",
    "sharing",
    "access",
    "hours",
    "password",
    "delete",
    "manage",
    "settings",
    "log",
    "refresh",
    "restart",
    "limit",
]


def path_of(charger: Charger, action: str = "manage") -> str:
    return reverse(f"charger_{action}", args=[charger.pk])


@pytest.mark.parametrize("path", ["/my/chargers/", "/my/chargers/add/"])
def test_it_is_for_owners(alice: User, client_of, path):
    assert Client().get(path).url.startswith("/accounts/login/")
    assert client_of(alice).get(path).url == "/my/become-owner/"
    assert client_of(alice).post("/my/chargers/add/", {**PLACE, "access": "public"}).url == "/my/become-owner/"
    assert not Charger.objects.exists()


@pytest.mark.parametrize(
    ("field", "value"),
    [("latitude", "0"), ("longitude", ""), ("longitude", "nan"), ("name", ""), ("city", ""), ("latitude", "91"),
     ("latitude", "north"), ("access", "everybody"), ("name", "x" * 101)],
)  # fmt: skip
def test_it_names_the_field_that_is_wrong(bob: User, client_of, field, value):
    place = PLACE | ({"longitude": "0.0"} if value == "0" else {})
    response = client_of(bob).post("/my/chargers/add/", {**place, "access": "private", field: value})
    assert response.status_code == 400
    assert field in response.context["form"].errors
    assert not Charger.objects.exists()


@pytest.mark.parametrize("action", ["edit", "sharing", "access", "hours"])
def test_the_address_of_a_form_leads_back_to_its_page(online: Charger, bob: User, client_of, action):
    page = path_of(online, "manage" if action == "sharing" else "settings")
    assert client_of(bob).get(path_of(online, action)).url == page
    assert client_of(bob).get(reverse("connector_edit", args=[online.pk, 1])).url == path_of(online, "settings")


def test_it_lists_ones_own_only(online: Charger, bob: User, client_of):
    other = User.objects.create_user("eve@example.com", name="Eve", role="owner")
    assert "Bob&#x27;s garage" in client_of(bob).get("/my/chargers/").content.decode()
    assert "Bob&#x27;s garage" not in client_of(other).get("/my/chargers/").content.decode()


def test_it_lists_what_was_charged_there(online: Charger, bob: User, alice: User, client_of):
    keys = [make_session(online, alice, status="refused", refusal="not_shared").pk for _i in range(31)]
    other = registry.register(owner=bob, name="Second", latitude=50, longitude=15).charger
    client = client_of(bob)
    page = client.get("/my/sessions/").content.decode()
    assert page.count("Bob&#x27;s garage · ") == 30
    assert "Alice" in page
    # The filter stays while one leafs through.
    filtered = client.get("/my/sessions/", {"charger": online.pk}).content.decode()
    assert f'href="/my/sessions/?charger={online.pk}&amp;before={keys[1]}"' in filtered
    assert "garage · " not in filtered
    older = client.get("/my/sessions/", {"charger": online.pk, "before": keys[1]}).content.decode()
    assert f"/sessions/{keys[0]}/" in older
    assert "Nobody has charged here yet" in client.get("/my/sessions/", {"charger": other.pk}).content.decode()
    registry.delete(online)
    assert "Alice" in client.get("/my/sessions/", {"charger": online.pk}).content.decode()


def test_what_was_charged_elsewhere_is_not_there(online: Charger, alice: User, charlie: User, client_of):
    make_session(online, alice)
    for user in (alice, charlie):
        assert "Nobody has charged here yet" in client_of(user).get("/my/sessions/").content.decode()
        for asked in (online.pk, "x", "9" * 30):
            assert client_of(user).get("/my/sessions/", {"charger": asked}).status_code == 404
    assert Client().get("/my/sessions/").url.startswith("/accounts/login/")


def test_an_owner_sees_who_charges_where(online: Charger, bob: User, alice: User, client_of):
    session = make_session(online, alice)
    page = client_of(bob).get("/my/chargers/").content.decode()
    assert f'href="/sessions/{session.pk}/"><span data-field="driver">Alice</span>' in page


@pytest.mark.parametrize("action", ACTIONS)
def test_a_foreign_charger_is_not_there(online: Charger, connector: Connector, client_of, action):
    eve = client_of(User.objects.create_user("eve@example.com", name="Eve", role="owner"))
    form = {**PLACE, "access": "private", "sharing": "false"}
    assert eve.post(path_of(online, action), form).status_code in (404, 405)
    assert eve.get(path_of(online, action), follow=True).status_code == 404
    assert eve.post(reverse("connector_edit", args=[online.pk, 1]), {}).status_code == 404
    assert Client().get(path_of(online, action)).url.startswith("/accounts/login/")
    before = (online.name, online.access, online.is_sharing, online.deleted_at, online.next_password_hmac)
    online.refresh_from_db()
    assert before == (online.name, online.access, online.is_sharing, online.deleted_at, online.next_password_hmac)


def test_it_shows_attempts_with_advice_and_messages(online: Charger, bob: User, client_of):
    now = timezone.now()
    ConnectionAttempt.objects.create(
        charger=online, path="/ocpp/x", outcome="wrong_password", count=3, first_at=now, last_at=now
    )
    Message.objects.create(charger=online, direction="in", action="Heartbeat", request="<b>&", at=now)
    page = client_of(bob).get(path_of(online)).content.decode()
    assert "The password does not fit" in page
    assert "3×" in page
    assert "Heartbeat" in page
    assert "&lt;b&gt;&amp;" in page


FRAMES = [
    '[2,"1","Authorize",{"idTag":"04A1B2C3D4"}]',
    '[2,"1","Authorize",{"idTag" : "04A1B2C3D4"',  # cut off
    '[2,"1","Authorize",{"idTag":"04A1B2C3D4',
    '[2,"1","Authorize",{"IDTAG":410411223344}]',
    '[2,"1","Authorize",{"id\\u0054ag":"04A1B2C3D4"}]',
    '[2,"1","SendLocalList",{"localAuthorizationList":[{"idTag":"04A1B2C3D4","idTagInfo":{"parentIdTag":"04A1B2C3D4"}}]}]',
    '[2,"1","DataTransfer",{"data":"{\\"idTag\\":\\"04A1B2C3D4\\"}"}]',
    '{"idTagInfo":{"status":"Accepted","parentIdTag":"04A1B2C3D4"}}',
    '[2,"1","TransactionEvent",{"idToken":{"idToken":"04A1B2C3D4","type":"ISO14443"}}]',
    "[" * 3000 + '{"idTag":"04A1B2C3D4"}' + "]" * 3000,
]


@pytest.mark.parametrize("frame", FRAMES)
def test_messages_show_no_numbers_of_cards(online: Charger, bob: User, client_of, frame):
    Message.objects.create(charger=online, direction="in", request=frame, response=frame, at=timezone.now())
    page = client_of(bob).get(path_of(online)).content.decode()
    assert "04A1B2" not in page
    assert "41041122" not in page
    assert "…C3D4" in page or "…3344" in page


def say(charger: Charger, action: str, payload: str, answer: str = "{}", **fields) -> Message:
    """As the gateway writes it, see ocpp_gateway/dispatch.py."""
    frames = {"request": f'["{action}",{payload}]', "response": f'[3,"1",{answer}]'}
    if fields.get("direction") == "out":
        frames = {"request": f'[2,"1","{action}",{payload}]', "response": answer}
    return Message.objects.create(
        charger=charger, action=action, at=timezone.now(), **{"direction": "in", **frames, **fields}
    )


def test_it_tells_in_plain_words_what_the_charger_said(online: Charger, bob: User, client_of):
    say(online, "BootNotification", '{"chargePointVendor":"Solax","chargePointModel":"X3"}', '{"status":"Accepted"}')
    say(online, "Authorize", '{"idTag":"04A1B2C3D4"}', '{"idTagInfo":{"status":"Blocked"}}')
    say(online, "StartTransaction", '{"connectorId":1,"meterStart":1500}', '{"idTagInfo":{"status":"Accepted"}}')
    for _i in range(3):
        say(online, "Heartbeat", "{}")
    say(online, "StatusNotification", '{"connectorId":1,"status":"Faulted","errorCode":"GroundFailure"}')
    say(online, "Reset", "{}", '{"status":"Rejected"}', direction="out")
    say(online, "Whatever", "[]", is_error=True)
    assert [(line["text"], line["count_text"]) for line in timeline.latest(online)] == [
        ("Whatever failed or could not be read", ""),
        ("We asked it to restart. It answered: no", ""),
        ("Plug 1: out of order: current leaks to the ground", ""),
        ("The charger says that it is there", "3×"),
        ("Charging began at plug 1, meter at 1.500\xa0kWh. We answered: yes", ""),
        ("The card …C3D4 was held to it. We answered: no, this card may not charge here now", ""),
        ("The charger introduced itself: Solax X3. We answered: welcome", ""),
    ]
    page = client_of(bob).get(path_of(online, "log")).content.decode()
    assert "Plug 1: out of order: current leaks to the ground" in page
    assert "04A1B2" not in page


@pytest.mark.parametrize("frame", ["", "{", "[]", "[2]", '[2,"1","Authorize",[]]', "[" * 3000, '[2,"1","A",null]'])
@pytest.mark.parametrize("action", ["Authorize", "StartTransaction", "StatusNotification", ""])
def test_no_frame_breaks_the_words(frame, action):
    assert timeline.words(Message(action=action), frame, frame, refusals={})


def test_the_log_goes_back_page_by_page(online: Charger, bob: User, client_of):
    for index in range(70):
        say(online, "DataTransfer", f'{{"vendorId":"v{index}"}}')
    client = client_of(bob)
    newest = client.get(path_of(online, "log")).content.decode()
    assert "v69" in newest
    assert "v5&quot;" not in newest
    older = client.get(path_of(online, "log"), {"before": Message.objects.order_by("pk")[10].pk})
    assert "v5&quot;" in older.content.decode()


@pytest.mark.parametrize("sent", ["1234567890", '["SECRETCARD7890"]'])
def test_no_sentence_about_a_card_shows_its_number(online: Charger, sent):
    """As the gateway wrote them once, and as wallboxes write them."""
    number = sent.strip('["]')
    row = Message(
        charger=online,
        request=f'[2,"1","Authorize",{{"idTag":{sent}}}]',
        response=f'[4,"1","TypeConstraintViolation","idTag: {number} is not of type string",{{}}]',
        note=f"idTag: {number} is wrong",
    )
    told = message_log.masked(row)
    assert [number in text for text in told] == [False, False, False]
    assert told.note == "idTag: …7890 is wrong"


def test_every_outcome_has_advice():
    from chargers import plausibility

    assert set(ConnectionAttempt.Outcome.values) == set(hosts.ADVICE)
    assert {str(doubt) for doubt in plausibility.Doubt} == set(shapes.DOUBTS)


def test_it_moves_a_charger_and_blurs_it_anew(online: Charger, bob: User, client_of):
    client_of(bob).post(path_of(online, "edit"), PLACE)
    online.refresh_from_db()
    assert (online.name, online.longitude, online.street) == ("New box", 16.608, "Krátká")
    assert abs(online.public_longitude - 16.608) < 0.01
    assert (online.public_latitude, online.public_longitude) != (49.195, 16.608)
    blurred = online.public_longitude
    client_of(bob).post(path_of(online, "edit"), {**PLACE, "name": "Newer"})
    online.refresh_from_db()
    assert (online.name, online.public_longitude) == ("Newer", blurred)
    response = client_of(bob).post(path_of(online, "edit"), {**PLACE, "latitude": "x"})
    assert response.status_code == 400
    assert 'value="x"' in response.content.decode()


# ------------------------------------------------------------------------------------------------ plugs and prices


def edit_plug(client: Client, connector: Connector, **fields):
    form = {"type": "Type2", "current": "AC", "max_power_w": "11", "price_per_kwh": "", "is_enabled": "on", **fields}
    data = {f"connector{connector.connector_id}-{name}": value for name, value in form.items()}
    path = reverse("connector_edit", args=[connector.charger_id, connector.connector_id])
    return client.post(path, data, follow=True)


@pytest.mark.parametrize(("typed", "price"), [("6,50", 650), ("0", 0), ("", None)])
def test_it_sets_a_price(connector: Connector, bob: User, client_of, typed, price):
    edit_plug(client_of(bob), connector, price_per_kwh=typed, max_power_w="7,4")
    connector.refresh_from_db()
    assert (connector.tariff.price_per_kwh if connector.tariff else None) == price
    assert connector.max_power_w == 7_400


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"price_per_kwh": "-1"}, "The least is"), ({"price_per_kwh": "1.234"}, "At most 2 decimals"),
        ({"price_per_kwh": "100.01"}, f"A price is at most {units.money(10_000)} per kWh"),
        ({"max_power_w": "0"}, "The least is"), ({"max_power_w": "99999"}, "The most is"),
        ({"type": "Schuko9"}, "valid choice"), ({"current": ""}, "required"),
    ],
)  # fmt: skip
def test_it_says_what_is_wrong_with_a_plug(connector: Connector, bob: User, client_of, fields, sentence):
    response = edit_plug(client_of(bob), connector, **fields)
    assert response.status_code == 400
    assert sentence in response.content.decode()
    connector.refresh_from_db()
    assert connector.tariff.price_per_kwh == 500


def test_it_warns_of_a_plug_without_a_price(connector: Connector, bob: User, client_of):
    registry.set_price(connector, None)
    assert (
        "no price: others cannot start" in client_of(bob).get(path_of(connector.charger, "settings")).content.decode()
    )


# ------------------------------------------------------------------------------------------------ sharing and the end


def test_it_stops_sharing_and_shares_again(online: Charger, bob: User, client_of):
    for typed, sharing in (("false", False), ("true", True)):
        client_of(bob).post(path_of(online, "sharing"), {"sharing": typed})
        online.refresh_from_db()
        assert online.is_sharing == sharing
        assert online.is_online


def test_it_chooses_who_may_use_it(online: Charger, bob: User, client_of):
    client_of(bob).post(path_of(online, "access"), {"access": "private"})
    online.refresh_from_db()
    assert online.access == "private"
    response = client_of(bob).post(path_of(online, "access"), {"access": "martians"})
    assert response.status_code == 400
    assert "Choose who may use" in response.content.decode()


def test_it_rotates_the_password_after_asking(registered: registry.Registered, bob: User, client_of):
    charger, client = registered.charger, client_of(bob)
    assert "shown once" in client.get(path_of(charger, "password")).content.decode()
    charger.refresh_from_db()
    assert not charger.next_password_hmac
    new = client.post(path_of(charger, "password")).context["password"]
    charger.refresh_from_db()
    assert registry.password_matches(charger, registered.password.encode())
    assert registry.password_matches(charger, new.encode())


def test_it_deletes_after_asking(online: Charger, bob: User, client_of):
    client = client_of(bob)
    assert "all receipts and your earnings stay" in client.get(path_of(online, "delete")).content.decode()
    assert Charger.objects.live().exists()
    assert client.post(path_of(online, "delete")).url == "/my/chargers/"
    assert not Charger.objects.live().exists()
    assert client.get(path_of(online)).status_code == 404


def test_it_says_what_becomes_of_bills_that_wait(online: Charger, connector: Connector, alice, bob, client_of):
    told = "Bills that wait for a check"
    assert told not in client_of(bob).get(path_of(online, "delete")).content.decode()
    make_session(online, alice, status="ended", review_reasons=["register_jumped"])
    assert told in client_of(bob).get(path_of(online, "delete")).content.decode()


def test_it_does_not_delete_while_a_car_charges(online: Charger, connector: Connector, alice, bob, client_of):
    now = timezone.now()
    ChargingSession.objects.create(
        charger=online, connector=connector, user=alice, owner=bob, started_at=now, start_received_at=now,
        tariff=connector.tariff.snapshot(), meter_start_wh=0,
    )  # fmt: skip
    client = client_of(bob)
    page = client.get(path_of(online, "delete")).content.decode()
    assert "A car is charging here" in page
    assert online.sessions.get().get_absolute_url() in page.partition("<main")[2]
    assert "A car is charging here" in client.post(path_of(online, "delete"), follow=True).content.decode()
    assert Charger.objects.live().exists()
