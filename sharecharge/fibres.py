"""Plain database code on the event loop's own thread: while it waits for PostgreSQL, the loop goes on.

Imports nothing of ours. A thread needs the interpreter back after each statement, and takes it from the loop, which
takes it back after each frame: with a dozen statements in a decision, handing the interpreter to and fro cost more than
deciding (docs/performance.md). A fibre is a greenlet instead. What runs in it is the same plain code, with the ORM and
its transactions; only where the driver would wait for the socket of its connection, the fibre steps aside until the
loop says that the socket is ready. SQLAlchemy's asyncio extension works in the same way.

Each fibre has a database connection and a context (`contextvars`) of its own. Whatever is no wait for the database
holds up the loop and everybody on it: code that may run in a fibre computes shortly, sleeps with `sleep`, and holds no
lock while it asks the database.
"""

import asyncio
import logging
import selectors
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context, copy_context
from datetime import UTC, datetime
from functools import partial
from types import ModuleType, SimpleNamespace
from typing import Any, TypeVar, cast

import psycopg
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.postgresql.base import DatabaseWrapper
from greenlet import GreenletExit, getcurrent, greenlet
from psycopg.abc import AdaptContext, Buffer
from psycopg.adapt import Loader
from psycopg.pq import Format

logger = logging.getLogger(__name__)

T = TypeVar("T")
# How long the database may have answered before somebody looks, while the loop is at its round.
PATIENCE_SECONDS = 0.001

Job = tuple[Context, Callable[[], Any], "asyncio.Future[Any]"]

# Not the loop's own threads, which may all be busy for seconds with a database that does not answer.
_blocking = ThreadPoolExecutor(32, thread_name_prefix="fibre-blocks")
# Greenlets that nobody refers to any more are killed where they stand, in the middle of a transaction.
_suspended: set["Fibre"] = set()


class Fibre(greenlet):
    """What runs `work` on this loop, with this connection."""

    def __init__(self, crew: "_Crew", database: "FibreDatabase", work: Callable[[], None]) -> None:
        super().__init__(work)
        self.crew, self.database = crew, database
        self.loop = crew.loop

    def go_on(self, *given: Any) -> None:
        """Called by the loop: the fibre's turn, until it waits or ends. To the code in it this is a thread without a
        loop, and `connection` is its own."""
        asyncio._set_running_loop(None)
        before = connections[DEFAULT_DB_ALIAS]
        connections[DEFAULT_DB_ALIAS] = self.database
        _suspended.discard(self)
        try:
            self.switch(*given)
        finally:
            connections[DEFAULT_DB_ALIAS] = before
            asyncio._set_running_loop(self.loop)

    def step_aside(self) -> Any:
        """Called inside: until the next `go_on`. Gives what that is given."""
        _suspended.add(self)
        return cast("greenlet", self.parent).switch()

    def in_a_thread(self, function: Callable[[], T]) -> T:
        """Called inside: for what can only block."""
        done = self.loop.run_in_executor(_blocking, function)
        done.add_done_callback(lambda _done: self.go_on())
        self.step_aside()
        return done.result()


def sleep(seconds: float) -> None:
    """In a fibre the loop goes on meanwhile; elsewhere it is `time.sleep`."""
    fibre = getcurrent()
    if isinstance(fibre, Fibre):
        fibre.loop.call_later(seconds, fibre.go_on)
        fibre.step_aside()
    else:
        time.sleep(seconds)


class FibreConnection(psycopg.Connection[Any]):
    """psycopg speaks the protocol in generators, and asks its connection to wait for each of them.

    In a fibre only the answer or the end of the connection ends a wait: the limits are those of the server
    (statement_timeout, lock_timeout) and of TCP.
    """

    def wait(self, gen: Any, *args: Any, **options: Any) -> Any:
        fibre = getcurrent()
        if not isinstance(fibre, Fibre):
            return super().wait(gen, *args, **options)
        try:
            wanted = next(gen)
            while True:
                wanted = gen.send(fibre.crew.until_ready(fibre, self, wanted))
        except StopIteration as end:
            return end.value
        except OSError as error:  # the socket has gone under us
            raise psycopg.OperationalError(str(error)) from error


class UtcLoader(Loader):
    """Moments as the driver reads them, in C; Django's own loader does the same in Python, many times slower.

    The driver uses the session's time zone, which Django makes UTC. `timezone` tells Django that it has nothing to set;
    a platform that gives its database another one keeps Django's loader.
    """

    timezone = UTC

    def __init__(self, oid: int, context: AdaptContext | None = None) -> None:
        super().__init__(oid, context)
        loader = psycopg.adapters.get_loader(oid, Format.TEXT)
        assert loader is not None
        self.load = loader(oid, context).load  # type: ignore[method-assign]

    def load(self, data: Buffer) -> datetime:
        raise AssertionError("the driver's is called")


