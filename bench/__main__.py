"""The benchmark's command line."""

import argparse
import resource
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from time import sleep
from types import FrameType
from typing import NoReturn

from bench import machine, profiling, report, subjects
from bench.figures import Window
from bench.parts import CHARGERS, FULL, QUICK, Bench, Scale
from bench.report import Report, Step, number
from bench.subjects import CannotMeasure, Subject, Workshop
from sharecharge.testing.platform import ROOT

ABOUT = """How fast the gateway is, measured on scratch databases beside a bare ASGI echo on the same server.

Parts: the closed loops stress and day, the open-loop ladder, 3 000 idle chargers, a storm of 1 000, the web pages.
Subjects of the closed loops: echo, postgres, sqlite, two (processes on PostgreSQL)."""

MIXES = ("stress", "day")
PARTS = (*MIXES, "ladder", "idle", "storm", "web")
SUBJECTS = ("echo", "postgres", "sqlite", "two")
PROFILED = ("postgres", "sqlite")
FOLDER = ROOT / "var" / "bench"
DOCUMENT = ROOT / "docs" / "performance.md"
# The chargers have connected and begun to charge by then.
PROFILE_DELAY_SECONDS = 4.0


def several(choices: Sequence[str]) -> Callable[[str], list[str]]:
    def parse(text: str) -> list[str]:
        names = [name.strip() for name in text.split(",")]
        if unknown := set(names) - set(choices):
            raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: choose of {','.join(choices)}")
        return [name for name in choices if name in names]

    return parse


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="./run bench", description=ABOUT, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--quick", action="store_true", help="little of everything, in about two minutes")
    add("--only", type=several(PARTS), default=list(PARTS), metavar="PARTS", help=",".join(PARTS))
    add("--subjects", type=several(SUBJECTS), default=list(SUBJECTS), metavar="NAMES", help=",".join(SUBJECTS))
    add("--rounds", type=int, help="of the closed loops")
    add("--seconds", type=float, help="of one window of load")
    add("--chargers", type=int, help="rows for the pages")
    add("--sessions", type=int, help="rows for the pages")
    add("--page", action="append", metavar="WHO:PATH", help="one page more; WHO is nobody, driver or owner")
    add("--against", metavar="URL", help="another central system in all loops: ws://host:port/path, without identity")
    add("--against-chargers", type=Path, metavar="FILE", help="its chargers, as `manage.py provision` writes them")
    add("--against-pid", type=int, action="append", metavar="PID", help="its processes here, for their CPU time")
    add("--profile", action="store_true", help="also sample the gateway in the closed loops, with py-spy")
    add("--no-docs", action="store_true", help="leave docs/performance.md alone (only a full run writes it)")
    options = parser.parse_args(arguments)
    if options.against and not options.against_chargers:
        parser.error("--against needs --against-chargers")
    return options


def scale_of(options: argparse.Namespace) -> Scale:
    wanted = {name: getattr(options, name) for name in ("rounds", "seconds", "chargers", "sessions")}
    given = {name: value for name, value in wanted.items() if value is not None}
    return replace(QUICK if options.quick else FULL, pages=tuple(options.page or ()), **given)


# ------------------------------------------------------------------------------------------------ parts and progress


def measure(bench: Bench, options: argparse.Namespace, found: Report) -> None:
    closed_loops(bench, [mix for mix in MIXES if mix in options.only], options.subjects, found)
    for part, work in {"ladder": ladder, "idle": idle, "storm": storm, "web": web}.items():
        if part in options.only:
            work(bench, found)
    found.evidence = list(bench.evidence())


def closed_loops(bench: Bench, mixes: Sequence[str], names: Sequence[str], found: Report) -> None:
    if not mixes:
        return
    for mix, subject, window in bench.closed(mixes, names):
        found.titles[subject.name] = subject.title
        found.closed.setdefault(mix, {}).setdefault(subject.name, []).append(window)
        tell(f"{mix:7}{subject.name:9}", window)


