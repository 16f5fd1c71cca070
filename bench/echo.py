"""What there is to reach: a bare ASGI application on the gateway's own server. It answers every CALL with one constant.

python -m bench.echo PORT           the bare application
python -m bench.echo PORT --stock   a Channels consumer as the manual shows it, with a channel layer
"""

import os
import sys
from collections.abc import Awaitable, Callable
from typing import Any

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

# Right for every message of the workloads, so that the generator checks it as it checks the gateway's answers.
ANSWER = (
    '{"currentTime":"2026-01-01T00:00:00.000Z","interval":300,"status":"Accepted",'
    '"transactionId":1,"idTagInfo":{"status":"Accepted"}}'
)


def answer(call: str) -> str:
    """The CALLRESULT for a CALL: its id is the text between the first two quotation marks."""
    return f'[3,"{call.split(chr(34), 2)[1]}",{ANSWER}]'


async def application(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})
        return
    await receive()
    await send({"type": "websocket.accept", "subprotocol": "ocpp1.6"})
    while (event := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": answer(event["text"])})


def stock() -> Any:
    """The same answers from Channels' own consumer. Its settings are the platform's."""
    from channels.generic.websocket import AsyncWebsocketConsumer

    class Echo(AsyncWebsocketConsumer):
        async def connect(self) -> None:
            await self.accept("ocpp1.6")

        async def receive(self, text_data: str = "", bytes_data: bytes = b"") -> None:
            await self.send(answer(text_data))

    echo = Echo.as_asgi()

    async def route(scope: dict[str, Any], receive: Receive, send: Send) -> None:
        await (application if scope["type"] == "http" else echo)(scope, receive, send)

    return route


def main(port: int, *, is_stock: bool) -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sharecharge.settings")
    import django

    django.setup()  # the server counts its sockets in the gateway's metrics
    from sharecharge.server import ChargePointServer

    ChargePointServer(
        stock() if is_stock else application,
        endpoints=[f"tcp:port={port}:interface=127.0.0.1"],
        # As `manage.py serve` has it.
        websocket_timeout=-1,
        websocket_handshake_timeout=20,
        ping_interval=30,
        ping_timeout=0,
    ).run()


if __name__ == "__main__":
    main(int(sys.argv[1]), is_stock="--stock" in sys.argv)
