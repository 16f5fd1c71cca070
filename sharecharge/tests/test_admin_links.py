"""The operator's admin leads from each row to what belongs to it, and tells amounts as people read them."""

import html
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts import people
from accounts.models import User
from billing import payouts, units
from billing.models import Account, Entry, Hold, Payout, TopUp, Transfer
from chargers import settlement
from chargers.models import Charger, ChargingSession, Message
from chargers.tests.test_session_pages import make_session
from conftest import fund
from sharecharge.tests.test_admin import address, run_action


@pytest.fixture
def billed(online: Charger, alice: User) -> ChargingSession:
    over = {"status": "ended", "closed_by": "stop", "ended_at": timezone.now(), "stop_received_at": timezone.now()}
    session = make_session(online, alice, **over, meter_stop_wh=6_500)
    settlement.settle(session.pk)
    session.refresh_from_db()
    return session


@pytest.fixture
def operator(oscar: User, client_of) -> Client:
    return client_of(oscar)


def text_of(client: Client, path: str) -> str:
    return html.unescape(client.get(path).content.decode()).replace(units.NO_BREAK, " ")


def listed(client: Client, path: str) -> list[Any]:
    return list(client.get(path).context["cl"].result_list)


def test_a_session_tells_its_bill_as_people_read_it(billed: ChargingSession, operator: Client):
    page = text_of(operator, address(ChargingSession, "change", billed.pk))
    told = ("6.500 kWh", "5.500 kWh", "5.00 Kč/kWh", "27.50 Kč", "10 %", "2.75 Kč", "24.75 Kč")
    assert [it for it in told if it not in page] == []
    assert "price_per_kwh" not in page


def test_a_session_leads_to_what_was_measured_and_to_its_money(billed: ChargingSession, operator: Client):
    page = text_of(operator, address(ChargingSession, "change", billed.pk))
    values, transfers = re.findall(r'href="(/admin/(?:chargers/metervalue|billing/transfer)/\?[^"]+)"', page)
    assert set(listed(operator, values)) == set(billed.meter_values.all())
    assert listed(operator, transfers) == [Transfer.objects.get(reference=billed.reference)]


def test_a_person_leads_to_what_is_theirs(billed: ChargingSession, alice: User, bob: User, operator: Client):
    def found(row: User | Account, model: type, role: str) -> list[Any]:
        link = f"{address(model, 'changelist')}?{role}__id__exact={row.pk}"
        assert f'href="{link}"' in text_of(operator, address(type(row), "change", row.pk))
        return listed(operator, link)

    assert found(alice, ChargingSession, "user") == [billed]
    assert found(bob, ChargingSession, "user") == []
    assert found(bob, ChargingSession, "owner") == [billed]
    assert found(bob, Charger, "owner") == [billed.charger]
    assert found(alice, TopUp, "user") == list(TopUp.objects.filter(user=alice))
    [wallet] = [account for account in found(alice, Account, "user") if account.kind == Account.Kind.WALLET]
    assert set(found(wallet, Entry, "account")) == set(Entry.objects.filter(account=wallet))


def test_the_message_log_tells_seconds_and_answers(online: Charger, operator: Client):
    at = datetime(2026, 7, 1, 22, 30, 15, tzinfo=UTC)
    Message.objects.create(charger=online, direction="in", action="Authorize", at=at, response='[3,"7",{}]')
    page = text_of(operator, address(Message, "changelist"))
    assert f"{timezone.localtime(at):%H:%M:%S}" in page
    assert '[3,"7",{}]' in page


# ------------------------------------------------------------------------------------------------ what is done there


def test_pages_of_money_tell_it_as_their_lists_do(billed: ChargingSession, bob: User, operator: Client):
    payout = Payout.objects.create(user=bob, amount=2_000, bank_account="1/0100")
    hold = Hold.objects.create(
        account=Account.objects.get(user=bob, kind=Account.Kind.WALLET), amount=2_000, reference="x"
    )
    top_up = TopUp.objects.create(user=bob, amount=2_000, provider="fake", idempotency_key="k")
    entry = Entry.objects.filter(amount=-2_750).get()
    for row, told in (
        (payout, "20.00 Kč"), (hold, "20.00 Kč"), (top_up, "20.00 Kč"), (entry, "-27.50 Kč"),
        (billed.connector.tariff, "5.00 Kč"),
    ):  # fmt: skip
        page = text_of(operator, address(type(row), "change", row.pk))
        assert f'<div class="readonly">{told}</div>' in page, row
        raw = str(getattr(row, "amount", None) or row.price_per_kwh)
        assert f"{row}"[-len(raw) :] != raw
        assert f">{raw}<" not in page, row


