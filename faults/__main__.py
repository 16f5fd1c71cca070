"""The command line of the fault tests: `./run faults`."""

import argparse
import asyncio
import itertools
import resource
import signal
import sys
import time
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

from faults import report
from faults.deaths import POINTS
from faults.plays import CAUGHT, ON_SERVERS_ONLY, PLAYS, catch, is_caught
from faults.show import Outcome, Scale
from faults.stage import CannotPlay, Stage
from sharecharge.testing.platform import ROOT

ABOUT = """Kills and hangs servers, and sends what must not be sent, while simulated chargers keep a journal of what was
acknowledged to them. Afterwards the database is held against the journals. See docs/reliability.md."""

DOCUMENT = ROOT / "docs" / "reliability.md"
SMALL_STAGE = 60
INTERRUPTED = 130


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="./run faults", description=ABOUT, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--seconds", type=float, default=0, help="go on with new rounds for so long; by default there is one of each")
    add("--only", choices=list(PLAYS), action="append", metavar="NAME", help=", ".join(PLAYS))
    add("--chargers", type=int, default=50, help="that live at once; default %(default)s")
    add("--crowd", type=int, default=300, help="chargers of the storm; default %(default)s")
    add("--rounds", type=int, default=3, help="of what is random in each; default %(default)s")
    add("--sqlite", action="store_true", help="on SQLite, without Redis, instead of PostgreSQL and Valkey")
    add("--mutants", nargs="*", metavar="NAME", help="break the gateway on purpose: each mutant must be caught")
    add("--no-docs", action="store_true", help="leave docs/reliability.md alone (only a whole run writes it)")
    options = parser.parse_args(arguments)
    if unknown := set(options.mutants or ()) - set(CAUGHT):
        parser.error(f"{', '.join(unknown)}: choose of {', '.join(CAUGHT)}")
    return options


def main(options: argparse.Namespace) -> int:
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hunt(options) if options.mutants is not None else play(options)


def play(options: argparse.Namespace) -> int:
    names = [name for name in options.only or PLAYS if not (options.sqlite and name in ON_SERVERS_ONLY)]
    scale = Scale(options.chargers, options.crowd, options.rounds, POINTS)
    kind = "sqlite" if options.sqlite else "postgresql"
    outcomes: list[Outcome] = []
    begun_at = time.monotonic()
    with Stage(kind, chargers=max(options.chargers + 1, options.crowd)) as stage:
        for number in itertools.count():
            for name in names:
                outcome = asyncio.run(PLAYS[name](stage, scale))
                outcomes.append(outcome)
                say(report.line(outcome))
            if time.monotonic() - begun_at >= options.seconds:
                say(f"{number + 1} rounds on {stage.about}")
                break
    print(report.render(outcomes), flush=True)
    if names == list(PLAYS) and not options.no_docs:
        report.rewrite(DOCUMENT, report.PLAYED, report.render(outcomes))
    return int(any(outcome.found for outcome in outcomes))


def hunt(options: argparse.Namespace) -> int:
    """Plays with each mutant; success is to find what is wrong."""
    scale = Scale(min(options.chargers, 20), 20, 1, ())
    caught: dict[str, Outcome] = {}
    with Stage("postgresql", chargers=SMALL_STAGE) as stage:
        for mutant in options.mutants or CAUGHT:
            outcome = caught[mutant] = asyncio.run(catch(stage, mutant, scale))
            say(f"{'caught' if is_caught(mutant, outcome) else 'NOT CAUGHT':12}{mutant}: {outcome.found}")
    print(report.render_mutants(caught), flush=True)
    if not options.mutants and not options.no_docs:
        report.rewrite(DOCUMENT, report.MUTANTS, report.render_mutants(caught))
    return int(not all(is_caught(mutant, outcome) for mutant, outcome in caught.items()))


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def interrupt(number: int, frame: FrameType | None) -> NoReturn:
    """A SIGTERM stops the servers as a Ctrl-C does."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, interrupt)
    try:
        sys.exit(main(parse(sys.argv[1:])))
    except CannotPlay as error:
        sys.exit(f"./run faults: {error}")
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
