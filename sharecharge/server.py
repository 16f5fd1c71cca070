"""Daphne, with real HTTP answers to refused websockets.

Daphne 4.2 can refuse a handshake only with 403. ASGI has an extension for more (`websocket.http.response`), and
wallboxes and their owners need to tell an unknown identity (404) from a wrong password (401).
"""

from http import HTTPStatus
from typing import Any

from daphne.server import Server
from daphne.ws_protocol import WebSocketFactory, WebSocketProtocol

# Frames that arrived and were not handled yet. An offline history may be long; beyond this the sender is a flood.
UNREAD_LIMIT = 5000
CLOSE_POLICY = 1008


class DenyingProtocol(WebSocketProtocol):
    denial: dict[str, Any] | None = None
    muted: bool

    def handle_reply(self, message: dict[str, Any]) -> None:
        if message.get("type") == "websocket.http.response.start":
            self.denial = message
        elif message.get("type") == "websocket.http.response.body" and self.denial is not None:
            self._deny(self.denial, message.get("body", b""))
        else:
            super().handle_reply(message)

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        if self.application_queue.qsize() > UNREAD_LIMIT and not self.muted:
            self.muted = True
            self.sendClose(code=CLOSE_POLICY)
            self.application_queue.put_nowait({"type": "websocket.disconnect", "code": CLOSE_POLICY})
        super().onMessage(payload, isBinary)

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
    """A Daphne that tells applications what it can do."""

    def create_application(self, protocol: Any, scope: dict[str, Any]) -> Any:
        if scope["type"] == "websocket":
            scope["extensions"] = {"websocket.http.response": {}}
        return super().create_application(protocol, scope)


WebSocketFactory.protocol = DenyingProtocol
