import asyncio
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ocpp_gateway import replay
from ocpp_gateway.simulator import DEFAULT_URL, Credentials, ServerRefused


class Command(BaseCommand):
    help = "Sends a recorded conversation through a real websocket and checks every answer."
    requires_system_checks = []  # it talks to a server; it needs no database

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--trace", type=Path, nargs="+", required=True, metavar="FILE", help="one after the other")
        parser.add_argument("--speed", type=float, default=0.0, help="divides the recorded gaps; 0 (default): no gaps")
        parser.add_argument("--url", default=DEFAULT_URL, help="without the identity; default %(default)s")
        parser.add_argument("--identity", required=True)
        parser.add_argument("--password", required=True)
        parser.add_argument("--id-tag", default="", help="instead of the card in the trace")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["speed"] < 0:
            raise CommandError("--speed must be 0 or more.")
        try:
            rows = replay.read_trace(options["trace"])
        except (OSError, ValueError) as error:
            raise CommandError(f"The trace cannot be used: {error}") from None
        credentials = Credentials(options["identity"], options["password"], options["id_tag"])
        self.told = time.monotonic()
        report = self.play(rows, options["url"], credentials, options["speed"])
        self.summarise(report)

    def play(self, rows: list[replay.Row], url: str, credentials: Credentials, speed: float) -> replay.Report:
        work = replay.replay(rows, url=url, credentials=credentials, speed=speed, progress=self.progress)
        try:
            return asyncio.run(work)
        except ServerRefused as error:
            raise CommandError(str(error)) from None
        except (OSError, TimeoutError) as error:
            raise CommandError(f"No connection to {url}: {error or type(error).__name__}") from None
        except KeyboardInterrupt:
            raise CommandError("Interrupted.", returncode=130) from None

    def progress(self, sent: int, total: int, action: str) -> None:
        """A line each second, and at the end."""
        if sent == total or time.monotonic() - self.told >= 1:
            self.told = time.monotonic()
            self.stdout.write(f"{sent} of {total} messages ({100 * sent // total} %), last {action}")

    def summarise(self, report: replay.Report) -> None:
        rate = report.sent / report.seconds if report.seconds else 0.0
        calls = ", ".join(report.server_calls) or "nothing"
        self.stdout.write(
            f"Sent {report.sent} messages in {report.seconds:.1f} s ({rate:.0f}/s). The server asked: {calls}."
        )
        for then, now in report.transaction_ids.items():
            self.stdout.write(f"Transaction {then} of the trace is {now} here.")
        for mismatch in report.mismatches:
            self.stderr.write(f"MISMATCH {mismatch}")
        if report.mismatches or report.sent < report.rows:
            raise CommandError(
                f"{len(report.mismatches)} answers were not as they must be; "
                f"{report.rows - report.sent} messages were not sent."
            )
        self.stdout.write("Every answer is as it must be.")
