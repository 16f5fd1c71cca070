"""Tables as CSV: for spreadsheets of people, in their language, and for programs, in none. Long ones are written in
portions, by key, so that no request holds them whole."""

import csv
import io
import itertools
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from asgiref.sync import sync_to_async
from django.http import StreamingHttpResponse
from django.utils import formats, timezone, translation
from django.utils.translation import gettext_lazy as _

from chargers import shapes
from chargers.models import ChargingSession, MeterValue
from chargers.models.sessions import SessionQuerySet

PORTION = 500
BYTE_ORDER_MARK = "\ufeff"
# A spreadsheet takes a cell that begins with one of these for a formula, and runs it (R22).
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")

Columns = Sequence[tuple[Any, Callable[[Any], object]]]


class Style(NamedTuple):
    """How a table is written: what stands between cells, and before decimals."""

    separator: str
    mark: str


PROGRAMS = Style(",", ".")


def style_of_people() -> Style:
    """What a spreadsheet takes for a table in the language that is active: where the comma is a number's, `;` is."""
    return Style(";", ",") if formats.get_format("DECIMAL_SEPARATOR") == "," else PROGRAMS


def cell(value: object, style: Style = PROGRAMS) -> str:
    """A value as text that no spreadsheet runs. Numbers may be negative; texts may not look like formulas."""
    if value is None:
        return ""
    text = str(value)
    if isinstance(value, Decimal):
        return text.replace(".", style.mark)
    return f"'{text}" if isinstance(value, str) and text.startswith(FORMULA) else text


def lines(rows: Iterable[Iterable[object]], style: Style) -> str:
    out = io.StringIO()
    csv.writer(out, delimiter=style.separator).writerows([cell(value, style) for value in row] for row in rows)
    return out.getvalue()


def written(rows: SessionQuerySet, columns: Columns, style: Style = PROGRAMS) -> Iterator[str]:
    """The heading, then the rows, newest first. Each portion is a query of its own."""
    yield lines([[name for name, _tell in columns]], style)
    newest_first = rows.order_by("-pk")
    portion: list[ChargingSession] = list(newest_first[:PORTION])
    while portion:
        MeterValue.objects.compare_clocks(portion)
        yield lines(([tell(row) for _name, tell in columns] for row in portion), style)
        portion = list(newest_first.filter(pk__lt=portion[-1].pk)[:PORTION]) if len(portion) == PORTION else []


def as_asked(portions: Iterator[str]) -> Iterator[str]:
    """In the language and the time zone of now: a stream is written when those of its request are forgotten."""
    language, zone = translation.get_language() or "en", timezone.get_current_timezone()

    def following() -> str | None:
        with translation.override(language), timezone.override(zone):
            return next(portions, None)

    return iter(following, None)


async def streamed(portions: Iterator[str]) -> AsyncIterator[str]:
    """For the server, which is asynchronous: a portion is read in a thread when the one before it has been sent."""
    following = sync_to_async(lambda: next(portions, None))
    while (portion := await following()) is not None:
        yield portion


def for_people(sessions: SessionQuerySet, columns: Columns, *, name: str) -> StreamingHttpResponse:
    """They open it by a click: Excel needs a mark to know the letters by."""
    written_so = as_asked(written(sessions, columns, style_of_people()))
    return _attachment(itertools.chain([BYTE_ORDER_MARK], written_so), name)


def for_programs(sessions: SessionQuerySet, columns: Columns, *, name: str) -> StreamingHttpResponse:
    return _attachment(written(sessions, columns), name)


def _attachment(portions: Iterator[str], name: str) -> StreamingHttpResponse:
    disposition = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingHttpResponse(streamed(portions), content_type="text/csv; charset=utf-8", headers=disposition)


def _money(amount: int | None) -> Decimal | None:
    return None if amount is None else Decimal(amount).scaleb(-2)


def _kwh(energy_wh: int | None) -> Decimal | None:
    return None if energy_wh is None else Decimal(energy_wh).scaleb(-3)


def _local(at: datetime | None) -> str | None:
    """As spreadsheets of all languages know a time, in the platform's zone."""
    return f"{timezone.localtime(at, timezone.get_default_timezone()):%Y-%m-%d %H:%M}" if at else None


DRIVERS: Columns = (
    ("id", lambda row: row.pk),
    ("charger", lambda row: row.charger.name),
    ("connector", lambda row: row.connector.connector_id if row.connector else None),
    ("state", lambda row: str(row.state)),
    ("started_at", lambda row: row.started_at.isoformat()),
    ("ended_at", lambda row: row.ended_at.isoformat() if row.ended_at else None),
    ("energy_wh", lambda row: row.energy_wh),
    ("price_per_kwh", lambda row: _money(row.price_per_kwh)),
    ("cost", lambda row: _money(row.cost)),
    ("currency", lambda row: row.price.currency if row.tariff else None),
)
OWNERS: Columns = (
    *DRIVERS,
    ("driver", lambda row: row.user.name if row.user else None),
    ("fee", lambda row: _money(row.fee)),
    ("owner_share", lambda row: _money(row.owner_share)),
)
DRIVERS_IN_WORDS: Columns = (
    (_("Number"), lambda row: row.pk),
    (_("Charger"), lambda row: row.charger.name),
    (_("Plug"), lambda row: row.connector.connector_id if row.connector else None),
    (_("State"), lambda row: str(shapes.STATES[row.state])),
    (_("Began"), lambda row: _local(row.began_at)),
    (_("Ended"), lambda row: _local(row.finished_at)),
    (_("Energy (kWh)"), lambda row: _kwh(row.energy_wh)),
    (_("Price per kWh"), lambda row: _money(row.price_per_kwh)),
    (_("Cost"), lambda row: _money(row.cost)),
    (_("Currency"), lambda row: row.price.currency if row.tariff else None),
)
OWNERS_IN_WORDS: Columns = (
    *DRIVERS_IN_WORDS,
    (_("Driver"), lambda row: row.user.name if row.user else None),
    (_("Platform fee"), lambda row: _money(row.fee)),
    (_("Earned"), lambda row: _money(row.owner_share)),
)
