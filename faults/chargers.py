"""Wallboxes that keep every message until it is acknowledged, and a journal of what was acknowledged: the witnesses.

They charge one car after the other, send one message at a time, come back by themselves when their connection breaks,
and then send again what was not answered, word for word. Their meters are plausible, so that every session is billed.
"""

import asyncio
import itertools
import random
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Self

import orjson

from bench import workloads
from bench.wire import Socket
from ocpp_gateway.simulator import Credentials

CALL, CALLRESULT, CALLERROR = 2, 3, 4
ANSWER_SECONDS = 40.0
CONNECT_SECONDS = 30.0
# A fleet may send so many messages a second: the servers must be busy, and this process must not be.
MESSAGES_PER_SECOND = 400.0
HISTORY = timedelta(days=5)

Payload = dict[str, Any]


class Lost(Exception):
    """The connection broke, or was refused, before there was an answer; says why."""


class Line:
    """One socket. What the server asks is answered by `charger`, if there is one, else as others do."""

    def __init__(self, credentials: Credentials, url: str, charger: "Charger | None" = None) -> None:
        self.charger = charger
        url = f"{url.rstrip('/')}/{credentials.identity}"
        self.socket = Socket(self, url=url, password=credentials.password)
        loop = asyncio.get_running_loop()
        self.is_open: asyncio.Future[None] = loop.create_future()
        self.ended: asyncio.Future[str] = loop.create_future()
        self.waiting: dict[str, asyncio.Future[Payload]] = {}
        self.errors: Counter[str] = Counter()

    async def connect(self) -> Self:
        """Raises Lost with the server's refusal, or when nobody listens."""
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await self.socket.connect()
                await self.is_open
        except OSError as error:  # a time-out is one, too
            self.socket.abort("")
            raise Lost(f"nobody listens: {error}") from error
        return self

    async def ask(self, message_id: str, action: str, payload: Payload) -> Payload:
        """The answer. Raises Lost; RuntimeError for a CALLERROR, which no message of ours deserves."""
        if self.ended.done():
            raise Lost(self.ended.result())
        answer: asyncio.Future[Payload] = asyncio.get_running_loop().create_future()
        self.waiting[message_id] = answer
        self.socket.send(orjson.dumps([CALL, message_id, action, payload]))
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await answer
        except TimeoutError:
            self.socket.abort(f"{action} was not answered in {ANSWER_SECONDS:.0f} s")
            raise Lost("no answer") from None

    def close(self) -> None:
        self.socket.close()

    # ------------------------------------------------------------------------------------------ the socket calls these

    def opened(self) -> None:
        if not self.is_open.done():
            self.is_open.set_result(None)

    def received(self, text: bytes) -> None:
        kind, message_id, content, *rest = orjson.loads(text)
        if kind == CALL:
            reply = self.charger.take_call(message_id, content, rest[0]) if self.charger else b""
            self.socket.send(reply or workloads.answer(message_id, content))
            return
        answer = self.waiting.pop(message_id, None)
        if answer is None or answer.done():
            self.errors["an answer that nobody waits for"] += 1
        elif kind == CALLRESULT:
            answer.set_result(content)
        else:
            answer.set_exception(RuntimeError(f"CALLERROR {content}"))

    def lost(self, reason: str) -> None:
        if not self.ended.done():
            self.ended.set_result(reason)
        futures: list[asyncio.Future[Any]] = [self.is_open, *self.waiting.values()]
        for future in futures:
            if not future.done():
                future.set_exception(Lost(reason))
                future.exception()  # who waits hears of it; where nobody does, nobody has to
        self.waiting.clear()


@dataclass(slots=True)
class Transaction:
    """A session in the journal. Only what was acknowledged counts; `answers` are all ids that its start was given."""

    id_tag: str
    started: str
    meter_start_wh: int
    answers: list[int] = field(default_factory=list)
    is_accepted: bool = False
    values: list[int] = field(default_factory=list)
    meter_stop_wh: int | None = None