def test_what_was_taken_back_is_not_called_paid(billed: ChargingSession, bob: User, oscar: User, operator: Client):
    payout = payouts.request(bob, amount=2_000, bank_account="19-2000145399/0800", idempotency_key="k")
    payouts.pay(payout, by=oscar)
    bill = Transfer.objects.get(reference=billed.reference)
    for transfer in (bill, Transfer.objects.get(reference=payout.reference)):
        fund(bob, 5_000)  # what is taken back has to be there
        run_action(operator, Transfer, "reverse", transfer, reason="a mistake")
        history = text_of(operator, reverse("admin:billing_transfer_history", args=[transfer.pk]))
        assert "Reverse by a further transfer" in history
    page = text_of(operator, address(ChargingSession, "change", billed.pk))
    assert page.count('<div class="readonly">27.50 Kč</div>') == 2  # billed, and taken back
    assert "sent, then reversed" in text_of(operator, address(Payout, "change", payout.pk))


def test_no_reason_is_asked_for_what_is_decided(bob: User, oscar: User, operator: Client):
    payout = Payout.objects.create(user=bob, amount=2_000, bank_account="1/0100", status="refused")
    page = run_action(operator, Payout, "refuse", payout).content.decode()
    assert "already decided" in page
    assert 'name="reason"' not in page


def test_a_release_says_what_is_believable(online: Charger, alice: User, operator: Client):
    now = timezone.now()
    over = {"status": "ended", "closed_by": "stop", "ended_at": now, "stop_received_at": now}
    session = make_session(online, alice, **over, meter_stop_wh=81_000, review_reasons=["register_jumped"])
    most = settlement.assess(session).believable_wh
    asked = run_action(operator, ChargingSession, "release", session).content.decode()
    assert 0 < most < 80_000
    assert f'name="energy_wh_{session.pk}" value="{most}"' in asked
    assert f"The readings give {units.kwh(80_000)}, which the plug cannot have delivered" in asked


def test_what_cannot_be_undone_is_asked_first(online: Charger, alice: User, oscar: User, operator: Client):
    session = make_session(online, alice)
    payout = Payout.objects.create(user=alice, amount=2_000, bank_account="1/0100")
    for row, action in ((online, "delete_softly"), (session, "close"), (payout, "pay"), (alice, "switch_off")):
        asked = run_action(operator, type(row), action, row).content.decode()
        assert 'name="sure"' in asked, action
        row.refresh_from_db()
    assert (online.deleted_at, session.status, payout.status, alice.is_active) == (None, "running", "requested", True)


def test_what_was_done_stands_in_the_history(online: Charger, alice: User, operator: Client):
    page = run_action(operator, User, "switch_off", alice, sure="yes").content.decode()
    assert "Done for 1 row." in page
    history = text_of(operator, reverse("admin:accounts_user_history", args=[alice.pk]))
    assert "Switch off (instead of deleting)" in history
    run_action(operator, Charger, "delete_softly", online, sure="yes")
    assert "Delete (history and money stay)" in text_of(
        operator, reverse("admin:chargers_charger_history", args=[online.pk])
    )
    again = run_action(operator, Charger, "delete_softly", online, sure="yes").content.decode()
    assert "It is deleted already." in again
    assert "Done for" not in again


def test_a_charger_that_was_asked_is_not_said_to_have_done_it(online: Charger, alice: User, operator: Client):
    page = run_action(operator, ChargingSession, "stop_remotely", make_session(online, alice)).content.decode()
    assert "Asked 1 charger." in page
    assert "Done" not in page


def test_an_operator_cannot_lock_out_oneself(oscar: User, operator: Client):
    page = text_of(operator, address(User, "change", oscar.pk))
    assert 'name="role"' not in page
    assert 'name="is_active"' not in page
    form = {"email": oscar.email, "name": "Oscar", "role": "driver"}
    operator.post(address(User, "change", oscar.pk), form)
    oscar.refresh_from_db()
    assert oscar.is_staff
    assert oscar.is_active


def test_chargers_of_who_was_switched_off_are_not_on_the_map(online: Charger, bob: User):
    assert online.code in Client().get("/map/data/?box=40,10,60,20").content.decode()
    people.set_active(bob, active=False)
    assert online.code not in Client().get("/map/data/?box=40,10,60,20").content.decode()


def test_every_field_has_a_name_for_a_screen_reader(online: Charger, operator: Client):
    page = text_of(operator, address(Charger, "change", online.pk))
    fields = re.findall(
        r'<(?:input|select)[^>]*name="connectors-0-(?:type|current|max_power_w|is_enabled)"[^>]*>', page
    )
    assert len(fields) == 4
    assert all("aria-label=" in field for field in fields)
    assert '<label class="visually-hidden" for="searchbar">Search</label>' in text_of(
        operator, address(Message, "changelist")
    )
