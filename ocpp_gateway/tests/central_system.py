"""A scripted OCPP 1.6 server: the other end for tests of the simulator and of replay. Not the gateway."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol


class CentralSystem:
    """Answers every CALL with the entry of `answers` for its action; keeps what it received.

    An answer may be a function of the payload; None means: no answer; an exception is sent as a CALLERROR.
    """

    def __init__(self) -> None:
        self.received: list[tuple[str, str, dict[str, Any]]] = []
        self.results: asyncio.Queue[Any] = asyncio.Queue()
        self.sockets: list[ServerConnection] = []
        self.refuse_with: HTTPStatus | None = None
        self.url = ""
        self.answers: dict[str, Any] = {
            "BootNotification": {"status": "Accepted", "currentTime": "2026-01-11T20:02:06Z", "interval": 300},
            "Heartbeat": {"currentTime": "2026-01-11T20:02:06Z"},
            "StatusNotification": {},
            "Authorize": {"idTagInfo": {"status": "Accepted"}},
            "StartTransaction": {"transactionId": 42, "idTagInfo": {"status": "Accepted"}},
            "MeterValues": {},
            "StopTransaction": {"idTagInfo": {"status": "Accepted"}},
        }

    def payloads(self, action: str) -> list[dict[str, Any]]:
        return [payload for _id, name, payload in self.received if name == action]

    def ids(self, action: str) -> list[str]:
        return [message_id for message_id, name, _payload in self.received if name == action]

    async def call(self, action: str, payload: dict[str, Any]) -> Any:
        """A CALL of ours over the newest connection; gives the charger's frame."""
        await self.sockets[-1].send(json.dumps([2, f"server-{action}", action, payload]))
        return await asyncio.wait_for(self.results.get(), 5)

    async def drop(self) -> None:
        """Cuts the newest connection without a closing handshake."""
        self.sockets[-1].transport.abort()

    def gate(self, connection: ServerConnection, request: Request) -> Response | None:
        return connection.respond(self.refuse_with, "no\n") if self.refuse_with else None

    async def serve(self, connection: ServerConnection) -> None:
        self.sockets.append(connection)
        with contextlib.suppress(ConnectionClosed):
            async for text in connection:
                await self.take(connection, json.loads(text))

    async def take(self, connection: ServerConnection, frame: list[Any]) -> None:
        if frame[0] != 2:
            self.results.put_nowait(frame)
            return
        _type, message_id, action, payload = frame
        self.received.append((message_id, action, payload))
        answer = self.answers[action]
        answer = answer(payload) if callable(answer) else answer
        if isinstance(answer, Exception):
            await connection.send(json.dumps([4, message_id, "InternalError", str(answer), {}]))
        elif answer is not None:
            await connection.send(json.dumps([3, message_id, answer]))


@asynccontextmanager
async def central_system() -> AsyncIterator[CentralSystem]:
    system = CentralSystem()
    server = await serve(
        system.serve, "127.0.0.1", 0, subprotocols=[Subprotocol("ocpp1.6")], process_request=system.gate
    )
    async with server:
        system.url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/ocpp"
        yield system
