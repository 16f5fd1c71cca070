import asyncio
from base64 import b64encode

import pytest
from websockets.asyncio.server import serve
from websockets.typing import Subprotocol

from bench import wire
from bench.wire import CLOSE, PING, TEXT, BrokenProtocol, Frames, Refused, Socket

pytestmark = pytest.mark.once

OCPP = Subprotocol("ocpp1.6")


def unmasked(payload: bytes, *, first: int = 0x81) -> bytes:
    """A frame as a server sends it."""
    length = len(payload)
    if length < 126:
        return bytes((first, length)) + payload
    if length < 65_536:
        return bytes((first, 126)) + length.to_bytes(2) + payload
    return bytes((first, 127)) + length.to_bytes(8) + payload


class TestEncode:
    def test_it_makes_the_frame_of_the_specification(self):
        """RFC 6455 §5.7: a single-frame masked text message."""
        frame = wire.encode(b"Hello", key=bytes.fromhex("37fa213d"))
        assert frame == bytes.fromhex("818537fa213d7f9f4d5158")

    @pytest.mark.parametrize(
        ("length", "head"),
        [
            (0, "8180"),
            (125, "81fd"),
            (126, "81fe007e"),
            (65_535, "81feffff"),
            (65_536, "81ff0000000000010000"),
        ],
    )
    def test_it_writes_every_kind_of_length(self, length, head):
        frame = wire.encode(b"x" * length, key=b"\1\2\3\4")
        assert frame.startswith(bytes.fromhex(head) + b"\1\2\3\4")
        assert len(frame) == len(bytes.fromhex(head)) + 4 + length

    @pytest.mark.parametrize("length", [0, 1, 3, 4, 5, 1000])
    def test_masking_twice_gives_the_payload(self, length):
        payload, key = bytes(range(256)) * 4, b"\xff\0\x7f\x80"
        payload = payload[:length]
        assert wire.mask(wire.mask(payload, key), key) == payload
        assert wire.mask(payload, key) == bytes(byte ^ key[at % 4] for at, byte in enumerate(payload))

    def test_masks_differ(self):
        assert wire.encode(b"the same") != wire.encode(b"the same")


class TestFrames:
    @pytest.mark.parametrize("length", [0, 125, 126, 65_535, 65_536])
    def test_it_reads_every_kind_of_length(self, length):
        assert list(Frames().feed(unmasked(b"x" * length))) == [(TEXT, b"x" * length)]

    def test_it_reads_what_comes_byte_by_byte(self):
        frames = Frames()
        found: list[tuple[int, bytes]] = []
        for byte in unmasked(b"a" * 130) + unmasked(b"", first=0x80 | PING) + unmasked(b"b"):
            found += frames.feed(bytes((byte,)))
        assert found == [(TEXT, b"a" * 130), (PING, b""), (TEXT, b"b")]

    def test_it_reads_many_at_once_and_keeps_the_rest(self):
        frames = Frames()
        last = unmasked(b"last")
        assert list(frames.feed(unmasked(b"1") + unmasked(b"2") + last[:3])) == [(TEXT, b"1"), (TEXT, b"2")]
        assert list(frames.feed(last[3:])) == [(TEXT, b"last")]

    @pytest.mark.parametrize(
        "frame",
        [unmasked(b"no end", first=0x01), unmasked(b"compressed", first=0xC1), wire.encode(b"masked")],
        ids=["fragment", "extension", "masked"],
    )
    def test_it_refuses_what_no_server_may_send(self, frame):
        with pytest.raises(BrokenProtocol):
            list(Frames().feed(frame))


