"""Where a server's time goes, by py-spy: folded stacks for a flame graph, and the functions on top."""

import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from bench.subjects import CannotMeasure

SAMPLES_PER_SECOND = 200
SHOWN = 25
ROOMS = ("sharecharge", "ocpp_gateway", "chargers", "billing", "accounts")
PROGRAM = Path(sys.executable).with_name("py-spy")


def record(pid: int, *, seconds: float, file: Path) -> None:
    """Samples a process. Raises CannotMeasure where that is not allowed (it needs ptrace)."""
    file.parent.mkdir(parents=True, exist_ok=True)
    # Only what holds the interpreter: threads that wait for the database would hide it.
    options = ["--gil", "--format", "raw", "--rate", str(SAMPLES_PER_SECOND), "--duration", str(round(seconds))]
    done = subprocess.run(
        [PROGRAM, "record", "--pid", str(pid), "--output", file, *options], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise CannotMeasure(f"py-spy failed: {(done.stderr or done.stdout).strip()[-300:]}")


def summary(folded: str) -> str:
    """Shares of all samples: packages and functions that were running, and ours that were on the stack."""
    packages: Counter[str] = Counter()
    functions: Counter[str] = Counter()
    ours: Counter[str] = Counter()
    for line in folded.splitlines():
        stack, _blank, text = line.rpartition(" ")
        frames, count = [Frame.read(frame) for frame in stack.split(";")], int(text)
        packages[frames[-1].package] += count
        functions[str(frames[-1])] += count
        ours.update({str(frame): count for frame in frames if frame.package in ROOMS})
    titles = {"Packages, running": packages, "Functions, running": functions, "Ours, on the stack": ours}
    total = packages.total()
    return "\n\n".join(f"{title}\n{_top(counted, total)}" for title, counted in titles.items()) + "\n"


@dataclass(frozen=True, slots=True)
class Frame:
    """`name (path:line)` without the line: a function counts as a whole."""

    function: str
    path: str

    @classmethod
    def read(cls, text: str) -> Self:
        function, _bracket, place = text.rpartition(" (")
        return cls(function, place.rpartition(":")[0])

    @property
    def package(self) -> str:
        return self.path.partition("/")[0]

    def __str__(self) -> str:
        return f"{self.function} ({self.path})"


def _top(counted: Counter[str], total: int) -> str:
    return "\n".join(f"{count / total:7.1%}  {name}" for name, count in counted.most_common(SHOWN))
