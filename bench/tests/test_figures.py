from dataclasses import replace

import pytest

from bench import figures
from bench.figures import Page, Spread, Storm, Target, Window

pytestmark = pytest.mark.once

FOUND = {
    "seconds": 2.0,
    "messages": 4,
    "cpu_seconds": {"server": 1.0, "database": 0.5, "redis": 0.0, "generator": 0.1},
    "latencies": [0.004, 0.001, 0.003, 0.002],
    "lateness": [0.0005],
    "actions": {"MeterValues": 3, "Heartbeat": 1},
    "errors": {},
}


@pytest.mark.parametrize(
    ("percent", "value"), [(0, 1), (1, 1), (10, 1), (10.1, 2), (50, 5), (95, 10), (99, 10), (100, 10)]
)
def test_a_percentile_is_one_of_the_values(percent, value):
    assert figures.percentile([3, 1, 2, 10, 9, 8, 7, 6, 5, 4], percent) == value


def test_a_percentile_of_nothing_is_zero():
    assert figures.percentile([], 99) == 0


def test_a_spread_has_the_median_and_both_ends():
    assert Spread.of([5, 1, 3, 100]) == Spread(4, 1, 100)


def test_a_window_is_reduced_to_rates_and_times():
    window = Window.of(FOUND)
    assert window.messages_per_second == 2
    assert window.rows_per_second == 1.5
    assert window.messages_per_cpu_second == pytest.approx(4 / 1.5)
    assert (window.p50_ms, window.p95_ms, window.p99_ms) == (2, 4, 4)
    assert window.cpu == {"server": 0.5, "database": 0.25, "redis": 0, "generator": 0.05}
    assert window.generator_us_per_message == pytest.approx(25_000)
    assert window.late_ms == 0.5


def test_a_window_without_answers_is_all_zero():
    window = Window.of(FOUND | {"messages": 0, "latencies": [], "actions": {}})
    assert window.messages_per_second == window.p99_ms == window.generator_us_per_message == 0


def test_ratios_are_taken_round_by_round():
    def windows(*rates):
        return [replace(Window.of(FOUND), messages_per_second=rate) for rate in rates]

    assert figures.ratios(windows(10, 30, 20), windows(100, 100, 50)) == Spread(0.3, 0.1, 0.4)


@pytest.mark.parametrize(
    ("changed", "keeps_up"),
    [
        ({}, True),
        ({"messages_per_second": 960}, False),
        ({"p99_ms": 1000}, False),
        ({"unanswered": 1}, False),
        ({"errors": {"CALLERROR": 1}}, False),
    ],
)
def test_keeping_up_means_to_answer_everything_in_time(changed, keeps_up):
    window = replace(Window.of(FOUND), **{"messages_per_second": 1000, "p99_ms": 20, **changed})
    assert figures.keeps_up(window, rate=1000) is keeps_up


@pytest.mark.parametrize(
    ("value", "less_is_better", "verdict"),
    [
        (0.29, False, "missed"),
        (0.30, False, "floor reached"),
        (0.60, False, "aim reached"),
        (51, True, "missed"),
        (50, True, "floor reached"),
        (10, True, "aim reached"),
        (float("inf"), True, "missed"),
    ],
)
def test_a_verdict_names_the_mark_that_was_reached(value, less_is_better, verdict):
    floor, aim = (50, 10) if less_is_better else (0.30, 0.60)
    assert Target("", value, floor, aim, less_is_better).verdict == verdict


def test_a_storm_counts_those_who_failed_too():
    storm = Storm.of(
        {"failed": 1, "boots": [1.0, 2.0, 3.0], "seconds": 3.5, "cpu_seconds": {"server": 0.02}, "errors": {}}
    )
    assert (storm.chargers, storm.failed, storm.p50_ms, storm.p99_ms) == (4, 1, 2000, 3000)
    assert storm.cpu_ms_per_charger == pytest.approx(5)


def test_a_page_keeps_all_but_the_single_times():
    told = {"who": "driver", "path": "/", "status": 200, "kilobytes": 1.0, "queries": 2, "again": 304}
    page = Page.of({**told, "seconds": [0.2, 0.1], "again_seconds": [0.01]})
    assert (page.p50_ms, page.p95_ms, page.again, page.again_p50_ms) == (100, 200, 304, 10)
