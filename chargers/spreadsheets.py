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

from billing.bills import Bill
from chargers import receipts, shapes
from chargers.models import ChargingSession
from chargers.models.sessions import SessionQuerySet

PORTION = 500
BYTE_ORDER_MARK = "\ufeff"
# A spreadsheet takes a cell that begins with one of these for a formula, and runs it (R22).
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")

Columns = Sequence[tuple[Any, Callable[[receipts.Told], object]]]


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
        told = receipts.told(portion, with_debts=False)
        yield lines(([tell(line) for _name, tell in columns] for line in told), style)
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


def _plug(line: receipts.Told) -> int | None:
    return line.session.connector.connector_id if line.session.connector else None


def _driver(line: receipts.Told) -> str | None:
    return line.session.user.name if line.session.user else None


def _currency(line: receipts.Told) -> str | None:
    return line.session.price.currency if line.session.tariff else None


def _back(bill: Bill | None) -> Decimal | None:
    return _money(bill.taken_back) if bill and bill.is_reversed else None


def _share_back(bill: Bill | None) -> Decimal | None:
    return _money(bill.share_taken_back) if bill and bill.is_reversed else None


def _state(line: receipts.Told) -> str:
    is_reversed = line.bill is not None and line.bill.is_reversed
    return str(receipts.BADGES["reversed"] if is_reversed else shapes.STATES[line.session.state])


DRIVERS: Columns = (
    ("id", lambda line: line.session.pk),
    ("charger", lambda line: line.session.charger.name),
    ("connector", _plug),
    ("state", lambda line: str(line.session.state)),
    ("started_at", lambda line: line.session.started_at.isoformat()),
    ("ended_at", lambda line: line.session.ended_at.isoformat() if line.session.ended_at else None),
    ("energy_wh", lambda line: line.session.energy_wh),
    ("price_per_kwh", lambda line: _money(line.session.price_per_kwh)),
    ("cost", lambda line: _money(line.session.cost)),
    ("currency", _currency),
    ("taken_back", lambda line: _back(line.bill)),
)
OWNERS: Columns = (
    *DRIVERS,
    ("driver", _driver),
    ("fee", lambda line: _money(line.session.fee)),
    ("owner_share", lambda line: _money(line.session.owner_share)),
    ("share_taken_back", lambda line: _share_back(line.bill)),
)
DRIVERS_IN_WORDS: Columns = (
    (_("Number"), lambda line: line.session.pk),
    (_("Charger"), lambda line: line.session.charger.name),
    (_("Plug"), _plug),
    (_("State"), _state),
    (_("Began"), lambda line: _local(line.session.began_at)),
    (_("Ended"), lambda line: _local(line.session.finished_at)),
    (_("Energy (kWh)"), lambda line: _kwh(line.session.energy_wh)),
    (_("Price per kWh"), lambda line: _money(line.session.price_per_kwh)),
    (_("Cost"), lambda line: _money(line.session.cost)),
    (_("Currency"), _currency),
    (_("Taken back"), lambda line: _back(line.bill)),
)
OWNERS_IN_WORDS: Columns = (
    *DRIVERS_IN_WORDS,
    (_("Driver"), _driver),
    (_("Platform fee"), lambda line: _money(line.session.fee)),
    (_("Earned"), lambda line: _money(line.session.owner_share)),
    (_("Of it taken back"), lambda line: _share_back(line.bill)),
)