class TestHandshake:
    # RFC 6455 §1.3.
    KEY = "dGhlIHNhbXBsZSBub25jZQ=="
    ACCEPTED = (
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: ocpp1.6"
    )

    def test_it_asks_as_a_charger_does(self):
        lines = wire.handshake(
            "ws://127.0.0.1:80/ocpp/SC 1", password="secret", subprotocol="ocpp1.6", key=self.KEY
        ).split(b"\r\n")
        assert lines[0] == b"GET /ocpp/SC%201 HTTP/1.1"
        assert b"Authorization: Basic " + b64encode(b"SC 1:secret") in lines
        assert lines[-2:] == [b"", b""]

    def test_without_a_password_it_shows_none(self):
        asked = wire.handshake("ws://127.0.0.1:80/ocpp/SC1", password="", subprotocol="ocpp1.6", key=self.KEY)
        assert b"Authorization" not in asked

    def test_it_accepts_the_answer_to_its_own_key(self):
        wire.check_handshake(self.ACCEPTED.encode(), subprotocol="ocpp1.6", key=self.KEY)

    @pytest.mark.parametrize(
        ("old", "new"),
        [("101 Switching Protocols", "404 Not Found"), ("s3pP", "XXXX"), ("ocpp1.6", "ocpp2.0.1")],
    )
    def test_it_refuses_any_other(self, old, new):
        with pytest.raises(Refused):
            wire.check_handshake(self.ACCEPTED.replace(old, new).encode(), subprotocol="ocpp1.6", key=self.KEY)


class Listener:
    def __init__(self) -> None:
        self.texts: list[bytes] = []
        self.reasons: list[str] = []
        self.changed = asyncio.Event()

    def opened(self) -> None:
        self.changed.set()

    def received(self, text: bytes) -> None:
        self.texts.append(text)
        self.changed.set()

    def lost(self, reason: str) -> None:
        self.reasons.append(reason)
        self.changed.set()

    async def change(self) -> None:
        async with asyncio.timeout(10):
            await self.changed.wait()
        self.changed.clear()


async def dialled(server, listener: Listener) -> Socket:
    port = server.sockets[0].getsockname()[1]
    socket = Socket(listener, url=f"ws://127.0.0.1:{port}/SC1", password="secret")
    await socket.connect()
    await listener.change()
    return socket


class TestSocket:
    """Against a server that knows the rules."""

    @pytest.mark.parametrize("length", [1, 125, 126, 65_535, 65_536, 200_000])
    async def test_texts_go_there_and_back(self, length):
        async def echo(connection):
            async for text in connection:
                await connection.send(text)

        listener = Listener()
        async with serve(echo, "127.0.0.1", 0, subprotocols=[OCPP], compression=None) as server:
            socket = await dialled(server, listener)
            socket.send(b"x" * length)
            await listener.change()
            socket.close()
            await listener.change()
        assert listener.texts == [b"x" * length]
        assert listener.reasons == [""]

    async def test_it_answers_pings_and_tells_why_it_was_closed(self):
        async def ping(connection):
            await (await connection.ping(b"are you there?"))
            await connection.close(1012)

        listener = Listener()
        async with serve(ping, "127.0.0.1", 0, subprotocols=[OCPP], compression=None) as server:
            await dialled(server, listener)
            await listener.change()
        assert listener.reasons == ["closed by the server with 1012"]

    async def test_a_refused_handshake_is_a_lost_connection_with_its_status(self):
        async def nobody(connection):
            raise AssertionError("nobody gets in")

        def refuse(connection, request):
            return connection.respond(404, "who?")

        listener = Listener()
        async with serve(nobody, "127.0.0.1", 0, process_request=refuse) as server:
            await dialled(server, listener)
        assert len(listener.reasons) == 1
        assert "404" in listener.reasons[0]

    async def test_a_fragment_ends_the_connection(self):
        async def fragment(connection):
            await connection.send(["two ", "parts"])
            await connection.wait_closed()

        listener = Listener()
        async with serve(fragment, "127.0.0.1", 0, subprotocols=[OCPP], compression=None) as server:
            await dialled(server, listener)
            if not listener.reasons:
                await listener.change()
        assert listener.texts == []
        assert "fragment" in listener.reasons[0]


def test_a_close_frame_is_no_text():
    assert list(Frames().feed(unmasked((1000).to_bytes(2), first=0x80 | CLOSE))) == [(CLOSE, b"\x03\xe8")]
