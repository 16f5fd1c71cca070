"""What people keep and print: receipts and monthly statements as PDF, in the language that is active.

Their times are the platform's and say so: a paper must say the same to everybody who reads it.
"""

from datetime import date

from django.http import HttpResponse
from django.utils import formats, timezone
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _

from accounts import zones
from accounts.models import User
from billing import units
from chargers import receipts, statistics
from chargers.models import ChargingSession
from chargers.statistics import Span, Totals
from sharecharge.errors import Refused

# What fits on about forty pages; more is for a spreadsheet.
MOST_LINES = 1000


def answer(document: bytes, *, name: str) -> HttpResponse:
    """As a file to be kept, and nobody else's: no cache on the way may hold it."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "private, no-store"}
    return HttpResponse(document, content_type="application/pdf", headers=headers)


@zones.platforms()
def receipt(session: ChargingSession, *, viewer: User) -> bytes:
    """What the page of a session shows this viewer of its bill. Refused while nothing is billed."""
    from chargers.sheets import Sheet

    if session.cost is None:
        raise Refused("not_billed", _("There is no receipt yet: nothing has been billed."))
    told = receipts.paper(session, viewer=viewer)
    sheet = Sheet(title=_("Receipt"), foot=_foot(), language=get_language() or "en", made_at=timezone.localtime())
    sheet.facts(told.facts)
    sheet.heading(_("Bill"))
    names = ("name", "quantity_text", "unit_price_text", "amount_text")
    lines = [[part[name] for name in names] for part in told.parts]
    sheet.rows((_("Item"), _("Quantity"), _("Unit price"), _("Price")), lines, widths=(34, 22, 22, 22), numbers=3)
    sheet.sums([(line.name, line.amount_text, line.is_total) for line in told.sums])
    sheet.notes(told.notes)
    return sheet.as_bytes()


@zones.platforms()
def statement(owner: User, month: date) -> bytes:
    """What was charged at one's chargers in the month that begins with this day. Refused: too much for paper."""
    from chargers.sheets import Sheet

    hosted, span = ChargingSession.objects.hosted_by(owner), Span(month, month, by="month")
    [period] = statistics.course(hosted, span)
    if period.totals.sessions > MOST_LINES:
        sentence = _("This month has too many sessions for a PDF. Take the table (CSV) instead.")
        raise Refused("too_many_sessions", sentence)
    within = hosted.begun().filter(start_received_at__gte=span.begin, start_received_at__lt=span.end)
    lines = receipts.lines(within.with_all().order_by("start_received_at", "pk"), for_owner=True)
    name = formats.date_format(month, "YEAR_MONTH_FORMAT")
    title = _("Earnings in %(month)s") % {"month": name}
    sheet = Sheet(title=title, foot=_foot(), language=get_language() or "en", made_at=timezone.localtime())
    sheet.facts([(_("Owner"), owner.name or owner.email), (_("Sessions"), str(period.totals.sessions))])
    sheet.heading(_("By session"))
    sheet.rows(
        (_("Began"), _("Charger"), _("Energy"), _("Paid by drivers"), _("Earned")),
        [_line(session, line) for session, line in lines],
        widths=(24, 30, 15, 16, 15),
        numbers=3,
    )
    sheet.sums(_sums(period.totals, lines))
    sheet.notes(
        [_("A session counts in the month in which we heard that it began. Your own charging costs and earns nothing.")]
    )
    return sheet.as_bytes()


def _line(session: ChargingSession, line: receipts.Shape) -> tuple[str, ...]:
    """Only what is billed has amounts: the columns add up to the sums. What was paid needs no word; the rest does."""
    state = "" if line["badge"] == "settled" else f" ({line['badge_text']})"
    amounts = units.kwh(session.energy_wh), units.money(session.cost), units.money(session.owner_share)
    return line["began_text"], f"{session.charger.name}{state}", *amounts


def _sums(totals: Totals, lines: list[tuple[ChargingSession, receipts.Shape]]) -> list[tuple[str, str, bool]]:
    """Of all bills, as the lines above have them; then what of them was taken back."""
    cost, income = (sum(getattr(session, name) or 0 for session, _line in lines) for name in ("cost", "owner_share"))
    sums = [
        (_("Energy"), units.kwh(totals.energy_wh), False),
        (_("Paid by drivers"), units.money(cost), False),
        (_("Platform fee"), units.money(cost - income), False),
        (_("Earned"), units.money(income), True),
    ]
    if count := sum(line["badge"] == "reversed" for _session, line in lines):
        name = ngettext("Taken back: %(count)s bill", "Taken back: %(count)s bills", count) % {"count": count}
        sums.append((name, units.money(totals.income - income), False))
        sums.append((_("What remains"), units.money(totals.income), True))
    return sums


def _foot() -> str:
    now = formats.date_format(timezone.localtime(), "SHORT_DATETIME_FORMAT")
    return _("ShareCharge, made on %(time)s. Times: %(zone)s") % {"time": now, "zone": zones.platforms_name()}
