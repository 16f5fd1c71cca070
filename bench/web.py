"""Pages and lists of a big platform: how long they take, over HTTP, and how many queries they make.

    DATABASE_URL=… python -m bench.web fill CHARGERS SESSIONS
    DATABASE_URL=… python -m bench.web measure PORT REQUESTS [WHO:PATH …]

`measure` talks to a server that runs on the same database, and writes JSON to stdout.
"""

import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from http.client import HTTPConnection, HTTPResponse

import orjson

WARM_REQUESTS = 3
PEOPLE = NOBODY, DRIVER, OWNER = "nobody", "driver", "owner"


@dataclass(frozen=True, slots=True)
class Page:
    who: str
    path: str


PAGES = (
    Page(NOBODY, "/"),
    Page(NOBODY, "/map/data/?box=49.94,14.22,50.18,14.71"),  # Prague
    Page(NOBODY, "/map/data/?box=48.5,12.0,51.1,18.9"),  # all of the country
    Page(NOBODY, "/c/00000001/"),
    Page(DRIVER, "/sessions/"),
    Page(DRIVER, "/sessions/?before={middle}"),
    Page(DRIVER, "/wallet/"),
    Page(OWNER, "/my/chargers/"),
    Page(OWNER, "/my/chargers/{charger}/"),
    Page(OWNER, "/my/sessions/"),
    Page(OWNER, "/my/sessions/?before={middle}"),
    Page(NOBODY, "/api/v1/chargers?bbox=49.94,14.22,50.18,14.71&free_now=true"),
    Page(DRIVER, "/api/v1/sessions"),
    Page(OWNER, "/api/v1/sessions?as_owner=true"),
    Page(OWNER, "/api/v1/sessions/totals?as_owner=true"),
    Page(OWNER, "/api/v1/stats"),
)


@dataclass(frozen=True, slots=True)
class Visits:
    """One page: its answers' times in seconds, its queries, and how it answers to its own ETag (0: it has none)."""

    who: str
    path: str
    status: int
    kilobytes: float
    queries: int
    seconds: list[float]
    again: int
    again_seconds: list[float]


class Visitor:
    """A browser that keeps its connection and its session."""

    def __init__(self, port: int, cookie: str) -> None:
        self.connection = HTTPConnection("127.0.0.1", port, timeout=120)
        self.headers = {"Accept-Encoding": "gzip", **({"Cookie": f"sessionid={cookie}"} if cookie else {})}

    def get(self, path: str, **headers: str) -> tuple[HTTPResponse, bytes]:
        self.connection.request("GET", path, headers={**self.headers, **headers})
        response = self.connection.getresponse()
        return response, response.read()

    def serve(self, page: Page, *, requests: int, queries: int) -> Visits:
        for _number in range(WARM_REQUESTS):
            response, body = self.get(page.path)
        seconds = [self.time(page.path) for _number in range(requests)]
        again, again_seconds, etag = 0, [], response.getheader("ETag", "")
        if etag:
            again = self.get(page.path, **{"If-None-Match": etag})[0].status
            again_seconds = [self.time(page.path, **{"If-None-Match": etag}) for _number in range(requests)]
        kilobytes = len(body) / 1000
        return Visits(page.who, page.path, response.status, kilobytes, queries, seconds, again, again_seconds)

    def time(self, path: str, **headers: str) -> float:
        began = time.perf_counter()
        self.get(path, **headers)
        return time.perf_counter() - began


def measure(port: int, *, requests: int, pages: Sequence[Page]) -> list[Visits]:
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    from accounts.models import User
    from chargers.models import Charger, ChargingSession

    owner = User.objects.filter(role=User.Role.OWNER).earliest("pk")
    people = {OWNER: owner, DRIVER: User.objects.filter(role=User.Role.USER).earliest("pk")}
    charger, newest = Charger.objects.owned_by(owner).earliest("pk"), ChargingSession.objects.latest("pk")
    names = {"charger": charger.pk, "middle": newest.pk // 2}
    served = []
    for page in (Page(page.who, page.path.format(**names)) for page in pages):
        client = Client()
        if page.who in people:
            client.force_login(people[page.who], backend="django.contrib.auth.backends.ModelBackend")
        client.get(page.path)
        with CaptureQueriesContext(connection) as captured:
            client.get(page.path)
        cookie = client.cookies["sessionid"].value if page.who in people else ""
        served.append(Visitor(port, cookie).serve(page, requests=requests, queries=len(captured)))
    return served


def main(what: str, *arguments: str) -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sharecharge.settings")
    import django

    django.setup()
    if what == "fill":
        from bench import rows

        rows.fill(rows.Size(chargers=int(arguments[0]), sessions=int(arguments[1])))
        return
    port, requests, *more = arguments
    asked = [Page(*page.split(":", 1)) for page in more]
    found = measure(int(port), requests=int(requests), pages=[*PAGES, *asked])
    sys.stdout.buffer.write(orjson.dumps([asdict(page) for page in found]))


if __name__ == "__main__":
    main(*sys.argv[1:])
