"""The ledger: `post` is the only function that moves money.

Locks are taken in the order of primary keys, so two transfers cannot wait for each other.
"""

from collections.abc import Iterable, Mapping

from django.db import IntegrityError, transaction
from django.db.models import Count, F, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce

from accounts.models import User
from billing.models import Account, Entry, Hold, Transfer

BREACHES_TOLD = 100


class Unbalanced(ValueError):
    """A programming error: the lines of a transfer do not sum to zero."""


class ReferenceReused(ValueError):
    """A programming error: one reference was used for two different movements of money."""


def account(kind: Account.Kind, user: User | None = None) -> Account:
    """The account of this kind (and person), made on first use."""
    return Account.objects.get_or_create(kind=kind, user=user)[0]


def lock(accounts: Iterable[Account]) -> dict[int, Account]:
    """Locks and re-reads accounts, in primary-key order. Inside a transaction only."""
    keys = {account.pk for account in accounts}
    return {row.pk: row for row in Account.objects.select_for_update(no_key=True).filter(pk__in=keys).order_by("pk")}


def post(
    kind: Transfer.Kind,
    *,
    reference: str,
    lines: Mapping[Account, int],
    description: str = "",
    by: User | None = None,
) -> Transfer | None:
    """Moves money: `lines` says by how many minor units each account changes; they sum to zero.

    Posting a reference a second time returns the first transfer and moves nothing. Lines of zero are dropped; when
    nothing is left there is nothing to record, and None is returned.
    Raises Unbalanced, ReferenceReused; IntegrityError when a wallet would fall below what is on hold.
    """
    amounts = {account.pk: amount for account, amount in lines.items() if amount}
    if sum(amounts.values()):
        raise Unbalanced(f"{reference}: the lines sum to {sum(amounts.values())}")
    if not amounts:
        return None
    with transaction.atomic():
        lock(lines)
        posted = Transfer.objects.filter(reference=reference).first() or _insert(
            kind, reference=reference, amounts=amounts, description=description, by=by
        )
    if posted.kind != kind or dict(posted.entries.values_list("account_id", "amount")) != amounts:
        raise ReferenceReused(f"{reference} was posted before, with other lines")
    return posted


def _insert(
    kind: Transfer.Kind, *, reference: str, amounts: dict[int, int], description: str, by: User | None
) -> Transfer:
    try:
        with transaction.atomic():
            transfer = Transfer.objects.create(
                kind=kind, reference=reference, description=description, entry_count=len(amounts), created_by=by
            )
    except IntegrityError:  # a twin over other accounts committed between our look and our insert
        return Transfer.objects.get(reference=reference)
    Entry.objects.bulk_create(
        Entry(transfer=transfer, account_id=key, amount=amount) for key, amount in sorted(amounts.items())
    )
    for key, amount in sorted(amounts.items()):
        Account.objects.filter(pk=key).update(balance=F("balance") + amount)
    return transfer


def reverse(transfer: Transfer, *, reason: str, by: User) -> Transfer | None:
    """Takes a transfer back by a further one. IntegrityError when somebody's wallet no longer covers it."""
    lines = {entry.account: -entry.amount for entry in transfer.entries.select_related("account")}
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
