"""Arithmetic of the report. Pure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Self

# Messages per second at which the latency of the open loop is judged.
TARGET_RATE = 1000
# Whose CPU time a message costs; the generator's is not the server's fault.
SERVING_ROLES = ("server", "database", "redis")


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least `percent` of all do not exceed (nearest rank); 0 of nothing."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


@dataclass(frozen=True, slots=True)
class Spread:
    """What several rounds gave."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        return cls(median(values), min(values), max(values))


@dataclass(frozen=True, slots=True)
class Window:
    """One window of load, reduced. `cpu`: shares of one core, by role; `late_ms`: the generator's own delay, p99."""

    messages_per_second: float
    messages_per_cpu_second: float
    rows_per_second: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    cpu: dict[str, float]
    generator_us_per_message: float
    errors: dict[str, int]
    late_ms: float = 0.0
    unanswered: int = 0

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Self:
        """From what `bench.generate` found."""
        seconds, messages, cpu = found["seconds"], found["messages"], found["cpu_seconds"]
        p50, p95, p99 = (percentile(found["latencies"], percent) * 1000 for percent in (50, 95, 99))
        return cls(
            messages_per_second=messages / seconds,
            messages_per_cpu_second=_per(messages, sum(cpu.get(role, 0.0) for role in SERVING_ROLES)),
            rows_per_second=found["actions"].get("MeterValues", 0) / seconds,
            p50_ms=p50,
            p95_ms=p95,
            p99_ms=p99,
            cpu={role: used / seconds for role, used in cpu.items()},
            generator_us_per_message=_per(cpu["generator"] * 1e6, messages),
            errors=dict(found["errors"]),
            late_ms=percentile(found["lateness"], 99) * 1000,
            unanswered=found.get("unanswered", 0),
        )


def _per(amount: float, divisor: float) -> float:
    return amount / divisor if divisor else 0.0


@dataclass(frozen=True, slots=True)
class Crowd:
    """Chargers that are connected and say nothing; CPU as a share of one core."""

    connected: int
    bytes_per_charger: float
    cpu_seconds_per_second: float
    errors: dict[str, int]


@dataclass(frozen=True, slots=True)
class Storm:
    """All chargers at once: until the last one had booted, and when 50 and 99 % of them had."""

    chargers: int
    failed: int
    seconds: float
    p50_ms: float
    p99_ms: float
    cpu_ms_per_charger: float
    errors: dict[str, int]

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Self:
        boots = found["boots"]
        chargers = len(boots) + found["failed"]
        return cls(
            chargers=chargers,
            failed=found["failed"],
            seconds=found["seconds"],
            p50_ms=percentile(boots, 50) * 1000,
            p99_ms=percentile(boots, 99) * 1000,
            cpu_ms_per_charger=_per(found["cpu_seconds"]["server"] * 1000, chargers),
            errors=dict(found["errors"]),
        )


@dataclass(frozen=True, slots=True)
class Page:
    """What `bench.web` found, with the times reduced."""

    who: str
    path: str
    status: int
    kilobytes: float
    queries: int
    p50_ms: float
    p95_ms: float
    again: int
    again_p50_ms: float

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Self:
        p50, p95 = (percentile(found["seconds"], percent) * 1000 for percent in (50, 95))
        rest = {name: value for name, value in found.items() if not name.endswith("seconds")}
        return cls(**rest, p50_ms=p50, p95_ms=p95, again_p50_ms=percentile(found["again_seconds"], 50) * 1000)


@dataclass(frozen=True, slots=True)
class Evidence:
    """How much was acknowledged to the chargers, what of it the database lacks, and what its ledger says."""

    sessions: int
    meter_values: int
    lost: dict[str, int]
    breaches: list[str]


def ratios(of: Sequence[Window], to: Sequence[Window]) -> Spread:
    """Messages per second against those of another subject, round by round: both had the same weather."""
    return Spread.of(
        [_per(one.messages_per_second, other.messages_per_second) for one, other in zip(of, to, strict=True)]
    )


def keeps_up(window: Window, *, rate: float) -> bool:
    """Everything that was due was answered, nearly as fast as it came."""
    return (
        not window.unanswered
        and not window.errors
        and window.p99_ms < 1000
        and window.messages_per_second > 0.97 * rate
    )


@dataclass(frozen=True, slots=True)
class Target:
    """What is demanded of a figure: the floor it must reach and the aim. `less_is_better`: times, memory, losses."""

    name: str
    value: float
    floor: float
    aim: float
    less_is_better: bool = False

    @property
    def verdict(self) -> str:
        def reaches(mark: float) -> bool:
            return self.value <= mark if self.less_is_better else self.value >= mark

        return "aim reached" if reaches(self.aim) else "floor reached" if reaches(self.floor) else "missed"
