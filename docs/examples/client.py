"""A program that uses ShareCharge, with nothing but Python's standard library: docs/api.md explains what it relies on.

python client.py https://charge.example.org you@example.org charge CHARGER
python client.py https://charge.example.org you@example.org month 2026-11
"""

import getpass
import json
import re
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import partial
from typing import Any, NoReturn
from urllib.parse import urlencode, urljoin

POLL_SECONDS = 1.0
TIMEOUT_SECONDS = 30


class Refused(Exception):
    """The API said no: `code` is for programs, the text for people."""

    def __init__(self, status: int, told: dict[str, Any]) -> None:
        super().__init__(told["detail"])
        self.status, self.code, self.field = status, told["code"], told["field"]


@dataclass(frozen=True)
class Plug:
    number: int
    type: str
    max_power_w: int | None
    price_per_kwh: Decimal | None
    state: str

    @classmethod
    def read(cls, told: dict[str, Any]) -> "Plug":
        price = told["price_per_kwh"]
        return cls(
            told["number"], told["type"], told["max_power_w"], None if price is None else Decimal(price), told["state"]
        )


@dataclass(frozen=True)
class Charger:
    id: int
    name: str
    city: str
    plugs: tuple[Plug, ...]

    @classmethod
    def read(cls, told: dict[str, Any]) -> "Charger":
        return cls(told["id"], told["name"], told["city"], tuple(map(Plug.read, told["connectors"])))


@dataclass(frozen=True)
class Command:
    id: int
    state: str
    is_over: bool
    session: int | None

    @classmethod
    def read(cls, told: dict[str, Any]) -> "Command":
        return cls(told["id"], told["state"], told["is_over"], told["session"])


@dataclass(frozen=True)
class Session:
    id: int
    state: str
    energy_wh: int | None
    owner_share: Decimal | None

    @classmethod
    def read(cls, told: dict[str, Any]) -> "Session":
        share = told["owner_share"]
        return cls(told["id"], told["state"], told["energy_wh"], None if share is None else Decimal(share))


class Client:
    """One person, logged in."""

    def __init__(self, url: str, *, email: str, password: str) -> None:
        self.api = f"{url}/api/v1/"  # https, but for tests
        self._take(self._send("POST", "login/access-token", {"username": email, "password": password}))

    def free_chargers(self, *, connector_type: str) -> Iterator[Charger]:
        """Where this person could start at once."""
        asked = {"free_now": "true", "usable_by_me": "true", "connector_type": connector_type}
        return map(Charger.read, self._pages("chargers", asked))

    def start(self, charger: int, *, plug: int) -> Command:
        return Command.read(self._ask("POST", f"chargers/{charger}/remote-start", {"connector": plug}))

    def stop(self, session: int) -> Command:
        return Command.read(self._ask("POST", f"sessions/{session}/stop"))

    def outcome(self, command: Command) -> Command:
        """Waits until nothing more comes of it: a car that charges, or the reason why none does."""
        while not command.is_over:
            time.sleep(POLL_SECONDS)
            command = Command.read(self._ask("GET", f"commands/{command.id}"))
        return command

    def hosted_in(self, month: date) -> Iterator[Session]:
        """What others charged at this person's chargers in a month (UTC), newest first."""
        first = month.replace(day=1)
        after = first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)
        asked = {"as_owner": "true", "since": f"{first}T00:00:00Z", "until": f"{after}T00:00:00Z"}
        return map(Session.read, self._pages("sessions", asked))

    def _pages(self, path: str, asked: dict[str, str]) -> Iterator[dict[str, Any]]:
        address = f"{path}?{urlencode(asked)}"
        while address:
            page = self._ask("GET", address)
            yield from page["results"]
            address = page["next"]

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        try:
            return self._send(method, path, body)
        except Refused as refused:
            if refused.status != 401:
                raise
        self._take(self._send("POST", "login/refresh", {"refresh_token": self.refresh_token}, with_token=False))
        return self._send(method, path, body)

    def _take(self, tokens: dict[str, Any]) -> None:
        """A refresh token is good once: keep the newest."""
        self.access_token, self.refresh_token = tokens["access_token"], tokens["refresh_token"]

    def _send(self, method: str, path: str, body: Any = None, *, with_token: bool = True) -> Any:
        request = urllib.request.Request(urljoin(self.api, path), method=method)  # noqa: S310 - of our own server
        if with_token and hasattr(self, "access_token"):
            request.add_header("Authorization", f"Bearer {self.access_token}")
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise Refused(error.code, self._told(error)) from None

    @staticmethod
    def _told(error: urllib.error.HTTPError) -> dict[str, Any]:
        """The API's own words; those of a proxy, or of a server that is none of ours, are not in JSON."""
        try:
            told: dict[str, Any] = json.load(error)
        except ValueError:
            return {"code": f"http_{error.code}", "detail": f"The server answers {error.code}.", "field": None}
        return told


def charge(client: Client, charger: int) -> None:
    begun = client.outcome(client.start(charger, plug=1))
    print(f"session {begun.session}" if begun.session else f"nothing charges: {begun.state}")


def list_month(client: Client, month: date) -> None:
    for session in client.hosted_in(month):
        print(session.id, session.state, session.energy_wh, session.owner_share)


def main(url: str, email: str, what: str, which: str) -> None:
    """What is typed is read before anybody is asked for a password."""
    if what == "charge" and which.isdecimal():
        work = partial(charge, charger=int(which))
    elif what == "month" and re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", which):
        work = partial(list_month, month=date.fromisoformat(f"{which}-01"))
    else:
        usage()
    if not re.match("https?://.", url):
        sys.exit(f"{url} is no address: it begins with https://")
    try:
        work(Client(url.rstrip("/"), email=email, password=getpass.getpass()))
    except Refused as refused:
        sys.exit(f"{refused} ({refused.code})")
    except OSError as error:
        sys.exit(f"{url} does not answer: {error}")
    except ValueError:
        sys.exit(f"{url} answers, but not as ShareCharge does.")


def usage() -> NoReturn:
    sys.exit(f"{__doc__}\nCHARGER is the number of a charger, as `GET /api/v1/chargers` tells it; a month is 2026-11.")


if __name__ == "__main__":
    main(*sys.argv[1:]) if len(sys.argv) == 5 else usage()
