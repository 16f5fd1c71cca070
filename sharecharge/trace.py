"""One id in every log line that a request, a socket, a frame or a round of the sweep causes. Imports nothing of ours.

with trace.begun():                       # in a task or a thread; what is called and awaited inside has the id
    ...
executor.submit(trace.carried(function))  # a bare executor forgets it; asgiref's sync_to_async does not
"""

import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

current: ContextVar[str] = ContextVar("trace", default="")
SANE = re.compile(r"[A-Za-z0-9._:-]{1,80}")


def adopt(given: str = "") -> str:
    """From here on this id, if it is a sane one, else a new one. For a task that ends with what it traces."""
    name = given if SANE.fullmatch(given) else secrets.token_hex(6)
    current.set(name)
    return name


@contextmanager
def begun(given: str = "") -> Iterator[str]:
    """The same for a while."""
    before = current.get()
    try:
        yield adopt(given)
    finally:
        current.set(before)


def carried(function: Callable[P, T]) -> Callable[P, T]:
    """The function, to be called in another thread as if it were called here."""
    context = copy_context()

    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        return context.run(function, *args, **kwargs)

    return call
