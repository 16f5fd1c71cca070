"""Thinning keeps what a bill stands on, for every session that can be thought of."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargers import plausibility, thinning
from chargers.plausibility import Reading
from chargers.thinning import Sample

pytestmark = pytest.mark.once

BEGIN = datetime(2026, 7, 1, 12, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
POWER_W = 11_000


def at(minutes: float) -> datetime:
    return BEGIN + timedelta(minutes=minutes)


def reading(energy_wh: int, minutes: float) -> Reading:
    return Reading(energy_wh, at(minutes), at(minutes))


def charge(minutes: int, *, every: float = 1, start_wh: int = 1_000) -> list[Sample]:
    """A car that takes 9 kW, measured every so many minutes."""
    moments = [step * every for step in range(1, int(minutes / every) + 1)]
    return [
        Sample(key, at(minute), at(minute), start_wh + int(minute * 150)) for key, minute in enumerate(moments, start=1)
    ]


def superfluous(samples: list[Sample], *, start: Reading | None = None, stop: Reading | None = None) -> list[int]:
    start = start or reading(1_000, 0)
    return thinning.superfluous(samples, start=start, stop=stop, rated_power_w=POWER_W, every=QUARTER)


def left(samples: list[Sample], keys: list[int]) -> list[Sample]:
    return [sample for sample in samples if sample.key not in keys]


def test_one_in_a_quarter_stays_and_the_ends():
    samples = [*charge(124), Sample(125, at(125), at(125), None)]
    kept = left(samples, superfluous(samples, stop=reading(19_600, 124)))
    assert [sample.key for sample in kept] == [1, 15, 30, 45, 60, 75, 90, 105, 120, 124, 125]


def test_the_highest_register_stays_wherever_it_is():
    samples = charge(60)
    # Printed with fewer digits at the end: within the tolerance, and below the highest.
    samples[-1] = Sample(60, at(60), at(60), 9_845)
    kept = left(samples, superfluous(samples))
    assert [sample.key for sample in kept] == [1, 15, 30, 45, 59, 60]


def test_a_sample_with_a_register_is_chosen_before_one_without():
    samples = [Sample(1, at(1), at(1), 1_150)]
    samples += [Sample(2, at(16), at(16), None), Sample(3, at(17), at(17), 3_550), Sample(4, at(18), at(18), None)]
    samples += [Sample(5, at(31), at(31), 5_650)]
    assert superfluous(samples) == [2, 4]


def test_what_had_to_be_checked_keeps_everything():
    samples = charge(60)
    samples[30] = Sample(31, at(31), at(31), 200_000)
    assert superfluous(samples) == []
    assert thinning.superfluous(charge(60), start=None, stop=None, rated_power_w=POWER_W, every=QUARTER) == []


def test_steps_that_were_believable_one_by_one_stay_together():
    """Three readings in three seconds, each 900 Wh higher: allowed in turn, but a jump without those in between."""
    samples = charge(30)
    samples += [Sample(31 + n, at(31) + timedelta(seconds=n), at(31), 6_400 + 900 * n) for n in range(3)]
    assert superfluous(samples) == []
    assert superfluous([*samples[:30], samples[32]]) == []  # doubtful in the first place
    assert superfluous(samples[:31])


def test_a_register_that_restarts_per_session_is_thinned_too():
    samples = charge(60, start_wh=0)
    start, stop = reading(5_000_000, 0), reading(5_009_000, 60)
    assert len(superfluous(samples, start=start, stop=stop)) > 50


def test_the_order_of_a_restarted_register_is_not_mended():
    """The clock fell behind after the start, so nothing is doubtful until a stop comes, which the order judges."""
    values = [100, 400, 300, 500, 600]
    samples = [Sample(key, at(-60 + key), at(2 + key), value) for key, value in enumerate(values)]
    assert superfluous(samples, start=reading(5_000_000, 0)) == []
    in_order = [Sample(key, at(-60 + key), at(2 + key), value) for key, value in enumerate(sorted(values))]
    assert superfluous(in_order, start=reading(5_000_000, 0)) == [1, 2, 3]


@pytest.mark.parametrize("samples", [[], charge(1), [Sample(1, at(1), at(1), None)]], ids=len)
def test_there_is_nothing_to_thin(samples):
    assert superfluous(samples) == []


# ------------------------------------------------------------------------------------------------ every session

steps = st.tuples(
    st.one_of(st.integers(0, 400), st.integers(-2_000, 60_000)),  # Wh more than before
    st.floats(0, 30),  # minutes later
    st.floats(-70, 70),  # minutes by which the charger's clock is wrong
    st.booleans(),  # does it carry a register?
)


@st.composite
def sessions(draw: st.DrawFn) -> tuple[list[Sample], Reading]:
    energy_wh, minutes, samples = draw(st.integers(0, 5_000)), 0.0, []
    start = reading(draw(st.sampled_from([energy_wh, 0, 2_000_000])), 0)
    is_exact = draw(st.booleans())
    for key, (more, later, wrong, has_register) in enumerate(draw(st.lists(steps, max_size=60))):
        energy_wh, minutes = max(0, energy_wh + (more if not is_exact else more % 150)), minutes + later
        measured_at = at(minutes + (0 if is_exact else wrong))
        samples.append(Sample(key, measured_at, at(minutes), energy_wh if has_register else None))
    return samples, start


ends = st.one_of(st.none(), st.builds(reading, st.integers(0, 2_100_000), st.floats(0, 3_000)))


@given(session=sessions(), stop=ends, late_stop=ends)
def test_every_session_is_assessed_as_before(session, stop, late_stop):
    samples, start = session
    keys = superfluous(samples, start=start, stop=stop)

    def assess(some: list[Sample], end: Reading | None) -> plausibility.Assessment:
        readings = [Reading(it.energy_wh, it.measured_at, it.received_at) for it in some if it.energy_wh is not None]
        return plausibility.assess(start=start, readings=readings, stop=end, rated_power_w=POWER_W)

    kept = left(samples, keys)
    assert assess(kept, stop) == assess(samples, stop)
    if stop is None:
        assert assess(kept, late_stop) == assess(samples, late_stop)
    if keys:
        spans = {(sample.measured_at - thinning.EPOCH) // QUARTER for sample in samples}
        assert len(kept) <= len(spans) + 5
