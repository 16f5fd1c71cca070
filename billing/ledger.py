"""The ledger: `post` is the only function that moves money.

The accounts of people are locked in the order of primary keys, so two transfers cannot wait for each other. The
accounts of the platform itself, which nearly all transfers touch, are not locked before but changed last: whoever
changes them waits for nothing any more but the commit.
"""

from collections.abc import Iterable, Mapping
from functools import cache

from django.db import transaction
from django.db.models import Count, F, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce

from accounts.models import User
from billing.models import Account, Hold, Transfer
from sharecharge import prepared
from sharecharge.prepared import Prepared

Kind = Account.Kind
OF_PEOPLE = (Kind.WALLET, Kind.RECEIVABLE)

BREACHES_TOLD = 100


class Unbalanced(ValueError):
    """A programming error: the lines of a transfer do not sum to zero."""


class ReferenceReused(ValueError):
    """A programming error: one reference was used for two different movements of money."""


def account(kind: Account.Kind, user: User | None = None) -> Account:
    """The account of this kind (and person), made on first use."""
    return Account.objects.get_or_create(kind=kind, user=user)[0]


@cache
def side(kind: Account.Kind) -> Account:
    """The platform's own account of this kind, made on first use. Only its key is good for anything: it may be old."""
    return account(kind)


def lock(people: Iterable[User]) -> dict[tuple[str, int | None], Account]:
    """The wallets and receivables of these people by (kind, user key), locked and fresh; made on first use.

    Inside a transaction only.
    """
    keys = sorted({user.pk for user in people})
    found = _locked_of(keys)
    new = [Account(kind=kind, user_id=key) for key in keys for kind in OF_PEOPLE if (kind, key) not in found]
    if new:
        Account.objects.bulk_create(new, ignore_conflicts=True)
        found = _locked_of(keys)
    return found


_to_lock = Account.objects.select_for_update(no_key=True).order_by("pk")
_of_two = Prepared(lambda one, other: _to_lock.filter(Q(user=one) | Q(user=other)), one=1, other=1)


def _locked_of(keys: list[int]) -> dict[tuple[str, int | None], Account]:
    """One person or two, which is nearly always, or any number."""
    locked = _of_two.all(one=keys[0], other=keys[-1]) if len(keys) <= 2 else _to_lock.filter(user__in=keys)
    return {(account.kind, account.user_id): account for account in locked}


def post(
    kind: Transfer.Kind,
    *,
    reference: str,
    lines: Mapping[Account, int],
    description: str = "",
    by: User | None = None,
    freed: Mapping[int, int] | None = None,
    is_locked: bool = False,
) -> Transfer | None:
    """Moves money: `lines` says by how many minor units each account changes; they sum to zero.

    Posting a reference a second time returns the first transfer and moves nothing. Lines of zero are dropped; when
    nothing is left there is nothing to record, and None is returned. `freed` says by account key how
    much of a hold ends with it.
    `is_locked`: the caller holds the locks of `ledger.lock`, and has made the lines from what he saw then; a repeat may
    have other lines.
    Raises Unbalanced, ReferenceReused; IntegrityError when a wallet would fall below what is on hold.
    """
    amounts = {account: lines[account] for account in sorted(lines, key=lambda account: account.pk) if lines[account]}
    if sum(amounts.values()):
        raise Unbalanced(f"{reference}: the lines sum to {sum(amounts.values())}")
    with transaction.atomic(savepoint=False):
        if not is_locked:
            list(_to_lock.filter(pk__in=[account.pk for account in amounts], user__isnull=False))
        posted = _insert(kind, reference, entries=len(amounts), description=description, by=by) if amounts else None
        if posted:
            _insert_entries(posted, amounts)
        _change(amounts if posted else {}, freed or {})
    return posted or (_first(kind, reference, None if is_locked else amounts) if amounts else None)


def _insert_entries(transfer: Transfer, amounts: Mapping[Account, int]) -> None:
    rows = ", ".join("(%s, %s, %s)" for _account in amounts)
    values = [value for account, amount in amounts.items() for value in (transfer.pk, account.pk, amount)]
    prepared.execute(f"INSERT INTO billing_entry (transfer_id, account_id, amount) VALUES {rows}", values)  # noqa: S608


