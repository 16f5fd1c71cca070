"""The whole platform as a process of its own, on the database of the running test.

Standard library only. The database comes as a URL; Redis as the settings have it.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Self
from urllib.parse import quote

from sharecharge.testing.ports import free_port

ROOT = Path(__file__).resolve().parent.parent.parent
START_SECONDS = 30


def url_of(database: Mapping[str, object]) -> str:
    """DATABASE_URL of a Django connection's `settings_dict`: the test database while a test runs."""
    if str(database["ENGINE"]).endswith("sqlite3"):
        return f"sqlite:///{database['NAME']}"
    user, password = quote(str(database["USER"]), safe=""), quote(str(database["PASSWORD"]), safe="")
    return f"postgres://{user}:{password}@{database['HOST']}:{database['PORT']}/{database['NAME']}"


class Platform:
    """`manage.py serve OPTIONS` on a free port of 127.0.0.1. Use as a context manager; nothing is left behind.

    `database` is a Django connection's `settings_dict`, or a URL.
    """

    program: tuple[str, ...] = ("manage.py",)

    def __init__(self, database: Mapping[str, object] | str, *options: str, **settings: str) -> None:
        self.options = options
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.charger_url = f"ws://127.0.0.1:{self.port}/ocpp"
        self.environment = {
            **os.environ,
            "DATABASE_URL": database if isinstance(database, str) else url_of(database),
            "PORT": str(self.port),
            "SWEEP_INTERVAL_SECONDS": "0.5",
            **settings,
        }
        self.process: subprocess.Popen[bytes] | None = None
        # Not a pipe: one that nobody reads stops who writes.
        self.log = tempfile.TemporaryFile()  # noqa: SIM115 - it ends with the object

    def launch(self) -> subprocess.Popen[bytes]:
        """Starts it and waits for nothing."""
        command = [sys.executable, *self.program, "serve", "--port", str(self.port), "--no-migrate", *self.options]
        self.process = subprocess.Popen(command, cwd=ROOT, env=self.environment, stderr=self.log)
        return self.process

    def start(self) -> Self:
        """Returns when it answers. Raises RuntimeError with its last words when it does not."""
        process = self.launch()
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and process.poll() is None:
            try:
                with urllib.request.urlopen(f"{self.url}/healthz", timeout=2):  # noqa: S310 - our own loopback
                    return self
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                time.sleep(0.05)
        raise RuntimeError(f"the platform did not start: {self.stop()[-2000:]}")

    def kill(self) -> None:
        """As a power cut does: no chance to finish anything."""
        self._end(signal.SIGKILL)

    def stop(self) -> str:
        """As an operator does. Returns what it wrote to stderr."""
        return self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> str:
        if self.process is None:
            return ""
        process, self.process = self.process, None
        process.send_signal(how)
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        return self.take_log()

    def take_log(self) -> str:
        """What it wrote to stderr since the last time."""
        self.log.seek(0)
        text = self.log.read().decode(errors="replace")
        self.log.seek(0)
        self.log.truncate()
        return text

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exception: object) -> None:
        self.stop()
