"""What was played and what came out, as tables between marks in docs/reliability.md."""

import subprocess
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from faults.plays import CAUGHT, is_caught
from faults.show import Outcome
from sharecharge.testing.platform import ROOT

PLAYED, MUTANTS = "faults", "mutants"


def line(outcome: Outcome) -> str:
    """One line of progress."""
    verdict = "ok" if not outcome.found else f"FAULTS {outcome.found}"
    return f"{outcome.name:10}{outcome.seconds:6.0f} s  {outcome.acknowledged:7} acknowledged  {verdict}"


def render(outcomes: Sequence[Outcome]) -> str:
    by_name: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        by_name.setdefault(outcome.name, []).append(outcome)
    head = ("fault", "what was done", "chargers", "sessions", "messages acknowledged", "lost", "doubled", "wrong",
            "until all were served again, s: median (most)")  # fmt: skip
    rows = [_row(name, played) for name, played in by_name.items()]
    remarks = [f"- {outcome.name}: {remark}." for outcome in outcomes for remark in outcome.remarks]
    about = f"{_today()}, on {outcomes[0].on}; made by `./run faults`." if outcomes else ""
    return "\n\n".join([about, _table(head, rows), "\n".join(remarks)]).strip()


def _row(name: str, played: Sequence[Outcome]) -> tuple[str, ...]:
    events: Counter[str] = sum((outcome.events for outcome in played), Counter())
    found: Counter[str] = sum((outcome.faults for outcome in played), Counter())
    recoveries = [seconds for outcome in played for seconds in outcome.recoveries]
    lost = sum(count for fault, count in found.items() if "lost" in fault)
    doubled = sum(count for fault, count in found.items() if "doubled" in fault or "twice" in fault)
    return (
        name,
        ", ".join(f"{count} × {event}" for event, count in sorted(events.items())),
        str(max(outcome.chargers for outcome in played)),
        str(sum(outcome.sessions for outcome in played)),
        str(sum(outcome.acknowledged for outcome in played)),
        str(lost),
        str(doubled),
        str(found.total() - lost - doubled),
        f"{median(recoveries):.1f} ({max(recoveries):.1f})" if recoveries else "–",
    )


def render_mutants(caught: Mapping[str, Outcome]) -> str:
    rows = [
        (
            f"`{mutant}`",
            CAUGHT[mutant].play,
            "caught" if is_caught(mutant, outcome) else "**not caught**",
            ", ".join(f"{count} × {fault[:80]}" for fault, count in list(outcome.found.items())[:3]),
        )
        for mutant, outcome in caught.items()
    ]
    about = f"{_today()}; made by `./run faults --mutants`."
    return f"{about}\n\n{_table(('mutant', 'play', 'verdict', 'what was found'), rows)}"


def _today() -> str:
    done = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return f"{datetime.now(UTC):%Y-%m-%d}, commit {done.stdout.strip() or 'unknown'}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines)


def rewrite(document: Path, name: str, text: str) -> None:
    """Puts the text between the marks of this name. ValueError when the document has none."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    before, found, rest = document.read_text().partition(begin)
    _old, found_end, after = rest.partition(end)
    if not found or not found_end:
        raise ValueError(f"{document} has no {begin} … {end}")
    document.write_text(f"{before}{begin}\n\n{text}\n\n{end}{after}")
