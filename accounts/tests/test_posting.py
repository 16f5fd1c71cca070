"""Posts to addresses that users gave: to public ones only, and never for longer than a while."""

import contextlib
import ipaddress
import socket
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import trustme

from accounts import posting
from sharecharge.errors import Refused

pytestmark = pytest.mark.once


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/",
        "https://",
        "ftp://example.org/",
        "https://user:secret@example.org/",
        "https://example.org:99999/",
        "https://exam ple.org/",
        "https://example.org/\n",
        "https://bücher.example/",
        "https://example.org/" + "x" * 500,
        "",
    ],
)
def test_what_is_no_https_address_is_refused(url):
    with pytest.raises(Refused) as refusal:
        posting.check(url)
    assert (refusal.value.code, refusal.value.field) == ("bad_url", "url")


PRIVATE = [
    "127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
    "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fc00::1", "ff02::1", "::ffff:127.0.0.1",
    "64:ff9b::7f00:1", "64:ff9b:1::a00:1", "2002:7f00:1::", "fec0::1", "::7f00:1", "5f00::1", "3fff::1", "2001::1",
]  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_are_refused(address):
    host = f"[{address}]" if ":" in address else address
    with pytest.raises(Refused) as refusal:
        posting.check(f"https://{host}/")
    assert refusal.value.code == "private_address"


@pytest.mark.parametrize("address", ["1.1.1.1", "2606:4700::1111", "::ffff:1.1.1.1"])
def test_public_addresses_are_not(address):
    assert posting.is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("found", [["127.0.0.1"], ["1.1.1.1", "10.0.0.1"], []])
def test_a_name_that_points_inside_is_not_called(monkeypatch, found):
    answers = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443)) for address in found]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_kwargs: answers)
    answer = posting.post("https://looks-public.example/", b"{}", {})
    assert not answer.is_taken
    assert "Forbidden" in answer.error


# ------------------------------------------------------------------------------------------------ a listener


class Listener(BaseHTTPRequestHandler):
    """Answers by its path: /200, /500, /302, or drips."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.heard.append((self.path, dict(self.headers), body))
        if self.path == "/drip":
            with contextlib.suppress(OSError):  # hanging up is what is asked of the caller
                for _i in range(100):
                    self.wfile.write(b"H")
                    self.server.stopped.wait(0.1)
            return
        self.send_response(int(self.path.removeprefix("/")))
        self.send_header("Location", "https://elsewhere.example/")
        self.end_headers()

    def log_message(self, *_args: object) -> None:
        """Quiet."""


@pytest.fixture
def listener(monkeypatch):
    """A program behind TLS. Its name is a public one, whose address the test turns into loopback's."""
    authority = trustme.CA()
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("hooks.example").configure_cert(served)
    believed = ssl.create_default_context()
    authority.configure_trust(believed)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Listener)
    server.socket = served.wrap_socket(server.socket, server_side=True)
    server.heard, server.stopped = [], threading.Event()
    thread = threading.Thread(target=server.serve_forever, args=[0.05], daemon=True)
    thread.start()
    monkeypatch.setattr(posting, "resolve", lambda host, port: "127.0.0.1")
    monkeypatch.setattr(posting, "trusted", lambda: believed)
    server.url = f"https://hooks.example:{server.server_port}"
    yield server
    server.stopped.set()
    server.shutdown()
    server.server_close()
    thread.join()


def test_what_is_posted_arrives(listener):
    answer = posting.post(f"{listener.url}/200", b'{"a":1}', {"X-Test": "yes"})
    assert answer == posting.Answer(200)
    path, headers, body = listener.heard[0]
    assert (path, headers["X-Test"], body) == ("/200", "yes", b'{"a":1}')
    assert headers["Host"].startswith("hooks.example")


def test_an_error_is_told(listener):
    assert posting.post(f"{listener.url}/500", b"{}", {}) == posting.Answer(500, "HTTP 500")


def test_nobody_is_followed_elsewhere(listener):
    assert posting.post(f"{listener.url}/302", b"{}", {}) == posting.Answer(302, "HTTP 302")
    assert len(listener.heard) == 1


def test_a_certificate_of_another_name_is_not_believed(listener):
    answer = posting.post(listener.url.replace("hooks.", "other.") + "/200", b"{}", {})
    assert "CERTIFICATE_VERIFY_FAILED" in answer.error
    assert listener.heard == []


def test_an_answer_that_drips_ends_with_the_deadline(listener, monkeypatch):
    monkeypatch.setattr(posting, "DEADLINE_SECONDS", 0.5)
    answer = posting.post(f"{listener.url}/drip", b"{}", {})
    assert answer.status is None
    assert not listener.stopped.is_set()


def test_the_deadline_counts_the_look_up_of_the_name(listener, monkeypatch):
    def resolve_slowly(host, port):
        time.sleep(0.4)
        return "127.0.0.1"

    monkeypatch.setattr(posting, "DEADLINE_SECONDS", 0.2)
    monkeypatch.setattr(posting, "resolve", resolve_slowly)
    answer = posting.post(f"{listener.url}/drip", b"{}", {})
    assert (answer.status, answer.error) == (None, "TimeoutError: it took too long")
    assert listener.heard == []


def test_nobody_at_home_is_told():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    assert posting.post(f"https://localhost:{port}/", b"{}", {}).status is None
