import _thread
import asyncio
import contextlib
import fcntl
import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from argparse import SUPPRESS, ArgumentParser
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from ocpp_gateway.simulator import ServerRefused, Traffic, run_fleet

HOST = "127.0.0.1"
DEFAULT_PORT = 8000
START_SECONDS = 60.0
STOP_SECONDS = 15.0
FOLDER = settings.BASE_DIR / "var"
DATABASE = FOLDER / "demo.sqlite3"
# Simulated seconds: with the default speed a car comes about every two minutes and stays for four.
TRAFFIC = Traffic(gap_seconds=1200, stay_seconds=2400)


class Command(BaseCommand):
    help = "A platform with people, chargers and real conversations in a fresh database; stays up with live chargers."
    requires_system_checks = []  # the database does not exist yet

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help="end after the table; 0 when all is as it must be")
        parser.add_argument("--port", type=int, help=f"default: {DEFAULT_PORT}, or a free one when it is taken")
        parser.add_argument(
            "--speed", type=float, default=10.0, help="how fast the live chargers' clocks run; default 10"
        )
        parser.add_argument("--database", help="URL of an empty database instead of a fresh SQLite file")
        parser.add_argument("--redis", default="", help="URL of a Redis, instead of none")
        parser.add_argument("--inside", action="store_true", help=SUPPRESS)  # the environment is set

    def handle(self, *args: Any, **options: Any) -> None:
        if options["speed"] <= 0:
            raise CommandError("--speed must be more than 0.")
        if not options["inside"]:
            self.begin_again(options)
        # Also when a shell started us in the background, where SIGINT is ignored.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        # A plain kill ends the demo as Ctrl-C does: with its server.
        signal.signal(signal.SIGTERM, lambda *_signal: signal.raise_signal(signal.SIGINT))
        try:
            with self.only_one(fresh=options["database"] is None):
                self.run_inside(options)
        except KeyboardInterrupt:
            self.say("Ended.")
            if options["once"]:
                sys.exit(130)

    def say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()

    def teller(self, spots: list[Any]) -> Callable[[str, str], None]:
        """Tells an event of a charge point by the name of its charger, under the charge point's own time (UTC)."""
        names = {spot.credentials.identity: spot.place.name for spot in spots}

        def tell(who: str, what: str) -> None:
            moment, _blank, station = who.partition(" ")
            identity, _slash, _connector = station.partition("/")
            self.say(f"{moment}  {names[identity]:24}  {what}")

        return tell

    # -------------------------------------------------------------------------------------------- before

    def begin_again(self, options: dict[str, Any]) -> None:
        """Becomes the same command in the demo's own environment: settings are read once, at the start."""
        FOLDER.mkdir(exist_ok=True)
        port = choose_port(options["port"])
        if options["port"] is None and port != DEFAULT_PORT:
            self.say(f"Port {DEFAULT_PORT} is taken, so the demo takes {port}.")
        site = f"http://{HOST}:{port}"
        environment = {
            **os.environ,
            "DATABASE_URL": options["database"] or f"sqlite:///{DATABASE}",
            "REDIS_URL": options["redis"],
            "PORT": str(port),
            "SITE_URL": site,
            "CHARGER_URL": f"ws://{HOST}:{port}/ocpp",
            "ALLOWED_HOSTS": "",
            "PAYMENT_PROVIDER": "fake",
            "EMAIL_URL": f"filemail://{quote(str(FOLDER / f'demo-{port}-mail'))}",
            "SWEEP_INTERVAL_SECONDS": "2",
            "CURRENCY": "CZK",
            "PLATFORM_FEE_PERCENT": "10",
            "MINIMUM_START_BALANCE": "50",
            "SESSION_HOLD": "300",
        }
        arguments = ["demo", "--inside", f"--port={port}", f"--speed={options['speed']}"]
        arguments += ["--once"] if options["once"] else []
        arguments += [f"--database={options['database']}"] if options["database"] else []
        program = [sys.executable, str(settings.BASE_DIR / "manage.py"), *arguments]
        self.stdout.flush()
        os.execve(sys.executable, program, environment)

    @contextlib.contextmanager
    def only_one(self, *, fresh: bool) -> Iterator[None]:
        """Two demos on one file would take it from each other."""
        if not fresh:
            yield
            return
        with (FOLDER / "demo.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise CommandError("Another demo is running here. End it first, or use --database.") from None
            for ending in ("", "-wal", "-shm", "-journal"):
                Path(f"{DATABASE}{ending}").unlink(missing_ok=True)
            yield

    # -------------------------------------------------------------------------------------------- inside

    def run_inside(self, options: dict[str, Any]) -> None:
        from sharecharge import demonstration

        self.say("Making a fresh database …")
        shutil.rmtree(settings.EMAIL_FILE_PATH, ignore_errors=True)  # of an earlier demo
        call_command("migrate", interactive=False, verbosity=0)
        if demonstration.User.objects.exists():
            raise CommandError("The database is not empty. The demo needs one of its own.")
        self.say(f"Making an owner, an operator, and {len(demonstration.PLACES)} chargers with their drivers …")
        spots = demonstration.make_cast()
        with self.server(options["port"]) as process:
            url = settings.CHARGER_URL
            self.say("Replaying a recorded session of a Solax wallbox, beside two simulated ones …")
            try:
                tell = self.teller(spots)
                witnesses, mismatches = demonstration.run_sessions(spots, url=url, say=tell, note=self.say)
            except ServerRefused as error:
                raise CommandError(str(error)) from None
            self.report(demonstration.examine(witnesses), mismatches)
            if not options["once"]:
                self.stay(process, spots, url=url, speed=options["speed"])

    def report(self, findings: Any, mismatches: list[str]) -> None:
        from sharecharge import demonstration

        self.say("\n" + "\n".join(demonstration.table(findings, currency=settings.CURRENCY)) + "\n")
        problems = [*mismatches, *findings.problems]
        if problems:
            raise CommandError("Not everything is as it must be:\n" + "\n".join(problems))
        self.say("Every number is as it must be.")

    def stay(self, process: "subprocess.Popen[bytes]", spots: list[Any], *, url: str, speed: float) -> None:
        """Live chargers until Ctrl-C."""
        from sharecharge import demonstration as d

        self.say(
            f"\nMap         {settings.SITE_URL}/\n"
            f"Driver      {d.DRIVER}   password {d.PASSWORD}\n"
            f"Owner       {d.OWNER}    password {d.PASSWORD}\n"
            f"Operator    {d.OPERATOR} password {d.PASSWORD}   {settings.SITE_URL}/admin/\n"
            f"E-mails     {settings.EMAIL_FILE_PATH}/   one file each, as text and as a page\n"
            f"Commands    DATABASE_URL={os.environ['DATABASE_URL']} ./run manage …\n\n"
            f"Cars come and go now, by chargers' clocks that run {speed:g} times as fast as ours, which receipts\n"
            "say. Ctrl-C ends the demo.\n"
        )
        threading.Thread(target=interrupt_at_end, args=[process], daemon=True).start()
        work = run_fleet(
            [spot.credentials for spot in spots],
            url=url,
            speed=speed,
            traffic=TRAFFIC,
            say=self.teller(spots),
            cars_follow_remote_starts=True,
            tells_samples=False,
        )
        try:
            asyncio.run(work)
        except KeyboardInterrupt:
            if process.poll() is not None:
                raise CommandError(f"The server has ended by itself (exit code {process.returncode}).") from None
            raise

    @contextlib.contextmanager
    def server(self, port: int) -> "Iterator[subprocess.Popen[bytes]]":
        """The real server as a process of its own; it is gone afterwards, whatever happened."""
        self.say(f"Starting the server on port {port} …")
        log_path = FOLDER / f"demo-{port}.log"
        command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "serve", "--no-migrate"]
        with log_path.open("wb") as log:
            process = subprocess.Popen(
                [*command, f"--host={HOST}", f"--port={port}"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for us: chargers say goodbye before their server goes
            )
        try:
            self.wait_until_healthy(process, port, log_path)
            yield process
        finally:
            stop(process)

    def wait_until_healthy(self, process: "subprocess.Popen[bytes]", port: int, log_path: Path) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not is_healthy(port):
            if process.poll() is not None or time.monotonic() > deadline:
                lines = log_path.read_text(errors="replace").splitlines()[-15:]
                raise CommandError("The server did not start:\n" + "\n".join(lines))
            time.sleep(0.1)


def choose_port(wanted: int | None) -> int:
    """The wanted port, else 8000, else a free one."""
    if wanted is not None:
        if not is_free(wanted):
            raise CommandError(f"Port {wanted} is taken or not allowed. Choose another one.")
        return wanted
    for port in range(DEFAULT_PORT, DEFAULT_PORT + 50):
        if is_free(port):
            return port
    raise CommandError(f"No port from {DEFAULT_PORT} to {port} is free. Give one with --port.")


def is_free(port: int) -> bool:
    try:
        with socket.create_server((HOST, port)):
            return True
    except (OSError, OverflowError):
        return False


def is_healthy(port: int) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def interrupt_at_end(process: "subprocess.Popen[bytes]") -> None:
    """Without a server there is nothing to stay for."""
    process.wait()
    _thread.interrupt_main()


def stop(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(timeout=STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
