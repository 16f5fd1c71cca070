"""What a run found: as JSON, as tables between two marks in docs/performance.md, and against the targets."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import orjson

from bench.figures import TARGET_RATE, Crowd, Evidence, Page, Spread, Storm, Target, Window, keeps_up, ratios
from bench.machine import DURABILITY

BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"
# The subjects that are ours, and keep what they are told.
STORING = ("postgres", "sqlite", "two")
Row = Sequence[str]


@dataclass(frozen=True, slots=True)
class Step:
    """One rung of the ladder."""

    subject: str
    rate: int
    window: Window


@dataclass
class Report:
    """`titles` has every subject's name in words; `closed` its windows by mix and name, in the order of the rounds."""

    facts: dict[str, Any]
    titles: dict[str, str] = field(default_factory=dict)
    closed: dict[str, dict[str, list[Window]]] = field(default_factory=dict)
    ladder: list[Step] = field(default_factory=list)
    idle: dict[str, Crowd] = field(default_factory=dict)
    storm: Storm | None = None
    pages: list[Page] = field(default_factory=list)
    evidence: list[Evidence] = field(default_factory=list)
    # Parts that could not be measured, and why.
    failures: dict[str, str] = field(default_factory=dict)

    def write(self, path: Path) -> None:
        found = {**{name: getattr(self, name) for name in self.__dataclass_fields__}, "targets": targets(self)}
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(orjson.dumps(found, option=orjson.OPT_INDENT_2))


# ------------------------------------------------------------------------------------------------ targets


def targets(report: Report) -> list[Target]:
    """The demands that this run can say something about."""
    return [*_ratio_targets(report), *_ladder_targets(report), *_crowd_targets(report), *_loss_targets(report)]


def _ratio_targets(report: Report) -> Iterable[Target]:
    demands = (
        ("day", "postgres", "echo", 0.30, 0.60),
        ("stress", "postgres", "echo", 0.15, 0.45),
        ("day", "sqlite", "echo", 0.15, 0.40),
        ("stress", "sqlite", "echo", 0.15, 0.40),
        ("day", "two", "postgres", 1.0, 1.0),
        ("stress", "two", "postgres", 1.0, 1.0),
    )
    for mix, name, other, floor, aim in demands:
        windows = report.closed.get(mix, {})
        if name in windows and other in windows:
            ratio = ratios(windows[name], windows[other])
            yield Target(f"{mix}: {report.titles[name]} ÷ {report.titles[other]}", ratio.median, floor, aim)


def _ladder_targets(report: Report) -> Iterable[Target]:
    for step in report.ladder:
        if step.subject == "postgres" and step.rate == TARGET_RATE:
            p99_ms = step.window.p99_ms if keeps_up(step.window, rate=step.rate) else float("inf")
            yield Target(f"p99 at {TARGET_RATE} messages/s, ms", p99_ms, 50, 10, less_is_better=True)
    if report.ladder and not any(step.subject == "postgres" and step.rate >= TARGET_RATE for step in report.ladder):
        yield Target(f"p99 at {TARGET_RATE} messages/s, ms", float("inf"), 50, 10, less_is_better=True)


def _crowd_targets(report: Report) -> Iterable[Target]:
    if {"crowd", "stock"} <= report.idle.keys():
        ratio = report.idle["crowd"].bytes_per_charger / report.idle["stock"].bytes_per_charger
        yield Target("memory of an idle charger ÷ stock consumer", ratio, 1.2, 0.9, less_is_better=True)
    if report.storm:
        yield Target("storm: chargers that did not get in", report.storm.failed, 0, 0, less_is_better=True)
        cpu_ms = report.storm.cpu_ms_per_charger
        yield Target("storm: server CPU for handshake and boot, ms", cpu_ms, 5, 2, less_is_better=True)


