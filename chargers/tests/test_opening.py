"""Weekly hours in words, in both languages."""

import pytest
import time_machine
from django.utils import translation

from chargers import opening, registry
from chargers.hours import Window, week_of
from chargers.tests.test_hours import EVENINGS, at

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", "Mon to Fri 17:00 to 07:00 (next day); Sat, Sun all day"),
        ("cs", "po–pá 17:00–7:00 (druhý den); so, ne celý den"),
    ],
)
def test_days_that_are_alike_are_told_together(charger, language, words):
    registry.set_hours(charger, week_of(EVENINGS))
    with translation.override(language):
        assert opening.in_short(charger) == words


def test_days_apart_and_days_without_hours(charger):
    registry.set_hours(charger, week_of([Window(0, 36, 48), Window(2, 36, 48), Window(4, 12, 20), Window(4, 36, 48)]))
    assert (
        opening.in_short(charger)
        == "Mon, Wed 18:00 to 24:00; Tue, Thu, Sat, Sun closed all day; Fri 06:00 to 10:00, 18:00 to 24:00"
    )


@pytest.mark.parametrize(
    ("windows", "words"),
    [
        ([Window(0, 44, 60)], "Mon 22:00 to 06:00 (Tue); Tue until 06:00; Wed to Sun closed all day"),
        ([Window(6, 44, 60)], "Mon until 06:00; Tue to Sat closed all day; Sun 22:00 to 06:00 (Mon)"),
        (
            [Window(0, 44, 60), Window(1, 12, 24)],
            "Mon 22:00 to 24:00; Tue 00:00 to 12:00; Wed to Sun closed all day",
        ),
        (
            [Window(0, 44, 60), Window(1, 44, 60)],
            "Mon, Tue 22:00 to 06:00 (next day); Wed until 06:00; Thu to Sun closed all day",
        ),
    ],
)
def test_a_night_is_told_on_both_days(charger, windows, words):
    registry.set_hours(charger, week_of(windows))
    assert opening.in_short(charger) == words


def test_a_night_in_czech(charger):
    registry.set_hours(charger, week_of([Window(0, 44, 60)]))
    with translation.override("cs"):
        assert opening.in_short(charger) == "po 22:00–6:00 (út); út do 6:00; st–ne zavřeno"


def test_today_is_marked(charger):
    registry.set_hours(charger, week_of(EVENINGS))
    with time_machine.travel(at("Sun 12:00"), tick=False):
        assert [line["is_today"] for line in opening.lines(charger)] == [False, True]


@pytest.mark.parametrize(
    ("now", "words", "closed"),
    [
        ("Mon 16:00", "Closed now, opens today at 17:00.", "closed, opens today at 17:00"),
        ("Mon 18:00", "Open now, closes tomorrow at 07:00.", ""),
        ("Sat 18:00", "Open now, closes on Monday at 00:00.", ""),
    ],
)
def test_it_says_when_it_changes(charger, now, words, closed):
    registry.set_hours(charger, week_of(EVENINGS))
    with time_machine.travel(at(now), tick=False):
        assert opening.now_text(charger) == words
        assert opening.closed_text(charger) == closed


@pytest.mark.parametrize(
    ("language", "words"),
    [("en", "opens on Monday, 30 November, at 17:00"), ("cs", "otevírá se v pondělí 30. listopadu v 17:00")],
)
def test_a_week_on_it_tells_the_date(charger, language, words):
    registry.set_hours(charger, week_of([Window(0, 34, 35)]))
    with time_machine.travel(at("Mon 17:45"), tick=False), translation.override(language):
        assert words in opening.closed_text(charger)
    with time_machine.travel(at("Tue 00:15"), tick=False):
        assert opening.closed_text(charger) == "closed, opens on Monday at 17:00"


def test_at_any_time(charger):
    assert opening.lines(charger) == []
    assert (opening.in_short(charger), opening.now_text(charger), opening.closed_text(charger)) == (
        "at any time",
        "",
        "",
    )
