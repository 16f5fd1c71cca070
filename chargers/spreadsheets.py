"""Tables for spreadsheets, as CSV. Long ones are written in portions, by key, so that no request holds them whole."""

import csv
import io
import itertools
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from asgiref.sync import sync_to_async
from django.http import StreamingHttpResponse
from django.utils import timezone

from billing import units
from chargers.models import ChargingSession
from chargers.models.sessions import SessionQuerySet

PORTION = 500
BYTE_ORDER_MARK = "\ufeff"
# A spreadsheet takes a cell that begins with one of these for a formula, and runs it (R22).
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")

Columns = Mapping[str, Callable[[Any], object]]


def cell(value: object) -> str:
    """A value as text that no spreadsheet runs. Numbers may be negative; texts may not look like formulas."""
    if value is None:
        return ""
    text = str(value)
    return f"'{text}" if isinstance(value, str) and text.startswith(FORMULA) else text


def lines(rows: Iterable[Iterable[object]]) -> str:
    out = io.StringIO()
    csv.writer(out).writerows([cell(value) for value in row] for row in rows)
    return out.getvalue()


def written(rows: SessionQuerySet, columns: Columns) -> Iterator[str]:
    """The heading, then the rows, newest first. Each portion is a query of its own."""
    yield lines([columns])
    newest_first = rows.order_by("-pk")
    portion: list[ChargingSession] = list(newest_first[:PORTION])
    while portion:
        yield lines([tell(row) for tell in columns.values()] for row in portion)
        portion = list(newest_first.filter(pk__lt=portion[-1].pk)[:PORTION]) if len(portion) == PORTION else []


async def streamed(portions: Iterator[str]) -> AsyncIterator[str]:
    """For the server, which is asynchronous: a portion is read in a thread when the one before it has been sent."""
    following = sync_to_async(lambda: next(portions, None))
    while (portion := await following()) is not None:
        yield portion


def attachment(
    sessions: SessionQuerySet, columns: Columns, *, name: str, is_for_people: bool = False
) -> StreamingHttpResponse:
    """The table as a file; its times are UTC.

    People open it by a click: Excel needs a mark to know the letters by, and times are those of the platform's zone.
    """
    columns = {**columns, **PEOPLES_TIMES} if is_for_people else columns
    parts = itertools.chain([BYTE_ORDER_MARK] if is_for_people else [], written(sessions, columns))
    disposition = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingHttpResponse(streamed(parts), content_type="text/csv; charset=utf-8", headers=disposition)


def _money(amount: int | None) -> str | None:
    return None if amount is None else units.decimal(amount)


def _utc(at: datetime | None) -> str | None:
    return at.isoformat() if at else None


def _local(at: datetime | None) -> str | None:
    return _utc(at and timezone.localtime(at, timezone.get_default_timezone()))


DRIVERS: Columns = {
    "id": lambda row: row.pk,
    "charger": lambda row: row.charger.name,
    "connector": lambda row: row.connector.connector_id if row.connector else None,
    "state": lambda row: str(row.state),
    "started_at": lambda row: _utc(row.started_at),
    "ended_at": lambda row: _utc(row.ended_at),
    "energy_wh": lambda row: row.energy_wh,
    "price_per_kwh": lambda row: _money(row.price_per_kwh),
    "cost": lambda row: _money(row.cost),
    "currency": lambda row: row.price.currency if row.tariff else None,
}
OWNERS: Columns = {
    **DRIVERS,
    "driver": lambda row: row.user.name if row.user else None,
    "fee": lambda row: _money(row.fee),
    "owner_share": lambda row: _money(row.owner_share),
}
PEOPLES_TIMES: Columns = {
    "started_at": lambda row: _local(row.began_at),
    "ended_at": lambda row: _local(row.finished_at),
}
