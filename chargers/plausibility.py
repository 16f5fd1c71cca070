"""Can these readings be right? Pure: no Django, no database, no clock.

A doubtful session is held for review instead of producing a wild bill (product.md 1.9, reliability.md R9).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import pairwise

# A register may be printed with fewer digits in one message than in another.
TOLERANCE_WH = 10
# Above rated power × time: registers move in steps (a Solax in 100 Wh), clocks in seconds.
POWER_MARGIN = 1.1
MARGIN_WH = 1000


class Doubt(StrEnum):
    START_UNREADABLE = "start_unreadable"
    STOP_UNREADABLE = "stop_unreadable"
    REGISTER_FELL = "register_fell"
    REGISTER_JUMPED = "register_jumped"
    AFTER_REVIEW = "after_review"


@dataclass(frozen=True, slots=True)
class Reading:
    """An energy register in Wh, when the charger says it was read and when we got it (both UTC)."""

    energy_wh: int
    measured_at: datetime
    received_at: datetime

    def hours_until(self, later: "Reading") -> float:
        """By the clock that went further: a history that is sent at once has no time of ours, a broken clock none."""
        spans = (later.measured_at - self.measured_at, later.received_at - self.received_at)
        return max(0.0, max(span.total_seconds() for span in spans) / 3600)


@dataclass(frozen=True, slots=True)
class Assessment:
    """The energy to bill, in Wh (0 or more), and why it should be looked at first (empty: bill it).

    `believable_wh` is as much of it as the plug can have delivered in the time.
    """

    energy_wh: int
    doubts: tuple[Doubt, ...]
    believable_wh: int = 0


def assess(
    *, start: Reading | None, readings: Sequence[Reading], stop: Reading | None, rated_power_w: int
) -> Assessment:
    """Billing energy = the highest register − the register at start.

    `start` is None when it could not be read; `stop` is None while a session runs or when its stop was lost.
    `readings` stand in the order in which they came.
    """
    doubts = [] if start else [Doubt.START_UNREADABLE]
    if start and _restarts_per_session(start, readings, stop):
        # ABB: the samples count from zero in each session, meterStart and meterStop do not.
        readings = ()
    points = [point for point in (start, *readings, stop) if point is not None]
    if not points:
        return Assessment(0, tuple(doubts))
    top = points[0]
    for previous, point in pairwise(points):
        is_late = point is not stop and point.measured_at < top.measured_at
        if point.energy_wh < top.energy_wh - TOLERANCE_WH and not is_late:
            doubts.append(Doubt.REGISTER_FELL)
        grown = point.energy_wh - top.energy_wh
        if grown > MARGIN_WH and grown > _most(previous, point, rated_power_w):
            doubts.append(Doubt.REGISTER_JUMPED)
        if grown > 0:
            top = point
    if top.energy_wh - points[0].energy_wh > _most(points[0], points[-1], rated_power_w):
        doubts.append(Doubt.REGISTER_JUMPED)
    energy_wh = top.energy_wh - points[0].energy_wh
    most = int(_most(points[0], points[-1], rated_power_w)) if start else 0
    return Assessment(energy_wh, tuple(dict.fromkeys(doubts)), min(energy_wh, most))


def _most(earlier: Reading, later: Reading, rated_power_w: int) -> float:
    """The most that can have flowed between two readings, in Wh."""
    return rated_power_w * earlier.hours_until(later) * POWER_MARGIN + MARGIN_WH


def _restarts_per_session(start: Reading, readings: Sequence[Reading], stop: Reading | None) -> bool:
    if not readings or stop is None or stop.energy_wh < start.energy_wh:
        return False
    values = [reading.energy_wh for reading in readings]
    return (
        values == sorted(values)
        and values[-1] < start.energy_wh
        and (values[-1] <= stop.energy_wh - start.energy_wh + MARGIN_WH)
    )
