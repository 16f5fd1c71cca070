"""My charging, the live page of a session, its receipt, its stop and its release."""

import html
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone, translation

from accounts.models import User
from billing import ledger, units
from billing.models import Transfer
from chargers import authorization, commands, receipts, registry, settlement, shapes
from chargers.models import Charger, ChargingSession, Command, Connector, MeterValue
from conftest import fund


def make_session(charger: Charger, user: User, **fields) -> ChargingSession:
    connector = charger.connectors.get()
    begin = timezone.now() - timedelta(hours=1)
    session = ChargingSession.objects.create(
        charger=charger, connector=connector, user=user, owner=charger.owner, id_tag_text="04A1B2C3D4",
        started_at=begin, start_received_at=begin, meter_start_wh=1_000, tariff=connector.tariff.snapshot(),
        fee_basis_points=1000, **fields,
    )  # fmt: skip
    for minute, energy_wh in ((20, 2_000), (40, 6_000)):
        at = begin + timedelta(minutes=minute)
        MeterValue.objects.create(
            charger=charger, connector_id=1, session=session, measured_at=at, received_at=at, energy_wh=energy_wh,
            power_w=10_560, soc_percent=40 + minute, raw=[], digest=minute,
        )  # fmt: skip
    return session


@pytest.fixture
def running(online: Charger, alice: User) -> ChargingSession:
    return make_session(online, alice)


@pytest.fixture
def ended(online: Charger, alice: User) -> ChargingSession:
    now = timezone.now()
    session = make_session(
        online, alice, status="ended", closed_by="stop", ended_at=now, stop_received_at=now, meter_stop_wh=6_500
    )
    settlement.settle(session.pk)
    session.refresh_from_db()
    return session


@pytest.fixture
def held(online: Charger, alice: User) -> ChargingSession:
    now = timezone.now()
    return make_session(
        online, alice, status="ended", closed_by="stop", ended_at=now, stop_received_at=now, meter_stop_wh=6_500,
        review_reasons=["register_jumped"],
    )  # fmt: skip


def page_of(client: Client, session: ChargingSession) -> str:
    response = client.get(session.get_absolute_url())
    assert response.status_code == 200
    return response.content.decode()


def test_it_shows_a_running_session(running: ChargingSession, alice: User, client_of):
    page = page_of(client_of(alice), running)
    for text in (units.kwh(5_000), units.money(2_500), units.kw(10_560), "Stop charging", "80"):
        assert text in page
    listing = client_of(alice).get("/sessions/").content.decode()
    assert "Bob&#x27;s garage" in listing
    assert units.money(2_500) in listing


def test_what_is_not_known_yet_is_not_told_as_nothing(running: ChargingSession, alice: User):
    shape = shapes.session(running, viewer=alice)
    assert (shape["state_text"], shape["point"]) == ("Charging", (2400, 5_000, 10_560))
    running.meter_values.all().delete()
    shape = shapes.session(running, viewer=alice)
    assert shape["state_text"] == "Begun, waiting for the first reading"
    assert (shape["energy_text"], shape["cost_text"], shape["point"]) == (units.NOTHING, units.NOTHING, None)


def test_it_shows_the_receipt_to_the_driver(ended: ChargingSession, alice: User, client_of):
    page = page_of(client_of(alice), ended)
    for text in ("Receipt", units.kwh(1_000), units.kwh(6_500), units.money(500), units.money(2_750), "Tichá 1234"):
        assert text in page
    assert "share" not in page.partition("<main")[2].lower()


def test_a_receipt_leads_to_the_page_of_its_charger_while_there_is_one(ended, alice: User, bob: User, client_of):
    def leads_there(user: User) -> bool:
        return f'href="{ended.charger.get_absolute_url()}"' in page_of(client_of(user), ended)

    assert leads_there(alice)
    registry.set_access(ended.charger, Charger.Access.PRIVATE)
    assert (leads_there(alice), leads_there(bob)) == (False, True)
    registry.delete(ended.charger)
    assert (leads_there(alice), leads_there(bob)) == (False, False)


def test_it_shows_share_and_fee_to_the_owner(ended: ChargingSession, bob: User, client_of):
    page = page_of(client_of(bob), ended)
    for text in (units.money(275), units.money(2_475), "Platform fee", "Alice"):
        assert text in page
    assert "alice@example.com" not in page


