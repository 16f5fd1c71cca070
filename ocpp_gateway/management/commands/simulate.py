import asyncio
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ocpp_gateway.simulator import (
    DEFAULT_URL,
    Credentials,
    Journal,
    ServerRefused,
    Traffic,
    read_credentials,
    run_fleet,
)


class Command(BaseCommand):
    help = "Simulated charge points with cars that come and go, until --sessions are done or Ctrl-C."
    requires_system_checks = []  # it talks to a server; it needs no database

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--url", default=DEFAULT_URL, help="without the identity; default %(default)s")
        parser.add_argument("--chargers", type=Path, metavar="FILE", help="JSON lines that `provision` has written")
        parser.add_argument("--identity", help="one charger instead of --chargers")
        parser.add_argument("--password")
        parser.add_argument("--id-tag", help="the card that its drivers tap")
        parser.add_argument("--connectors", type=int, default=1)
        parser.add_argument("--speed", type=float, default=60.0, help="how fast the chargers' clocks run; default 60")
        parser.add_argument("--sessions", type=int, default=0, help="at each charger; 0 (default): until Ctrl-C")
        parser.add_argument("--gap", type=float, default=1200, help="simulated seconds between two cars; default 1200")
        parser.add_argument("--stay", type=float, default=5400, help="simulated seconds that a car stays; default 5400")
        parser.add_argument("--sample", type=int, default=60, help="simulated seconds between MeterValues; default 60")
        parser.add_argument("--seed", type=int, help="the same cars at every run")
        parser.add_argument(
            "--json", action="store_true", help="write every acknowledged message as a JSON line instead"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        for name in ("speed", "gap", "stay", "sample", "connectors"):
            if options[name] <= 0:
                raise CommandError(f"--{name} must be more than 0.")
        if not options["url"].startswith(("ws://", "wss://")):
            raise CommandError("--url begins with ws:// or wss://.")
        fleet = self.fleet(options)
        try:
            done = asyncio.run(
                run_fleet(
                    fleet,
                    url=options["url"],
                    speed=options["speed"],
                    traffic=Traffic(options["gap"], options["stay"], options["sessions"]),
                    seed=options["seed"],
                    journal=Journal(sys.stdout if options["json"] else None),
                    say=self.say_aside if options["json"] else self.say,
                    sample_seconds=options["sample"],
                )
            )
        except ServerRefused as error:
            raise CommandError(str(error)) from None
        except KeyboardInterrupt:
            self.stderr.write("Ended.")
            return
        energy_wh = sum((t.meter_stop_wh or t.meter_start_wh) - t.meter_start_wh for t in done)
        self.stderr.write(f"{len(done)} sessions, {energy_wh / 1000:.2f} kWh.")

    def say(self, who: str, what: str) -> None:
        self.stdout.write(f"{who}  {what}")
        self.stdout.flush()

    def say_aside(self, who: str, what: str) -> None:
        """Standard output is for the journal."""
        self.stderr.write(f"{who}  {what}")

    def fleet(self, options: dict[str, Any]) -> list[Credentials]:
        if options["chargers"]:
            try:
                return read_credentials(options["chargers"])
            except (OSError, ValueError) as error:
                raise CommandError(f"--chargers cannot be used: {error}") from None
        names = ("identity", "password", "id_tag")
        if missing := [name for name in names if not options[name]]:
            listed = ", ".join(f"--{name.replace('_', '-')}" for name in missing)
            raise CommandError(f"Give --chargers FILE, or {listed}.")
        return [Credentials(options["identity"], options["password"], options["id_tag"], options["connectors"])]
