"""The client's half of a websocket (RFC 6455): just enough of it to be quick. The sans-I/O part is pure.

Text frames, one frame a message; pings are answered, a close is returned. A server that fragments is refused.
"""

import asyncio
import hashlib
import os
from base64 import b64encode
from collections.abc import Iterator
from typing import Protocol
from urllib.parse import quote, urlsplit

TEXT, CLOSE, PING, PONG = 0x1, 0x8, 0x9, 0xA
FINAL, MASKED = 0x80, 0x80
MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
HEAD_LIMIT = 16_384
GOING_AWAY = (1001).to_bytes(2)


class BrokenProtocol(Exception):
    """The server sent what no server may send."""


class Refused(Exception):
    """The server answered the handshake with something else than a websocket."""


def encode(payload: bytes, *, opcode: int = TEXT, key: bytes | None = None) -> bytes:
    """One final, masked frame. `key` are the four bytes of the mask, by default random ones."""
    key = os.urandom(4) if key is None else key
    length = len(payload)
    if length < 126:
        head = bytes((FINAL | opcode, MASKED | length))
    elif length < 65_536:
        head = bytes((FINAL | opcode, MASKED | 126)) + length.to_bytes(2)
    else:
        head = bytes((FINAL | opcode, MASKED | 127)) + length.to_bytes(8)
    return head + key + mask(payload, key)


def mask(payload: bytes, key: bytes) -> bytes:
    """§5.3, as one exclusive or of two long integers; masking twice gives the payload back."""
    length = len(payload)
    repeated = (key * (length // 4 + 1))[:length]
    return (int.from_bytes(payload) ^ int.from_bytes(repeated)).to_bytes(length)


class Frames:
    """Cuts what a server sends into frames."""

    def __init__(self) -> None:
        self.rest = b""

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """(opcode, payload) of every frame that is complete now. Raises BrokenProtocol."""
        buffer = self.rest + data if self.rest else data
        start, end = 0, len(buffer)
        while end - start >= 2:
            first, length = buffer[start], buffer[start + 1]
            begin = start + 2
            if not first & FINAL or first & 0x70 or length & MASKED:
                self.rest = b""
                raise BrokenProtocol("a fragment, an extension, or a masked frame")
            if length == 126:
                begin, length = start + 4, int.from_bytes(buffer[start + 2 : start + 4])
            elif length == 127:
                begin, length = start + 10, int.from_bytes(buffer[start + 2 : start + 10])
            if end < begin + length:
                break
            yield first & 0x0F, buffer[begin : begin + length]
            start = begin + length
        self.rest = buffer[start:]


def handshake(url: str, *, password: str, subprotocol: str, key: str) -> bytes:
    """The request that opens the socket. `url` ends with the identity, which is the user name too."""
    parts = urlsplit(url)
    lines = [
        f"GET {quote(parts.path, safe='/%')} HTTP/1.1",
        f"Host: {parts.netloc}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {key}",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Protocol: {subprotocol}",
    ]
    if password:
        identity = parts.path.rsplit("/", 1)[-1]
        lines.append(f"Authorization: Basic {b64encode(f'{identity}:{password}'.encode()).decode()}")
    return "\r\n".join([*lines, "", ""]).encode()


def check_handshake(head: bytes, *, subprotocol: str, key: str) -> None:
    """Raises Refused unless the head of the answer opens the socket that was asked for (§4.1)."""
    status, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _colon, value in (line.partition(":") for line in lines)}
    expected = b64encode(hashlib.sha1(key.encode() + MAGIC).digest()).decode()  # noqa: S324 - §4.2.2 wants SHA-1
    if status.split(" ")[1:2] != ["101"]:
        raise Refused(status)
    if headers.get("sec-websocket-accept") != expected:
        raise Refused("the answer belongs to another handshake")
    if headers.get("sec-websocket-protocol") != subprotocol:
        raise Refused(f"the subprotocol is {headers.get('sec-websocket-protocol')!r}")


class Listener(Protocol):
    """Who uses a socket. `lost` comes once, also when it never opened; the reason is empty after our own close."""

    def opened(self) -> None: ...
    def received(self, text: bytes) -> None: ...
    def lost(self, reason: str) -> None: ...


class Socket(asyncio.Protocol):
    """One websocket, driven by asyncio's callbacks: no task and no queue per socket."""

    def __init__(self, listener: Listener, *, url: str, password: str, subprotocol: str = "ocpp1.6") -> None:
        self.listener, self.url, self.password, self.subprotocol = listener, url, password, subprotocol
        self.key = b64encode(os.urandom(16)).decode()
        self.frames = Frames()
        self.head: bytes | None = b""
        self.reason = "the connection was lost"
        self.transport: asyncio.Transport | None = None

    async def connect(self) -> None:
        """Dials and sends the handshake; `opened` or `lost` follows. Raises OSError when nobody listens."""
        parts = urlsplit(self.url)
        await asyncio.get_running_loop().create_connection(lambda: self, parts.hostname or "", parts.port or 80)

    def send(self, text: bytes) -> None:
        if self.transport is not None:
            self.transport.write(encode(text))

    def close(self) -> None:
        """Goes away politely."""
        self.reason = ""
        if self.transport is not None:
            self.transport.write(encode(GOING_AWAY, opcode=CLOSE))
            self.transport.close()

    def abort(self, reason: str) -> None:
        self.reason = reason
        if self.transport is not None:
            self.transport.abort()

    # ------------------------------------------------------------------------------------------ asyncio calls these

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(handshake(self.url, password=self.password, subprotocol=self.subprotocol, key=self.key))

    def connection_lost(self, error: Exception | None) -> None:
        self.transport = None
        self.listener.lost(self.reason)

    def data_received(self, data: bytes) -> None:
        try:
            if self.head is not None:
                data = self._read_head(data)
            for opcode, payload in self.frames.feed(data):
                self._take(opcode, payload)
        except (BrokenProtocol, Refused) as error:
            self.abort(str(error))

    def _read_head(self, data: bytes) -> bytes:
        """Collects the answer to the handshake; gives the bytes after it."""
        assert self.head is not None
        self.head += data
        head, separator, rest = self.head.partition(b"\r\n\r\n")
        if not separator:
            if len(self.head) > HEAD_LIMIT:
                raise Refused("the answer to the handshake does not end")
            return b""
        self.head = None
        check_handshake(head, subprotocol=self.subprotocol, key=self.key)
        self.listener.opened()
        return rest

    def _take(self, opcode: int, payload: bytes) -> None:
        if opcode == TEXT:
            self.listener.received(payload)
        elif opcode == PING and self.transport is not None:
            self.transport.write(encode(payload, opcode=PONG))
        elif opcode == CLOSE:
            self.abort(f"closed by the server with {int.from_bytes(payload[:2]) or 'no code'}")
        elif opcode not in (PING, PONG):
            raise BrokenProtocol(f"opcode {opcode}")