def test_a_bill_that_is_checked_shows_no_amount(held: ChargingSession, alice: User, bob: User, client_of):
    for user in (alice, bob):
        page = page_of(client_of(user), held)
        assert "Nothing has been charged yet" in page
        assert units.money(2_750) not in page
    assert "Release" not in page_of(client_of(alice), held)
    assert "more than this plug can deliver" in page_of(client_of(bob), held)
    assert "being checked" in client_of(alice).get("/sessions/").content.decode()


def test_a_refused_start_says_why(online: Charger, alice: User, client_of):
    session = make_session(online, alice, status="refused", refusal="card_disabled")
    assert "This card is switched off" in page_of(client_of(alice), session)
    assert "This card is switched off" in client_of(alice).get("/sessions/").content.decode()


def test_a_start_with_an_unknown_card_is_for_the_owner_only(online: Charger, alice: User, bob: User, client_of):
    session = make_session(online, None, status="refused", refusal="unknown_card")
    assert "nobody has registered this card" in page_of(client_of(bob), session)
    assert client_of(alice).get(session.get_absolute_url()).status_code == 404


@pytest.mark.parametrize("name", ["session", "session_stop", "session_release"])
def test_a_foreign_session_is_not_there(running: ChargingSession, charlie: User, client_of, name):
    path = reverse(name, args=[running.pk])
    client = client_of(charlie)
    assert (client.get(path) if name == "session" else client.post(path)).status_code == 404
    assert Client().get(path).url.startswith("/accounts/login/")
    assert not running.commands.exists()


def test_lists_are_ones_own(running: ChargingSession, charlie: User, bob: User, client_of):
    for user in (charlie, bob):
        assert "Bob&#x27;s garage" not in client_of(user).get("/sessions/").content.decode()


def test_the_list_has_pages(online: Charger, alice: User, client_of):
    keys = [make_session(online, alice, status="refused", refusal="card_disabled").pk for _i in range(21)]
    client = client_of(alice)
    page = client.get("/sessions/").content.decode()
    assert f'href="/sessions/?before={keys[1]}"' in page
    assert f"/sessions/{keys[0]}/" not in page
    older = client.get("/sessions/", {"before": keys[1]}).content.decode()
    assert f"/sessions/{keys[0]}/" in older
    assert f'href="/sessions/?after={keys[0]}"' in older
    newest = client.get("/sessions/", {"after": keys[0]}).content.decode()
    assert f"/sessions/{keys[-1]}/" in newest
    assert 'href="/sessions/?after' not in newest
    assert "There is nothing older" in client.get("/sessions/", {"before": keys[0]}).content.decode()


@pytest.mark.parametrize("who", ["alice", "bob", "oscar"])
def test_it_stops(running: ChargingSession, who, request, oscar: User, client_of):
    user = request.getfixturevalue(who)
    path, sure = reverse("session_stop", args=[running.pk]), {} if who == "alice" else {"sure": "yes"}
    page = client_of(user).post(path, sure, follow=True).content.decode()
    assert running.commands.get().requested_by == user
    assert "Stop requested" in page
    assert "Waiting for the charger" in page


@pytest.mark.parametrize("who", ["bob", "oscar"])
def test_whoever_stops_somebody_elses_charging_is_asked_first(running: ChargingSession, who, request, client_of):
    client = client_of(request.getfixturevalue(who))
    page = client.post(reverse("session_stop", args=[running.pk])).content.decode()
    assert "Alice charges here" in page
    assert 'name="sure"' in page
    assert not running.commands.exists()


@pytest.mark.parametrize("action", ["stop", "release"])
def test_the_address_of_a_form_leads_back_to_the_session(
    running: ChargingSession, alice: User, bob: User, client_of, action
):
    path = reverse(f"session_{action}", args=[running.pk])
    assert client_of(bob).get(path).url == running.get_absolute_url()
    assert not running.commands.exists()


def test_it_cannot_stop_what_is_over(ended: ChargingSession, alice: User, client_of):
    page = client_of(alice).post(reverse("session_stop", args=[ended.pk]), follow=True).content.decode()
    assert "already ended" in page


