"""Places by their names, from a server that answers like Nominatim.

What it speaks: https://nominatim.org/release-docs/latest/api/Search/. The server is the operator's choice
(GEOCODER_URL); without one there is no search. We ask it, not the browser: it learns nothing of our visitors, and its
rule of one question a second is kept for all of them together.
"""

import hashlib
import json
import urllib.request
from dataclasses import asdict, dataclass
from http.client import HTTPException
from typing import Any
from urllib.error import URLError
from urllib.parse import urlencode

from django.conf import settings
from django.core.cache import cache
from django.utils.translation import gettext_lazy as _

from sharecharge.errors import Refused

LIMIT = 5
QUERY_LIMIT = 100
TIMEOUT_SECONDS = 4
ANSWER_LIMIT_BYTES = 200_000
REMEMBERED_SECONDS = 24 * 3600
# The public server's usage policy: at most one request a second, and a name of whoever asks.
PAUSE_SECONDS = 1
TURN = "gazetteer:turn"


@dataclass(frozen=True, slots=True)
class Spot:
    """`name` as the server writes it; position in degrees."""

    name: str
    latitude: float
    longitude: float

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def is_on() -> bool:
    return bool(settings.GEOCODER_URL)


def find(query: str, *, language: str) -> list[Spot]:
    """The best few places of this name. Refused: the search is off, busy, or its server does not answer."""
    query = " ".join(query.split())[:QUERY_LIMIT]
    if not is_on():
        raise Refused("search_off", _("There is no search by place on this platform."), status=404)
    if not query:
        return []
    key = "gazetteer:" + hashlib.blake2b(f"{language}:{query.lower()}".encode(), digest_size=16).hexdigest()
    known = cache.get(key)
    if known is None:
        known = _ask(query, language)
        cache.set(key, known, REMEMBERED_SECONDS)
    return [Spot(*row) for row in known]


def _ask(query: str, language: str) -> list[tuple[str, float, float]]:
    if not cache.add(TURN, True, PAUSE_SECONDS):
        raise Refused("search_busy", _("Many people are searching just now. Try again in a moment."), status=429)
    parameters = urlencode({"q": query, "format": "jsonv2", "limit": LIMIT, "accept-language": language})
    request = urllib.request.Request(  # noqa: S310 - the scheme is checked by the settings
        f"{settings.GEOCODER_URL}/search?{parameters}",
        headers={"User-Agent": f"ShareCharge ({settings.SITE_URL})", "Accept": "application/json"},
    )
    try:
        with _opener.open(request, timeout=TIMEOUT_SECONDS) as answer:
            rows = json.loads(answer.read(ANSWER_LIMIT_BYTES))
        return [(str(row["display_name"]), float(row["lat"]), float(row["lon"])) for row in rows[:LIMIT]]
    except (URLError, HTTPException, OSError, ValueError, KeyError, TypeError) as error:
        # Its answer is foreign text: whatever is wrong with it, the map works without.
        text = _("The search does not answer at the moment. Move the map by hand, or try again later.")
        raise Refused("search_failed", text, status=503) from error


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """The server is the one that the settings name, and no other that it might point to."""

    def redirect_request(self, *arguments: Any) -> None:
        return None


_opener = urllib.request.build_opener(_NoRedirect)