class Charger:
    """A wallbox with one plug. `urls`: it dials one after the other until one lets it in."""

    def __init__(self, credentials: Credentials, urls: Sequence[str], *, seed: str, pause_seconds: float) -> None:
        self.credentials, self.urls, self.pause_seconds = credentials, urls, pause_seconds
        # What it measures does not depend on how often it had to come again.
        self.chance, self.meter_chance = random.Random(seed), random.Random(seed)
        self.clock = datetime.now(UTC).replace(microsecond=0) - HISTORY
        self.register_wh = self.meter_chance.randrange(10_000, 900_000)
        self.numbers = itertools.count(1)
        self.journal: list[Transaction] = []
        self.current: Transaction | None = None
        self.asked: list[tuple[str, str]] = []
        self.remote_tags: deque[str] = deque()
        self.endings: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.acknowledged = 0
        self.latencies: list[float] = []
        self.line: Line | None = None
        self.is_leaving = self.must_stop = False
        self.status = ""
        self.waiting: Waiting | None = None

    # ------------------------------------------------------------------------------------------ life

    async def live(self) -> None:
        """One car after the other; ends when it is told to leave and everything is acknowledged."""
        await asyncio.sleep(self.chance.uniform(0, self.pause_seconds))
        while not self.is_leaving:
            await self.charge(samples=self.meter_chance.randrange(2, 10))
        if self.line:
            self.line.close()

    async def charge(self, *, samples: int) -> None:
        transaction = await self._start()
        if transaction.is_accepted:
            await self._set_status("Charging")
            self.must_stop = False
            for _number in range(samples):
                if self.must_stop or self.is_leaving:
                    break
                await self._measure(transaction)
            await self._stop(transaction)
        await self._set_status("Available")

    def _now(self) -> str:
        self.clock += timedelta(minutes=1)
        return self.clock.isoformat().replace("+00:00", "Z")

    async def _start(self) -> Transaction:
        id_tag = self.remote_tags.popleft() if self.remote_tags else self.credentials.id_tag
        transaction = self.current = Transaction(id_tag, self._now(), self.register_wh)
        self.journal.append(transaction)
        answer = await self.tell(
            "StartTransaction",
            {"connectorId": 1, "idTag": id_tag, "meterStart": self.register_wh, "timestamp": transaction.started},
        )
        transaction.answers.append(answer["transactionId"])
        transaction.is_accepted = answer["idTagInfo"]["status"] == "Accepted"
        return transaction

    async def _measure(self, transaction: Transaction) -> None:
        self.register_wh += self.meter_chance.randrange(20, 90)
        sampled = [{"value": str(self.register_wh), "measurand": "Energy.Active.Import.Register", "unit": "Wh"}]
        value = {"timestamp": self._now(), "sampledValue": sampled}
        await self.tell(
            "MeterValues", {"connectorId": 1, "transactionId": transaction.answers[-1], "meterValue": [value]}
        )
        transaction.values.append(self.register_wh)

    async def _stop(self, transaction: Transaction) -> None:
        stop = {"transactionId": transaction.answers[-1], "meterStop": self.register_wh, "timestamp": self._now()}
        self.current = None
        await self.tell("StopTransaction", {**stop, "idTag": transaction.id_tag, "reason": "Local"})
        transaction.meter_stop_wh = self.register_wh

    async def _set_status(self, name: str) -> None:
        status = {"connectorId": 1, "errorCode": "NoError", "status": name, "timestamp": self._now()}
        await self.tell("StatusNotification", status)
        self.status = name

    # ------------------------------------------------------------------------------------------ the wire

    async def tell(self, action: str, payload: Payload) -> Payload:
        """The answer, over as many connections as it takes."""
        message_id = str(next(self.numbers))
        await asyncio.sleep(self.chance.uniform(0.5, 1.5) * self.pause_seconds)
        while True:
            try:
                line = await self._online()
                since = time.perf_counter()
                answer = await line.ask(message_id, action, payload)
            except Lost as error:
                self.endings[str(error)] += 1
                await asyncio.sleep(self.chance.uniform(0.1, 0.5))
            except RuntimeError as error:
                self.errors[f"{action}: {error}"] += 1
                await asyncio.sleep(1)
            else:
                self.latencies.append(time.perf_counter() - since)
                self._acknowledge()
                return answer

    def _acknowledge(self) -> None:
        self.acknowledged += 1
        if self.waiting:
            self.waiting.heard(self)

    async def _online(self) -> Line:
        if self.line is None or self.line.ended.done():
            self.line = None
            url = self.urls[self.chance.randrange(len(self.urls))]
            line = await Line(self.credentials, url, self).connect()
            booted = await line.ask(
                f"b{next(self.numbers)}", "BootNotification", {"chargePointVendor": "F", "chargePointModel": "One"}
            )
            if booted["status"] != "Accepted":
                self.errors[f"boot: {booted}"] += 1
            self.line = line
        return self.line

    def take_call(self, message_id: str, action: str, payload: Payload) -> bytes:
        """What the server asks of it: b"" leaves the answer to the others' custom."""
        self.asked.append((action, message_id))
        if action == "RemoteStopTransaction":
            is_mine = self.current is not None and payload["transactionId"] in self.current.answers
            self.must_stop = self.must_stop or is_mine
            return _status(message_id, "Accepted" if is_mine else "Rejected")
        if action == "RemoteStartTransaction":
            is_free = not self.remote_tags and not self.is_leaving
            if is_free:
                self.remote_tags.append(payload["idTag"])
            return _status(message_id, "Accepted" if is_free else "Rejected")
        return b""

    def testimony(self) -> dict[str, Any]:
        """The journal, for the database to be held against."""
        transactions = [asdict(transaction) for transaction in self.journal]
        return {
            "identity": self.credentials.identity,
            "transactions": transactions,
            "asked": self.asked,
            "status": self.status,
        }


