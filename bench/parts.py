"""The parts of a run. Each starts what it needs, puts load on it, and gives what was found."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

import orjson

from bench import subjects
from bench.figures import TARGET_RATE, Crowd, Evidence, Page, Storm, Window, keeps_up
from bench.generate import Plan
from bench.subjects import CannotMeasure, Subject, Workshop, last_words
from sharecharge.testing.platform import ROOT

CHARGERS = 100
# The open loop has more chargers, so that no single one of them is busy most of the time.
LADDER_CHARGERS = 400
# Connected before memory is measured, so that pools and caches of the server are filled.
IDLE_BASE = 200
# Chargers' clocks begin in the past and run fast, each time from another hour: no message is sent twice.
CLOCK_BEGINS = timedelta(days=365)
CLOCK_STEP = timedelta(hours=1)


@dataclass(frozen=True)
class Scale:
    """How much. Seconds are those of one window; `chargers` and `sessions` are rows for the pages."""

    rounds: int
    seconds: float
    rates: tuple[int, ...]
    idle: int
    storm: int
    chargers: int
    sessions: int
    requests: int
    pages: tuple[str, ...] = ()


FULL = Scale(4, 8.0, (250, 500, 1000, 2000, 4000, 8000), 3000, 1000, 10_000, 1_000_000, 50)
QUICK = Scale(2, 2.0, (250, 1000, 2000), 1000, 300, 1000, 50_000, 10)


class Bench:
    """Everything that one run needs. Subjects are started once and measured in turns."""

    def __init__(self, workshop: Workshop, scale: Scale, *, others: Sequence[Subject] = ()) -> None:
        self.workshop, self.scale, self.others = workshop, scale, others
        self.clock = datetime.now(UTC) - CLOCK_BEGINS
        # By database: what chargers were told that it has kept.
        self.journals: dict[str, list[Any]] = {}

    # ------------------------------------------------------------------------------------------ subjects

    @cached_property
    def echo(self) -> Subject:
        return subjects.echo(self.workshop, chargers=self.scale.idle + IDLE_BASE)

    @cached_property
    def stock(self) -> Subject:
        return subjects.stock(self.workshop, chargers=self.scale.idle + IDLE_BASE)

    @cached_property
    def postgres(self) -> Subject:
        return subjects.postgres(self.workshop, "postgres", chargers=LADDER_CHARGERS, drivers=LADDER_CHARGERS)

    @cached_property
    def two(self) -> Subject:
        return subjects.two(self.workshop, self.postgres)

    @cached_property
    def sqlite(self) -> Subject:
        return subjects.sqlite(self.workshop, chargers=CHARGERS)

    @cached_property
    def crowd(self) -> Subject:
        """A gateway of its own for the crowds, which nobody has used before."""
        chargers = max(self.scale.idle + IDLE_BASE, self.scale.storm)
        return subjects.postgres(self.workshop, "crowd", chargers=chargers, drivers=1)

    def named(self, names: Sequence[str]) -> list[Subject]:
        return [*(getattr(self, name) for name in names), *self.others]

    # ------------------------------------------------------------------------------------------ closed and open loop

    def closed(self, mixes: Sequence[str], names: Sequence[str]) -> Iterator[tuple[str, Subject, Window]]:
        """Round by round, mix by mix, all subjects in turns."""
        measured = self.named(names)
        for _round in range(self.scale.rounds):
            for mix in mixes:
                for subject in measured:
                    yield mix, subject, self.window("closed", subject, chargers=CHARGERS, mix=mix)

    def ladder(self) -> Iterator[tuple[Subject, int, Window]]:
        """Ever more messages per second, until it does not keep up. First the echo, for the generator's share."""
        yield self.echo, TARGET_RATE, self.step(self.echo, TARGET_RATE)
        for subject in self.named(["postgres"]):
            for rate in self.scale.rates:
                window = self.step(subject, rate)
                yield subject, rate, window
                if rate >= TARGET_RATE and not keeps_up(window, rate=rate):
                    break

    def step(self, subject: Subject, rate: int) -> Window:
        return self.window("open", subject, chargers=LADDER_CHARGERS, mix="day", rate=float(rate))

    def window(self, mode: str, subject: Subject, *, chargers: int, **details: Any) -> Window:
        """One window of load; what the chargers were told is kept for the witness."""
        self.clock += CLOCK_STEP
        found = self.generate(mode, subject, chargers=chargers, seconds=self.scale.seconds, **details)
        self.journals.setdefault(subject.database_url, []).extend(found["journal"])
        return Window.of(found)

    def generate(self, mode: str, subject: Subject, *, chargers: int, **details: Any) -> Any:
        fleet, clock = subject.chargers[:chargers], self.clock.isoformat()
        plan = Plan(mode, subject.urls, fleet, clock, watched=subject.watched, **details)
        return run_module("bench.generate", stdin=orjson.dumps(asdict(plan)))

    def evidence(self) -> Iterator[Evidence]:
        """What is in each database of what was acknowledged."""
        for url, journals in self.journals.items():
            if url:
                yield Evidence(**run_module("bench.witness", stdin=orjson.dumps(journals), database_url=url))

    # ------------------------------------------------------------------------------------------ crowds and pages

    def idle(self) -> Iterator[tuple[Subject, Crowd]]:
        for subject in (self.echo, self.stock, self.crowd):
            chargers, seconds = IDLE_BASE + self.scale.idle, self.scale.seconds
            found = self.generate("idle", subject, chargers=chargers, base=IDLE_BASE, seconds=seconds)
            yield subject, Crowd(**found)

    def storm(self) -> Storm:
        return Storm.of(self.generate("storm", self.crowd, chargers=self.scale.storm))

    def web(self) -> list[Page]:
        url = self.workshop.postgresql_database("web")
        size = (str(self.scale.chargers), str(self.scale.sessions))
        run_module("bench.web", "fill", *size, database_url=url)
        process = self.workshop.gateway("web", url, redis_url=self.workshop.redis)
        arguments = ("measure", str(process.port), str(self.scale.requests), *self.scale.pages)
        return [Page.of(page) for page in run_module("bench.web", *arguments, database_url=url)]


def run_module(name: str, *arguments: str, stdin: bytes = b"", database_url: str = "") -> Any:
    """What a module of ours, as a process of its own, writes as JSON. Raises CannotMeasure with its last words."""
    done = subprocess.run(
        [sys.executable, "-m", name, *arguments],
        cwd=ROOT,
        input=stdin,
        capture_output=True,
        check=False,
        env=subjects.environment(database_url),
    )
    if done.returncode:
        raise CannotMeasure(f"{name} failed: {last_words(done.stderr.decode(errors='replace'))}")
    return orjson.loads(done.stdout) if done.stdout else None
