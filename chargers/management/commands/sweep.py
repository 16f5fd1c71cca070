import signal
import threading
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from chargers import sweeper


class Command(BaseCommand):
    help = "Does the periodic work until it is stopped: silent sessions, late bills, budgets, what has expired."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help="one round, then end")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["once"]:
            for name, count in sweeper.sweep().items():
                self.stdout.write(f"{name}: {count}")
            sweeper.check_ledger()
            return
        stopped = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_signal: stopped.set())
        sweeper.run(stopped)
