"""The threads in which the gateway decides. They keep their database connections."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from django.conf import settings

from chargers import database

T = TypeVar("T")

workers = ThreadPoolExecutor(max_workers=settings.GATEWAY_WORKERS, thread_name_prefix="gateway")


async def work(function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    """Runs database work in a worker thread with a connection of its own. Raises DatabaseAway."""
    job = partial(database.run, function, *args, **kwargs)
    return await asyncio.get_running_loop().run_in_executor(workers, job)
