"""An owner's first page, what is asked of a charger from its page, problems, earnings, payouts."""

import pytest
import time_machine
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from billing.models import Payout
from chargers import hosts, problems, registry, settlement
from chargers.models import Charger, ChargingSession, Command, Connector, ProblemReport
from chargers.tests.test_session_pages import make_session
from conftest import fund


def settled(charger: Charger, user: User) -> ChargingSession:
    """5.5 kWh for 27.50, of which 24.75 are the owner's."""
    now = timezone.now()
    over = {"status": "ended", "closed_by": "stop", "ended_at": now, "stop_received_at": now}
    session = make_session(charger, user, **over, meter_stop_wh=6_500)
    settlement.settle(session.pk)
    return session


def alerts(user: User) -> list[str]:
    return [alert["text"] for alert in hosts.dashboard(user)["alerts"]]


@time_machine.travel("2026-05-05T12:00:00+00:00")  # not in an hour of which the one before was yesterday
def test_it_shows_what_was_earned_and_who_charges(online: Charger, bob: User, alice: User, client_of):
    settled(online, alice)
    make_session(online, alice)
    page = client_of(bob).get("/my/chargers/").content.decode()
    assert page.count("24.75") == 3  # this month, today, to be paid out
    assert "Alice" in page
    assert "Nothing. All is well." in page
    assert alerts(bob) == []


def test_it_tells_what_needs_attention(online: Charger, bob: User, alice: User, charlie: User):
    registry.register(owner=bob, name="New one", latitude=50, longitude=15)
    registry.set_price(online.connectors.get(), None)
    Charger.objects.filter(pk=online.pk).update(connection_mark="")
    problems.report(problems.Subject(online), by=charlie, kind=ProblemReport.Kind.PLUG, text="Bent pin")
    assert alerts(bob) == [
        "Bob's garage: offline, last heard just now",
        "New one is not set up yet. Go on where you stopped.",
        "Charlie reports from Bob's garage: plug or cable is damaged",
        "Plug 1 of Bob's garage has no price: others cannot start there.",
    ]
    assert alerts(alice) == []


def test_a_held_session_is_among_them(online: Charger, bob: User, alice: User):
    make_session(online, alice, status="ended", review_reasons=["register_jumped"])
    assert alerts(bob) == ["The bill of Alice at Bob's garage waits for a check."]


def test_one_switch_stops_sharing_everywhere(online: Charger, bob: User, client_of):
    foreign = registry.register(
        owner=User.objects.create_user("eve@example.com", name="Eve", role="owner"), name="E", latitude=50, longitude=15
    ).charger
    registry.register(owner=bob, name="Second", latitude=50, longitude=15)
    client = client_of(bob)
    page = client.post("/my/chargers/sharing/", {"sharing": "false"}, follow=True).content.decode()
    assert "Others cannot start at 2 chargers for now" in page
    assert set(Charger.objects.owned_by(bob).values_list("is_sharing", flat=True)) == {False}
    foreign.refresh_from_db()
    assert foreign.is_sharing
    online.refresh_from_db()
    assert online.is_online
    client.post("/my/chargers/sharing/", {"sharing": "true"})
    assert set(Charger.objects.owned_by(bob).values_list("is_sharing", flat=True)) == {True}


def test_without_a_charger_it_leads_to_the_wizard(bob: User, client_of):
    page = client_of(bob).get("/my/chargers/").content.decode()
    assert "it takes five minutes" in page
    assert "dashboard.js" not in page


# ------------------------------------------------------------------------------------------------ what is asked of it


def ask(client: Client, charger: Charger, what: str, *number: int, **form: str) -> str:
    path = reverse(f"charger_{what}", args=[charger.pk, *number])
    return client.post(path, form, follow=True).content.decode()


@pytest.mark.parametrize(
    ("what", "number", "form", "action"),
    [("refresh", [], {}, "refresh"), ("restart", [], {"sure": "yes"}, "reset"),
     ("unlock", [1], {"sure": "yes"}, "unlock"), ("limit", [], {"limit_w": "7,4"}, "set_charging_profile")],
)  # fmt: skip
def test_it_asks_the_charger_and_shows_what_became_of_it(
    online: Charger, bob: User, client_of, what, number, form, action
):
    page = ask(client_of(bob), online, what, *number, **form)
    assert Command.objects.get().action == action
    assert "The charger was asked" in page
    assert "Waiting for the charger" in page


