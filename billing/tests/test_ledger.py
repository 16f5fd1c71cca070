import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from billing import ledger
from billing.models import Account, Entry, Transfer

pytestmark = pytest.mark.django_db

Kind = Account.Kind


@pytest.fixture
def wallet(alice):
    return Account.objects.get(user=alice, kind=Kind.WALLET)


@pytest.fixture
def platform(db):
    return ledger.account(Kind.PLATFORM)


def pay(wallet, platform, amount, reference="test"):
    return ledger.post(
        Transfer.Kind.CORRECTION, reference=reference, lines={wallet: -amount, platform: amount}, description="a test"
    )


def test_it_moves_money(wallet, platform):
    transfer = pay(wallet, platform, 300)
    wallet.refresh_from_db()
    platform.refresh_from_db()
    assert (wallet.balance, platform.balance) == (99_700, 300)
    assert sorted(transfer.entries.values_list("amount", flat=True)) == [-300, 300]
    assert ledger.breaches() == []


def test_the_same_reference_moves_nothing_twice(wallet, platform):
    assert pay(wallet, platform, 300) == pay(wallet, platform, 300)
    wallet.refresh_from_db()
    assert wallet.balance == 99_700


def test_a_reference_for_something_else_is_a_bug(wallet, platform):
    pay(wallet, platform, 300)
    with pytest.raises(ledger.ReferenceReused):
        pay(wallet, platform, 301)


def test_lines_that_do_not_sum_to_zero_are_a_bug(wallet, platform):
    with pytest.raises(ledger.Unbalanced):
        ledger.post(Transfer.Kind.CORRECTION, reference="x", lines={wallet: -3, platform: 2})
    assert not Transfer.objects.filter(reference="x").exists()


def test_nothing_to_move_is_nothing_to_record(wallet, platform):
    assert ledger.post(Transfer.Kind.CORRECTION, reference="x", lines={wallet: 0, platform: 0}) is None


def test_a_wallet_cannot_fall_below_zero_and_nothing_is_left_behind(wallet, platform):
    with pytest.raises(IntegrityError), transaction.atomic():
        pay(wallet, platform, 100_001)
    assert not Transfer.objects.filter(reference="test").exists()
    assert ledger.breaches() == []


def test_a_reversal_is_a_further_transfer(wallet, platform, oscar):
    transfer = pay(wallet, platform, 300)
    reversal = ledger.reverse(transfer, reason="wrong driver", by=oscar)
    assert ledger.reverse(transfer, reason="wrong driver", by=oscar) == reversal
    wallet.refresh_from_db()
    assert wallet.balance == 100_000
    assert (reversal.description, reversal.created_by) == ("wrong driver", oscar)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE billing_entry SET amount = amount + 1",
        "DELETE FROM billing_entry",
        "UPDATE billing_transfer SET description = 'x'",
        "DELETE FROM billing_transfer",
    ],
)
def test_the_database_refuses_to_change_history(alice, statement):
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


def test_the_database_refuses_a_late_entry(wallet, platform):
    transfer = pay(wallet, platform, 300)
    with pytest.raises(DatabaseError, match="late entry"), transaction.atomic():
        Entry.objects.create(transfer=transfer, account=ledger.account(Kind.OUTSIDE), amount=5)


def test_the_database_refuses_an_unbalanced_transfer(wallet, platform):
    with pytest.raises(DatabaseError, match="not balanced"), transaction.atomic():
        transfer = Transfer.objects.create(kind=Transfer.Kind.CORRECTION, reference="x", entry_count=2)
        Entry.objects.create(transfer=transfer, account=wallet, amount=-5)
        Entry.objects.create(transfer=transfer, account=platform, amount=6)
        connection.check_constraints()


@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite checks nothing at commit and cannot truncate")
@pytest.mark.parametrize("table", ["billing_entry", "billing_transfer CASCADE"])
@pytest.mark.django_db(transaction=True)
def test_postgresql_refuses_to_truncate(alice, table):
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {table}")


@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite checks nothing at commit")
@pytest.mark.django_db(transaction=True)
def test_postgresql_refuses_an_incomplete_transfer_at_commit():
    with pytest.raises(DatabaseError, match="not balanced"), transaction.atomic():
        Transfer.objects.create(kind=Transfer.Kind.CORRECTION, reference="x", entry_count=2)


def test_the_check_finds_a_balance_that_somebody_wrote(wallet):
    Account.objects.filter(pk=wallet.pk).update(balance=1)
    assert [breach for breach in ledger.breaches() if "balance 1, entries 100000" in breach]


def test_the_check_finds_money_on_hold_without_a_hold(wallet):
    Account.objects.filter(pk=wallet.pk).update(held=5)
    assert [breach for breach in ledger.breaches() if "5 on hold, holds 0" in breach]


def test_the_check_finds_a_transfer_without_entries(db):
    Transfer.objects.bulk_create([Transfer(kind=Transfer.Kind.CORRECTION, reference="x", entry_count=2)])
    try:
        assert [breach for breach in ledger.breaches() if "0 entries sum to 0" in breach]
    finally:
        # PostgreSQL would refuse it at the end of the test, as it should.
        transaction.set_rollback(True)