class FibreDatabase(DatabaseWrapper):
    """Django's connection to PostgreSQL, which any fibre may use, one after the other."""

    Database = cast("ModuleType", SimpleNamespace(**{**vars(psycopg), "connect": FibreConnection.connect}))

    def __init__(self) -> None:
        super().__init__(connections.settings[DEFAULT_DB_ALIAS], DEFAULT_DB_ALIAS)
        self.inc_thread_sharing()  # it connects in another thread

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """A name server may be slow, and a host that swallows packets is given ten seconds."""
        fibre = getcurrent()
        connect = partial(super().get_new_connection, conn_params)
        connection = fibre.in_a_thread(connect) if isinstance(fibre, Fibre) else connect()
        assert isinstance(connection, FibreConnection), "connections of a pool would hold up the loop"
        connection.adapters.register_loader("timestamptz", UtcLoader)
        return connection


class Fibres:
    """At most `count` at a time; what is more waits for its turn. For one event loop: when another one submits, that of
    before ends what it has begun, and is not counted any more."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.crew: _Crew | None = None
        self.idle: list[FibreDatabase] = []

    def submit(self, job: Callable[[], T]) -> "asyncio.Future[T]":
        """From an event loop. The job runs at once, until it has to wait."""
        loop, crew = asyncio.get_running_loop(), self.crew
        if crew is None or crew.loop is not loop:
            crew = self.crew = _Crew(loop)
        done: asyncio.Future[T] = loop.create_future()
        crew.waiting.append((copy_context(), job, done))
        if crew.busy < self.count:
            crew.busy += 1
            database = self.idle.pop() if self.idle else FibreDatabase()
            Fibre(crew, database, partial(self._run, crew, database)).go_on()
        return done

    def give_way(self) -> None:
        """Lets those go on for which the database has answered. For whoever has done a piece of work on the loop: in
        a round of the loop every socket has its turn, and a decision that went on but once in each would starve. (The
        recorder wants just that: what is said in a round becomes one batch.)"""
        crew = self.crew
        if crew is None or not crew.busy or time.monotonic() - crew.looked_at < PATIENCE_SECONDS:
            return
        if crew.loop is asyncio.get_running_loop():
            crew.look()

    def waiting(self) -> int:
        return len(self.crew.waiting) if self.crew else 0

    def _run(self, crew: "_Crew", database: FibreDatabase) -> None:
        try:
            while crew.waiting:
                context, job, done = crew.waiting.popleft()
                try:
                    result, error = context.run(job), None
                except GreenletExit:
                    raise  # nobody will ever let it go on: the process ends
                except BaseException as raised:  # whoever waits must learn of it
                    result, error = None, raised
                resolve(done, result, error)
        finally:
            crew.busy -= 1
            self.idle.append(database)


class _Crew:
    """The fibres of one loop, and the sockets that they wait for: in a selector of their own, which to the loop is one
    socket more. A connection stays in it between two statements, which saves two system calls for each."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.waiting: deque[Job] = deque()
        self.busy = 0
        self.selector = selectors.DefaultSelector()
        self.watched: dict[int, tuple[FibreConnection, int]] = {}
        self.fibres: dict[int, Fibre] = {}
        self.looked_at = 0.0
        loop.add_reader(cast("Any", self.selector).fileno(), self.look)

    def until_ready(self, fibre: Fibre, connection: "FibreConnection", wanted: int) -> int:
        """Called in the fibre: until the socket can be read or written. psycopg and selectors use the same numbers."""
        descriptor = connection.pgconn.socket
        if self.watched.get(descriptor) != (connection, wanted):
            self._forget(descriptor)  # what had this number before, and is closed
            self.selector.register(descriptor, wanted)
            self.watched[descriptor] = connection, wanted
        self.fibres[descriptor] = fibre
        return cast("int", fibre.step_aside())

    def look(self) -> None:
        self.looked_at = time.monotonic()
        for key, events in self.selector.select(0):
            fibre = self.fibres.pop(key.fd, None)
            if fibre is None:
                self._forget(key.fd)  # nobody asked: the server has closed it
            else:
                try:
                    fibre.go_on(events)
                except Exception:  # an edge: whoever looked is not to pay for it
                    logger.exception("a fibre has failed")

    def _forget(self, descriptor: int) -> None:
        if self.watched.pop(descriptor, None):
            self.selector.unregister(descriptor)


def resolve(done: "asyncio.Future[Any]", result: Any, error: BaseException | None) -> None:
    """Tells whoever waits for a job how it ended."""
    if done.done():
        return  # its socket has gone meanwhile
    if error is None:
        done.set_result(result)
    elif isinstance(error, StopIteration):  # no future takes it
        done.set_exception(RuntimeError(f"a job raised {error!r}"))
    else:
        done.set_exception(error)


def abandon() -> None:
    """Ends the transactions of those whose loop has gone. For tests; a server's loop goes with its process."""
    for fibre in list(_suspended):
        if not fibre.loop.is_running() and (open_connection := fibre.database.connection):
            open_connection.pgconn.finish()
