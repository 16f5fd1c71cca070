"""Time zones: pages tell times in that of the browser, everything that must be the same for everybody (bills, letters,
weekly hours, sums of days and months) in the platform's. The API tells UTC.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from django.conf import settings
from django.utils import timezone

# The page's script writes the browser's own name of its zone into it, such as "Europe/Prague".
COOKIE = "zone"


def named(name: str) -> ZoneInfo | None:
    """None for what is no zone: the name comes from a browser, or from whoever pretends to be one."""
    return ZoneInfo(name) if name in _names() else None


@cache
def _names() -> frozenset[str]:
    return frozenset(available_timezones())  # it reads some hundred files


@contextmanager
def platforms() -> Iterator[None]:
    """Within it times are told in the platform's zone. As a decorator, too: each call has an override of its own."""
    with timezone.override(None):
        yield


def platforms_name() -> str:
    return settings.TIME_ZONE


def is_elsewhere(at: datetime | None = None) -> bool:
    """Does the visitor's clock show another time than the platform's at this moment? Now, unless one is given."""
    at = at or timezone.now()
    return timezone.localtime(at).utcoffset() != timezone.localtime(at, timezone.get_default_timezone()).utcoffset()
