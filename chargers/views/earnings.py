"""What an owner has earned: months as a chart and a table, and all sessions for a spreadsheet."""

from datetime import date

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.utils import formats
from django.views.decorators.http import require_safe

from accounts.people import PersonRequest
from billing import units, wallets
from chargers import documents, spreadsheets, statistics
from chargers.models import ChargingSession
from chargers.shapes import Shape

MONTHS = 12
FIRST_YEAR = 2000


@login_required
@require_safe
def earnings(request: PersonRequest) -> HttpResponse:
    if not request.user.is_owner:
        return redirect("become_owner")
    today = statistics.today()
    months = statistics.course(ChargingSession.objects.hosted_by(request.user), last_year(today))
    total = statistics.together(month.totals for month in months)
    context = {
        "months": [month_line(month) for month in reversed(months)],
        "total": total,
        "has_earned": total.sessions > 0,
        "this_month": months[-1].totals,
        "wallet": wallets.wallet_of(request.user),
        "currency": units.symbol(),
    }
    return render(request, "chargers/earnings.html", context)


def last_year(today: date) -> statistics.Span:
    """This month and those before it, `MONTHS` in all."""
    months_ago = today.year * 12 + today.month - MONTHS
    return statistics.Span(date(months_ago // 12, months_ago % 12 + 1, 1), today, by="month")


def month_line(month: statistics.Period) -> Shape:
    """`income` in whole units of the currency is for the chart; the table says the same in words."""
    return {
        "name": formats.date_format(month.begins, "YEAR_MONTH_FORMAT"),
        "key": f"{month.begins:%Y-%m}",
        "short_name": formats.date_format(month.begins, "M"),
        "income": month.totals.income / 100,
        "sessions": month.totals.sessions,
        "energy_text": units.kwh(month.totals.energy_wh),
        "cost_text": units.money(month.totals.cost),
        "fee_text": units.money(month.totals.cost - month.totals.income),
        "income_text": units.money(month.totals.income),
    }


@login_required
@require_safe
def earnings_export(request: PersonRequest) -> StreamingHttpResponse:
    """All sessions at one's chargers, newest first, as a table for a spreadsheet."""
    hosted = ChargingSession.objects.with_all().hosted_by(request.user)
    return spreadsheets.for_people(hosted, spreadsheets.OWNERS_IN_WORDS, name="sharecharge-earnings.csv")


@login_required
@require_safe
def statement(request: PersonRequest) -> HttpResponse:
    """`?month=2026-11` → that month as PDF. 404 for what is no month, or one that has not begun."""
    month = month_of(request.GET.get("month", ""))
    return documents.answer(documents.statement(request.user, month), name=f"sharecharge-{month:%Y-%m}.pdf")


def month_of(text: str) -> date:
    """Its first day."""
    try:
        month = date.fromisoformat(f"{text}-01")
    except ValueError:
        raise Http404 from None
    if not month.year >= FIRST_YEAR or month > statistics.today():
        raise Http404
    return month
