"""The servers that are measured: started on scratch databases, and gone afterwards.

Each is a black box behind a websocket; the gateway is `manage.py serve`, with the settings that an operator has.
"""

import contextlib
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import psycopg

from bench.machine import DURABILITY
from ocpp_gateway.simulator import Credentials, read_credentials
from sharecharge.testing import servers
from sharecharge.testing.platform import ROOT
from sharecharge.testing.ports import free_port

START_SECONDS = 60.0
STOP_SECONDS = 20.0
BALANCE = "60000"
LAST_LINES = 4
# On PostgreSQL the doors of wallboxes and the sweep are processes of their own, as in docker/compose.yaml; on SQLite
# everything is one process, which is what an owner of one house runs.
AS_COMPOSED = ("--only", "ocpp", "--no-sweep")


class CannotMeasure(Exception):
    """Something is missing, in one sentence."""


@dataclass
class Subject:
    """One server under test. `watched`: its processes by role. `database_url` is empty where none is looked into."""

    name: str
    title: str
    urls: list[str]
    chargers: list[Credentials]
    watched: dict[str, list[int]] = field(default_factory=dict)
    database_url: str = ""
    redis_url: str = ""


@dataclass(frozen=True)
class Process:
    pid: int
    port: int

    @property
    def charger_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ocpp"


class Workshop:
    """Makes databases and starts servers when they are needed; as a context manager it takes all of them away again.

    `logs` is where the servers write what they have to say; it stays.
    """

    def __init__(self, folder: Path, *, logs: Path) -> None:
        self.folder, self.logs = folder, logs
        self.stack = contextlib.ExitStack()
        # What the report should tell about the servers that were started.
        self.facts: dict[str, str] = {}
        # The database servers' processes by role, as far as we have started them.
        self.watched: dict[str, list[int]] = {}

    def __enter__(self) -> Self:
        self.logs.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, *exception: object) -> None:
        self.stack.close()

    @cached_property
    def postgresql(self) -> str:
        """The URL of a server that keeps what it has acknowledged."""
        url = self._database_server("database", servers.postgresql(is_durable=True))
        with psycopg.connect(url) as connection:
            for name in DURABILITY:
                row = connection.execute(f"SHOW {name}".encode()).fetchone()
                self.facts[name] = str(row[0] if row else "")
        return url

    @cached_property
    def redis(self) -> str:
        return self._database_server("redis", servers.redis())

    def _database_server(self, role: str, starting: contextlib.AbstractContextManager[servers.Server]) -> str:
        server = self.stack.enter_context(starting)
        if server.url is None:
            raise CannotMeasure(server.about)
        self.facts[role] = server.about
        if server.pid is not None:
            self.watched[role] = [server.pid]
        return server.url

    # ------------------------------------------------------------------------------------------ databases

    def postgresql_database(self, name: str) -> str:
        """The URL of a migrated database."""
        server = self.postgresql
        name = f"bench_{os.getpid()}_{name}"
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        self.stack.callback(_drop, server, name)
        return self._migrated(urlsplit(server)._replace(path=f"/{name}").geturl())

    def sqlite_database(self, name: str) -> str:
        return self._migrated(f"sqlite:///{self.folder / name}.sqlite3")

    def _migrated(self, url: str) -> str:
        self.manage("migrate", "--verbosity=0", database_url=url)
        return url

    def manage(self, *arguments: str, database_url: str) -> None:
        """A command of manage.py, on this database. Raises CannotMeasure with its last words."""
        command = [sys.executable, "manage.py", *arguments]
        done = subprocess.run(
            command, cwd=ROOT, env=environment(database_url), capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise CannotMeasure(f"{' '.join(arguments[:1])} failed: {last_words(done.stderr)}")

    def provision(self, database_url: str, *, chargers: int, drivers: int) -> list[Credentials]:
        """Chargers with a priced connector, and drivers with a card and money."""
        file = self.folder / "provisioned.jsonl"
        numbers = [f"--chargers={chargers}", f"--drivers={drivers}", f"--balance={BALANCE}", f"--owners={chargers}"]
        self.manage("provision", *numbers, f"--output={file}", database_url=database_url)
        return read_credentials(file)

    # ------------------------------------------------------------------------------------------ servers

    def gateway(self, name: str, database_url: str, *, redis_url: str, options: Sequence[str] = ()) -> Process:
        port = free_port()
        settings = environment(database_url, REDIS_URL=redis_url, PORT=str(port))
        command = ["manage.py", "serve", "--port", str(port), "--no-migrate", *options]
        return self._start(name, command, port=port, settings=settings)

    def sweep(self, name: str, database_url: str, *, redis_url: str) -> int:
        """The sweep as a process of its own. Gives its pid."""
        settings = environment(database_url, REDIS_URL=redis_url)
        return self._spawn(f"{name}-sweep", ["manage.py", "sweep"], settings=settings).pid

    def echo(self, name: str, *options: str, redis_url: str = "") -> Process:
        port = free_port()
        settings = environment(f"sqlite:///{self.folder / 'unused'}.sqlite3", REDIS_URL=redis_url)
        return self._start(name, ["-m", "bench.echo", str(port), *options], port=port, settings=settings)

    def _start(self, name: str, command: Sequence[str], *, port: int, settings: dict[str, str]) -> Process:
        """Returns when it answers. What it writes goes into a file, so that it never waits for a reader."""
        process = self._spawn(name, command, settings=settings)
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and process.poll() is None:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=2):
                    return Process(process.pid, port)
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                time.sleep(0.05)
        raise CannotMeasure(f"{' '.join(command)} did not start: {last_words(self._log(name).read_text())}")

    def _spawn(self, name: str, command: Sequence[str], *, settings: dict[str, str]) -> "subprocess.Popen[bytes]":
        with self._log(name).open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, *command], cwd=ROOT, env=settings, stdout=file, stderr=subprocess.STDOUT
            )
        self.stack.callback(_stop, process)
        return process

    def _log(self, name: str) -> Path:
        return self.logs / f"{name}.log"


