"""Weekly hours: at which half-hours of a week, in local time, a charger is open to others. Pure.

A week is one text of 7 × 48 marks from Monday at midnight, `1` for open; the empty text is "at any time". So a row has
its hours with it wherever it is read, and a database finds what is open now by one character.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo
from functools import lru_cache
from itertools import groupby
from typing import NamedTuple

DAYS = 7
OF_DAY = 48  # half-hours
NOON = OF_DAY // 2
OF_WEEK = DAYS * OF_DAY
HALF_HOUR_MINUTES = 30
# Every zone is off UTC by a multiple of it, so each half-hour on the wall begins with one of these.
STEP = timedelta(minutes=15)
# Steps: two weeks and a day. Once a year what opens only in the hour that is skipped in spring stays closed that week.
HORIZON = 15 * 24 * 4


class Window(NamedTuple):
    """Open from `begin` to `end`, both in half-hours since midnight of `day` (0 is Monday).

    `end` is above 48 where it ends on the next day.
    """

    day: int
    begin: int
    end: int

    @property
    def is_all_day(self) -> bool:
        return self.begin == 0 and self.end == OF_DAY

    def overlaps(self, other: "Window") -> bool:
        """At some half-hour of the week both are open."""
        later = (other.day * OF_DAY + other.begin - self.day * OF_DAY - self.begin) % OF_WEEK
        return later < self.end - self.begin or OF_WEEK - later < other.end - other.begin


@dataclass(frozen=True, slots=True)
class Week:
    """The hours of one charger."""

    text: str = ""

    @property
    def is_always(self) -> bool:
        return not self.text

    @property
    def is_never(self) -> bool:
        return bool(self.text) and "1" not in self.text

    def is_open(self, local: datetime) -> bool:
        """At this moment, which is told in the zone of the hours."""
        return self.is_always or self.text[mark_at(local)] == "1"

    def changes_at(self, local: datetime) -> datetime | None:
        """When it opens or closes next after this moment, in the same zone; None: never.

        Looked up along the real time, so a change of the clocks skips or repeats what it does on the wall.
        """
        if self.is_always or self.is_never:
            return None
        now = local.astimezone(UTC)
        quarter = now.replace(minute=now.minute // 15 * 15, second=0, microsecond=0)
        # Once for all with the same hours, for a quarter of an hour.
        return _change_after(self, quarter, local.tzinfo)

    def windows(self) -> list[Window]:
        """The same as people say it: an evening goes on to the next morning, what is longer than that day by day."""
        pieces = [_pieces(self.text[day * OF_DAY : (day + 1) * OF_DAY]) for day in range(DAYS)]
        mornings = [_morning(pieces[day], pieces[day - 1]) for day in range(DAYS)]
        found = [
            Window(day, begin, end + (mornings[(day + 1) % DAYS] if end == OF_DAY else 0))
            for day in range(DAYS)
            for begin, end in pieces[day]
            if begin or end != mornings[day]
        ]
        return [_like_other_evenings(window, found) for window in found]


ALWAYS = Week()


def week_of(windows: Iterable[Window]) -> Week:
    """The hours that these windows leave open; they may overlap. All of the week is "at any time"."""
    marks = ["0"] * OF_WEEK
    for window in windows:
        for half_hour in range(window.begin, window.end):
            marks[(window.day * OF_DAY + half_hour) % OF_WEEK] = "1"
    text = "".join(marks)
    return Week(text if "0" in text else "")


def mark_at(local: datetime) -> int:
    """Which mark of a week tells of this moment."""
    return local.weekday() * OF_DAY + local.hour * 2 + local.minute // HALF_HOUR_MINUTES


def clock_time(half_hours: int) -> time:
    """What a clock on the wall shows so long after midnight."""
    hours, half = divmod(half_hours % OF_DAY, 2)
    return time(hours, half * HALF_HOUR_MINUTES)


@lru_cache(maxsize=1024)
def _change_after(week: Week, at: datetime, zone: tzinfo | None) -> datetime | None:
    """`at` is in UTC: two moments of the hour that comes twice in autumn would be equal in their own zone."""
    is_open = week.is_open(at.astimezone(zone))
    moments = ((at + STEP * count).astimezone(zone) for count in range(1, HORIZON + 1))
    return next((local for local in moments if week.is_open(local) != is_open), None)


def _pieces(day: str) -> list[tuple[int, int]]:
    """ "0110…" → [(1, 3)]: what is open of one day."""
    found, at = [], 0
    for mark, run in groupby(day):
        length = len(list(run))
        if mark == "1":
            found.append((at, at + length))
        at += length
    return found


def _morning(today: list[tuple[int, int]], yesterday: list[tuple[int, int]]) -> int:
    """How much of this day belongs to the evening before. Together they are less than a day, and over before noon, or
    nobody would say so."""
    if not today or not yesterday:
        return 0
    (morning_begin, morning_end), (evening_begin, evening_end) = today[0], yesterday[-1]
    is_joined = morning_begin == 0 and evening_end == OF_DAY and morning_end < min(evening_begin, NOON)
    return morning_end if is_joined else 0


def _like_other_evenings(window: Window, windows: list[Window]) -> Window:
    """Before a day that is open throughout, an evening may end as the others do: "Mon to Fri 17:00 to 07:00"."""
    tomorrow = (window.day + 1) % DAYS
    if window.end != OF_DAY or window.is_all_day or Window(tomorrow, 0, OF_DAY) not in windows:
        return window
    ends = [other.end for other in windows if other.begin == window.begin and other.end > OF_DAY]
    return window._replace(end=ends[0] if ends else OF_DAY)
