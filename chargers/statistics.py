"""How much was charged and earned: sums of sessions, and their course by day or month.

A session counts where it began by our clock, in the platform's time zone, with what is billed of it so far. Refused
starts do not count, and money that a reversal took back is neither paid nor earned.
"""

from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass
from datetime import date, datetime, time, timedelta

from django.db.models import Count, F, Sum
from django.db.models.functions import TruncDay, TruncMonth
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from billing import bills
from chargers.models.sessions import SessionQuerySet
from sharecharge.errors import Refused

MOST_DAYS = 366
MOST_MONTHS = 60


@dataclass(frozen=True, slots=True)
class Totals:
    """`cost` is what drivers pay, `income` what of it is the owners'. Wh, and minor units."""

    sessions: int = 0
    energy_wh: int = 0
    cost: int = 0
    income: int = 0


# In the order of Totals; no name may be that of a column.
SUMS = {
    "count": Count("pk"),
    "sum_wh": Sum("energy_wh", default=0),
    "sum_cost": Sum("cost", default=0),
    "sum_income": Sum(F("cost") - F("fee"), default=0),
}


def totals(sessions: SessionQuerySet) -> Totals:
    sums = sessions.begun().order_by().aggregate(**SUMS)
    return together([Totals(*(sums[name] for name in SUMS)), *(lost for _at, lost in _taken_back(sessions.begun()))])


def _taken_back(sessions: SessionQuerySet) -> list[tuple[datetime, Totals]]:
    """When each session began whose bill was reversed, and what has to be added for that: less than nothing."""
    reversals = bills.sessions_taken_back()
    rows = sessions.filter(pk__in=reversals).order_by().values_list("pk", "user_id", "owner_id", "start_received_at")
    found = list(rows) if reversals else []
    moved, _lent = bills.moved_by([pk for key, *_others in found for pk in reversals[key]])
    return [
        (
            at,
            Totals(
                cost=-sum(moved[pk, user] for pk in reversals[key]),
                income=sum(moved[pk, owner] for pk in reversals[key]),
            ),
        )
        for key, user, owner, at in found
    ]


@dataclass(frozen=True, slots=True)
class Period:
    """A day or a month, by its first day."""

    begins: date
    totals: Totals


@dataclass(frozen=True, slots=True)
class Span:
    """From the first day to the last one, both included, by `day` or `month`.

    Refused when it ends before it begins, or is longer than MOST_DAYS or MOST_MONTHS.
    """

    first: date
    last: date
    by: str = "day"

    def __post_init__(self) -> None:
        if self.last < self.first:
            raise Refused("span_backwards", _("The end lies before the beginning."), status=400, field="until")
        months = (self.last.year - self.first.year) * 12 + self.last.month - self.first.month + 1
        is_long = months > MOST_MONTHS if self.by == "month" else (self.last - self.first).days >= MOST_DAYS
        if is_long:
            most = {"days": MOST_DAYS, "months": MOST_MONTHS}
            raise Refused(
                "span_too_long",
                _("Ask for at most %(days)s days or %(months)s months at once.") % most,
                status=400,
                field="since",
            )

    def days(self) -> Iterator[date]:
        """The first day of each of its periods."""
        day = self.first.replace(day=1) if self.by == "month" else self.first
        while day <= self.last:
            yield day
            day = (day + timedelta(days=32)).replace(day=1) if self.by == "month" else day + timedelta(days=1)

    @property
    def begin(self) -> datetime:
        return midnight(next(self.days()))

    @property
    def end(self) -> datetime:
        """The moment after it."""
        *_others, last = self.days()
        following = (last + timedelta(days=32)).replace(day=1) if self.by == "month" else last + timedelta(days=1)
        return midnight(following)


def midnight(day: date) -> datetime:
    """In the platform's zone: money of a month is the same for everybody."""
    return timezone.make_aware(datetime.combine(day, time.min), timezone.get_default_timezone())


def today() -> date:
    """By the platform's clock."""
    return timezone.localdate(timezone=timezone.get_default_timezone())


def course(sessions: SessionQuerySet, span: Span) -> list[Period]:
    """One after the other, those in which nothing happened included. A month is always a whole one."""
    trunc = TruncMonth if span.by == "month" else TruncDay
    begins = trunc("start_received_at", tzinfo=timezone.get_default_timezone())
    within = sessions.begun().filter(start_received_at__gte=span.begin, start_received_at__lt=span.end)
    rows = within.order_by().annotate(begins=begins).values_list("begins").annotate(**SUMS)
    found = {moment.date(): Totals(*sums) for moment, *sums in rows}
    for at, lost in _taken_back(within):
        day = timezone.localdate(at, timezone.get_default_timezone())
        begin = day.replace(day=1) if span.by == "month" else day
        found[begin] = together([found[begin], lost])
    return [Period(day, found.get(day, Totals())) for day in span.days()]


def together(parts: Iterable[Totals]) -> Totals:
    """The sum of them all."""
    return Totals(*map(sum, zip(*map(astuple, parts), strict=True)))
