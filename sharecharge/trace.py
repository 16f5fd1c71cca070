"""One id in every log line that a request, a socket, a frame or a round of the sweep causes. Imports nothing of ours.

with trace.begun():  # in a task or a thread; what is called and awaited inside has the id
    ...

A crew (crews.py) and asgiref's sync_to_async carry it to where they do their work; a bare executor forgets it.
"""

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

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
