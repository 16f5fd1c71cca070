"""Where a server's time goes, by py-spy: folded stacks for a flame graph, and the functions on top."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

from bench.subjects import CannotMeasure

SAMPLES_PER_SECOND = 200
SHOWN = 30
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
    """The functions that were running most, and those that were on the stack most, in per cent of all samples."""
    running: Counter[str] = Counter()
    on_stack: Counter[str] = Counter()
    for line in folded.splitlines():
        stack, _blank, count = line.rpartition(" ")
        frames = [frame.rpartition(":")[0] + ")" if ":" in frame else frame for frame in stack.split(";")]
        running[frames[-1]] += int(count)
        for frame in set(frames):
            on_stack[frame] += int(count)
    return f"Running itself\n{_top(running, running.total())}\n\nOn the stack\n{_top(on_stack, running.total())}\n"


def _top(counted: Counter[str], total: int) -> str:
    return "\n".join(f"{count / total:7.1%}  {frame}" for frame, count in counted.most_common(SHOWN))