def test_the_owner_releases_with_less_energy_after_asking(held: ChargingSession, bob: User, client_of):
    client, path = client_of(bob), reverse("session_release", args=[held.pk])
    page = client.post(path, {"energy_wh": "2,5"}).content.decode()
    for text in (units.kwh(2_500), units.money(1_250), "more than this plug can deliver", "Alice", 'value="2.5"'):
        assert text in page
    held.refresh_from_db()
    assert held.is_held
    assert client.post(path, {"energy_wh": "2.5", "sure": "yes"}).url == held.get_absolute_url()
    held.refresh_from_db()
    assert (held.status, held.energy_wh, held.cost) == ("settled", 2_500, 1_250)
    assert (
        "does not wait for a check"
        in client.post(path, {"energy_wh": "0", "sure": "yes"}, follow=True).content.decode()
    )


def test_what_an_owner_may_bill_is_filled_in(held: ChargingSession, bob: User, oscar: User, client_of):
    ChargingSession.objects.filter(pk=held.pk).update(meter_stop_wh=61_000, rated_power_w=11_000)
    held.refresh_from_db()
    assessment = settlement.assess(held)
    assert assessment.believable_wh < assessment.energy_wh == 60_000
    believable = f"{assessment.believable_wh / 1000:.3f}".rstrip("0").rstrip(".")
    page = page_of(client_of(bob), held)
    assert f'value="{believable}"' in page
    assert f"At most {units.kwh(assessment.believable_wh)}" in page
    assert 'value="60"' in page_of(client_of(oscar), held)


@pytest.mark.parametrize(
    ("energy", "sentence"),
    [("99", "The most is"), ("x", "Write a number"), ("-1", "The least is"), ("", "required")],
)
@pytest.mark.parametrize("sure", [{}, {"sure": "yes"}])
def test_a_release_has_bounds(held: ChargingSession, bob: User, client_of, energy, sentence, sure):
    path = reverse("session_release", args=[held.pk])
    assert sentence in client_of(bob).post(path, {"energy_wh": energy, **sure}, follow=True).content.decode()
    held.refresh_from_db()
    assert held.status == "ended"


def test_the_driver_cannot_release(held: ChargingSession, alice: User, client_of):
    assert client_of(alice).post(reverse("session_release", args=[held.pk])).status_code == 404
    held.refresh_from_db()
    assert held.is_held


def test_a_shape_is_json_in_the_active_language(running: ChargingSession):
    import json

    from django.utils import translation

    shape = json.loads(json.dumps(shapes.session(running)))
    assert (shape["energy_wh"], shape["cost"], shape["state"]) == (5_000, 2_500, "charging")
    assert [reading["energy_text"] for reading in shape["readings"]] == [units.kwh(5_000), units.kwh(1_000)]
    with translation.override("cs"):
        assert shapes.session(running)["energy_text"] == "5,000\N{NO-BREAK SPACE}kWh"


def test_a_paused_car_is_not_finished(running: ChargingSession, alice: User, client_of):
    Connector.objects.update(status="SuspendedEV")
    assert "Paused" in page_of(client_of(alice), running)


# ------------------------------------------------------------------------------------------------ what became of a bill


@pytest.fixture
def poor(db) -> User:
    user = User.objects.create_user("poor@example.com", name="Pia")
    fund(user, 1_000)
    return user


def bill_of(charger: Charger, user: User) -> ChargingSession:
    now = timezone.now()
    session = make_session(
        charger, user, status="ended", closed_by="stop", ended_at=now, stop_received_at=now, meter_stop_wh=6_500
    )
    settlement.settle(session.pk)
    session.refresh_from_db()
    return session


def test_a_receipt_says_what_is_owed(online: Charger, poor: User, bob: User, client_of):
    session = bill_of(online, poor)
    page = page_of(client_of(poor), session)
    assert f"Owed: {units.money(1_750)}, the next top-up pays it" in page
    assert f">{units.money(1_000)}<" in page
    assert "not paid yet" in client_of(poor).get("/sessions/").content.decode()
    assert "Owed" not in page_of(client_of(bob), session)
    assert "not paid yet" not in client_of(bob).get(f"/my/chargers/{online.pk}/").content.decode()
    fund(poor, 2_000)
    page = page_of(client_of(poor), session)
    assert "Owed" not in page
    assert "Paid" in page
    assert "not paid yet" not in client_of(poor).get("/sessions/").content.decode()


