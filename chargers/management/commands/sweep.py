import signal
import threading
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from chargers import metrics, sweeper


class Command(BaseCommand):
    help = "Does the periodic work until it is stopped: silent sessions, late bills, budgets, what has expired."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help="one round, then end")
        parser.add_argument(
            "--metrics-port", type=int, help="answer Prometheus there, at /metrics (needs METRICS_TOKEN)"
        )
        parser.add_argument("--metrics-host", default="127.0.0.1", help="address for that; default %(default)s")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["once"]:
            for name, count in sweeper.sweep().items():
                self.stdout.write(f"{name}: {count}")
            sweeper.check_ledger()
            return
        if options["metrics_port"] is not None:
            self.serve_metrics(options["metrics_host"], options["metrics_port"])
        stopped = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_signal: stopped.set())
        sweeper.run(stopped)

    def serve_metrics(self, host: str, port: int) -> None:
        if not settings.METRICS_TOKEN:
            raise CommandError("--metrics-port needs the setting METRICS_TOKEN.")
        try:
            metrics.serve(host, port)
        except OSError as error:
            raise CommandError(f"Cannot listen on {host}:{port}: {error.strerror}") from None