def _loss_targets(report: Report) -> Iterable[Target]:
    windows = [w for of_mix in report.closed.values() for name in STORING for w in of_mix.get(name, ())]
    windows += [step.window for step in report.ladder if step.subject in STORING]
    if windows:
        errors = sum(sum(window.errors.values()) for window in windows)
        yield Target("failed messages", errors, 0, 0, less_is_better=True)
    if report.evidence:
        lost = sum(sum(t.lost.values()) + len(t.breaches) for t in report.evidence)
        yield Target("lost messages and breaches of the ledger", lost, 0, 0, less_is_better=True)


# ------------------------------------------------------------------------------------------------ tables


def render(report: Report) -> str:
    """All that was found, as Markdown."""
    sections: tuple[tuple[str, Callable[[Report], str]], ...] = (
        ("Targets", _targets),
        ("Closed loop, 100 chargers", _closed),
        ("Open loop, day mix, latency from the due time", _ladder),
        ("Idle chargers", _idle),
        ("Storm", _storm),
        ("Pages", _pages),
        ("Nothing lost", _evidence),
    )
    parts = [_about(report), *(f"**{part} was not measured**: {why}" for part, why in report.failures.items())]
    for title, section in sections:
        if text := section(report):
            parts.append(f"### {title}\n\n{text}")
    return "\n\n".join(parts)


def table(head: Row, rows: Iterable[Row]) -> str:
    body = [" | ".join(row) for row in rows]
    if not body:
        return ""
    return "\n".join(f"| {line} |" for line in (" | ".join(head), " | ".join("---" for _cell in head), *body))


def _about(report: Report) -> str:
    facts = report.facts
    known = (
        facts["date"],
        f"commit {facts['commit']}",
        f"{facts['cores']} cores of {facts['processor']}",
        f"{facts['memory_gb']} GB",
        facts["system"],
        f"Python {facts['python']}",
        *(facts[role] for role in ("database", "redis") if role in facts),
        *(f"{name} {facts[name]}" for name in DURABILITY if name in facts),
        f"{facts['sync_ms']} ms for one synced write of the disk",
        f"{facts['rounds']} rounds of {facts['seconds']:g} s each",
    )
    return f"{', '.join(known)}."


def _targets(report: Report) -> str:
    rows = [(t.name, number(t.value), number(t.floor), number(t.aim), t.verdict) for t in targets(report)]
    return table(("figure", "here", "floor", "aim", "verdict"), rows)


def _closed(report: Report) -> str:
    head = (
        "mix", "subject", "messages/s", "÷ echo", "per CPU-second", "÷ echo", "rows/s", "p50 / p95 / p99 ms",
        "CPU of a core", "errors",
    )  # fmt: skip
    rows = [
        _closed_row(mix, name, report.titles[name], windows, of_mix.get("echo"))
        for mix, of_mix in report.closed.items()
        for name, windows in of_mix.items()
    ]
    windows = [window for of_mix in report.closed.values() for of_name in of_mix.values() for window in of_name]
    if not windows:
        return ""
    share = max(window.cpu["generator"] for window in windows)
    messages = sum(window.messages_per_second for window in windows)
    cost_us = sum(w.generator_us_per_message * w.messages_per_second for w in windows) / max(1.0, messages)
    return (
        f"{table(head, rows)}\n\nThe load generator never took more than {share:.0%} of a core; a message costs it "
        f"{cost_us:.0f} µs. Rows are meter values that were acknowledged."
    )


def _closed_row(mix: str, name: str, title: str, windows: list[Window], echo: list[Window] | None) -> Row:
    def middle(of: Callable[[Window], float]) -> float:
        return median(map(of, windows))

    def per_cpu_second(window: Window) -> float:
        return window.messages_per_cpu_second

    return (
        mix,
        title,
        spread(Spread.of([w.messages_per_second for w in windows])),
        spread(ratios(windows, echo)) if echo else "–",
        number(middle(per_cpu_second)),
        number(middle(per_cpu_second) / median(map(per_cpu_second, echo))) if echo else "–",
        number(middle(lambda w: w.rows_per_second)) if name in STORING else "–",
        " / ".join(number(middle(of)) for of in (lambda w: w.p50_ms, lambda w: w.p95_ms, lambda w: w.p99_ms)),
        cpu_shares(windows),
        str(sum(sum(w.errors.values()) for w in windows)),
    )


