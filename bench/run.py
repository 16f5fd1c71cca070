"""One run: part after part into the report, with a line of progress for whoever waits."""

import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import sleep

from bench import profiling
from bench.figures import Window
from bench.parts import CHARGERS, Bench
from bench.report import Report, Step, number
from bench.subjects import CannotMeasure, Subject

MIXES = ("stress", "day")
SUBJECTS = ("echo", "postgres", "sqlite", "two")
PROFILED = ("postgres", "sqlite")
# The chargers have connected and begun to charge by then.
PROFILE_DELAY_SECONDS = 4.0
SHOWN_ERRORS = 3


class Run:
    """`mixes` and `names` say which closed loops are run, with which subjects."""

    def __init__(self, bench: Bench, report: Report, *, mixes: Sequence[str], names: Sequence[str]) -> None:
        self.bench, self.report, self.mixes, self.names = bench, report, mixes, names

    def measure(self, parts: Sequence[str]) -> None:
        """The parts in their order. One that fails costs only itself, and is named in the report."""
        if self.mixes:
            self._try(" and ".join(self.mixes), self.closed_loops)
        for part in parts:
            self._try(part, {"ladder": self.ladder, "idle": self.idle, "storm": self.storm, "web": self.web}[part])
        self._try("what the databases lack", self.evidence)

    def _try(self, part: str, work: Callable[[], None]) -> None:
        try:
            work()
        except CannotMeasure as error:
            self.report.failures[part] = str(error)
            say(f"{part} could not be measured: {error}")

    def closed_loops(self) -> None:
        for mix, subject, window in self.bench.closed(self.mixes, self.names):
            self.report.titles[subject.name] = subject.title
            self.report.closed.setdefault(mix, {}).setdefault(subject.name, []).append(window)
            tell(f"{mix:7}{subject.name:9}", window)

    def ladder(self) -> None:
        for subject, rate, window in self.bench.ladder():
            self.report.titles[subject.name] = subject.title
            self.report.ladder.append(Step(subject.name, rate, window))
            tell(f"{rate:5}/s {subject.name:9}", window)

    def idle(self) -> None:
        for subject, crowd in self.bench.idle():
            self.report.titles[subject.name] = subject.title
            self.report.idle[subject.name] = crowd
            say(f"idle   {subject.name:9}{crowd.connected} connected, {crowd.bytes_per_charger / 1024:.1f} KiB each")
            tell_errors(crowd.errors)

    def storm(self) -> None:
        self.report.storm = storm = self.bench.storm()
        cost = f"{storm.cpu_ms_per_charger:.1f} ms of CPU each"
        say(f"storm  {storm.failed} of {storm.chargers} failed, {storm.seconds:.1f} s, {cost}")
        tell_errors(storm.errors)

    def web(self) -> None:
        self.report.pages = self.bench.web()
        say(f"web    {len(self.report.pages)} pages")

    def evidence(self) -> None:
        self.report.evidence = list(self.bench.evidence())

    def profile(self, path: Path) -> None:
        """A window more for each mix and gateway, into files whose names begin like `path`."""
        for mix in self.mixes:
            for subject in self.bench.named([name for name in self.names if name in PROFILED]):
                file = path.with_name(f"{path.name}-{mix}-{subject.name}.folded")
                self._profile(mix, subject, file)
                text = profiling.summary(file.read_text())
                file.with_suffix(".txt").write_text(text)
                say(f"\n{mix}, {subject.title}: {file} is for speedscope or a flame graph\n{text}")

    def _profile(self, mix: str, subject: Subject, file: Path) -> None:
        """The window is slower for being watched and counts for nothing else."""
        seconds = self.bench.scale.seconds
        with ThreadPoolExecutor(1) as pool:
            load = pool.submit(
                self.bench.window, "closed", subject, chargers=CHARGERS, mix=mix, warm_seconds=PROFILE_DELAY_SECONDS
            )
            sleep(PROFILE_DELAY_SECONDS)
            profiling.record(subject.watched["server"][0], seconds=seconds, file=file)
            load.result()


def tell(what: str, window: Window) -> None:
    times = "/".join(map(number, (window.p50_ms, window.p95_ms, window.p99_ms)))
    shares = ", ".join(f"{role} {share:.0%}" for role, share in window.cpu.items())
    errors = sum(window.errors.values())
    say(f"{what}{window.messages_per_second:8.0f}/s  p50/95/99 {times} ms  CPU {shares}  errors {errors}")
    tell_errors(window.errors)


def tell_errors(errors: Mapping[str, int]) -> None:
    for text, count in list(errors.items())[:SHOWN_ERRORS]:
        say(f"    {count} × {text}")


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
