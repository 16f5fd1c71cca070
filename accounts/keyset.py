"""Long lists in pages, by key: `?before=41` is what is older than row 41, `?after=41` what is newer.

A page costs the same however far back it lies, and rows that arrive meanwhile push nothing from one page to the next.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any, Generic, TypeVar

from django.db.models import Model, QuerySet

Row = TypeVar("Row", bound=Model)

PARAMETERS = ("before", "after")
# No key has more digits; a longer number would not fit into the database's integers.
KEY_DIGITS = 18


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """Rows, newest first. `older` and `newer` are for `?before=` and `?after=`; None: there is no such page."""

    rows: list[Row]
    older: int | None
    newer: int | None


def page(*lists: QuerySet[Row, Any], asked: Mapping[str, str], size: int) -> Page[Row]:
    """The page that the address asks for; the newest one when it asks for none, or for nonsense.

    Several lists become one: each is read through its own index, at most `size` + 1 rows of it.
    """
    before, after = (_key(asked, name) for name in PARAMETERS)
    if after is not None:
        rows = _nearest(lists, size + 1, "pk", pk__gt=after)
        if len(rows) > size:
            rows = rows[size - 1 :: -1]
            return Page(rows, older=rows[-1].pk, newer=rows[0].pk)
        before = None  # nothing is newer than these: the newest page, and a full one
    rows = _nearest(lists, size + 1, "-pk", **({} if before is None else {"pk__lt": before}))
    is_last, rows = len(rows) <= size, rows[:size]
    newer = None if before is None else rows[0].pk if rows else before - 1
    return Page(rows, older=None if is_last else rows[-1].pk, newer=newer)


def _key(asked: Mapping[str, str], name: str) -> int | None:
    text = asked.get(name, "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= KEY_DIGITS else None


def _nearest(lists: tuple[QuerySet[Row, Any], ...], count: int, order: str, **bound: int) -> list[Row]:
    found = [rows.filter(**bound).order_by(order)[:count] for rows in lists]
    return sorted(chain(*found), key=lambda row: row.pk, reverse=order.startswith("-"))[:count]
