"""A charge point for tests of the consumer: speaks raw frames into the ASGI application, in this process.

Its loop runs only while a method of it runs, so a test is plain synchronous code and looks into the database between.
"""

import asyncio
import base64
import itertools
import json
from typing import Any

from asgiref.testing import ApplicationCommunicator

from chargers import live
from chargers.registry import Registered
from ocpp_gateway.consumers import ChargePointConsumer

TIMEOUT = 10


def basic(username: str, password: str) -> tuple[bytes, bytes]:
    return b"authorization", b"Basic " + base64.b64encode(f"{username}:{password}".encode())


class Station:
    def __init__(self, runner: asyncio.Runner, registered: Registered) -> None:
        self.runner = runner
        live.attach(runner.get_loop())
        self.identity, self.password = registered.charger.identity, registered.password
        self.ids = (f"m{number}" for number in itertools.count(1))
        self.asked: list[list[Any]] = []  # calls of the server that came while we waited for an answer

    def connect(
        self,
        *,
        path: str | None = None,
        headers: list[tuple[bytes, bytes]] | None = None,
        subprotocols: tuple[str, ...] = ("ocpp1.6",),
        can_deny: bool = True,
    ) -> dict[str, Any]:
        """The event that answers the handshake."""
        path = path or f"/ocpp/{self.identity}"
        scope = {
            "type": "websocket",
            "path": path,
            "raw_path": path.encode(),
            "headers": [basic(self.identity, self.password)] if headers is None else headers,
            "subprotocols": list(subprotocols),
            "client": ["127.0.0.1", 50_000],
            "extensions": {"websocket.http.response": {}} if can_deny else {},
        }
        self.application = ApplicationCommunicator(ChargePointConsumer.as_asgi(), scope)
        self._input({"type": "websocket.connect"})
        return self.output()

    def boot(self) -> "Station":
        assert self.connect()["type"] == "websocket.accept"
        assert (
            self.call("BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"})["status"] == "Accepted"
        )
        return self

    def output(self, timeout: float = TIMEOUT) -> dict[str, Any]:
        return self.runner.run(self.application.receive_output(timeout))

    def _input(self, event: dict[str, Any]) -> None:
        self.runner.run(self.application.send_input(event))

    def send(self, frame: Any) -> None:
        text = frame if isinstance(frame, str) else json.dumps(frame)
        self._input({"type": "websocket.receive", "text": text})

    def receive(self, timeout: float = TIMEOUT) -> list[Any]:
        event = self.output(timeout)
        assert event["type"] == "websocket.send", event
        return json.loads(event["text"])

    def ask(self, action: str, payload: Any, *, message_id: Any = None) -> list[Any]:
        """The frame that answers a CALL."""
        message_id = message_id or next(self.ids)
        self.send([2, message_id, action, payload])
        while (frame := self.receive())[0] == 2:
            self.asked.append(frame)
        assert frame[1] == message_id
        return frame

    def call(self, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        frame = self.ask(action, payload)
        assert frame[0] == 3, frame
        return frame[2]

    def next_call(self, timeout: float = TIMEOUT) -> list[Any]:
        """The next CALL of the server."""
        return self.asked.pop(0) if self.asked else self.receive(timeout)

    def pass_time(self, seconds: float) -> None:
        self.runner.run(asyncio.sleep(seconds))

    def close(self) -> None:
        self._input({"type": "websocket.disconnect", "code": 1006})
        self.runner.run(self.application.wait(TIMEOUT))
