"""Which samples of a session that was billed long ago may go. Pure: no Django, no database, no clock.

What a bill stands on stays: the first, the last and the highest register, and with them the assessment of the session,
whatever stop may still come. Where that cannot be shown, everything stays.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from chargers import plausibility
from chargers.plausibility import Reading

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Sample:
    """A row of meter values; `energy_wh` is None when it carries no register."""

    key: int
    measured_at: datetime
    received_at: datetime
    energy_wh: int | None


def superfluous(
    samples: Sequence[Sample],
    *,
    start: Reading | None,
    stop: Reading | None,
    rated_power_w: int,
    every: timedelta,
) -> list[int]:
    """Keys of the samples that nobody needs when one in `every` is kept.

    `samples` stand in the order in which they came, `stop` is None when none has come. A bill that had to be checked
    keeps all that it was checked by.
    """
    kept = one_in(samples, every) | _pillars(samples)
    before = _readings(samples)
    after = _readings([sample for sample in samples if sample.key in kept])
    assessment = plausibility.assess(start=start, readings=before, stop=stop, rated_power_w=rated_power_w)
    thinned = plausibility.assess(start=start, readings=after, stop=stop, rated_power_w=rated_power_w)
    # A stop that still comes asks for the order too: by that a register is known that restarts per session.
    is_safe = not assessment.doubts and assessment == thinned and _is_sorted(before) == _is_sorted(after)
    return [sample.key for sample in samples if sample.key not in kept] if is_safe else []


def one_in(samples: Sequence[Sample], every: timedelta) -> set[int]:
    """One of each span of time by the charger's clock, if possible one with a register."""
    chosen: dict[int, Sample] = {}
    for sample in samples:
        span = (sample.measured_at - EPOCH) // every
        known = chosen.get(span)
        if known is None or (known.energy_wh is None and sample.energy_wh is not None):
            chosen[span] = sample
    return {sample.key for sample in chosen.values()}


def _pillars(samples: Sequence[Sample]) -> set[int]:
    registers = [sample for sample in samples if sample.energy_wh is not None]
    ends = [*samples[:1], *samples[-1:], *registers[:1], *registers[-1:]]
    # The first of the highest ones, as the assessment takes it.
    highest = [max(registers, key=lambda sample: sample.energy_wh or 0)] if registers else []
    return {sample.key for sample in [*ends, *highest]}


def _readings(samples: Sequence[Sample]) -> list[Reading]:
    return [
        Reading(sample.energy_wh, sample.measured_at, sample.received_at)
        for sample in samples
        if sample.energy_wh is not None
    ]


def _is_sorted(readings: Sequence[Reading]) -> bool:
    values = [reading.energy_wh for reading in readings]
    return values == sorted(values)
