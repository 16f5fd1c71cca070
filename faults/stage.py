"""Servers that may be killed: PostgreSQL and Redis of our own, gateways, and a new database for each fault."""

import asyncio
import contextlib
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import orjson
import psycopg

from ocpp_gateway.simulator import Credentials, read_credentials
from sharecharge.testing import servers
from sharecharge.testing.platform import ROOT, Platform

# Not one that somebody else uses, too: they are killed.
SOURCES = ("system", "wheel")
BALANCE = "50000"
CHARGERS = 300
DEATH_SECONDS = 60.0


class CannotPlay(Exception):
    """Something is missing, in one sentence."""


class Gateway(Platform):
    """A platform that may be armed: then it kills itself at a named point."""

    program = ("-m", "faults.gateway")

    async def dies_at(self, point: str, *, passes: int) -> bool:
        """Starts it, and waits until it has killed itself, maybe before it says a word. False: it lives on."""
        self.environment |= {"FAULTS_POINT": point, "FAULTS_PASSES": str(passes)}
        process = self.launch()
        self.environment |= {"FAULTS_POINT": ""}
        deadline = time.monotonic() + DEATH_SECONDS
        while process.poll() is None and time.monotonic() < deadline:  # noqa: ASYNC110 - a process rings no bell
            await asyncio.sleep(0.01)
        return process.poll() == -signal.SIGKILL