def _insert(kind: Transfer.Kind, reference: str, *, entries: int, description: str, by: User | None) -> Transfer | None:
    """None: there is a transfer with this reference. Asking first would be a race, a savepoint two more round trips."""
    transfer = Transfer(kind=kind, reference=reference, description=description, entry_count=entries, created_by=by)
    return transfer if prepared.insert(transfer, unless="reference") else None


def _change(amounts: Mapping[Account, int], freed: Mapping[int, int]) -> None:
    """Balances and holds in one statement. The rows of people are locked already."""
    changes = {key: [0, amount] for key, amount in freed.items()}
    for account, amount in amounts.items():
        changes.setdefault(account.pk, [0, 0])[0] = amount
    if not changes:
        return
    rows = " UNION ALL ".join("SELECT %s AS id, %s AS amount, %s AS freed" for _key in changes)
    values = [value for key, change in sorted(changes.items()) for value in (key, *change)]
    prepared.execute(
        "UPDATE billing_account SET balance = balance + change.amount, held = held - change.freed"  # noqa: S608
        f" FROM ({rows}) AS change WHERE billing_account.id = change.id",
        values,
    )


def _first(kind: Transfer.Kind, reference: str, amounts: Mapping[Account, int] | None) -> Transfer:
    """The transfer that a reference was posted with before. `amounts` None: whatever its lines were."""
    posted = Transfer.objects.get(reference=reference)
    lines = dict(posted.entries.values_list("account_id", "amount"))
    if posted.kind != kind or (
        amounts is not None and lines != {account.pk: amount for account, amount in amounts.items()}
    ):
        raise ReferenceReused(f"{reference} was posted before, with other lines")
    return posted


def reverse(transfer: Transfer, *, reason: str, by: User) -> Transfer | None:
    """Takes a transfer back by a further one. IntegrityError when somebody's wallet no longer covers it."""
    lines = {entry.account: -entry.amount for entry in transfer.entries.select_related("account")}
    with transaction.atomic():  # the caller may go on when it fails
        return post(
            Transfer.Kind.REVERSAL, reference=f"reversal:{transfer.pk}", lines=lines, description=reason[:200], by=by
        )


# ------------------------------------------------------------------------------------------------ is it sound?


def breaches() -> list[str]:
    """Every way in which the ledger contradicts itself, in words; empty when all is well.

    One sentence each, of every kind at most BREACHES_TOLD: transfers that do not sum to zero or miss entries, balances
    that are not the sum of their entries, and holds that are not what the accounts say is on hold.
    """
    return [*unbalanced(Transfer.objects.all()), *wrong_balances(Account.objects.all()), *wrong_holds()]


def unbalanced(transfers: QuerySet[Transfer]) -> list[str]:
    summed = transfers.order_by("pk").annotate(total=Sum("entries__amount"), written=Count("entries"))
    wrong = summed.exclude(total=0, written=F("entry_count"))[:BREACHES_TOLD]
    return [f"Transfer {row.pk} ({row}): {row.written} entries sum to {row.total or 0}." for row in wrong]


def wrong_balances(accounts: QuerySet[Account]) -> list[str]:
    summed = accounts.select_related("user").order_by("pk").annotate(total=Coalesce(Sum("entries__amount"), 0))
    wrong = summed.exclude(balance=F("total"))[:BREACHES_TOLD]
    return [f"Account {row.pk} ({row}): balance {row.balance}, entries {row.total}." for row in wrong]


def wrong_holds() -> list[str]:
    active = Hold.objects.active().order_by()
    of_account = active.filter(account=OuterRef("pk")).values("account").annotate(sum=Sum("amount")).values("sum")
    concerned = Account.objects.filter(~Q(held=0) | Q(pk__in=active.values("account"))).select_related("user")
    summed = concerned.order_by("pk").annotate(total=Coalesce(Subquery(of_account), 0))
    wrong = summed.exclude(held=F("total"))[:BREACHES_TOLD]
    return [f"Account {row.pk} ({row}): {row.held} on hold, holds {row.total}." for row in wrong]
