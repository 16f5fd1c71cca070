"""The operator's admin leads from each row to what belongs to it, and tells amounts as people read them."""

import html
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from billing import units
from billing.models import Account, Entry, TopUp, Transfer
from chargers import settlement
from chargers.models import Charger, ChargingSession, Message
from chargers.tests.test_session_pages import make_session
from sharecharge.tests.test_admin import address


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
