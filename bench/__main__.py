"""The benchmark's command line: `./run bench`."""

import argparse
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

import orjson

from bench import figures, subjects
from bench.generate import Found, Plan
from bench.subjects import CannotMeasure, Subject, Workshop
from sharecharge.testing.platform import ROOT

MIXES = ("stress", "day")
SUBJECTS = ("echo", "postgres", "sqlite", "two")
CHARGERS = 100
# Chargers' clocks begin in the past and run fast: each window has days of its own.
CLOCK_BEGINS = timedelta(days=365)
CLOCK_STEP = timedelta(days=3)


def generate(plan: Plan) -> Found:
    """One run of the generator. Raises CannotMeasure when it fails."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.generate"],
        cwd=ROOT,
        input=orjson.dumps(asdict(plan)),
        capture_output=True,
        check=False,
    )
    if done.returncode:
        raise CannotMeasure(f"the generator failed: {done.stderr.decode(errors='replace')[-1000:]}")
    result: Found = orjson.loads(done.stdout)
    return result


def testify(subject: Subject, journals: list[Any]) -> Found:
    """What the database says about the chargers' journals."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.witness"],
        cwd=ROOT, input=orjson.dumps(journals), capture_output=True, check=False,
        env=subjects.environment(subject.database_url),
    )  # fmt: skip
    if done.returncode:
        raise CannotMeasure(f"the witness failed: {done.stderr.decode(errors='replace')[-1000:]}")
    result: Found = orjson.loads(done.stdout)
    return result


class ClosedLoops:
    def __init__(self, built: Sequence[Subject], *, seconds: float, rounds: int, mixes: Sequence[str]) -> None:
        self.subjects, self.seconds, self.rounds, self.mixes = built, seconds, rounds, mixes
        self.clock = datetime.now(UTC) - CLOCK_BEGINS
        self.found: dict[tuple[str, str], list[Found]] = {}
        self.journals: dict[str, list[Any]] = {}

    def run(self) -> None:
        for _round in range(self.rounds):
            for mix in self.mixes:
                for subject in self.subjects:
                    result = self.window(subject, mix)
                    self.found.setdefault((mix, subject.name), []).append(result)
                    self.journals.setdefault(subject.database_url, []).extend(result.pop("journal"))
                    say(mix, subject, result)

    def window(self, subject: Subject, mix: str) -> Found:
        self.clock += CLOCK_STEP
        return generate(
            Plan(
                "closed", subject.urls, subject.chargers, self.clock.isoformat(),
                mix=mix, seconds=self.seconds, watched=subject.watched,
            )
        )  # fmt: skip


def rate(result: Found) -> float:
    return float(result["messages"] / result["seconds"])


def say(mix: str, subject: Subject, result: Found) -> None:
    shares = ", ".join(f"{role} {used / result['seconds']:.0%}" for role, used in result["cpu_seconds"].items())
    times = "/".join(f"{figures.percentile(result['latencies'], p) * 1e3:.1f}" for p in (50, 95, 99))
    errors = sum(result["errors"].values())
    print(
        f"{mix:7}{subject.name:9}{rate(result):8.0f}/s  p50/95/99 {times} ms  CPU {shares}  errors {errors}", flush=True
    )
    errors_by_text: Counter[str] = Counter(result["errors"])
    for text, count in errors_by_text.most_common(3):
        print(f"    {count} × {text}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="./run bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="short windows, few rounds")
    parser.add_argument("--only", type=lambda text: text.split(","), default=list(MIXES), help="stress,day")
    parser.add_argument("--subjects", type=lambda text: text.split(","), default=list(SUBJECTS))
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=float)
    options = parser.parse_args()
    rounds = options.rounds or (2 if options.quick else 5)
    seconds = options.seconds or (4 if options.quick else 10)
    with tempfile.TemporaryDirectory(prefix="sharecharge-bench-") as folder, Workshop(Path(folder)) as workshop:
        built = subjects.build(options.subjects, workshop, chargers=CHARGERS)
        loops = ClosedLoops(built, seconds=seconds, rounds=rounds, mixes=options.only)
        loops.run()
        for mix in options.only:
            floor = median(map(rate, loops.found[mix, "echo"])) if (mix, "echo") in loops.found else 0
            for subject in built:
                middle, least, most = figures.spread([rate(r) for r in loops.found[mix, subject.name]])
                ratio = f"{middle / floor:.3f} of echo" if floor else ""
                print(f"{mix:7}{subject.name:9}{middle:8.0f}/s ({least:.0f}–{most:.0f})  {ratio}")
        for url, journals in loops.journals.items():
            if url:
                subject = next(s for s in built if s.database_url == url)
                print(subject.title, testify(subject, journals))
        print(workshop.facts)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except CannotMeasure as error:
        sys.exit(f"./run bench: {error}")
