"""On what, and of what, the figures were measured."""

import importlib.metadata
import os
import platform
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sharecharge.testing.platform import ROOT

PACKAGES = ("django", "channels", "daphne", "channels-redis", "psycopg", "orjson", "jsonschema-rs")
# What PostgreSQL promises when it has acknowledged a commit.
DURABILITY = ("fsync", "synchronous_commit", "full_page_writes")
SYNCS = 100
PAGE = b"\0" * 8192


def facts(folder: Path) -> dict[str, Any]:
    """`folder` is where the scratch databases lie: what its disk promises is measured, too."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _git("rev-parse", "--short", "HEAD") + (" with changes" if _git("status", "--porcelain") else ""),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "packages": {name: importlib.metadata.version(name) for name in PACKAGES},
        "sync_ms": round(_sync_seconds(folder) * 1000, 3),
        "load_before": round(os.getloadavg()[0], 2),
    }


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def _processor() -> str:
    """The name of the first one; the architecture where /proc does not tell."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _colon, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()


def _sync_seconds(folder: Path) -> float:
    """How long the disk takes to keep one page for good, on average."""
    with (folder / "sync").open("wb") as file:
        began = time.perf_counter()
        for _number in range(SYNCS):
            file.write(PAGE)
            file.flush()
            os.fdatasync(file.fileno())
        return (time.perf_counter() - began) / SYNCS
