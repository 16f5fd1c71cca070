"""What processes use, from Linux's /proc: CPU seconds and memory of whole trees of processes."""

import os
from collections.abc import Iterable
from pathlib import Path

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
# Fields of /proc/<pid>/stat after the name in brackets: the parent's id, and the four times in clock ticks.
PARENT, TIMES = 1, slice(11, 15)
# Fields of the first line of /proc/stat that are work: user, nice, system, interrupts hard and soft.
BUSY = (1, 2, 3, 6, 7)
PROC = Path("/proc")


def _stat(pid: int) -> list[str]:
    """Fields from the third one on; the name before them may itself contain blanks and brackets."""
    return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()


def tree(roots: Iterable[int]) -> set[int]:
    """These processes and all that descend from them."""
    children: dict[int, list[int]] = {}
    for entry in PROC.iterdir():
        if entry.name.isdecimal():
            try:
                children.setdefault(int(_stat(int(entry.name))[PARENT]), []).append(int(entry.name))
            except (FileNotFoundError, ProcessLookupError):  # it ended while we looked
                continue
    found: set[int] = set()
    waiting = list(roots)
    while waiting:
        pid = waiting.pop()
        if pid not in found:
            found.add(pid)
            waiting += children.get(pid, [])
    return found


def cpu_seconds(roots: Iterable[int]) -> float:
    """User and system time of the trees, with that of children that have ended. It only grows while the roots live."""
    ticks = 0
    for pid in tree(roots):
        try:
            ticks += sum(map(int, _stat(pid)[TIMES]))
        except (FileNotFoundError, ProcessLookupError):  # it is in its parent's sum now
            continue
    return ticks / TICKS_PER_SECOND


def busy_seconds() -> float:
    """What the whole machine has worked since its start, on all cores."""
    fields = (PROC / "stat").read_text().split(maxsplit=9)
    return sum(int(fields[number]) for number in BUSY) / TICKS_PER_SECOND


def memory_bytes(roots: Iterable[int]) -> int:
    """Resident memory of the trees. Pages that processes share count in each of them."""
    total = 0
    for pid in tree(roots):
        try:
            pages = (PROC / str(pid) / "statm").read_text().split()[1]
        except (FileNotFoundError, ProcessLookupError):
            continue
        total += int(pages) * os.sysconf("SC_PAGE_SIZE")
    return total