def _status(message_id: str, status: str) -> bytes:
    return orjson.dumps([CALLRESULT, message_id, {"status": status}])


class Waiting:
    """For all chargers to be acknowledged something more."""

    def __init__(self, chargers: Sequence[Charger]) -> None:
        self.at, self.missing = time.monotonic(), set(chargers)
        self.is_over = asyncio.Event()

    def heard(self, charger: Charger) -> None:
        self.missing.discard(charger)
        if not self.missing:
            self.is_over.set()


class Fleet:
    """Chargers that live while the body runs: `async with Fleet(…) as fleet`. `finish` lets them end in peace."""

    def __init__(self, credentials: Sequence[Credentials], urls: Sequence[str]) -> None:
        pause = len(credentials) / MESSAGES_PER_SECOND
        self.chargers = [
            Charger(each, urls, seed=f"{number}", pause_seconds=pause) for number, each in enumerate(credentials)
        ]
        self.tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self.tasks = [asyncio.create_task(charger.live()) for charger in self.chargers]
        return self

    async def __aexit__(self, *exception: object) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        for charger in self.chargers:
            if charger.line:
                charger.line.socket.abort("")

    def wait_for_all(self) -> Waiting:
        waiting = Waiting(self.chargers)
        for charger in self.chargers:
            charger.waiting = waiting
        return waiting

    async def finish(self, seconds: float) -> None:
        """The cars leave, and what waits is delivered. TimeoutError names those who could not."""
        for charger in self.chargers:
            charger.is_leaving = True
        _done, late = await asyncio.wait(self.tasks, timeout=seconds)
        if late:
            raise TimeoutError(
                f"{len(late)} chargers were not served in {seconds:.0f} s: {self.endings.most_common(3)}"
            )
        for task in self.tasks:
            task.result()

    @property
    def acknowledged(self) -> int:
        return sum(charger.acknowledged for charger in self.chargers)

    @property
    def endings(self) -> Counter[str]:
        """Why connections ended or did not begin, by how often."""
        return sum((charger.endings for charger in self.chargers), Counter())

    @property
    def errors(self) -> Counter[str]:
        return sum((charger.errors for charger in self.chargers), Counter())

    def testimony(self) -> list[dict[str, Any]]:
        return [charger.testimony() for charger in self.chargers]
