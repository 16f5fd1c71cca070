from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone

from billing import ledger, wallets
from billing.models import Account, Hold, TopUp, Transfer
from billing.providers import FakeProvider
from conftest import fund
from sharecharge.errors import Refused

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _the_ledger_stays_sound(db):
    yield
    assert ledger.breaches() == []


def settle(payer, payee, amount, fee, reference="session:1", kind=Transfer.Kind.SESSION):
    return wallets.settle(
        reference=reference, payer=payer, payee=payee, amount=amount, fee=fee, kind=kind, description="a test"
    )


def platform_balance():
    return ledger.account(Account.Kind.PLATFORM).balance


def test_a_hold_reserves_what_is_wanted(alice):
    wallets.hold(alice, reference="s", minimum=5000, wanted=30_000)
    assert wallets.wallet_of(alice) == wallets.Wallet(balance=100_000, held=30_000, owed=0)


def test_a_hold_takes_what_there_is(alice):
    wallets.hold(alice, reference="s", minimum=5000, wanted=200_000)
    assert wallets.wallet_of(alice).available == 0


def test_a_hold_is_made_once(alice):
    first = wallets.hold(alice, reference="s", minimum=1, wanted=100)
    assert wallets.hold(alice, reference="s", minimum=1, wanted=100) == first
    assert wallets.wallet_of(alice).held == 100


def test_a_hold_needs_its_minimum(alice):
    wallets.hold(alice, reference="s", minimum=1, wanted=96_000)
    with pytest.raises(Refused, match="too little money") as refusal:
        wallets.hold(alice, reference="t", minimum=5000, wanted=30_000)
    assert refusal.value.code == "balance_too_low"


def test_who_owes_gets_no_hold(alice, bob):
    settle(alice, bob, 150_000, 15_000)
    with pytest.raises(Refused, match="not paid yet"):
        wallets.hold(alice, reference="t", minimum=1, wanted=100)


def test_a_hold_grows_as_far_as_there_is_money(alice):
    wallets.hold(alice, reference="s", minimum=1, wanted=60_000)
    assert wallets.extend_hold("s", by=30_000) == 30_000
    assert wallets.extend_hold("s", by=30_000) == 10_000
    assert wallets.extend_hold("s", by=30_000) == 0
    assert wallets.extend_hold("unknown", by=1) == 0


def test_a_hold_is_released_once(alice):
    wallets.hold(alice, reference="s", minimum=1, wanted=60_000)
    wallets.release_hold("s")
    wallets.release_hold("s")
    assert wallets.wallet_of(alice).held == 0


def test_only_holds_whose_time_is_over_expire(alice):
    now = timezone.now()
    for reference, expires_at in (("a", None), ("b", now), ("c", now + timedelta(seconds=1))):
        wallets.hold(alice, reference=reference, minimum=1, wanted=100)
        Hold.objects.filter(reference=reference).update(expires_at=expires_at)
    assert wallets.expire_holds(now) == 1
    assert wallets.wallet_of(alice).held == 200


def test_a_settlement_pays_owner_and_platform(alice, bob):
    settle(alice, bob, 4050, 405)
    assert wallets.wallet_of(alice).balance == 95_950
    assert wallets.wallet_of(bob).balance == 3645
    assert platform_balance() == 405


def test_a_settlement_beyond_the_wallet_is_owed_and_the_owner_is_paid(alice, bob):
    settle(alice, bob, 120_000, 12_000)
    assert wallets.wallet_of(alice) == wallets.Wallet(balance=0, held=0, owed=20_000)
    assert wallets.wallet_of(bob).balance == 108_000


def test_a_settlement_leaves_what_is_held_for_others(alice, bob):
    wallets.hold(alice, reference="other", minimum=1, wanted=70_000)
    settle(alice, bob, 40_000, 4000)
    assert wallets.wallet_of(alice) == wallets.Wallet(balance=70_000, held=70_000, owed=10_000)


def test_the_next_top_up_pays_what_is_owed_first(alice, bob):
    settle(alice, bob, 120_000, 12_000)
    fund(alice, 15_000)
    assert wallets.wallet_of(alice) == wallets.Wallet(balance=0, held=0, owed=5000)
    fund(alice, 15_000)
    assert wallets.wallet_of(alice) == wallets.Wallet(balance=10_000, held=0, owed=0)


def test_settling_twice_moves_nothing_twice_even_if_the_split_would_differ_today(alice, bob):
    first = settle(alice, bob, 120_000, 12_000)
    fund(alice, 500_000)
    assert settle(alice, bob, 120_000, 12_000) == first
    assert wallets.wallet_of(bob).balance == 108_000


def test_a_correction_downwards_pays_the_driver_back_even_when_the_owner_has_spent_it(alice, bob):
    settle(alice, bob, 10_000, 1000)
    ledger.post(
        Transfer.Kind.PAYOUT,
        reference="payout:1",
        lines={ledger.account(Account.Kind.WALLET, bob): -9000, ledger.account(Account.Kind.OUTSIDE): 9000},
    )
    settle(alice, bob, -4000, -400, reference="session:1:correction:1", kind=Transfer.Kind.CORRECTION)
    assert wallets.wallet_of(alice).balance == 94_000
    assert wallets.wallet_of(bob) == wallets.Wallet(balance=0, held=0, owed=3600)
    assert platform_balance() == 600


def test_an_owner_who_pays_himself_pays_only_the_fee(bob):
    fund(bob, 10_000)
    settle(bob, bob, 1000, 100)
    assert wallets.wallet_of(bob).balance == 9900


def test_a_free_session_moves_nothing(alice, bob):
    assert settle(alice, bob, 0, 0) is None


def test_a_top_up_is_credited_once(alice):
    top_up = fund(alice, 5000)
    wallets.finish_top_up(top_up, paid=True, provider_reference="again")
    assert wallets.wallet_of(alice).balance == 105_000


def test_a_failed_payment_credits_nothing_and_may_still_succeed_later(charlie):
    before = wallets.wallet_of(charlie).balance
    top_up = wallets.request_top_up(charlie, amount=5000, idempotency_key="k", provider=FakeProvider())
    wallets.finish_top_up(top_up, paid=False, provider_reference="p")
    assert wallets.wallet_of(charlie).balance == before
    wallets.finish_top_up(top_up, paid=True, provider_reference="p")
    assert wallets.wallet_of(charlie).balance == before + 5000


def test_a_paid_top_up_stays_paid(alice):
    top_up = fund(alice, 5000)
    assert wallets.finish_top_up(top_up, paid=False, provider_reference="p").status == TopUp.Status.PAID


def test_one_key_is_one_top_up(alice):
    first = wallets.request_top_up(alice, amount=5000, idempotency_key="k", provider=FakeProvider())
    assert wallets.request_top_up(alice, amount=5000, idempotency_key="k", provider=FakeProvider()) == first
    with pytest.raises(Refused, match="another amount"):
        wallets.request_top_up(alice, amount=5001, idempotency_key="k", provider=FakeProvider())


@pytest.mark.parametrize("amount", [99, 0, -5000, settings.TOP_UP_LIMIT + 1])
def test_an_amount_out_of_range_is_refused_and_the_field_is_named(alice, amount):
    with pytest.raises(Refused) as refusal:
        wallets.request_top_up(alice, amount=amount, idempotency_key="k", provider=FakeProvider())
    assert refusal.value.field == "amount"
