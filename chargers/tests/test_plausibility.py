from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargers.plausibility import TOLERANCE_WH, Doubt, Reading, assess

pytestmark = pytest.mark.once

BEGIN = datetime(2026, 1, 11, 21, 38, tzinfo=UTC)


def at(minutes: float, energy_wh: int, *, received: float | None = None) -> Reading:
    """A reading that many minutes after the start; received at the same time unless said otherwise."""
    return Reading(
        energy_wh,
        BEGIN + timedelta(minutes=minutes),
        BEGIN + timedelta(minutes=minutes if received is None else received),
    )


def judge(*readings: Reading, start: Reading | None = None, stop: Reading | None = None, rated_power_w: int = 11_000):
    return assess(start=start, readings=readings, stop=stop, rated_power_w=rated_power_w)


def test_energy_is_stop_less_start():
    result = judge(at(10, 1500), start=at(0, 1000), stop=at(30, 6000))
    assert (result.energy_wh, result.doubts) == (5000, ())


def test_without_a_stop_the_highest_register_counts():
    assert judge(at(10, 1500), at(20, 2500), start=at(0, 1000)).energy_wh == 1500


def test_nothing_was_measured():
    assert judge(start=at(0, 1000)).energy_wh == 0


def test_a_register_that_falls_is_doubtful_and_the_highest_counts():
    result = judge(at(10, 2000), at(20, 500), start=at(0, 1000), stop=at(30, 600))
    assert (result.energy_wh, result.doubts) == (1000, (Doubt.REGISTER_FELL,))


def test_a_stop_below_the_last_reading_is_doubtful():
    assert judge(at(10, 2000), start=at(0, 1000), stop=at(11, 1900)).doubts == (Doubt.REGISTER_FELL,)


def test_fewer_digits_are_no_fall():
    assert judge(at(10, 2004), start=at(0, 1000), stop=at(11, 2004 - TOLERANCE_WH)).doubts == ()


def test_a_reading_that_comes_late_is_no_fall():
    assert judge(at(20, 2500), at(10, 1500, received=21), start=at(0, 1000), stop=at(30, 3000)).doubts == ()


def test_a_jump_beyond_rated_power_is_doubtful():
    # 11 kW in 10 minutes are 1.83 kWh; with the margins 3.02 kWh.
    assert judge(start=at(0, 0), stop=at(10, 3000)).doubts == ()
    assert judge(start=at(0, 0), stop=at(10, 3100)).doubts == (Doubt.REGISTER_JUMPED,)


def test_a_placeholder_of_zero_at_the_start_is_doubtful():
    result = judge(at(1, 910_000), start=at(0, 0), stop=at(20, 910_083))
    assert Doubt.REGISTER_JUMPED in result.doubts


def test_many_small_jumps_are_seen_in_the_sum():
    readings = [at(minute, minute * 1100) for minute in range(1, 60)]
    assert judge(*readings, start=at(0, 0), stop=at(60, 66_000)).doubts == (Doubt.REGISTER_JUMPED,)


def test_a_history_that_is_sent_at_once_is_believed():
    readings = [at(minute, minute * 100, received=600) for minute in range(1, 60)]
    assert judge(*readings, start=at(0, 0, received=600), stop=at(60, 6000, received=600)).doubts == ()


def test_a_clock_that_jumps_an_hour_is_no_doubt():
    readings = [at(1, 100), at(2 + 59, 200, received=2), at(3 + 59, 300, received=3)]
    assert judge(*readings, start=at(0, 0), stop=at(63, 400, received=4)).doubts == ()


def test_a_clock_that_jumps_back_is_no_doubt():
    readings = [at(61, 100, received=1), at(2, 200, received=2)]
    assert judge(*readings, start=at(60, 0, received=0), stop=at(3, 300, received=3)).doubts == ()


def test_a_register_that_restarts_per_session_is_shown_but_not_billed():
    result = judge(at(10, 1000), at(20, 2000), start=at(0, 500_000), stop=at(30, 503_000))
    assert (result.energy_wh, result.doubts) == (3000, ())


def test_a_restarting_register_must_agree_with_the_stop():
    assert judge(at(10, 9000), start=at(0, 500_000), stop=at(30, 503_000)).doubts == (Doubt.REGISTER_FELL,)


def test_a_start_that_could_not_be_read_is_doubtful():
    result = judge(at(1, 5000), start=None, stop=at(20, 6000))
    assert (result.energy_wh, result.doubts) == (1000, (Doubt.START_UNREADABLE,))
    assert judge(start=None).doubts == (Doubt.START_UNREADABLE,)


readings_strategy = st.lists(
    st.tuples(st.integers(0, 2**62), st.integers(-10_000, 10_000), st.integers(0, 10_000)).map(
        lambda values: at(values[1], values[0], received=values[2])
    ),
    max_size=8,
)


@given(readings_strategy, st.one_of(st.none(), st.integers(0, 2**62)), st.one_of(st.none(), st.integers(0, 2**62)))
def test_energy_is_never_negative_nor_beyond_the_registers(readings, start_wh, stop_wh):
    start = None if start_wh is None else at(0, start_wh)
    stop = None if stop_wh is None else at(60, stop_wh)
    result = assess(start=start, readings=readings, stop=stop, rated_power_w=11_000)
    registers = [reading.energy_wh for reading in (start, *readings, stop) if reading]
    assert 0 <= result.energy_wh <= (max(registers) - min(registers) if registers else 0)


@given(st.lists(st.integers(0, 150), min_size=1, max_size=30))
def test_a_car_within_the_rated_power_is_never_doubted(steps):
    """At most 150 Wh a minute, which 11 kW allows."""
    energy, readings = 1_000_000, []
    for minute, step in enumerate(steps, 1):
        energy += step
        readings.append(at(minute, energy))
    result = judge(*readings, start=at(0, 1_000_000), stop=at(len(steps) + 1, energy))
    assert (result.energy_wh, result.doubts) == (energy - 1_000_000, ())