def cpu_shares(windows: Sequence[Window]) -> str:
    """Of one core, by role; the median of the windows."""
    return ", ".join(f"{role} {median(w.cpu[role] for w in windows):.0%}" for role in windows[0].cpu)


def _ladder(report: Report) -> str:
    rows = [
        (
            report.titles[step.subject],
            str(step.rate),
            number(step.window.messages_per_second),
            number(step.window.p50_ms),
            number(step.window.p95_ms),
            number(step.window.p99_ms),
            cpu_shares([step.window]),
            number(step.window.late_ms),
            str(sum(step.window.errors.values())),
            "yes" if keeps_up(step.window, rate=step.rate) else "no",
        )
        for step in report.ladder
    ]
    head = (
        "subject", "due/s", "answered/s", "p50 ms", "p95 ms", "p99 ms", "CPU of a core", "generator late, p99 ms",
        "errors", "keeps up",
    )  # fmt: skip
    return table(head, rows)


def _idle(report: Report) -> str:
    rows = [
        (report.titles[name], str(crowd.connected), number(crowd.bytes_per_charger / 1024),
         f"{crowd.cpu_seconds_per_second:.1%}", str(sum(crowd.errors.values())))
        for name, crowd in report.idle.items()
    ]  # fmt: skip
    return table(("subject", "connected", "KiB each", "CPU of a core at rest", "errors"), rows)


def _storm(report: Report) -> str:
    storm = report.storm
    if storm is None:
        return ""
    return (
        f"{storm.chargers} chargers dial and boot at the same moment: {storm.failed} failed, the last one had booted "
        f"after {storm.seconds:.1f} s (half of them after {storm.p50_ms / 1000:.1f} s, 99 % after "
        f"{storm.p99_ms / 1000:.1f} s). Handshake and boot took {storm.cpu_ms_per_charger:.1f} ms of the server's CPU."
    )


def _pages(report: Report) -> str:
    rows = [
        (page.who, f"`{page.path}`", str(page.status), number(page.kilobytes), str(page.queries), number(page.p50_ms),
         number(page.p95_ms), f"{page.again} in {number(page.again_p50_ms)} ms" if page.again else "–")
        for page in report.pages
    ]  # fmt: skip
    head = ("who", "page", "status", "kB", "queries", "p50 ms", "p95 ms", "asked again with its ETag")
    about = (
        f"With {report.facts.get('chargers')} chargers and {report.facts.get('sessions')} sessions in PostgreSQL.\n\n"
    )
    return about + table(head, rows) if rows else ""


def _evidence(report: Report) -> str:
    return "\n".join(
        f"- {t.sessions} acknowledged sessions with {t.meter_values} acknowledged meter values: "
        f"{', '.join(f'{count} {what} lost' for what, count in t.lost.items()) or 'all are there, each billed once'}; "
        f"{'; '.join(t.breaches) or 'the ledger has no breach'}."
        for t in report.evidence
    )


def number(value: float) -> str:
    """With as many digits as mean something."""
    if value == float("inf"):
        return "never"
    if value == 0 or abs(value) >= 100 or value == int(value):
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def spread(values: Spread) -> str:
    return f"{number(values.median)} ({number(values.least)}–{number(values.most)})"


def rewrite(document: Path, text: str) -> None:
    """Puts the tables between the marks of the document. ValueError when it has none."""
    before, begin, rest = document.read_text().partition(BEGIN)
    _old, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{document} has no {BEGIN} … {END}")
    document.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}")