def test_the_oldest_debt_is_paid_first(online: Charger, poor: User):
    first, second = bill_of(online, poor), bill_of(online, poor)
    fund(poor, 2_000)
    bills = receipts.bills_of([first, second])
    assert (bills[first.pk].owed, bills[first.pk].paid) == (0, 2_750)
    assert (bills[second.pk].owed, bills[second.pk].paid) == (2_500, 250)


def test_a_reversal_shows(ended: ChargingSession, alice: User, bob: User, oscar: User, client_of):
    ledger.reverse(Transfer.objects.get(reference=ended.reference), reason="wrong card", by=oscar)
    for user in (alice, bob):
        page = page_of(client_of(user), ended)
        assert "the bill was taken back" in page
        assert units.money(-2_750) in page
        assert "Paid" not in page
    assert "billed, then reversed" in client_of(alice).get("/sessions/").content.decode()
    assert "billed, then reversed" in client_of(bob).get(f"/my/chargers/{ended.charger_id}/").content.decode()
    statement = client_of(alice).get("/wallet/").content.decode()
    assert "</strong> · charging Bob&#x27;s garage, " in statement
    assert "wrong card" in statement


def test_a_reversed_debt_is_owed_no_more(online: Charger, poor: User, oscar: User):
    session = bill_of(online, poor)
    fund(online.owner, 5_000)
    ledger.reverse(Transfer.objects.get(reference=session.reference), reason="wrong", by=oscar)
    other = bill_of(online, poor)
    bills = receipts.bills_of([session, other])
    assert (bills[session.pk].owed, bills[session.pk].paid, bills[session.pk].is_reversed) == (0, 0, True)
    assert (bills[other.pk].owed, bills[other.pk].paid) == (1_750, 1_000)


def test_a_corrected_bill_counts_as_a_whole(ended: ChargingSession, alice: User):
    ChargingSession.objects.filter(pk=ended.pk).update(meter_stop_wh=7_500)
    settlement.settle(ended.pk)
    ended.refresh_from_db()
    assert ended.corrections == 1
    assert receipts.bills_of([ended])[ended.pk].paid == 3_250


def test_lists_of_bills_need_few_queries(online: Charger, poor: User, alice: User, django_assert_max_num_queries):
    rows = [bill_of(online, user) for user in (poor, alice, poor, alice)]
    with django_assert_max_num_queries(6):
        receipts.bills_of(rows)


# ------------------------------------------------------------------------------------------------ refused


@pytest.mark.parametrize("language", ["en", "cs"])
@pytest.mark.parametrize("reason", authorization.Reason)
def test_an_owner_reads_in_own_words_why_a_start_was_refused(online, alice, bob, client_of, reason, language):
    session = make_session(online, alice, status="refused", refusal=reason)
    with translation.override(language):
        drivers, owners = (str(words[reason]) for words in (authorization.SENTENCES, authorization.OWNERS_WORDS))
    for user, told, kept in ((alice, drivers, owners), (bob, owners, drivers)):
        browser = client_of(user)
        browser.cookies["django_language"] = language
        lists = ["/sessions/"] if user == alice else [f"/my/chargers/{online.pk}/", "/my/sessions/"]
        for path in (session.get_absolute_url(), *lists):
            page = html.unescape(browser.get(path).content.decode())
            assert told in page, path
            assert kept not in page, path
        with translation.override(language):
            assert shapes.session(session, viewer=user)["state_text"].endswith(told)


def test_no_words_of_owners_tell_a_debt_from_an_empty_wallet():
    due, low = authorization.Reason.PAYMENT_DUE, authorization.Reason.BALANCE_TOO_LOW
    assert authorization.OWNERS_WORDS[due] == authorization.OWNERS_WORDS[low]


def test_the_owner_of_a_charger_that_refuses_a_phone_reads_the_same(online, alice, bob, client_of):
    command = commands.request(online, Command.Action.REMOTE_START, by=alice, connector=online.connectors.get())
    make_session(online, alice, status="refused", refusal="payment_due")
    ChargingSession.objects.update(start_received_at=timezone.now())
    for user, told in ((alice, "An earlier session is not paid yet"), (bob, "the driver has to top up")):
        assert told in shapes.command(command, viewer=user)["failure_text"]
        assert told in client_of(user).get(reverse("command", args=[command.pk])).content.decode()
