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
        {"days": _days_text(days), "times": times, "is_today": today in days} for times, days in _days_by_times(week)
    ]


def in_short(charger: Charger) -> str:
    """All of it in one line: "Mon to Fri 17:00 to 07:00, Sat, Sun all day"."""
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
    """ "today at 17:00", "tomorrow at 07:00", "on Friday at 17:00", in the time of the place.

    Where the visitor's clock shows another one, the zone stands beside it.
    """
    local = in_local_time(at)
    days = (local.date() - in_local_time(timezone.now()).date()).days
    day = _("today") if days == 0 else _("tomorrow") if days == 1 else str(ON_DAY[local.weekday()])
    told = _("%(day)s at %(time)s") % {"day": day, "time": _time_text(local.time())}
    return f"{told} ({zones.platforms_name()})" if zones.is_elsewhere(at) else told


def _days_by_times(week: Week) -> list[tuple[tuple[str, ...], list[int]]]:
    """Days whose times read alike, in the order of the week."""
    windows = week.windows()
    found: dict[tuple[str, ...], list[int]] = {}
    for day in range(DAYS):
        texts = tuple(_window_text(window) for window in windows if window.day == day)
        found.setdefault(texts or (_("closed all day"),), []).append(day)
    return list(found.items())


def _window_text(window: Window) -> str:
    if window.is_all_day:
        return _("all day")
    end = "24:00" if window.end == OF_DAY else _time_text(clock_time(window.end))
    return _("%(begin)s to %(end)s") % {"begin": _time_text(clock_time(window.begin)), "end": end}


def _time_text(at: time) -> str:
    return formats.time_format(at, "TIME_FORMAT")


def _days_text(days: list[int]) -> str:
    """Three and more in a row as "Mon to Fri"."""
    runs = [[day for _index, day in run] for _key, run in groupby(enumerate(days), lambda it: it[1] - it[0])]
    return ", ".join(text for run in runs for text in _run_texts([str(WEEKDAYS_ABBR[day]) for day in run]))


def _run_texts(names: list[str]) -> list[str]:
    return names if len(names) < 3 else [_("%(first)s to %(last)s") % {"first": names[0], "last": names[-1]}]
