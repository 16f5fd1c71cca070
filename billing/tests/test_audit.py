"""A broken ledger stops bills and payouts, not charging; a sound one is never called broken."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User
from billing import audit, ledger, wallets
from billing.models import Account, Checkpoint, Entry, Hold, LedgerCheck, Transfer
from conftest import fund, make_user
from sharecharge.errors import Refused

NOON = datetime(2026, 7, 1, 12, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def wallet(alice: User) -> Account:
    return Account.objects.get(user=alice, kind=Account.Kind.WALLET)


def corrupt(wallet: Account, by: int = 1) -> None:
    """What no code of ours does."""
    Account.objects.filter(pk=wallet.pk).update(balance=wallet.balance + by)


def settle(payer: User, payee: User, reference: str = "session:1") -> Transfer | None:
    return wallets.settle(
        reference=reference, payer=payer, payee=payee, amount=500, fee=50, kind=Transfer.Kind.SESSION, description=""
    )


# ------------------------------------------------------------------------------------------------ when


def test_each_hour_is_checked_once(alice: User):
    assert audit.check_if_due(NOON).breaches == []
    assert audit.check_if_due(NOON + timedelta(minutes=29)) is None
    assert audit.check_if_due(NOON + HOUR).finished_at
    assert LedgerCheck.objects.count() == 2


def test_everything_is_added_up_once_a_night(alice: User):
    start = datetime(2026, 7, 1, 8, tzinfo=UTC)
    made = [audit.check_if_due(start + hour * HOUR) for hour in range(48)]
    full = [timezone.localtime(check.started_at).hour for check in made if check.is_full]
    assert full == [timezone.localtime(start).hour, 3, 3]


def test_one_that_was_begun_elsewhere_is_not_begun_here(alice: User):
    LedgerCheck.objects.create(turn="2026-07-01T12", is_full=False)  # and its process was killed
    assert audit.check_if_due(NOON) is None
    assert audit.check_if_due(NOON + HOUR).is_full


# ------------------------------------------------------------------------------------------------ what it finds


@pytest.mark.parametrize("is_full", [True, False])
def test_it_finds_a_corrupted_balance(wallet: Account, is_full):
    audit.check_if_due(NOON)
    corrupt(wallet)
    made = audit.check() if is_full else audit.check_if_due(NOON + HOUR)
    assert made.is_full == is_full
    assert made.breaches == [f"Account {wallet.pk} (wallet · Alice): balance 100001, entries 100000."]


def test_it_finds_entries_whose_balance_was_lost(wallet: Account, alice: User, bob: User):
    audit.check_if_due(NOON)
    settle(alice, bob)
    Account.objects.filter(pk=wallet.pk).update(balance=wallet.balance)  # as before the bill
    assert audit.check_if_due(NOON + HOUR).breaches == [
        f"Account {wallet.pk} (wallet · Alice): balance 100000, entries 99500."
    ]


def test_it_finds_money_on_hold_without_a_hold(wallet: Account):
    audit.check_if_due(NOON)
    Account.objects.filter(pk=wallet.pk).update(held=5)
    assert audit.check_if_due(NOON + HOUR).breaches == [f"Account {wallet.pk} (wallet · Alice): 5 on hold, holds 0."]
    Account.objects.filter(pk=wallet.pk).update(held=0)
    Hold.objects.create(account=wallet, reference="x", amount=7)
    assert audit.check_if_due(NOON + 2 * HOUR).breaches == [
        f"Account {wallet.pk} (wallet · Alice): 0 on hold, holds 7."
    ]


def test_it_finds_a_transfer_without_entries(alice: User):
    audit.check_if_due(NOON)
    Transfer.objects.bulk_create([Transfer(kind=Transfer.Kind.CORRECTION, reference="x", entry_count=2)])
    try:
        [breach] = audit.check_if_due(NOON + HOUR).breaches
        assert "0 entries sum to 0" in breach
    finally:
        transaction.set_rollback(True)  # PostgreSQL would refuse it at the end of the test


def test_a_wrong_checkpoint_alarms_nobody(wallet: Account, alice: User, bob: User):
    """It only saves work: the entries decide."""
    audit.check_if_due(NOON)
    Checkpoint.objects.filter(account=wallet).update(total=77, last_entry=1)
    assert audit.check_if_due(NOON + HOUR).breaches == []
    settle(alice, bob)
    assert audit.check_if_due(NOON + 2 * HOUR).breaches == []
    assert Checkpoint.objects.get(account=wallet).total == 99_500


def test_it_reads_what_is_new(alice: User, bob: User):
    """However many entries there are, the hourly check adds up those since the last one."""
    for number in range(30):
        settle(alice, bob, f"session:{number}")
    audit.check_if_due(NOON)
    settle(alice, bob, "session:30")
    before = {row.account_id: row.last_entry for row in Checkpoint.objects.all()}
    with CaptureQueriesContext(connection) as captured:
        audit.check_if_due(NOON + HOUR)
    assert len(captured) < 15
    after = {row.account_id: row for row in Checkpoint.objects.all()}
    moved = {key for key, row in after.items() if row.last_entry != before[key]}
    assert moved == set(Transfer.objects.get(reference="session:30").entries.values_list("account", flat=True))
    assert all(row.total == row.account.balance for row in after.values())


# ------------------------------------------------------------------------------------------------ what follows


def test_bills_stop_and_money_that_comes_in_does_not(wallet: Account, alice: User, bob: User):
    corrupt(wallet)
    audit.check_if_due(NOON)
    assert audit.is_halted()
    with pytest.raises(Refused, match="checking our books") as refused:
        settle(alice, bob)
    assert (refused.value.code, refused.value.status) == ("ledger_halted", 503)
    assert not Transfer.objects.filter(reference="session:1").exists()
    fund(bob, 5_000)
    assert wallets.wallet_of(bob).balance == 5_000
    assert wallets.hold(bob, reference="session:2", minimum=1, wanted=1_000).amount == 1_000


def test_a_breach_stands_until_it_is_mended_and_cleared(wallet: Account, alice: User, bob: User, oscar: User):
    corrupt(wallet)
    audit.check_if_due(NOON)
    assert audit.clear(by=oscar).breaches
    assert audit.is_halted()
    corrupt(wallet, by=0)  # mended
    assert audit.check_if_due(NOON + HOUR).breaches == []
    assert audit.is_halted()  # never by itself
    with pytest.raises(Refused, match="Only an operator"):
        audit.clear(by=bob)
    assert audit.clear(by=oscar).breaches == []
    assert not audit.is_halted()
    assert set(LedgerCheck.objects.exclude(breaches=[]).values_list("cleared_by", flat=True)) == {oscar.pk}
    assert settle(alice, bob)


def test_nobody_asks_the_database_for_each_session(wallet: Account, django_assert_num_queries):
    audit.is_halted()
    with django_assert_num_queries(0):
        assert not any(audit.is_halted() for _session in range(100))


def test_other_processes_learn_of_it_in_seconds(wallet: Account, monkeypatch):
    assert not audit.is_halted()
    LedgerCheck.objects.create(is_full=True, breaches=["written by another process"])
    clock = audit.time.monotonic()
    monkeypatch.setattr(audit.time, "monotonic", lambda: clock + audit.KNOWN_FOR_SECONDS)
    assert audit.is_halted()


def test_the_command_says_what_it_found(wallet: Account, capsys):
    call_command("check_ledger")
    assert "The ledger is sound" in capsys.readouterr().out
    corrupt(wallet)
    with pytest.raises(CommandError, match="balance 100001, entries 100000"):
        call_command("check_ledger")
    corrupt(wallet, by=0)
    call_command("check_ledger")
    assert "still stands" in capsys.readouterr().out


# ------------------------------------------------------------------------------------------------ while others write


@pytest.mark.django_db(transaction=True)
def test_a_busy_ledger_is_not_called_broken():
    """Two threads move money and make and release holds while it is checked again and again."""
    drivers = [make_user("Alice"), make_user("Charlie")]
    owner = make_user("Bob", role=User.Role.OWNER)
    for driver in drivers:
        fund(driver, 1_000_000)

    def charge(driver: User) -> None:
        try:
            for number in range(40):
                reference = f"session:{driver.pk}-{number}"
                wallets.hold(driver, reference=reference, minimum=1, wanted=1_000)
                wallets.settle(
                    reference=reference, payer=driver, payee=owner, amount=500, fee=50, kind=Transfer.Kind.SESSION,
                    description="", hold=reference,
                )  # fmt: skip
        finally:
            connection.close()

    threads = [threading.Thread(target=charge, args=[driver]) for driver in drivers]
    for thread in threads:
        thread.start()
    turn = 0
    while any(thread.is_alive() for thread in threads):
        assert audit.check_if_due(NOON + turn * HOUR).breaches == []
        assert audit.check().breaches == []
        turn += 1
    assert turn > 0
    assert Entry.objects.count() == 2 * 2 + 2 * 40 * 3
    assert ledger.breaches() == []
