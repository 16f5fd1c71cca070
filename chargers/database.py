"""How the gateway's workers take their turns at the database."""

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from django.db import (
    DEFAULT_DB_ALIAS,
    InterfaceError,
    NotSupportedError,
    OperationalError,
    close_old_connections,
    connection,
    connections,
)
from django.db.backends.base.base import BaseDatabaseWrapper

from sharecharge import fibres

logger = logging.getLogger(__name__)

T = TypeVar("T")

AWAY = (OperationalError, InterfaceError)
# Lock timeout, deadlock and serialization failure: PostgreSQL asks to try again.
RETRIED_STATES = frozenset({"40001", "40P01", "55P03"})
# "cached plan must not change result type": a migration has changed a column under a prepared statement.
STALE_PLAN = "0A000"
# A statement that ran longer than it may, or waited too long for a lock: too much is going on, nothing is wrong.
BUSY_STATES = frozenset({"57014", "55P03"})
ATTEMPTS = 4

# A connection that was used so lately is not asked whether it still lives: that costs as much as the work itself.
TRUSTED_SECONDS = 10.0

_turn = threading.Lock()
_used_at: WeakKeyDictionary[BaseDatabaseWrapper, float] = WeakKeyDictionary()


class DatabaseAway(Exception):
    """Nothing was stored. The socket is closed without an answer, so that the charger keeps its message (R2)."""


@contextlib.contextmanager
def writing() -> Iterator[None]:
    """SQLite has one writer at a time and makes the others poll with growing pauses: our threads queue instead."""
    if connection.vendor == "sqlite":
        with _turn:
            yield
    else:
        yield


def refresh_connection() -> None:
    """Replaces the connection at hand if it is old, or was not used for a while and is broken."""
    if connection.in_atomic_block:
        return  # whoever opened the transaction knows its connection
    now = time.monotonic()
    at_hand = connections[DEFAULT_DB_ALIAS]
    if now - _used_at.get(at_hand, 0.0) > TRUSTED_SECONDS or at_hand.errors_occurred:
        close_old_connections()
    _used_at[at_hand] = now


def run(function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    """Runs work with the connection at hand. Raises DatabaseAway; retries what the database asks to retry."""
    refresh_connection()
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with writing():
                return function(*args, **kwargs)
        except AWAY as error:
            if attempt < ATTEMPTS and _is_worth_a_retry(error):
                fibres.sleep(0.02 * 2**attempt)
                continue
            connection.close()
            raise DatabaseAway(str(error)) from error
        except NotSupportedError as error:
            connection.close()
            if attempt == ATTEMPTS or getattr(error.__cause__, "sqlstate", None) != STALE_PLAN:
                raise
    raise AssertionError("unreachable")


def is_away(error: Exception) -> bool:
    """The connection itself is gone: what else was to be done on it fails, too."""
    return isinstance(error, AWAY) and (
        connection.connection is None or bool(getattr(connection.connection, "closed", 0))
    )


def does_not_answer(error: Exception) -> bool:
    """It is away, or it gave up a statement that took too long: nothing is wrong with the question."""
    is_busy = isinstance(error, OperationalError) and getattr(error.__cause__, "sqlstate", None) in BUSY_STATES
    return is_busy or isinstance(error, DatabaseAway) or is_away(error)


def _is_worth_a_retry(error: Exception) -> bool:
    state = getattr(error.__cause__, "sqlstate", None)
    return state in RETRIED_STATES or "database is locked" in str(error)
