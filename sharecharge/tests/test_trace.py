"""One id leads through every log line of a request, a socket and a round of the sweep."""

import asyncio
import logging
from collections.abc import Callable, Iterator

import pytest
from channels.testing import WebsocketCommunicator
from django.test import Client

from chargers import sweeper
from chargers.consumers import PlaceConsumer
from chargers.models import Charger
from sharecharge import asgi, trace
from sharecharge.logs import LineFormatter

logger = logging.getLogger("chargers.test")


def says(text: str, answer: Callable[..., object]) -> Callable[..., object]:
    """The function, which leaves a line in the log first."""

    def call(*arguments: object, **named: object) -> object:
        logger.info(text)
        return answer(*arguments, **named)

    return call


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Iterator[list[str]]:
    """What a server writes: formatted where the event happens, as a handler does."""
    written: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            written.append(self.format(record))

    handler = Handler()
    handler.setFormatter(LineFormatter())
    logging.getLogger().addHandler(handler)
    caplog.set_level(logging.INFO)
    yield written
    logging.getLogger().removeHandler(handler)


def ids(lines: list[str], text: str = "") -> set[str]:
    return {line.split(" id=")[1].split(" ")[0] for line in lines if text in line}


def test_a_request_has_one(db, lines, monkeypatch):
    monkeypatch.setattr("chargers.pins.of", says("looking", lambda found, **_options: []))
    response = Client().get("/")
    assert ids(lines) == {response.headers["X-Request-ID"]}
    assert len(lines) == 2
    assert Client().get("/").headers["X-Request-ID"] != response.headers["X-Request-ID"]
    assert trace.current.get() == ""


@pytest.mark.parametrize(("given", "is_taken"), [("proxy-1.a:b", True), ("", False), ("a b", False), ("x" * 81, False)])
def test_the_proxys_is_taken_if_it_is_sane(db, lines, given, is_taken):
    response = Client().get("/", headers={"X-Request-ID": given})
    assert (response.headers["X-Request-ID"] == given) == is_taken
    assert ids(lines) == {response.headers["X-Request-ID"]}


@pytest.mark.django_db(transaction=True)
async def test_a_socket_has_one_in_its_threads_too(online: Charger, lines, monkeypatch):
    monkeypatch.setattr(PlaceConsumer, "look", says("looking", PlaceConsumer.look))

    async def watch(given: bytes) -> None:
        headers = [(b"x-request-id", given), (b"origin", b"http://127.0.0.1"), (b"host", b"127.0.0.1")]
        browser = WebsocketCommunicator(asgi.application, f"/ws/places/{online.code}/", headers=headers)
        await browser.connect()
        await browser.receive_json_from()
        await browser.disconnect()

    await asyncio.gather(watch(b"one"), watch(b"two"), watch(b""))
    found = ids(lines, "looking")
    assert {"one", "two"} < found
    assert len(found) == 3
    assert trace.current.get() == ""


def test_a_round_of_the_sweep_has_one(db, lines, monkeypatch):
    monkeypatch.setattr("chargers.settlement.settle_unsettled", says("a step", lambda: 1))
    monkeypatch.setattr("chargers.settlement.stop_refused", lambda: 1 / 0)
    sweeper.sweep()
    [first] = ids(lines)
    assert len(lines) >= 3
    lines.clear()
    sweeper.sweep()
    assert ids(lines) - {first} == ids(lines)


def test_a_connections_mark_stands_in(lines):
    logger.info("hello", extra={"connection": "mark", "charger": 7})
    assert " id=mark charger=7 hello" in lines[0]
