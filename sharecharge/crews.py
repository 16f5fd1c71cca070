"""Plain code that asks the database, run for an event loop: in fibres on PostgreSQL, in threads on SQLite.

Imports nothing of ours. SQLite is read and written in this process, so there is no socket to wait for; and an SD card
may take its time, in which the loop must go on.

    crew = Crew(8, "gateway")
    await crew.submit(partial(function, argument))
"""

import asyncio
import logging
import queue
import threading
from collections.abc import Callable
from contextvars import copy_context
from functools import cached_property
from typing import TypeVar

from django.db import connection

from sharecharge.fibres import Fibres, Job, resolve

logger = logging.getLogger(__name__)

T = TypeVar("T")


class Threads:
    """Begins its threads with the first job. They keep their database connections.

    Instead of `concurrent.futures`, whose locks and callbacks cost as much as a query, a queue and the loop's own
    futures.
    """

    def __init__(self, count: int, name: str) -> None:
        self.count, self.name = count, name
        self.jobs: queue.SimpleQueue[Job] = queue.SimpleQueue()
        self.threads: list[threading.Thread] = []
        self.lock = threading.Lock()

    def submit(self, job: Callable[[], T]) -> "asyncio.Future[T]":
        """From an event loop, which is told when the job is done."""
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self.jobs.put((copy_context(), job, done))
        if len(self.threads) < self.count:
            self._begin()
        return done

    def give_way(self) -> None:
        """Threads take it."""

    def waiting(self) -> int:
        return self.jobs.qsize()

    def _begin(self) -> None:
        with self.lock:
            while len(self.threads) < self.count:
                thread = threading.Thread(target=self._run, name=f"{self.name}-{len(self.threads)}", daemon=True)
                self.threads.append(thread)
                thread.start()

    def _run(self) -> None:
        while True:
            context, job, done = self.jobs.get()
            try:
                result, error = context.run(job), None
            except BaseException as raised:  # whoever waits must learn of it
                result, error = None, raised
            try:
                done.get_loop().call_soon_threadsafe(resolve, done, result, error)
            except RuntimeError:  # the loop has closed, and with it went whoever waited
                logger.info("a piece of work ended after its server")


class Crew:
    """At most `count` jobs at a time. Which kind does them is seen with the first one."""

    def __init__(self, count: int, name: str) -> None:
        self.count, self.name = count, name

    @cached_property
    def kind(self) -> Fibres | Threads:
        return Fibres(self.count) if connection.vendor == "postgresql" else Threads(self.count, self.name)

    def submit(self, job: Callable[[], T]) -> "asyncio.Future[T]":
        """The future is done when the job is, with its result or what it raised."""
        return self.kind.submit(job)

    def give_way(self) -> None:
        """After a piece of work on the loop: jobs that can go on do so."""
        self.kind.give_way()

    def waiting(self) -> int:
        """Jobs that nobody has begun yet."""
        return self.kind.waiting()
