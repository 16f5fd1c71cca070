"""The benchmark's command line: `./run bench`."""

import argparse
import resource
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from types import FrameType
from typing import NoReturn, TypeVar

from bench import machine, report, subjects, web
from bench.parts import FULL, QUICK, Bench, Scale
from bench.report import Report
from bench.run import MIXES, SUBJECTS, Run, say
from bench.subjects import CannotMeasure, Subject, Workshop
from sharecharge.testing.platform import ROOT

N = TypeVar("N", int, float)

ABOUT = """How fast the gateway is, measured on scratch databases beside a bare ASGI echo on the same server.

Parts: the closed loops stress and day, the open-loop ladder, 3 000 idle chargers, a storm of 1 000, the web pages.
Subjects of the closed loops: echo, postgres, sqlite, two (processes on PostgreSQL). See docs/performance.md."""

PARTS = (*MIXES, "ladder", "idle", "storm", "web")
FOLDER = ROOT / "var" / "bench"
DOCUMENT = ROOT / "docs" / "performance.md"
INTERRUPTED = 130


def several(choices: Sequence[str]) -> Callable[[str], list[str]]:
    def parse(text: str) -> list[str]:
        names = [name.strip() for name in text.split(",")]
        if unknown := set(names) - set(choices):
            raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: choose of {','.join(choices)}")
        return [name for name in choices if name in names]

    return parse


def above_zero(kind: type[N]) -> Callable[[str], N]:
    """A number of this kind, more than 0."""

    def read(text: str) -> N:
        try:
            number = kind(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is no number") from None
        if not 0 < number < 10**9:
            raise argparse.ArgumentTypeError(f"{text} is not above zero")
        return number

    return read


def page(text: str) -> str:
    who, _colon, path = text.partition(":")
    if who not in web.PEOPLE or not path.startswith("/"):
        raise argparse.ArgumentTypeError(f"write WHO:/path, where WHO is {', '.join(web.PEOPLE)}")
    return text


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="./run bench", description=ABOUT, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--quick", action="store_true", help="little of everything, in a few minutes")
    add("--only", type=several(PARTS), default=list(PARTS), metavar="PARTS", help=",".join(PARTS))
    add("--subjects", type=several(SUBJECTS), default=list(SUBJECTS), metavar="NAMES", help=",".join(SUBJECTS))
    add("--rounds", type=above_zero(int), help="of the closed loops")
    add("--seconds", type=above_zero(float), help="of one window of load")
    add("--chargers", type=above_zero(int), help="rows for the pages")
    add("--sessions", type=above_zero(int), help="rows for the pages")
    add("--page", type=page, action="append", metavar="WHO:PATH", help="one page more; WHO is nobody, driver or owner")
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


def others(options: argparse.Namespace) -> list[Subject]:
    if not options.against:
        return []
    return [subjects.other(options.against, chargers=options.against_chargers, pids=options.against_pid or [])]


def main(options: argparse.Namespace) -> int:
    # Thousands of sockets, in the generator as in the servers.
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory(prefix="sharecharge-bench-") as folder:
        found = measure(options, Path(folder))
    is_full = options.only == list(PARTS) and options.subjects == list(SUBJECTS) and not options.quick
    if is_full and not found.failures and not options.no_docs:
        report.rewrite(DOCUMENT, report.render(found))
        say(f"Written to {DOCUMENT}.")
    return 1 if found.failures else 0


def measure(options: argparse.Namespace, folder: Path) -> Report:
    """Runs what was asked for and writes the JSON. Scratch databases lie in `folder`."""
    scale = scale_of(options)
    found = Report({**machine.facts(folder), **asdict(scale)})
    path = FOLDER / found.facts["date"].replace(":", "")[:17]
    with Workshop(folder, logs=FOLDER / "logs") as workshop:
        bench = Bench(workshop, scale, others=others(options))
        run = Run(bench, found, mixes=[mix for mix in MIXES if mix in options.only], names=options.subjects)
        run.measure([part for part in options.only if part not in MIXES])
        found.facts |= workshop.facts
        found.write(path.with_suffix(".json"))
        print(report.render(found), flush=True)
        say(f"Written to {path.with_suffix('.json')}; what the servers said is in {workshop.logs}.")
        if options.profile:
            run.profile(path)
    return found


def interrupt(number: int, frame: FrameType | None) -> NoReturn:
    """A SIGTERM stops the servers as a Ctrl-C does."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, interrupt)
    try:
        sys.exit(main(parse(sys.argv[1:])))
    except CannotMeasure as error:
        sys.exit(f"./run bench: {error}")
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
