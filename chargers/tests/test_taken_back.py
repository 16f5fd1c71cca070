"""A bill that an operator takes back: nobody has paid or earned it, wherever sums or states are told."""

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from billing import bills, ledger, payouts
from billing.models import Account, Transfer
from chargers import receipts, spreadsheets, statistics
from chargers.models import Charger, ChargingSession
from chargers.statistics import Span, Totals
from chargers.tests.test_documents import billed, month_of, words

BILLED = Totals(sessions=2, energy_wh=11_000, cost=5_500, income=4_950)
TAKEN = Totals(sessions=2, energy_wh=11_000, cost=2_750, income=2_475)


@pytest.fixture
def session(online: Charger, alice: User) -> ChargingSession:
    """One of two bills."""
    billed(online, alice)
    return billed(online, alice)


def take_back(transfer: Transfer, oscar: User) -> Transfer:
    reversal = ledger.reverse(transfer, reason="a mistake", by=oscar)
    assert reversal is not None
    return reversal


def bill_of(session: ChargingSession) -> Transfer:
    return Transfer.objects.get(reference=session.reference)


def month_totals() -> Totals:
    today = statistics.today()
    [month] = statistics.course(ChargingSession.objects.all(), Span(today, today, by="month"))
    return month.totals


def is_reversed(session: ChargingSession) -> bool:
    return receipts.bills_of([session])[session.pk].is_reversed


def test_sums_leave_it_out_until_the_reversal_is_taken_back(session: ChargingSession, oscar: User):
    hosted = ChargingSession.objects.hosted_by(session.owner)
    assert (statistics.totals(hosted), month_totals()) == (BILLED, BILLED)
    reversal = take_back(bill_of(session), oscar)
    assert (statistics.totals(hosted), month_totals(), is_reversed(session)) == (TAKEN, TAKEN, True)
    second = take_back(reversal, oscar)
    assert (statistics.totals(hosted), month_totals(), is_reversed(session)) == (BILLED, BILLED, False)
    take_back(second, oscar)
    assert (statistics.totals(hosted), month_totals(), is_reversed(session)) == (TAKEN, TAKEN, True)
    assert ledger.breaches() == []


def test_days_leave_it_out(session: ChargingSession, oscar: User):
    take_back(bill_of(session), oscar)
    day = timezone.localdate(session.start_received_at)
    [period] = statistics.course(ChargingSession.objects.all(), Span(day, day))
    assert period.totals == TAKEN


def test_what_an_owner_earned_is_what_the_wallet_got(session: ChargingSession, oscar: User, client_of):
    take_back(bill_of(session), oscar)
    wallet = Account.objects.get(user=session.owner, kind=Account.Kind.WALLET)
    assert statistics.totals(ChargingSession.objects.hosted_by(session.owner)).income == wallet.balance
    client = client_of(session.owner)
    assert "49.50" not in client.get("/my/earnings/").content.decode()
    text = words(client.get(month_of(session)).content)
    assert "Earned 49.50 Kč" in text
    assert "Taken back: 1 bill -24.75 Kč What remains 24.75 Kč" in text
    page = client.get(session.get_absolute_url()).content.decode()
    assert "Reversed: taken back of the owner&#x27;s share" in page


def test_tables_say_so(session: ChargingSession, oscar: User):
    take_back(bill_of(session), oscar)
    rows = ChargingSession.objects.with_all()
    newest, other = "".join(spreadsheets.written(rows, spreadsheets.OWNERS_IN_WORDS)).splitlines()[1:]
    assert "billed, then reversed" in newest
    assert ",CZK,27.50," in newest
    assert newest.endswith(",24.75,24.75")
    assert "reversed" not in other
    programs = "".join(spreadsheets.written(rows, spreadsheets.DRIVERS)).splitlines()
    assert (programs[0].split(",")[-1], programs[1].split(",")[-1]) == ("taken_back", "27.50")


def test_a_payout_that_came_back_is_not_called_paid(session: ChargingSession, oscar: User, client_of):
    owner = session.owner
    payout = payouts.request(owner, amount=2_000, bank_account="19-2000145399/0800", idempotency_key="k")
    payouts.pay(payout, by=oscar)
    page = client_of(owner).get(reverse("payouts"))
    assert "sent, then reversed" not in page.content.decode()
    take_back(Transfer.objects.get(reference=payout.reference), oscar)
    assert bills.taken_back([payout.reference]) == {payout.reference}
    assert "sent, then reversed" in client_of(owner).get(reverse("payouts")).content.decode()