class Mortal:
    """A database server that is ours to kill, and that comes back with what it had."""

    def __init__(self, server: servers.Server) -> None:
        self.server = server

    @property
    def url(self) -> str:
        assert self.server.url is not None
        return self.server.url

    @property
    def pid(self) -> int:
        assert self.server.pid is not None
        return self.server.pid

    def kill(self) -> None:
        """As a power cut does: the server and all of its children, with no chance to finish anything."""
        family = [*_children(self.pid), self.pid]
        os.kill(self.pid, signal.SIGSTOP)  # so that nobody is born meanwhile
        for pid in {*family, *_children(self.pid)}:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, 0)  # as long as nobody has asked for its end, it counts as alive
        while any(_is_alive(pid) for pid in family):
            time.sleep(0.01)

    def start(self) -> None:
        assert self.server.again is not None
        self.server = self.server.again()

    def hang(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        os.kill(self.pid, signal.SIGCONT)


def _children(pid: int) -> list[int]:
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    return [int(word) for word in listed.stdout.split()]


def _is_alive(pid: int) -> bool:
    listed = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return bool(listed.stdout.strip()) and not listed.stdout.strip().startswith("Z")


class Stage:
    """Where the faults are played. As a context manager it leaves nothing behind.

    `kind` is `postgresql` or `sqlite`; `chargers` are registered, each with a driver who has a card and money.
    Raises CannotPlay when there is no such server.
    """

    def __init__(self, kind: str, *, chargers: int = CHARGERS) -> None:
        self.kind, self.count = kind, chargers
        self.stack = contextlib.ExitStack()
        self.database: Mortal | None = None
        self.redis: Mortal | None = None
        self.about = "SQLite"
        self.numbers = iter(range(1, 1000))
        self.chargers: list[Credentials] = []

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            self.folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sharecharge-faults-")))
            if self.kind == "postgresql":
                self.database = self._server(stack, servers.postgresql(sources=SOURCES, is_durable=True))
                self.redis = self._server(stack, servers.redis(sources=SOURCES))
                self.about = f"{self.database.server.about} + {self.redis.server.about}"
                self._create("template0", "provisioned")
            self.manage("migrate", "--verbosity=0")
            self._provision()
            self.stack = stack.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stack.close()

    def _server(
        self, stack: contextlib.ExitStack, starting: contextlib.AbstractContextManager[servers.Server]
    ) -> Mortal:
        server = stack.enter_context(starting)
        if server.url is None:
            raise CannotPlay(server.about)
        return Mortal(server)

    def _provision(self) -> None:
        file = self.folder / "chargers.jsonl"
        numbers = [f"--{what}={self.count}" for what in ("chargers", "drivers", "owners")]
        self.manage("provision", *numbers, f"--balance={BALANCE}", f"--output={file}")
        self.chargers = read_credentials(file)

    # ------------------------------------------------------------------------------------------ databases

    def url_of(self, name: str) -> str:
        if self.database is None:
            return f"sqlite:///{self.folder / name}.sqlite3"
        return urlsplit(self.database.url)._replace(path=f"/{name}").geturl()

    def _create(self, template: str, name: str) -> None:
        assert self.database is not None
        with psycopg.connect(self.database.url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}".encode())
            # A sequence logs 32 of its values ahead, and the copy believes that of the original: after a crash it would
            # give numbers that were given before. After a checkpoint it logs anew.
            connection.execute(b"CHECKPOINT")

    def new_database(self) -> str:
        """The URL of a database in which the chargers are registered and nothing has happened."""
        name = f"fault_{next(self.numbers)}"
        if self.database is None:
            shutil.copy(self.folder / "provisioned.sqlite3", self.folder / f"{name}.sqlite3")
        else:
            self._create("provisioned", name)
        return self.url_of(name)

    def rows(self, url: str, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        if self.database is None:
            with contextlib.closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as file:
                return file.execute(sql.replace("%s", "?"), parameters).fetchall()
        with psycopg.connect(url) as connection:
            return connection.execute(sql.encode(), parameters).fetchall()

    def bills(self, url: str, identity: str) -> list[tuple[Any, ...]]:
        """Status, energy and money of a charger's sessions, in their order."""
        return self.rows(
            url,
            "SELECT session.status, energy_wh, cost, fee FROM chargers_chargingsession AS session"
            " JOIN chargers_charger AS charger ON charger.id = session.charger_id"
            " WHERE charger.identity = %s ORDER BY session.id",
            identity,
        )

    # ------------------------------------------------------------------------------------------ processes

    def environment(self, url: str) -> dict[str, str]:
        return {**os.environ, "DATABASE_URL": url, "REDIS_URL": self.redis.url if self.redis else ""}

    def manage(self, *arguments: str) -> None:
        """A command of manage.py on the database that the others are copied from."""
        command = [sys.executable, "manage.py", *arguments]
        environment = self.environment(self.url_of("provisioned"))
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise CannotPlay(f"{arguments[0]} failed: {done.stderr.strip()[-500:]}")

    def gateway(self, url: str, **settings: str) -> Gateway:
        """A gateway that is not started yet."""
        gateway = Gateway(
            url, **{"REDIS_URL": self.redis.url if self.redis else "", "LOG_LEVEL": "WARNING", **settings}
        )
        self.stack.callback(gateway.kill)
        return gateway

    @contextlib.contextmanager
    def people(self, url: str) -> Iterator[list[int]]:
        """People give commands meanwhile. Gives a list, in which afterwards stands how many."""
        given: list[int] = []
        command = [sys.executable, "-m", "faults.people"]
        pipe = subprocess.PIPE
        # Their own process, too, tells of every event that a dead Redis did not take.
        environment = {**self.environment(url), "LOG_LEVEL": "ERROR"}
        with subprocess.Popen(command, cwd=ROOT, env=environment, stdin=pipe, stdout=pipe, text=True) as child:
            try:
                yield given
            finally:
                output, _nothing = child.communicate("\n")
        given.append(int(output))

    def ask_witness(self, url: str, testimony: Sequence[dict[str, Any]]) -> Counter[str]:
        """What is lost, doubled or wrong. A gateway must run: its sweep has to finish its work."""
        done = subprocess.run(
            [sys.executable, "-m", "faults.witness"],
            cwd=ROOT, env=self.environment(url), input=orjson.dumps(testimony), stdout=subprocess.PIPE, check=True,
        )  # fmt: skip
        return Counter(orjson.loads(done.stdout))