@pytest.mark.parametrize(("what", "number"), [("restart", []), ("unlock", [1])])
def test_what_cuts_a_driver_off_asks_first(online: Charger, bob: User, alice: User, client_of, what, number):
    make_session(online, alice)
    client = client_of(bob)
    asked = client.get(reverse(f"charger_{what}", args=[online.pk, *number])).content.decode()
    assert "Alice is charging" in asked
    assert "A car is charging here" in ask(client, online, what, *number)
    assert not Command.objects.exists()
    ask(client, online, what, *number, sure="yes")
    assert Command.objects.count() == 1


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("", "required"), ("x", "Write a number"), ("-3", "The least is 4.14\N{NO-BREAK SPACE}kW."),
        ("4,1", "The least is 4.14\N{NO-BREAK SPACE}kW."), ("9999", "The most is 400\N{NO-BREAK SPACE}kW."),
    ],
)  # fmt: skip
def test_a_limit_that_cannot_be_is_refused_in_words(online: Charger, bob: User, client_of, typed, words):
    page = ask(client_of(bob), online, "limit", limit_w=typed)
    assert "alert-danger" in page
    assert words in page
    assert not Command.objects.exists()


def test_an_offline_charger_is_not_asked(charger: Charger, connector: Connector, bob: User, client_of):
    for what, number in (("refresh", []), ("restart", []), ("unlock", [1])):
        assert "This charger is offline" in ask(client_of(bob), charger, what, *number, sure="yes")
    assert "This charger is offline" in ask(client_of(bob), charger, "limit", limit_w="7")
    assert not Command.objects.exists()


# ------------------------------------------------------------------------------------------------ problems


def test_an_owner_answers_and_closes_a_problem(online: Charger, bob: User, charlie: User, client_of):
    report = problems.report(problems.Subject(online), by=charlie, kind=ProblemReport.Kind.PLUG, text="Bent <pin>")
    path = reverse("problem", args=[report.pk])
    assert client_of(charlie).get(path).status_code == 404
    client = client_of(bob)
    assert "Bent &lt;pin&gt;" in client.get(path).content.decode()
    assert client.post(path, {"text": ""}).status_code == 400
    assert "Your answer is saved" in client.post(path, {"text": "Mended."}, follow=True).content.decode()
    client.post(path, {"close": "yes"})
    report.refresh_from_db()
    assert (report.answer, report.answered_by, report.status) == ("Mended.", bob, "closed")


# ------------------------------------------------------------------------------------------------ money


@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")  # the test's client is not asynchronous
def test_earnings_by_month_and_as_a_table(online: Charger, bob: User, alice: User, client_of):
    assert "Nothing has been earned so far" in client_of(bob).get("/my/earnings/").content.decode()
    settled(online, alice)
    page = client_of(bob).get("/my/earnings/").content.decode()
    assert 'data-income="24.75"' in page
    assert page.count("<tr data-month") == 12
    table = b"".join(client_of(bob).get("/my/earnings/export.csv")).decode()
    [heading, line] = table.splitlines()
    assert heading.endswith("Driver,Platform fee,Earned,Of it taken back")
    assert line.endswith("27.50,CZK,,Alice,2.75,24.75,")
    assert client_of(alice).get("/my/earnings/").url == "/my/become-owner/"


def test_a_payout_is_asked_for_once_and_taken_back(bob: User, client_of):
    fund(bob, 50_000)
    client = client_of(bob)
    key = client.get("/payouts/").context["form"].initial["key"]
    form = {"amount": "200", "bank_account": "19-2000145399/0800", "key": key}
    for _i in range(2):
        assert client.post("/payouts/", form).url == "/payouts/"
    payout = Payout.objects.get()
    assert (payout.user, payout.amount) == (bob, 20_000)
    assert "300.00" in client.get("/payouts/").content.decode()
    assert "taken back" in client.post(f"/payouts/{payout.pk}/cancel/", follow=True).content.decode()
    assert "already decided" in client.post(f"/payouts/{payout.pk}/cancel/", follow=True).content.decode()


@pytest.mark.parametrize(
    ("field", "value"), [("amount", "501"), ("amount", "0,5"), ("bank_account", "x"), ("bank_account", "<b>")]
)
def test_a_payout_names_the_field_that_is_wrong(bob: User, client_of, field, value):
    fund(bob, 50_000)
    form = {"amount": "200", "bank_account": "19-2000145399/0800", "key": "k", field: value}
    response = client_of(bob).post("/payouts/", form)
    assert response.status_code == 400
    assert field in response.context["form"].errors
    assert not Payout.objects.exists()


def test_a_foreign_payout_is_not_there(bob: User, alice: User, client_of):
    payout = Payout.objects.create(user=bob, amount=100, bank_account="1/0100")
    assert client_of(alice).post(f"/payouts/{payout.pk}/cancel/").status_code == 404
