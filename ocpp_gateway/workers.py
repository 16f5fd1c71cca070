"""Where the gateway decides: plain functions of the domain, each with a database connection of its own."""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar, cast

from django.conf import settings

from chargers import database
from ocpp_gateway import metrics
from sharecharge.crews import Crew

T = TypeVar("T")

workers = Crew(settings.GATEWAY_WORKERS, "gateway")
metrics.DECISIONS_WAITING.set_function(workers.waiting)


async def work(function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    """Runs database work beside the sockets. Raises DatabaseAway."""
    return cast("T", await workers.submit(partial(database.run, function, *args, **kwargs)))
