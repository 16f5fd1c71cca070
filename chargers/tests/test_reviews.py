"""Bills that nobody believes are held until somebody has looked, from reliability.md R9."""

from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone

from billing import wallets
from chargers import registry, sessions, settlement
from chargers.tests.test_sessions import Status, start, stop
from sharecharge.errors import Refused

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("_sound_ledger")]


@pytest.fixture
def running(online, alice_card):
    return start(online).session


@pytest.fixture
def held(online, running):
    return stop(online, running.pk, meter=910_000)


def test_a_wild_bill_is_held_and_nothing_moves(alice, held):
    assert held.is_held
    assert held.review_reasons == ["register_jumped"]
    assert wallets.wallet_of(alice) == wallets.Wallet(balance=100_000, held=settings.SESSION_HOLD, owed=0)
    assert sessions.progress(held).state == "checking"
    assert settlement.settle_unsettled() == 0


def test_money_on_hold_for_a_held_session_comes_back_in_the_end(alice, held):
    assert wallets.expire_holds(timezone.now() + timedelta(days=8)) == 1
    assert wallets.wallet_of(alice).held == 0


def test_an_operator_releases_with_the_right_energy(alice, oscar, held):
    settlement.release(held, by=oscar, energy_wh=5000)
    assert wallets.wallet_of(alice) == wallets.Wallet(balance=97_500, held=0, owed=0)
    with pytest.raises(Refused, match="does not wait"):
        settlement.release(held, by=oscar)


def test_the_owner_may_bill_what_the_plug_can_deliver_but_never_more(bob, held):
    for energy_wh in (10**9, None):  # 11 kW for an hour are 13.1 kWh with the margins
        with pytest.raises(Refused, match=r"At most 13\.1 kWh"):
            settlement.release(held, by=bob, energy_wh=energy_wh)
    settlement.release(held, by=bob, energy_wh=0)
    held.refresh_from_db()
    assert (held.status, held.cost) == (Status.SETTLED, 0)


def test_others_may_not_release(alice, charlie, held):
    for user in (alice, charlie):
        with pytest.raises(Refused) as refusal:
            settlement.release(held, by=user)
        assert refusal.value.status == 404


def test_a_start_or_stop_that_cannot_be_read_is_held(online, alice_card):
    session = start(online, meter=None).session
    assert stop(online, session.pk, meter=None).review_reasons == ["start_unreadable", "stop_unreadable"]


def test_a_free_session_is_never_held(online, connector, alice_card):
    registry.set_price(connector, 0)
    assert stop(online, start(online).session.pk, meter=910_000).status == Status.SETTLED
