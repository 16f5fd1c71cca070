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
import time
from collections import deque
from collections.abc import Callable
from contextvars import Context, copy_context
from functools import partial
from types import ModuleType, SimpleNamespace
from typing import Any, TypeVar, cast
from weakref import WeakKeyDictionary

import psycopg
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.postgresql.base import DatabaseWrapper
from greenlet import getcurrent, greenlet
from psycopg.waiting import READY_R, READY_W, WAIT_R, WAIT_W

T = TypeVar("T")
Job = tuple[Context, Callable[[], Any], "asyncio.Future[Any]"]

# Greenlets that nobody refers to any more are killed where they stand, in the middle of a transaction.
_suspended: set["Fibre"] = set()


class Fibre(greenlet):
    """What runs `work` on this loop, with this connection."""

    def __init__(self, loop: asyncio.AbstractEventLoop, database: "FibreDatabase", work: Callable[[], None]) -> None:
        super().__init__(work)
        self.loop, self.database = loop, database

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

    def until_ready(self, descriptor: int, wanted: int) -> Any:
        """Called inside: until the socket can be read or written, as psycopg wants it."""
        loop = self.loop
        if wanted & WAIT_R:
            loop.add_reader(descriptor, self.go_on, READY_R)
        if wanted & WAIT_W:
            loop.add_writer(descriptor, self.go_on, READY_W)
        ready = self.step_aside()
        # Never left to be found later: the number of a closed socket is soon that of another one.
        if wanted & WAIT_R:
            loop.remove_reader(descriptor)
        if wanted & WAIT_W:
            loop.remove_writer(descriptor)
        return ready

    def in_a_thread(self, function: Callable[[], T]) -> T:
        """Called inside: for what can only block."""
        done = self.loop.run_in_executor(None, function)
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
    """psycopg speaks the protocol in generators, and asks its connection to wait for each of them."""

    def wait(self, gen: Any, *args: Any, **options: Any) -> Any:
        fibre = getcurrent()
        if not isinstance(fibre, Fibre):
            return super().wait(gen, *args, **options)
        try:
            wanted = next(gen)
            while True:
                wanted = gen.send(fibre.until_ready(self.pgconn.socket, wanted))
        except StopIteration as end:
            return end.value


class FibreDatabase(DatabaseWrapper):
    """Django's connection to PostgreSQL, which any fibre may use, one after the other."""

    Database = cast("ModuleType", SimpleNamespace(**{**vars(psycopg), "connect": FibreConnection.connect}))

    def __init__(self) -> None:
        super().__init__(connections.settings[DEFAULT_DB_ALIAS], DEFAULT_DB_ALIAS)
        self.inc_thread_sharing()  # it is made in the thread in which it connects

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """A name server may be slow, and a host that swallows packets is given ten seconds."""
        fibre = getcurrent()
        connect = partial(super().get_new_connection, conn_params)
        return fibre.in_a_thread(connect) if isinstance(fibre, Fibre) else connect()


class Fibres:
    """At most `count` at a time on each event loop; what is more waits for its turn."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.crews: WeakKeyDictionary[asyncio.AbstractEventLoop, _Crew] = WeakKeyDictionary()
        self.idle: list[FibreDatabase] = []

    def submit(self, job: Callable[[], T]) -> "asyncio.Future[T]":
        """From an event loop. The job runs at once, until it has to wait."""
        loop = asyncio.get_running_loop()
        crew = self.crews.get(loop)
        if crew is None:
            crew = self.crews[loop] = _Crew()
        done: asyncio.Future[T] = loop.create_future()
        crew.waiting.append((copy_context(), job, done))
        if crew.busy < self.count:
            crew.busy += 1
            database = self.idle.pop() if self.idle else FibreDatabase()
            Fibre(loop, database, partial(self._run, crew, database)).go_on()
        return done

    def waiting(self) -> int:
        return sum(len(crew.waiting) for crew in list(self.crews.values()))

    def _run(self, crew: "_Crew", database: FibreDatabase) -> None:
        while crew.waiting:
            context, job, done = crew.waiting.popleft()
            try:
                result, error = context.run(job), None
            except BaseException as raised:  # whoever waits must learn of it
                result, error = None, raised
            resolve(done, result, error)
        crew.busy -= 1
        self.idle.append(database)


class _Crew:
    """The fibres of one loop."""

    def __init__(self) -> None:
        self.waiting: deque[Job] = deque()
        self.busy = 0


def resolve(done: "asyncio.Future[Any]", result: Any, error: BaseException | None) -> None:
    if done.done():
        return  # its socket has gone meanwhile
    if error is None:
        done.set_result(result)
    else:
        done.set_exception(error)


def abandon() -> None:
    """Ends the transactions of those whose loop has gone. For tests; a server's loop goes with its process."""
    for fibre in list(_suspended):
        if not fibre.loop.is_running() and (open_connection := fibre.database.connection):
            open_connection.pgconn.finish()
