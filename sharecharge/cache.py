"""Django's Redis cache, but a Redis that is away is an empty cache instead of an error page (R24)."""

import logging
from collections.abc import Callable
from typing import Any

from django.core.cache.backends.redis import RedisCache
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)


class ForgivingRedisCache(RedisCache):
    """Reads find nothing and writes are lost while Redis is away. Nothing of value is kept here only."""

    def get(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        return self._try(default, super().get, key, default, version)

    def set(self, *args: Any, **kwargs: Any) -> None:
        self._try(None, super().set, *args, **kwargs)

    def add(self, *args: Any, **kwargs: Any) -> bool:
        return bool(self._try(True, super().add, *args, **kwargs))

    def delete(self, *args: Any, **kwargs: Any) -> bool:
        return bool(self._try(False, super().delete, *args, **kwargs))

    def _try(self, otherwise: Any, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except RedisError as error:
            logger.warning("the cache is away: %s", error)
            return otherwise