def last_words(text: str) -> str:
    """The end of what a process wrote, where the reason of its failure stands, in one line."""
    return " ".join(text.split("\n")[-LAST_LINES:]).strip()[-500:]


def environment(database_url: str, **settings: str) -> dict[str, str]:
    return {**os.environ, "DATABASE_URL": database_url, **settings}


def _drop(server: str, name: str) -> None:
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


# ------------------------------------------------------------------------------------------------ who is measured


def echo(workshop: Workshop, *, chargers: int) -> Subject:
    process = workshop.echo("echo")
    return Subject("echo", "bare ASGI echo", [process.charger_url], invented(chargers), {"server": [process.pid]})


def stock(workshop: Workshop, *, chargers: int) -> Subject:
    process = workshop.echo("stock", "--stock", redis_url=workshop.redis)
    return Subject("stock", "stock consumer", [process.charger_url], invented(chargers), {"server": [process.pid]})


def invented(chargers: int) -> list[Credentials]:
    """An echo knows nobody, so anybody may come."""
    return [Credentials(f"BENCH-{number}", "", f"04BE{number:08X}") for number in range(chargers)]


def sqlite(workshop: Workshop, *, chargers: int) -> Subject:
    url = workshop.sqlite_database("sqlite")
    fleet = workshop.provision(url, chargers=chargers, drivers=chargers)
    process = workshop.gateway("sqlite", url, redis_url="")
    return Subject("sqlite", "gateway, SQLite", [process.charger_url], fleet, {"server": [process.pid]}, url)


def postgres(workshop: Workshop, name: str, *, chargers: int, drivers: int) -> Subject:
    url = workshop.postgresql_database(name)
    fleet = workshop.provision(url, chargers=chargers, drivers=drivers)
    process = workshop.gateway(name, url, redis_url=workshop.redis, options=AS_COMPOSED)
    sweep = workshop.sweep(name, url, redis_url=workshop.redis)
    watched = {"server": [process.pid], "sweep": [sweep], **workshop.watched}
    return Subject(name, "gateway, PostgreSQL", [process.charger_url], fleet, watched, url)


def two(workshop: Workshop, one: Subject) -> Subject:
    """A second process on the database of the first; the chargers are divided among them."""
    process = workshop.gateway("two", one.database_url, redis_url=workshop.redis, options=AS_COMPOSED)
    watched = {**one.watched, "server": [*one.watched["server"], process.pid]}
    urls = [*one.urls, process.charger_url]
    return Subject("two", "two processes, PostgreSQL", urls, one.chargers, watched, one.database_url)


def other(url: str, *, chargers: Path, pids: Sequence[int]) -> Subject:
    """A server that somebody else has started. Nobody looks into its database."""
    try:
        fleet = read_credentials(chargers)
    except (OSError, ValueError) as error:
        raise CannotMeasure(f"--against-chargers cannot be used: {error}") from None
    return Subject(urlsplit(url).netloc, url, [url], fleet, {"server": list(pids)} if pids else {})
