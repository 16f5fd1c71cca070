"""Weekly hours in words: what they are, and when a charger opens or closes next."""

from datetime import datetime, time
from itertools import groupby
from typing import Any

from django.utils import formats, timezone
from django.utils.dates import WEEKDAYS_ABBR
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts import zones
from chargers.hours import DAYS, OF_DAY, Week, Window, clock_time
from chargers.models import Charger
from chargers.models.fleet import in_local_time

ON_DAY: tuple[Promise, ...] = (
    gettext_lazy("on Monday"),
    gettext_lazy("on Tuesday"),
    gettext_lazy("on Wednesday"),
    gettext_lazy("on Thursday"),
    gettext_lazy("on Friday"),
    gettext_lazy("on Saturday"),
    gettext_lazy("on Sunday"),
)


def lines(charger: Charger) -> list[dict[str, Any]]:
    """The week with days that are alike together: `days`, `times`, and `is_today`. Empty: open at any time."""
    week = charger.week
    if week.is_always:
        return []
    today = in_local_time(timezone.now()).weekday()
    return [
        {
            "days": _days_text(days),
            "times": [window_text(window, days) for window in windows] or [_("closed all day")],
            "is_today": today in days,
        }
        for windows, days in _days_alike(week)
    ]


def in_short(charger: Charger) -> str:
    """All of it in one line: "Mon to Fri 17:00 to 07:00 (next day); Sat, Sun all day"."""
    told = [f"{line['days']} {', '.join(line['times'])}" for line in lines(charger)]
    return "; ".join(told) or _("at any time")


def now_text(charger: Charger) -> str:
    """ "Open, closes tomorrow at 07:00"; empty where it never closes."""
    changes_at = charger.hours_change_at
    if changes_at is None:
        return ""
    text = _("Open now, closes %(when)s.") if charger.is_open else _("Closed now, opens %(when)s.")
    return text % {"when": when_text(changes_at)}


def closed_text(charger: Charger) -> str:
    """ "closed, opens today at 17:00"; empty while it is open."""
    if charger.is_open:
        return ""
    opens_at = charger.opens_at
    return _("closed, opens %(when)s") % {"when": when_text(opens_at)} if opens_at else _("closed now")


def when_text(at: datetime) -> str:
    """ "today at 17:00", "tomorrow at 07:00", "on Friday at 17:00", in the time of the place; from a week on with the
    date: today's weekday would be read as today. Where the visitor's clock shows another time, the zone stands beside.
    """
    local = in_local_time(at)
    days = (local.date() - in_local_time(timezone.now()).date()).days
    day = _("today") if days == 0 else _("tomorrow") if days == 1 else str(ON_DAY[local.weekday()])
    if days >= DAYS:
        day = _("%(day)s, %(date)s,") % {"day": day, "date": formats.date_format(local, "MONTH_DAY_FORMAT")}
    told = _("%(day)s at %(time)s") % {"day": day, "time": time_text(local.time())}
    return f"{told} ({zones.platforms_name()})" if zones.is_elsewhere(at) else told


def tail(week: Week, day: int) -> Window | None:
    """What the evening before leaves open of a day, seen from there: it begins before midnight, at less than 0."""
    for window in week.windows():
        if window.end > OF_DAY and (window.day + 1) % DAYS == day:
            return Window(day, window.begin - OF_DAY, window.end - OF_DAY)
    return None


def _days_alike(week: Week) -> list[tuple[list[Window], list[int]]]:
    """Days with the windows that begin there at the same times, in the order of the week; without one, its tail."""
    found: dict[tuple[tuple[int, int], ...], tuple[list[Window], list[int]]] = {}
    windows = week.windows()
    for day in range(DAYS):
        left = tail(week, day)
        of_day = [window for window in windows if window.day == day] or ([left] if left else [])
        found.setdefault(tuple((it.begin, it.end) for it in of_day), (of_day, []))[1].append(day)
    return list(found.values())


def window_text(window: Window, days: list[int]) -> str:
    """Of all these days, on which it begins."""
    if window.is_all_day:
        return _("all day")
    end = "24:00" if window.end == OF_DAY else time_text(clock_time(window.end))
    if window.begin < 0:
        return _("until %(end)s") % {"end": end}
    text = _("%(begin)s to %(end)s") % {"begin": time_text(clock_time(window.begin)), "end": end}
    if window.end <= OF_DAY:
        return text
    next_day = str(WEEKDAYS_ABBR[(days[0] + 1) % DAYS]) if len(days) == 1 else _("next day")
    return f"{text} ({next_day})"


def time_text(at: time) -> str:
    return formats.time_format(at, "TIME_FORMAT")


def _days_text(days: list[int]) -> str:
    """Three and more in a row as "Mon to Fri"."""
    runs = [[day for _index, day in run] for _key, run in groupby(enumerate(days), lambda it: it[1] - it[0])]
    return ", ".join(text for run in runs for text in _run_texts([str(WEEKDAYS_ABBR[day]) for day in run]))


def _run_texts(names: list[str]) -> list[str]:
    return names if len(names) < 3 else [_("%(first)s to %(last)s") % {"first": names[0], "last": names[-1]}]
