"""Posts to addresses that users gave: only by HTTPS, only to public ones, without following anybody elsewhere.

The name is resolved once, every address of it has to be public, and the socket is opened to the very one that was
looked at: a name that points elsewhere a moment later reaches nothing inside.
"""

import contextlib
import http.client
import ipaddress
import socket
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import SplitResult, urlsplit

from django.utils.translation import gettext_lazy as _

from sharecharge.errors import Refused

TIMEOUT_SECONDS = 10.0
# In all: an address that answers a byte at a time keeps nobody waiting for longer.
DEADLINE_SECONDS = 20.0
# Of an answer only the status counts; reading a little lets the connection end in peace.
READ_BYTES = 1024
URL_LENGTH = 500
# What is given out of IPv6 for the public internet, and what of it is not: 6to4, which hides an IPv4 address, and
# documentation. NAT64, in which one is hidden, too, lies outside.
PUBLIC_IPV6 = ipaddress.ip_network("2000::/3")
EXCEPT = (ipaddress.ip_network("2002::/16"), ipaddress.ip_network("3fff::/20"))


@dataclass(frozen=True, slots=True)
class Answer:
    """`status` is None when there was none; `error` says why."""

    status: int | None
    error: str = ""

    @property
    def is_taken(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


class Forbidden(OSError):
    """An address that nobody may make us call."""


def check(url: str) -> None:
    """Refused: not HTTPS, or an address that cannot be public. What its name points to is looked at at each post."""
    parts = _split(url)
    if parts is None:
        raise Refused("bad_url", _("The address must look like https://example.org/path."), status=400, field="url")
    try:
        literal = ipaddress.ip_address((parts.hostname or "").strip("[]"))
    except ValueError:
        return
    if not is_public(literal):
        raise Refused("private_address", _("This address is not on the public internet."), status=400, field="url")


def _split(url: str) -> SplitResult | None:
    if len(url) > URL_LENGTH or not url.isascii() or not url.isprintable() or " " in url:
        return None
    try:
        parts = urlsplit(url)
        has_port = parts.port is None or parts.port > 0
    except ValueError:
        return None
    is_sane = parts.scheme == "https" and parts.hostname and not parts.username and not parts.password and has_port
    return parts if is_sane else None


def is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            return is_public(address.ipv4_mapped)
        if address not in PUBLIC_IPV6 or any(address in network for network in EXCEPT):
            return False
    return address.is_global and not address.is_multicast


def post(url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
    """The status that the address answered with, or what went wrong. Never raises for what lies outside."""
    parts = _split(url)
    if parts is None:
        return Answer(None, "no https address")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection = _Connection(str(parts.hostname), parts.port or 443)
    deadline = threading.Timer(DEADLINE_SECONDS, connection.abort)
    deadline.daemon = True
    deadline.start()
    try:
        connection.request("POST", target, body=body, headers=dict(headers))
        response = connection.getresponse()
        response.read(READ_BYTES)
    except (OSError, http.client.HTTPException) as error:
        return Answer(None, f"{type(error).__name__}: {error}"[:200])
    finally:
        deadline.cancel()
        connection.close()
    return Answer(response.status, "" if 200 <= response.status < 300 else f"HTTP {response.status}")


@lru_cache(maxsize=1)
def trusted() -> ssl.SSLContext:
    """Whose certificates are believed: the system's."""
    return ssl.create_default_context()


class _Connection(http.client.HTTPSConnection):
    """To one address that was looked at, whatever the name says later."""

    is_over = False

    def __init__(self, host: str, port: int) -> None:
        super().__init__(host, port, timeout=TIMEOUT_SECONDS, context=trusted())

    def connect(self) -> None:
        address = resolve(self.host, self.port)
        self._check()
        self.sock = socket.create_connection((address, self.port), TIMEOUT_SECONDS)
        self._check()
        self.sock = trusted().wrap_socket(self.sock, server_hostname=self.host)
        self._check()

    def _check(self) -> None:
        """`abort` may have come between two steps, when there was no socket to be shut."""
        if self.is_over:
            raise TimeoutError("it took too long")

    def abort(self) -> None:
        """Ends whatever is being waited for."""
        self.is_over = True
        if self.sock is not None:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(self.sock, socket.SHUT_RDWR)


def resolve(host: str, port: int) -> str:
    """An address of this name. Forbidden: one of them is not public."""
    found = {str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
    if not found or not all(is_public(ipaddress.ip_address(address.partition("%")[0])) for address in found):
        raise Forbidden("the address is not on the public internet")
    return min(found)
