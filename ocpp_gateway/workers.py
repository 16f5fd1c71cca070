"""The threads in which the gateway decides. They keep their database connections.

Instead of `concurrent.futures`, whose locks and callbacks cost as much as a query, a queue and the loop's own futures.
"""

import asyncio
import logging
import queue
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar, cast

from django.conf import settings

from chargers import database

logger = logging.getLogger(__name__)

T = TypeVar("T")

Job = tuple[Callable[[], Any], "asyncio.Future[Any]"]


class Workers:
    """Begins its threads with the first piece of work."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.waiting: queue.SimpleQueue[Job] = queue.SimpleQueue()
        self.threads: list[threading.Thread] = []
        self.lock = threading.Lock()

    def submit(self, job: Callable[[], T]) -> "asyncio.Future[T]":
        """From an event loop, which is told when the work is done."""
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self.waiting.put((job, done))
        if len(self.threads) < self.count:
            self._begin()
        return done

    def _begin(self) -> None:
        with self.lock:
            while len(self.threads) < self.count:
                thread = threading.Thread(target=self._run, name=f"gateway-{len(self.threads)}", daemon=True)
                self.threads.append(thread)
                thread.start()

    def _run(self) -> None:
        while True:
            job, done = self.waiting.get()
            try:
                result, error = job(), None
            except BaseException as raised:  # whoever waits must learn of it
                result, error = None, raised
            try:
                done.get_loop().call_soon_threadsafe(_resolve, done, result, error)
            except RuntimeError:  # the loop has closed, and with it went whoever waited
                logger.info("a piece of work ended after its server")


def _resolve(done: "asyncio.Future[Any]", result: Any, error: BaseException | None) -> None:
    if done.done():
        return  # its socket has gone meanwhile
    if error is None:
        done.set_result(result)
    else:
        done.set_exception(error)


workers = Workers(settings.GATEWAY_WORKERS)


async def work(function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    """Runs database work in a worker thread with a connection of its own. Raises DatabaseAway."""
    return cast("T", await workers.submit(partial(database.run, function, *args, **kwargs)))
