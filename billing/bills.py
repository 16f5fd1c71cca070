"""What became of a bill: how much of it is paid, still owed, or was taken back. Reads the ledger, moves nothing."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from billing.models import Account, Entry, Transfer

Key = TypeVar("Key")
# Reference of a reversal: the transfer that it takes back.
REVERSAL = "reversal:"
# Reference of a session's bill, or of a correction of it.
SESSION = re.compile(r"session:(\d+)(?::|$)")


@dataclass(frozen=True, slots=True)
class Charge:
    """Who pays, the references of the first bill and of its corrections, and who earns by it, where that matters."""

    payer_id: int
    references: Sequence[str]
    earner_id: int | None = None


@dataclass(frozen=True, slots=True)
class Bill:
    """In minor units: `billed` with all corrections, `taken_back` by reversals that stand, `owed` now; and what the
    reversals took from whoever earned by it."""

    billed: int = 0
    taken_back: int = 0
    owed: int = 0
    share_taken_back: int = 0

    @property
    def paid(self) -> int:
        return self.billed - self.taken_back - self.owed

    @property
    def is_reversed(self) -> bool:
        return self.taken_back > 0


def of(charges: Mapping[Key, Charge], *, with_debts: bool = True) -> dict[Key, Bill]:
    """The bills of many charges in a few queries, and some more for each payer who may owe, unless nobody asks that."""
    posted = dict(
        Transfer.objects.filter(
            reference__in=[reference for charge in charges.values() for reference in charge.references]
        ).values_list("reference", "pk")
    )
    reversals = _reversals(posted.values())
    moved, lent = moved_by([*posted.values(), *reversals.values()])
    owed: dict[int, dict[int, int]] = {}
    bills = {}
    for key, charge in charges.items():
        transfers = [posted[reference] for reference in charge.references if reference in posted]
        has_lent = with_debts and any((pk, charge.payer_id) in lent for pk in transfers)
        if has_lent and charge.payer_id not in owed:
            owed[charge.payer_id] = still_owed(charge.payer_id)
        back = [reversals[pk] for pk in transfers if pk in reversals]
        bills[key] = Bill(
            billed=-sum(moved[pk, charge.payer_id] for pk in transfers),
            taken_back=sum(moved[pk, charge.payer_id] for pk in back),
            share_taken_back=-sum(moved[pk, charge.earner_id] for pk in back if charge.earner_id is not None),
            owed=sum(owed.get(charge.payer_id, {}).get(pk, 0) for pk in transfers),
        )
    return bills


def _reversals(transfers: Iterable[int]) -> dict[int, int]:
    """Transfer → the one that takes it back, unless that was taken back itself."""
    references = [f"{REVERSAL}{pk}" for pk in transfers]
    rows = Transfer.objects.filter(reference__in=references).values_list("reference", "pk") if references else []
    found = {int(reference.removeprefix(REVERSAL)): pk for reference, pk in rows}
    undone = _reversals(found.values()) if found else {}
    return {pk: reversal for pk, reversal in found.items() if reversal not in undone}


def taken_back(references: Iterable[str]) -> set[str]:
    """Those of the transfers with these references that a reversal takes back."""
    posted = dict(Transfer.objects.filter(reference__in=references).values_list("pk", "reference"))
    return {posted[pk] for pk in _reversals(posted)}


def sessions_taken_back() -> dict[int, list[int]]:
    """Session → the reversals of its bills that stand. Operators make them by hand, one by one, so there are few."""
    rows = Transfer.objects.filter(kind=Transfer.Kind.REVERSAL, reference__startswith=REVERSAL).order_by("-pk")
    reversals = {int(reference.removeprefix(REVERSAL)): pk for pk, reference in rows.values_list("pk", "reference")}
    standing: dict[int, int] = {}  # reversal → what it takes back; the one that undoes it came later
    for original, pk in reversals.items():
        if reversals.get(pk) not in standing:
            standing[pk] = original
    bills = Transfer.objects.in_bulk(standing.values())
    found: dict[int, list[int]] = defaultdict(list)
    for pk, original in standing.items():
        if (session := session_of(bills[original])) is not None:
            found[session].append(pk)
    return dict(found)


def moved_by(transfers: Sequence[int]) -> tuple[dict[tuple[int, int], int], set[tuple[int, int]]]:
    """(transfer, user) → the change of that person's money; and where it made a debt."""
    moved: dict[tuple[int, int], int] = defaultdict(int)
    lent = set()
    entries = Entry.objects.filter(transfer__in=transfers, account__user__isnull=False)
    for transfer, user, kind, amount in entries.values_list(
        "transfer_id", "account__user_id", "account__kind", "amount"
    ):
        assert user is not None
        moved[transfer, user] += amount
        if kind == Account.Kind.RECEIVABLE and amount < 0:
            lent.add((transfer, user))
    return moved, lent


def still_owed(user_id: int) -> dict[int, int]:
    """Transfer → what this person owes of it now: money that comes in pays the oldest debt first."""
    receivable = Account.objects.filter(user=user_id, kind=Account.Kind.RECEIVABLE, balance__lt=0).first()
    if receivable is None:
        return {}
    debts = list(receivable.entries.filter(amount__lt=0).order_by("-pk").values_list("transfer_id", "amount"))
    taken_back = _reversals(pk for pk, _amount in debts)
    left, owed = -receivable.balance, {}
    for pk, amount in debts:
        if pk not in taken_back and left:
            owed[pk] = min(left, -amount)
            left -= owed[pk]
    return owed


def with_reversed(entries: Iterable[Entry]) -> list[tuple[Entry, Transfer | None]]:
    """Lines of a statement, each reversal with the transfer that it takes back."""
    rows = list(entries)
    keys = {row.pk: row.transfer.reference.removeprefix(REVERSAL) for row in rows if _is_reversal(row.transfer)}
    originals = Transfer.objects.in_bulk([int(key) for key in keys.values() if key.isdecimal()])
    return [(row, originals.get(int(keys[row.pk])) if keys.get(row.pk, "").isdecimal() else None) for row in rows]


def session_of(transfer: Transfer) -> int | None:
    """The key of the session whose bill this transfer is a part of."""
    found = SESSION.match(transfer.reference)
    return int(found[1]) if found else None


def _is_reversal(transfer: Transfer) -> bool:
    return transfer.kind == Transfer.Kind.REVERSAL and transfer.reference.startswith(REVERSAL)
