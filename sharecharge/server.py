"""Daphne, with real HTTP answers to refused websockets, and an end that loses nothing.

Daphne 4.2 can refuse a handshake only with 403. ASGI has an extension for more (`websocket.http.response`), and
wallboxes and their owners need to tell an unknown identity (404) from a wrong password (401). And when it is told to
stop, Daphne kills what is going on; here it lets everybody finish first.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

from daphne.server import Server
from daphne.ws_protocol import WebSocketFactory, WebSocketProtocol
from twisted.internet.defer import Deferred

from ocpp_gateway.metrics import SOCKETS_PAUSED

logger = logging.getLogger(__name__)

# What a process that is told to stop gives its sockets, and then its requests, to finish.
GRACE_SECONDS = 10.0

# R12: frames that arrived and were not handled yet. Beyond the upper mark we stop reading from the socket, so that a
# flood (or a long offline history) waits in the sender's memory; below the lower one we read on.
UNREAD_HIGH, UNREAD_LOW = 32, 8


class DenyingProtocol(WebSocketProtocol):
    denial: dict[str, Any] | None = None
    is_paused = False

    def handle_reply(self, message: dict[str, Any]) -> None:
        if message.get("type") == "websocket.http.response.start":
            self.denial = message
        elif message.get("type") == "websocket.http.response.body" and self.denial is not None:
            self._deny(self.denial, message.get("body", b""))
        else:
            super().handle_reply(message)
            self._read_on()

    def serverClose(self, code: int | None = None) -> None:
        """Autobahn's `sendClose` knows 1000 and private codes only, not 1012 (restart) and 1013 (try again later)."""
        self.sendCloseFrame(code=code or 1000, isReply=False)

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        super().onMessage(payload, isBinary)
        if not self.is_paused and self.application_queue.qsize() >= UNREAD_HIGH:
            self.is_paused = True
            self.transport.pauseProducing()
            SOCKETS_PAUSED.inc()

    def check_timeouts(self) -> None:
        """Asked every two seconds: frames that need no reply were handled meanwhile, too."""
        super().check_timeouts()
        self._read_on()

    def _read_on(self) -> None:
        if self.is_paused and self.application_queue.qsize() <= UNREAD_LOW:
            self.is_paused = False
            self.transport.resumeProducing()
            SOCKETS_PAUSED.dec()

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        super().onClose(wasClean, code, reason)
        if self.is_paused:
            self.is_paused = False
            SOCKETS_PAUSED.dec()

    def _deny(self, start: dict[str, Any], body: bytes) -> None:
        status = HTTPStatus(start["status"])
        lines = [f"HTTP/1.1 {status.value} {status.phrase}".encode()]
        lines += [name + b": " + value for name, value in start.get("headers", [])]
        lines += [b"content-length: %d" % len(body), b"connection: close", b"", body]
        del self.handshake_deferred
        self.server.protocol_disconnected(self)
        self.sendData(b"\r\n".join(lines))
        self.dropConnection(abort=False)


class ChargePointServer(Server):
    """A Daphne that tells applications what it can do, and its owner what it could not."""

    trouble = ""

    def __init__(
        self,
        *args: Any,
        announcement: str = "",
        retire: Callable[[float], Awaitable[None]] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.announcement = announcement
        self.retire = retire
        self.ports: list[Any] = []

    def listen_success(self, port: Any) -> None:
        super().listen_success(port)
        self.ports.append(port)
        print(self.announcement, flush=True)

    def listen_error(self, failure: Any) -> None:
        self.trouble = failure.getErrorMessage()
        self.stop()

    def kill_all_applications(self) -> "Deferred[None]":
        """Twisted waits for this before it stops (SIGTERM, SIGINT)."""
        return Deferred.fromFuture(asyncio.ensure_future(self._finish()))

    async def _finish(self) -> None:
        """Nobody new comes in; charge points end their message; requests get their answer; then the rest is killed."""
        for port in self.ports:
            port.stopListening()
        try:
            if self.retire:
                await self.retire(GRACE_SECONDS)
            if requests := self._applications(with_sockets=False):
                await asyncio.wait(requests, timeout=GRACE_SECONDS)
        except Exception:  # whatever goes wrong here, the process has to end
            logger.exception("not everybody could finish")
        rest = self._applications()
        for application in rest:
            application.cancel()
        if rest:
            await asyncio.wait(rest, timeout=GRACE_SECONDS)

    def _applications(self, *, with_sockets: bool = True) -> "list[asyncio.Future[None]]":
        """Those that still run."""
        return [
            running
            for protocol, details in self.connections.items()
            if (running := details.get("application_instance")) is not None
            and not running.done()
            and (with_sockets or not isinstance(protocol, WebSocketProtocol))
        ]

    def create_application(self, protocol: Any, scope: dict[str, Any]) -> Any:
        if scope["type"] == "websocket":
            scope["extensions"] = {"websocket.http.response": {}}
        return super().create_application(protocol, scope)


WebSocketFactory.protocol = DenyingProtocol