def ladder(bench: Bench, found: Report) -> None:
    for subject, rate, window in bench.ladder():
        found.titles[subject.name] = subject.title
        found.ladder.append(Step(subject.name, rate, window))
        tell(f"{rate:5}/s {subject.name:9}", window)


def idle(bench: Bench, found: Report) -> None:
    for subject, crowd in bench.idle():
        found.titles[subject.name] = subject.title
        found.idle[subject.name] = crowd
        say(f"idle   {subject.name:9}{crowd.connected} connected, {crowd.bytes_per_charger / 1024:.1f} KiB each")


def storm(bench: Bench, found: Report) -> None:
    found.storm = bench.storm()
    say(f"storm  {found.storm.failed} of {found.storm.chargers} failed, {found.storm.seconds:.1f} s")


def web(bench: Bench, found: Report) -> None:
    found.pages = bench.web()
    say(f"web    {len(found.pages)} pages")


def tell(what: str, window: Window) -> None:
    times = "/".join(map(number, (window.p50_ms, window.p95_ms, window.p99_ms)))
    shares = ", ".join(f"{role} {share:.0%}" for role, share in window.cpu.items())
    errors = sum(window.errors.values())
    say(f"{what}{window.messages_per_second:8.0f}/s  p50/95/99 {times} ms  CPU {shares}  errors {errors}")
    for text, count in list(window.errors.items())[:3]:
        say(f"    {count} × {text}")


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def profile(bench: Bench, mix: str, subject: Subject, *, path: Path) -> None:
    """One window more, which is slower for being watched and counts for nothing else."""
    file = path.with_name(f"{path.name}-{mix}-{subject.name}.folded")
    with ThreadPoolExecutor(1) as pool:
        load = pool.submit(
            bench.window, "closed", subject, chargers=CHARGERS, mix=mix, warm_seconds=PROFILE_DELAY_SECONDS
        )
        sleep(PROFILE_DELAY_SECONDS)
        profiling.record(subject.watched["server"][0], seconds=bench.scale.seconds, file=file)
        load.result()
    text = profiling.summary(file.read_text())
    file.with_suffix(".txt").write_text(text)
    say(f"\n{mix}, {subject.title} ({file.relative_to(ROOT)} is for speedscope or a flame graph)\n{text}")


def others(options: argparse.Namespace) -> list[Subject]:
    if not options.against:
        return []
    return [subjects.other(options.against, chargers=options.against_chargers, pids=options.against_pid or [])]


def run(options: argparse.Namespace) -> int:
    # Thousands of sockets, in the generator as in the servers.
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    scale = scale_of(options)
    with tempfile.TemporaryDirectory(prefix="sharecharge-bench-") as name, Workshop(Path(name)) as workshop:
        found = Report({**machine.facts(Path(name)), **workshop.facts, **asdict(scale)})
        bench = Bench(workshop, scale, others=others(options))
        measure(bench, options, found)
        path = FOLDER / f"{found.facts['date'].replace(':', '')[:17]}"
        if options.profile:
            for mix in [mix for mix in MIXES if mix in options.only]:
                for subject in bench.named([name for name in options.subjects if name in PROFILED]):
                    profile(bench, mix, subject, path=path)
    found.write(path.with_suffix(".json"))
    text = report.render(found)
    print(text)
    is_full = options.only == list(PARTS) and options.subjects == list(SUBJECTS) and not options.quick
    if is_full and not options.no_docs:
        report.rewrite(DOCUMENT, text)
    say(f"\nWritten to {path.with_suffix('.json').relative_to(ROOT)}{' and docs/performance.md' if is_full else ''}.")
    return 0


def interrupt(number: int, frame: FrameType | None) -> NoReturn:
    """A SIGTERM stops the servers as a Ctrl-C does."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, interrupt)
    try:
        sys.exit(run(parse(sys.argv[1:])))
    except CannotMeasure as error:
        sys.exit(f"./run bench: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
