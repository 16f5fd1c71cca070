"""Weekly hours: windows, marks, and the two nights on which the clocks change."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chargers.hours import ALWAYS, OF_DAY, Week, Window, clock_time, week_of

PRAGUE = ZoneInfo("Europe/Prague")
MONDAY = datetime(2026, 11, 23, tzinfo=PRAGUE)
# Evenings of working days, and the weekend throughout.
EVENINGS = [*(Window(day, 34, 62) for day in range(5)), Window(5, 0, 48), Window(6, 0, 48)]

windows = st.builds(
    lambda day, begin, length: Window(day, begin, begin + length),
    st.integers(0, 6), st.integers(0, 47), st.integers(1, 47),
)  # fmt: skip


def at(text: str) -> datetime:
    """ "Tue 06:30" of one week."""
    day, clock = text.split()
    hours, minutes = map(int, clock.split(":"))
    index = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"].index(day)
    return MONDAY + timedelta(days=index, hours=hours, minutes=minutes)


@pytest.mark.parametrize(
    ("moment", "is_open"),
    [
        ("Mon 00:00", False), ("Mon 16:59", False), ("Mon 17:00", True), ("Tue 06:59", True), ("Tue 07:00", False),
        ("Fri 23:30", True), ("Sat 06:59", True), ("Sat 12:00", True), ("Sun 23:59", True),
    ],
)  # fmt: skip
def test_a_window_goes_on_past_midnight(moment, is_open):
    assert week_of(EVENINGS).is_open(at(moment)) is is_open


def test_the_end_of_a_week_goes_on_at_its_beginning():
    week = week_of([Window(6, 44, 52)])
    assert [week.is_open(at(text)) for text in ("Sun 22:00", "Mon 01:59", "Mon 02:00")] == [True, True, False]
    assert week.windows() == [Window(6, 44, 52)]


def test_without_hours_it_is_always_open_and_never_changes():
    assert ALWAYS.is_open(MONDAY)
    assert ALWAYS.changes_at(MONDAY) is None
    assert week_of(Window(day, 0, 48) for day in range(7)) == ALWAYS


def test_without_a_window_it_never_opens():
    never = week_of([])
    assert never.is_never
    assert never.changes_at(MONDAY) is None


def test_it_is_told_as_people_say_it():
    assert week_of(EVENINGS).windows() == EVENINGS


def test_what_is_longer_than_a_day_is_told_day_by_day():
    week = week_of([Window(4, 34, 48), Window(5, 0, 48), Window(6, 0, 48), Window(0, 0, 14)])
    assert week.windows() == [Window(0, 0, 14), Window(4, 34, 48), Window(5, 0, 48), Window(6, 0, 48)]


def test_two_windows_of_a_day():
    morning_and_evening = [Window(2, 12, 20), Window(2, 36, 44)]
    assert week_of(morning_and_evening).windows() == morning_and_evening


@given(st.lists(windows, min_size=1, max_size=8))
def test_its_windows_say_all_of_it(some):
    week = week_of(some)
    if week.is_always:
        return
    told = week.windows()
    assert week_of(told) == week
    assert all((0 <= it.begin < OF_DAY and it.begin < it.end < it.begin + OF_DAY) or it.is_all_day for it in told)


@pytest.mark.parametrize(
    ("moment", "change"),
    [("Mon 12:34", "Mon 17:00"), ("Mon 17:00", "Tue 07:00"), ("Fri 18:00", "Mon 00:00"), ("Tue 06:59", "Tue 07:00")],
)
def test_it_knows_when_it_changes_next(moment, change):
    expected = at(change) if change != "Mon 00:00" else MONDAY + timedelta(days=7)
    assert week_of(EVENINGS).changes_at(at(moment)) == (expected if change != "Mon 17:00" else at(change))


@settings(max_examples=25)
@given(st.lists(windows, min_size=1, max_size=3), st.integers(0, 365 * 24 * 60))
def test_nothing_changes_before_the_next_change(some, minutes_on):
    week, local = week_of(some), (MONDAY.astimezone(UTC) + timedelta(minutes=minutes_on)).astimezone(PRAGUE)
    change = week.changes_at(local)
    if change is None:
        assert week.is_always
        return
    minutes = int((change.astimezone(UTC) - local.astimezone(UTC)).total_seconds() // 60)
    between = [local.astimezone(UTC) + timedelta(minutes=n) for n in range(0, minutes, 15)]
    assert {week.is_open(it.astimezone(PRAGUE)) for it in between} == {week.is_open(local)}
    assert week.is_open(change) is not week.is_open(local)


# ------------------------------------------------------------------------------------------------ the clocks change


def test_an_hour_that_does_not_come_is_not_waited_for():
    """On 29 March 2026 two o'clock becomes three: what opens at half past two opens at three, summer time."""
    week = week_of([Window(6, 5, 10)])
    night = datetime(2026, 3, 29, 1, 50, tzinfo=PRAGUE)
    change = week.changes_at(night)
    assert change is not None
    assert change.astimezone(UTC) == datetime(2026, 3, 29, 1, 0, tzinfo=UTC)
    assert f"{change:%H:%M}" == "03:00"


def test_what_opens_only_in_the_hour_that_does_not_come_opens_a_week_later():
    change = week_of([Window(6, 4, 6)]).changes_at(datetime(2026, 3, 22, 3, 0, tzinfo=PRAGUE))
    assert change == datetime(2026, 4, 5, 2, 0, tzinfo=PRAGUE)


def test_an_hour_that_comes_twice_is_open_twice():
    """On 25 October 2026 three o'clock becomes two: from two to half past two it is open twice."""
    week = week_of([Window(6, 4, 5)])
    begin = datetime(2026, 10, 25, 0, 0, tzinfo=UTC)  # two o'clock, summer time
    seen = [(week.is_open((begin + timedelta(minutes=n)).astimezone(PRAGUE))) for n in range(0, 120, 15)]
    assert seen == [True, True, False, False, True, True, False, False]
    changes = [begin - timedelta(minutes=20)]
    for _each in range(4):
        following = week.changes_at(changes[-1].astimezone(PRAGUE))
        assert following is not None
        changes.append(following.astimezone(UTC))
    assert [f"{change:%H:%M}" for change in changes[1:]] == ["00:00", "00:30", "01:00", "01:30"]


@pytest.mark.parametrize("zone", ["Asia/Kathmandu", "Australia/Lord_Howe", "America/St_Johns"])
def test_zones_that_are_off_by_less_than_an_hour(zone):
    local = datetime(2026, 4, 4, 12, 0, tzinfo=ZoneInfo(zone))
    change = week_of([Window(day, 34, 36) for day in range(7)]).changes_at(local)
    assert change is not None
    assert f"{change:%H:%M}" == "17:00"


def test_a_clock_on_the_wall():
    assert [f"{clock_time(it):%H:%M}" for it in (0, 35, 48, 62)] == ["00:00", "17:30", "00:00", "07:00"]


def test_a_week_is_known_by_its_text():
    week = week_of(EVENINGS)
    assert Week(week.text).windows() == EVENINGS
