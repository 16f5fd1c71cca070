"""The ledger: `post` is the only function that moves money.

The accounts of people are locked in the order of primary keys, so two transfers cannot wait for each other. The
accounts of the platform itself, which half of all transfers touch, are not locked before but changed last: whoever
changes them waits for nothing any more but the commit.
"""

from collections.abc import Iterable, Mapping
from functools import cache

from django.db import connection, transaction
from django.db.models import Count, F, Q, Sum
from django.utils import timezone

from accounts.models import User
from billing.models import Account, Entry, Hold, Transfer

Kind = Account.Kind
OF_PEOPLE = (Kind.WALLET, Kind.RECEIVABLE)


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
    keys = {user.pk for user in people}
    found = _locked(Q(user__in=keys))
    missing = {(kind, key) for key in keys for kind in OF_PEOPLE} - found.keys()
    if missing:
        new = [Account(kind=kind, user_id=key) for kind, key in sorted(missing)]
        Account.objects.bulk_create(new, ignore_conflicts=True)
        found = _locked(Q(user__in=keys))
    return found


def _locked(which: Q) -> dict[tuple[str, int | None], Account]:
    locked = Account.objects.select_for_update(no_key=True).filter(which).order_by("pk")
    return {(account.kind, account.user_id): account for account in locked}


def post(
    kind: Transfer.Kind,
    *,
    reference: str,
    lines: Mapping[Account, int],
    description: str = "",
    by: User | None = None,
    release: Hold | None = None,
    is_locked: bool = False,
) -> Transfer | None:
    """Moves money: `lines` says by how many minor units each account changes; they sum to zero.

    Posting a reference a second time returns the first transfer and moves nothing. Lines of zero are dropped; when
    nothing is left there is nothing to record, and None is returned. `release` is an active hold that ends with it.
    `is_locked`: the caller holds the locks of `ledger.lock`, and has made the lines from what he saw then; a repeat may
    have other lines.
    Raises Unbalanced, ReferenceReused; IntegrityError when a wallet would fall below what is on hold.
    """
    amounts = {account: amount for account, amount in lines.items() if amount}
    if sum(amounts.values()):
        raise Unbalanced(f"{reference}: the lines sum to {sum(amounts.values())}")
    with transaction.atomic(savepoint=False):
        if not is_locked:
            _locked(Q(pk__in=[account.pk for account in amounts], user__isnull=False))
        posted = _insert(kind, reference, entries=len(amounts), description=description, by=by) if amounts else None
        if posted:
            Entry.objects.bulk_create(
                Entry(transfer=posted, account=account, amount=amount) for account, amount in amounts.items()
            )
        _change(amounts if posted else {}, release)
    return posted or (_first(kind, reference, None if is_locked else amounts) if amounts else None)


def _insert(kind: Transfer.Kind, reference: str, *, entries: int, description: str, by: User | None) -> Transfer | None:
    """None: there is a transfer with this reference. Asking first would be a race, a savepoint two more round trips."""
    transfer = Transfer(
        kind=kind, reference=reference, description=description, entry_count=entries, created_at=timezone.now(),
        created_by=by,
    )  # fmt: skip
    created_at = connection.ops.adapt_datetimefield_value(transfer.created_at)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO billing_transfer (kind, reference, description, entry_count, created_at, created_by_id)"
            " VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (reference) DO NOTHING RETURNING id",
            [kind.value, reference, description, entries, created_at, by.pk if by else None],
        )
        row = cursor.fetchone()
    if row is None:
        return None
    transfer.pk = row[0]
    return transfer


def _change(amounts: Mapping[Account, int], release: Hold | None) -> None:
    """Balances and holds in one go; those of the platform last."""
    freed = {release.account_id: release.amount} if release else {}
    balances = {(account.user_id is None, account.pk): amount for account, amount in amounts.items()}
    keys = sorted({*balances, *((False, key) for key in freed)})
    with connection.cursor() as cursor:
        cursor.executemany(
            "UPDATE billing_account SET balance = balance + %s, held = held - %s WHERE id = %s",
            [(balances.get((is_side, key), 0), freed.get(key, 0), key) for is_side, key in keys],
        )
    if release:
        Hold.objects.filter(pk=release.pk).update(released_at=timezone.now())


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
    return post(
        Transfer.Kind.REVERSAL, reference=f"reversal:{transfer.pk}", lines=lines, description=reason[:200], by=by
    )


def breaches() -> list[str]:
    """Every way in which the ledger contradicts itself, in words; empty when all is well.

    One sentence each for: transfers that do not sum to zero or miss entries, balances that are not the sum of their
    entries, and holds that are not what the accounts say is on hold.
    """
    found = []
    transfers = Transfer.objects.annotate(total=Sum("entries__amount"), written=Count("entries"))
    for transfer in transfers.exclude(total=0, written=F("entry_count")).iterator():
        found.append(f"Transfer {transfer.pk} ({transfer}): {transfer.written} entries sum to {transfer.total or 0}.")
    for row in Account.objects.annotate(total=Sum("entries__amount")).iterator():
        if row.balance != (row.total or 0):
            found.append(f"Account {row.pk} ({row}): balance {row.balance}, entries {row.total or 0}.")
    on_hold = dict(Hold.objects.active().values_list("account").annotate(Sum("amount")))
    for holder in Account.objects.iterator():
        if holder.held != on_hold.get(holder.pk, 0):
            found.append(f"Account {holder.pk} ({holder}): {holder.held} on hold, holds {on_hold.get(holder.pk, 0)}.")
    return found
