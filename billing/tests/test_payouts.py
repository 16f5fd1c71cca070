"""Payouts: on hold when they are asked for, out of the wallet once, back when they are refused."""

import pytest

from accounts.models import Delivery, Webhook
from accounts.webhooks import listeners
from billing import audit, ledger, payouts, wallets
from billing.models import Account, Hold, LedgerCheck, Payout, Transfer
from sharecharge.errors import Refused


@pytest.fixture
def payout(alice) -> Payout:
    return payouts.request(alice, amount=40_000, bank_account="123457/0100", idempotency_key="a key")


def money(user):
    wallet = wallets.wallet_of(user)
    return wallet.balance, wallet.held


def code_of(action, *arguments, **options) -> str:
    with pytest.raises(Refused) as refused:
        action(*arguments, **options)
    return refused.value.code


def test_it_is_paid_once(payout, alice, oscar):
    assert money(alice) == (100_000, 40_000)
    paid = payouts.pay(payout, by=oscar)
    assert (paid.status, paid.decided_by, money(alice)) == (Payout.Status.PAID, oscar, (60_000, 0))
    assert paid.finished_at
    transfer = Transfer.objects.get(kind="payout")
    assert dict(transfer.entries.values_list("account__kind", "amount")) == {"wallet": -40_000, "outside": 40_000}
    assert code_of(payouts.pay, payout, by=oscar) == "payout_decided"
    assert code_of(payouts.cancel, payout) == "payout_decided"
    assert (money(alice), ledger.breaches()) == ((60_000, 0), [])


def test_what_is_refused_goes_back(payout, alice, oscar):
    refused = payouts.refuse(payout, by=oscar, reason="no such account")
    assert (refused.status, refused.reason, money(alice)) == ("refused", "no such account", (100_000, 0))
    assert code_of(payouts.pay, payout, by=oscar) == "payout_decided"
    assert ledger.breaches() == []


def test_a_cancelled_one_is_not_paid(payout, alice, oscar):
    payouts.cancel(payout)
    assert code_of(payouts.pay, payout, by=oscar) == "payout_decided"
    assert money(alice) == (100_000, 0)


def test_the_money_on_hold_pays_for_nothing_else(payout, alice, bob, oscar):
    wallets.settle(
        reference="session:1", payer=alice, payee=bob, amount=90_000, fee=0, kind=Transfer.Kind.SESSION, description=""
    )
    assert money(alice) == (40_000, 40_000)
    payouts.pay(payout, by=oscar)
    assert wallets.wallet_of(alice) == wallets.Wallet(balance=0, held=0, owed=30_000)


def test_without_its_hold_nothing_is_paid(payout, alice, oscar):
    wallets.release_hold(payout.reference)
    assert code_of(payouts.pay, payout, by=oscar) == "payout_not_covered"
    assert Account.objects.get(user=alice, kind="wallet").balance == 100_000
    assert Payout.objects.get().status == "requested"


def test_nothing_is_asked_for_or_paid_while_the_ledger_is_halted(payout, alice, oscar):
    LedgerCheck.objects.create(is_full=True, breaches=["Account 1"])
    audit.forget()
    assert code_of(payouts.pay, payout, by=oscar) == "ledger_halted"
    assert code_of(payouts.request, alice, amount=100, bank_account="1249/0100", idempotency_key="2") == "ledger_halted"
    payouts.cancel(payout)  # frees money and moves none
    assert (money(alice), Hold.objects.active().count()) == ((100_000, 0), 0)


def test_programs_hear_of_every_step_and_not_of_the_bank_account(alice, oscar):
    Webhook.objects.create(user=oscar, url="https://example.org/", events=["payout.changed"], secret="whsec_x")
    listeners.forget()
    payout = payouts.request(alice, amount=40_000, bank_account="123457/0100", idempotency_key="a key")
    payouts.pay(payout, by=oscar)
    listeners.forget()
    told = [row.payload["data"] for row in Delivery.objects.order_by("pk")]
    same = {"id": payout.pk, "user": alice.pk, "amount": "400.00", "currency": "CZK"}
    assert told == [{**same, "status": "requested"}, {**same, "status": "paid"}]


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("CZ65 0800 0000 1920 0014 5399", "CZ65 0800 0000 1920 0014 5399"),
        (" cz6508000000192000145399 ", "CZ6508000000192000145399"),
        ("DE89370400440532013000", "DE89370400440532013000"),
        ("19-2000145399/0800", "19-2000145399/0800"),
        ("123457/0100", "123457/0100"),
    ],
)
def test_a_bank_account_is_an_iban_or_what_a_bank_writes(typed, kept):
    assert payouts.clean_account(typed) == kept


@pytest.mark.parametrize("typed", ["", "x", "11", "CZ6508000000192000145398", "CZ65", "12345/08", "١٢٣٤٥/0800", "=1+1"])
def test_what_is_no_bank_account_is_refused(typed):
    with pytest.raises(Refused) as refusal:
        payouts.clean_account(typed)
    assert (refusal.value.code, refusal.value.field) == ("bank_account", "bank_account")


@pytest.mark.parametrize(
    "typed", ["19-2000145398/0800", "18-2000145399/0800", "2000145389/0800", "19 - 2000145398/0800"]
)
def test_a_mistyped_digit_of_a_czech_account_is_found(typed):
    with pytest.raises(Refused, match="A digit of this account number is wrong") as refusal:
        payouts.clean_account(typed)
    assert (refusal.value.code, refusal.value.field) == ("bank_account", "bank_account")


def test_who_asks_for_too_much_is_told_what_is_free(alice):
    with pytest.raises(Refused, match="At most") as refusal:
        payouts.request(alice, amount=10**9, bank_account="123457/0100", idempotency_key="much")
    assert (refusal.value.status, refusal.value.field) == (402, "amount")
