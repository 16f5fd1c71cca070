"""Daphne, with real HTTP answers to refused websockets.

Daphne 4.2 can refuse a handshake only with 403. ASGI has an extension for more (`websocket.http.response`), and
wallboxes and their owners need to tell an unknown identity (404) from a wrong password (401).
"""

from http import HTTPStatus
from typing import Any

from daphne.server import Server
from daphne.ws_protocol import WebSocketFactory, WebSocketProtocol

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

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        super().onMessage(payload, isBinary)
        if not self.is_paused and self.application_queue.qsize() >= UNREAD_HIGH:
            self.is_paused = True
            self.transport.pauseProducing()

    def check_timeouts(self) -> None:
        """Asked every two seconds: frames that need no reply were handled meanwhile, too."""
        super().check_timeouts()
        self._read_on()

    def _read_on(self) -> None:
        if self.is_paused and self.application_queue.qsize() <= UNREAD_LOW:
            self.is_paused = False
            self.transport.resumeProducing()

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

    def __init__(self, *args: Any, announcement: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.announcement = announcement

    def listen_success(self, port: Any) -> None:
        super().listen_success(port)
        print(self.announcement, flush=True)

    def listen_error(self, failure: Any) -> None:
        self.trouble = failure.getErrorMessage()
        self.stop()

    def create_application(self, protocol: Any, scope: dict[str, Any]) -> Any:
        if scope["type"] == "websocket":
            scope["extensions"] = {"websocket.http.response": {}}
        return super().create_application(protocol, scope)


WebSocketFactory.protocol = DenyingProtocol
