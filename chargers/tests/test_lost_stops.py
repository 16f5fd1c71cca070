"""Sessions whose end was never told, or is told late, from reliability.md R10."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts import id_tags
from billing import ledger, wallets
from billing.models import Account, Transfer
from chargers import recorder, sessions, settlement
from chargers.facts import Facts
from chargers.models import Charger, ChargingSession
from chargers.tests.test_sessions import Status, measure, refused, start, stop

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("_sound_ledger")]


@pytest.fixture
def running(online, alice_card):
    return start(online).session


def fall_silent(charger, hours=13):
    long_ago = timezone.now() - timedelta(hours=hours)
    Charger.objects.filter(pk=charger.pk).update(last_seen_at=long_ago)
    ChargingSession.objects.filter(charger=charger).update(start_received_at=long_ago - timedelta(hours=1))


def test_a_silent_charger_has_its_session_closed_and_billed(online, alice, running):
    measure(running, 3000, 20)
    fall_silent(online)
    assert sessions.close_silent(timezone.now()) == 1
    assert sessions.close_silent(timezone.now()) == 0
    session = ChargingSession.objects.get()
    assert (session.status, session.closed_by, session.cost) == (Status.SETTLED, "silence", 1000)
    assert wallets.wallet_of(alice).balance == 99_000


def test_a_paused_car_whose_charger_still_reports_is_not_lost(online, running):
    fall_silent(online)
    Charger.objects.filter(pk=online.pk).update(last_seen_at=timezone.now() - timedelta(hours=11))
    assert sessions.close_silent(timezone.now()) == 0


def test_a_late_stop_corrects_the_bill_by_a_further_transfer(online, alice, bob, running):
    measure(running, 3000, 20)
    fall_silent(online)
    sessions.close_silent(timezone.now())
    session = stop(online, running.pk)
    assert (session.cost, session.fee, session.corrections, session.closed_by) == (2500, 250, 1, "silence")
    assert stop(online, running.pk).corrections == 1
    kinds = Transfer.objects.exclude(kind=Transfer.Kind.TOP_UP).order_by("pk").values_list("kind", flat=True)
    assert list(kinds) == ["session", "correction"]
    assert (wallets.wallet_of(alice).balance, wallets.wallet_of(bob).balance) == (97_500, 2250)


def test_fee_and_share_are_those_of_the_whole_bill_not_of_its_parts(online, running):
    """Half a haléř of fee on each part would round up twice."""
    measure(running, 1000 + 2010, 20)  # 10.05, fee 1.005 → 1.01
    fall_silent(online)
    sessions.close_silent(timezone.now())
    session = stop(online, running.pk, meter=1000 + 4020)  # 20.10, fee 2.01, not 2.02
    assert (session.cost, session.fee) == (2010, 201)
    assert ledger.account(Account.Kind.PLATFORM).balance == 201


def test_a_late_stop_with_the_same_energy_moves_nothing(online, running):
    measure(running, 6000, 59)
    fall_silent(online)
    sessions.close_silent(timezone.now())
    session = stop(online, running.pk)
    assert (session.cost, session.corrections) == (2500, 0)
    assert Transfer.objects.filter(kind=Transfer.Kind.CORRECTION).count() == 0


def test_a_late_stop_that_cannot_be_right_is_held_and_the_first_bill_stays(online, alice, oscar, running):
    measure(running, 3000, 20)
    fall_silent(online)
    sessions.close_silent(timezone.now())
    session = stop(online, running.pk, meter=9_000_000)
    assert session.is_held
    assert wallets.wallet_of(alice).balance == 99_000
    settlement.release(session, by=oscar, energy_wh=1000)
    assert wallets.wallet_of(alice).balance == 99_500


def test_who_starts_again_after_a_lost_stop_may_use_the_money_that_was_held_for_it(online, charlie, connector):
    """All of the wallet was on hold for the session whose stop was lost."""
    id_tags.issue(user=charlie, uid="C4A7")
    wallets.hold(charlie, reference="other", minimum=1, wanted=20_000)
    first = start(online, tag="C4A7").session
    assert wallets.wallet_of(charlie).available == 0
    again = start(online, tag="c4a7", meter=1500, minutes=30)
    assert again.verdict.is_accepted
    first.refresh_from_db()
    assert (first.status, first.closed_by) == (Status.SETTLED, "next_start")


def test_a_refused_start_ends_nobodys_session(online, running):
    assert refused(start(online, tag="DEADBEEF", minutes=10)) == "unknown_card"
    running.refresh_from_db()
    assert running.is_running


def test_a_start_from_before_the_running_one_is_over_already_and_its_stop_bills_it(online, charlie, running):
    id_tags.issue(user=charlie, uid="C4A7")
    late = start(online, tag="C4A7", meter=0, minutes=-600)
    assert late.verdict.is_accepted
    running.refresh_from_db()
    assert running.is_running
    assert stop(online, late.session.pk, meter=1000, minutes=-540).cost == 500
    assert wallets.wallet_of(charlie) == wallets.Wallet(balance=49_500, held=0, owed=0)


def test_a_connector_that_is_long_free_again_has_lost_its_stop(online, connector, running):
    measure(running, 3000, 20)
    recorder.write([Facts(online.pk, timezone.now())])
    connector.status = "Available"
    connector.status_received_at = timezone.now() - timedelta(minutes=20)
    connector.save()
    assert sessions.close_silent(timezone.now()) == 1
    running.refresh_from_db()
    assert (running.status, running.cost) == (Status.SETTLED, 1000)


def test_a_connector_that_was_just_freed_may_still_send_its_stop(online, connector, running):
    connector.status = "Available"
    connector.status_received_at = timezone.now() - timedelta(minutes=10)
    connector.save()
    assert sessions.close_silent(timezone.now()) == 0


def test_a_late_stop_never_overrules_a_review_by_itself(online, alice, oscar, running):
    measure(running, 910_000, 20)
    fall_silent(online)
    sessions.close_silent(timezone.now())
    settlement.release(running, by=oscar, energy_wh=3000)
    session = stop(online, running.pk, meter=6000)
    assert (session.is_held, session.cost) == (True, 1500)
    assert "after_review" in session.review_reasons
    assert wallets.wallet_of(alice).balance == 98_500


def test_a_start_on_a_connector_that_never_reported_its_stop_closes_the_old_session(online, charlie, running):
    measure(running, 3000, 20)
    id_tags.issue(user=charlie, uid="C4A7")
    new = start(online, tag="C4A7", meter=3000, minutes=30).session
    assert new.status == Status.RUNNING
    running.refresh_from_db()
    assert (running.status, running.closed_by, running.cost) == (Status.SETTLED, "next_start", 1000)


def test_the_database_allows_one_running_session_per_connector(running):
    twin = ChargingSession.objects.get(pk=running.pk)
    twin.pk = None
    with pytest.raises(IntegrityError), transaction.atomic():
        twin.save(force_insert=True)
