"""Chargers that put load on a server: one outstanding message each, every answer checked, every time taken.

A closed loop sends the next message when the last one was answered. An open loop sends when a message is due, and
counts its time from then on, also while it has to wait for the one before it (so that a slow server cannot hide).
"""

import asyncio
import itertools
import math
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from bench import workloads
from bench.wire import Socket
from bench.workloads import Box, Message, Script
from ocpp_gateway.simulator import Credentials

CALL, CALLRESULT, CALLERROR = 2, 3, 4
ANSWER_SECONDS = 30.0
CONNECT_SECONDS = 60.0
WATCH_SECONDS = 5.0
SHOWN_CHARACTERS = 120

now = time.perf_counter


@dataclass
class Tally:
    """What came back, in seconds. Errors are counted always, answers from `begin` to `end`.

    In the closed loop it counts when the answer came, in the open one (`by_due`) when the message was due.
    """

    by_due: bool = False
    begin: float = math.inf
    end: float = math.inf
    latencies: list[float] = field(default_factory=list)
    boots: list[float] = field(default_factory=list)
    # From the moment when a message of the open loop was due at an idle charger until it was sent: our own share.
    lateness: list[float] = field(default_factory=list)
    actions: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)

    def answered(self, action: str, *, since: float, at: float) -> None:
        if self.begin <= (since if self.by_due else at) < self.end:
            self.latencies.append(at - since)
            self.actions[action] += 1


@dataclass(slots=True)
class Asked:
    message_id: str
    message: Message
    since: float
    sent: float


class Station:
    """One charger on its socket. `make_script` makes a new script when the last one broke off."""

    def __init__(
        self, credentials: Credentials, *, url: str, box: Box, tally: Tally, make_script: Callable[[Box], Script]
    ) -> None:
        self.identity, self.box, self.tally, self.make_script = credentials.identity, box, tally, make_script
        self.socket = Socket(self, url=f"{url.rstrip('/')}/{credentials.identity}", password=credentials.password)
        self.numbers = itertools.count(1)
        self.script: Script | None = None
        self.ready: Message | None = None
        self.asked: Asked | None = None
        # When messages are due, oldest first; None: whenever the last one was answered (the closed loop).
        self.due: deque[float] | None = None
        self.dialled = 0.0
        self.timer: asyncio.TimerHandle | None = None
        loop = asyncio.get_running_loop()
        self.booted: asyncio.Future[bool] = loop.create_future()
        self.finished: asyncio.Future[None] = loop.create_future()

    # ------------------------------------------------------------------------------------------ the connection

    async def connect(self) -> bool:
        """Opens the socket and boots. False, and an error in the tally, when that failed."""
        self.dialled = now()
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await self.socket.connect()
                return await self.booted
        except TimeoutError:
            self.socket.abort("")
            self.lost("it could not connect and boot in time")
        except OSError as error:
            self.lost(f"nobody listens: {error.strerror}")
        return False

    def opened(self) -> None:
        self._ask(workloads.boot, since=self.dialled)
        self._watch()

    def _watch(self) -> None:
        """An answer that does not come ends the charger's part."""
        if self.asked and now() - self.asked.sent > ANSWER_SECONDS:
            self.socket.abort(f"{self.asked.message.action} was not answered")
        self.timer = asyncio.get_running_loop().call_later(WATCH_SECONDS, self._watch)

    def lost(self, reason: str) -> None:
        if self.timer:
            self.timer.cancel()
        if reason:
            self.tally.errors[f"connection: {reason}"] += 1
        if not self.booted.done():
            self.booted.set_result(False)
        if not self.finished.done():
            self.finished.set_result(None)

    # ------------------------------------------------------------------------------------------ the script

    def begin(self) -> None:
        self.script = self.make_script(self.box)
        self._prepare(None)

    def is_due(self, moment: float) -> None:
        """The open loop: one message more, which is sent now unless another one is on its way."""
        assert self.due is not None
        if self.asked is None:
            self.tally.lateness.append(now() - moment)
        self.due.append(moment)
        self._go()

    def finish(self) -> None:
        """The car leaves: its session ends as quickly as the server answers."""
        self.box.is_leaving = True
        self.due = None
        self._go()

    def _prepare(self, payload: Any) -> None:
        assert self.script is not None
        try:
            self.ready = self.script.send(payload)
        except StopIteration:
            self.ready = None
            if not self.finished.done():
                self.finished.set_result(None)
        self._go()

    def _go(self) -> None:
        message = self.ready
        if message is None or self.asked is not None:
            return
        if self.due is None:
            self._ask(message, since=now())
        elif self.due:
            self._ask(message, since=self.due.popleft())

    def _ask(self, message: Message, *, since: float) -> None:
        message_id = str(next(self.numbers))
        self.asked = Asked(message_id, message, since, now())
        self.socket.send(b'[2,"%s",%s' % (message_id.encode(), message.body))

    # ------------------------------------------------------------------------------------------ what comes back

    def received(self, text: bytes) -> None:
        try:
            kind, message_id, content, *_rest = orjson.loads(text)
        except (ValueError, TypeError):
            self._wrong("the frame cannot be read", text)
            return
        if kind == CALL:
            self.socket.send(workloads.answer(message_id, content))
            return
        asked = self.asked
        if asked is None or message_id != asked.message_id:
            self._wrong("nobody asked for this", text)
        elif kind == CALLERROR:
            self._wrong(f"CALLERROR for {asked.message.action}", text)
        elif kind != CALLRESULT or not isinstance(content, dict) or not asked.message.is_right(content):
            self._wrong(f"wrong answer to {asked.message.action}", text)
        else:
            self._right(asked, content)

    def _right(self, asked: Asked, payload: dict[str, Any]) -> None:
        self.tally.answered(asked.message.action, since=asked.since, at=now())
        self.asked = None
        if self.script is not None:
            self._prepare(payload)
        elif not self.booted.done():
            self.tally.boots.append(now() - asked.since)
            self.booted.set_result(True)

    def _wrong(self, error: str, text: bytes) -> None:
        """Counts it; the charger goes on with a new session, or ends when it cannot even boot."""
        self.tally.errors[f"{error}: {text[:SHOWN_CHARACTERS].decode(errors='replace')}"] += 1
        self.asked = None
        if self.script is None:
            self.socket.abort("")
        else:
            self.begin()


async def connect(stations: Sequence[Station], *, at_once: int) -> list[Station]:
    """Lets the stations in, so many at a time; gives those that have booted."""
    gate = asyncio.Semaphore(at_once)

    async def enter(station: Station) -> bool:
        async with gate:
            return await station.connect()

    entered = await asyncio.gather(*map(enter, stations))
    return [station for station, is_in in zip(stations, entered, strict=True) if is_in]
