"""A charge point's line to its server: stays connected, boots, keeps its clock, and empties its offline queue."""

import asyncio
import contextlib
import random
from collections.abc import Callable, Coroutine
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Self

from ocpp.charge_point import remove_nones, snake_to_camel_case
from ocpp.exceptions import OCPPError
from ocpp.v16 import call
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from ocpp_gateway.simulator.connection import DEFAULT_URL, Credentials, Line, Offline, dial, refusal
from ocpp_gateway.simulator.memory import (
    CHANGEABLE,
    Acknowledged,
    Backoff,
    Clock,
    Journal,
    OfflineQueue,
    Outlet,
    Queued,
    configuration,
)
from ocpp_gateway.simulator.vehicles import Profiles, Register, Warmth

# How long the end waits for answers to queued messages: after the work, and when it was broken off.
PATIENT_SECONDS = 120.0
HASTY_SECONDS = 8.0
RATED_POWER_W = 11_000.0

Say = Callable[[str, str], None]


class LinkedCharger:
    """What every charge point does on its line. As a context manager it connects, stays connected, and ends gracefully.

    `credentials` say who it is, `seed` makes its cars and its waiting repeatable. `sample_seconds` are simulated
    seconds between MeterValues; `rated_power_w` is what each connector offers.
    """

    def __init__(
        self,
        credentials: Credentials,
        *,
        url: str = DEFAULT_URL,
        clock: Clock | None = None,
        journal: Journal | None = None,
        say: Say | None = None,
        seed: int | None = None,
        sample_seconds: int = 60,
        rated_power_w: float = RATED_POWER_W,
        register_wh: int | None = None,
        cars_follow_remote_starts: bool = False,
        tells_samples: bool = True,
    ) -> None:
        self.credentials = credentials
        self.identity = credentials.identity
        self.url = url
        self.clock = clock or Clock()
        self.journal = journal or Journal()
        self.rng = random.Random(seed)
        self.rated_power_w = rated_power_w
        self.cars_follow_remote_starts = cars_follow_remote_starts
        self.tells_samples = tells_samples
        self.outlets = {
            number: Outlet(number, Register(self.rng.randrange(10_000_000) if register_wh is None else register_wh))
            for number in range(1, credentials.connectors + 1)
        }
        self.settings = configuration(sample_seconds=sample_seconds, connectors=credentials.connectors)
        self.profiles = Profiles()
        self.warmth = Warmth()
        self.queue = OfflineQueue()
        self.known_tags: set[str] = set()
        self.line: Line | None = None
        self.has_booted = False
        self._say = say or (lambda who, what: None)
        self._backoff = Backoff(random.Random(seed))
        self._ready = asyncio.Event()
        self._network = asyncio.Event()
        self._network.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._connection: asyncio.Task[None] | None = None
        self._owner: asyncio.Task[Any] | None = None
        self._failure: BaseException | None = None

    def say(self, what: str, *, connector_id: int | None = None) -> None:
        """One line per event, under the charge point's own clock."""
        who = self.identity if connector_id is None else f"{self.identity}/{connector_id}"
        self._say(f"{self.clock.now():%H:%M:%S} {who}", what)

    # -------------------------------------------------------------------------------------------- staying connected

    async def __aenter__(self) -> Self:
        self._owner = asyncio.current_task()
        self._connection = self._in_background(self._stay_connected())
        try:
            await self.online()
        except BaseException:  # a cancelled start, too, leaves no task behind; it is raised again
            await self._end_tasks()
            raise
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *failure: object) -> None:
        try:
            if self._failure is None:
                await self.stop_all("Local")
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self.queue.emptied(), HASTY_SECONDS if kind else PATIENT_SECONDS)
            if len(self.queue):
                self.say(f"ends with {len(self.queue)} unanswered messages")
        finally:
            await self._end_tasks()
        if self._failure is not None:
            if self._owner is not None:
                self._owner.uncancel()
            raise self._failure

    async def _end_tasks(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def online(self) -> None:
        """Waits for a connection over which the boot was accepted. ServerRefused when the server lets us not in."""
        assert self._connection is not None, "enter the context first"
        ready = asyncio.create_task(self._ready.wait())
        try:
            await asyncio.wait({ready, self._connection}, return_when=asyncio.FIRST_COMPLETED)
            if self._connection.done():
                self._connection.result()
        finally:
            ready.cancel()

    @property
    def is_online(self) -> bool:
        return self._ready.is_set()

    async def lose_connection(self, *, seconds: float = 0.0) -> None:
        """Cuts the connection without a word and stays away for `seconds` (ours). The meter goes on."""
        self._network.clear()
        line = self.line
        if line is not None:
            line.socket.transport.abort()
        await asyncio.sleep(seconds)
        self._network.set()

    async def _stay_connected(self) -> None:
        while True:
            await self._network.wait()
            try:
                await self._connect_once()
            except InvalidHandshake as error:
                refused = refusal(error, identity=self.identity)
                status = error.response.status_code if isinstance(error, InvalidStatus) else 0
                if not self.has_booted and 400 <= status < 500:
                    raise refused from None
                self.say(f"not let in: {refused}")
            except (OSError, TimeoutError, ConnectionClosed, Offline, EOFError, OCPPError) as error:
                self.say(f"connection lost: {type(error).__name__} {error}".rstrip(" :"))
            delay = self._backoff.next()
            self.say(f"connects again in {delay:.1f} s")
            await asyncio.sleep(delay)

    async def _connect_once(self) -> None:
        """From the handshake to the loss of the connection."""
        async with dial(self.url, identity=self.identity, password=self.credentials.password) as socket:
            line = self.line = self._line_over(socket)
            reading = asyncio.create_task(line.start())
            working = asyncio.create_task(self._work(line))
            try:
                done, _pending = await asyncio.wait({reading, working}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                self._ready.clear()
                self.line = None
                if not line.lost.done():
                    line.lost.set_result(None)
                reading.cancel()
                working.cancel()
                await asyncio.gather(reading, working, return_exceptions=True)
                await socket.close()  # with 1000, also when the task is cancelled
            for task in done:
                task.result()

    async def _work(self, line: Line) -> None:
        """Boot (once; a new connection alone is no boot, OCPP-J §5.4), statuses, then queue and heartbeats."""
        interval = await self._boot(line) if not self.has_booted else float(self.settings["HeartbeatInterval"][1])
        told = {}
        for number, outlet in [(0, None), *self.outlets.items()]:
            told[number] = outlet.status if outlet else ""
            await self._tell(self._status_of(number), line=line)
        self._ready.set()
        self._backoff.reset()
        for number, outlet in self.outlets.items():
            if outlet.status != told[number]:
                await self._tell(self._status_of(number), line=line)
        beating = asyncio.create_task(self._send_heartbeats(line, interval))
        try:
            await self._send_queue(line)
        finally:
            beating.cancel()

    async def _boot(self, line: Line) -> float:
        while True:
            answer = await line.ask(
                call.BootNotification(
                    charge_point_model="Simulated 11",
                    charge_point_vendor="ShareCharge",
                    charge_point_serial_number=f"SIM-{self.identity}"[:25],
                    firmware_version="1.0",
                    meter_type="simulated",
                )
            )
            if answer.status == "Accepted":
                break
            self.say(f"boot is {answer.status}, again in {answer.interval} s")
            await self.clock.sleep(max(answer.interval, 5))
        self.has_booted = True
        self.settings["HeartbeatInterval"] = (CHANGEABLE, str(answer.interval))
        self.say("booted")
        return float(answer.interval)

    async def _send_heartbeats(self, line: Line, interval: float) -> None:
        # The server measures silence in its own seconds, so these are not simulated ones.
        while True:
            await asyncio.sleep(max(interval, 1.0))
            await self._tell(call.Heartbeat(), line=line)

    async def _send_queue(self, line: Line) -> None:
        """Sends the first message until it is answered, then the next one."""
        while True:
            queued = await self.queue.first()
            request = queued.request()
            try:
                answer = await line.ask(request, message_id=queued.message_id)
            except TimeoutError:
                self.say(f"{type(request).__name__} was not answered, again")
            except OCPPError as error:
                await self._after_error(queued, error)
            else:
                self.queue.done()
                self._after_answer(queued, answer)

    async def _after_error(self, queued: Queued, error: OCPPError) -> None:
        """OCPP 1.6 §3.7.1: again after a growing pause; given up after TransactionMessageAttempts."""
        queued.errors += 1
        name = type(queued.message).__name__
        if queued.errors >= int(self.settings["TransactionMessageAttempts"][1]):
            self.queue.done()
            self.say(f"{name} is given up after {queued.errors} errors: {error}")
            return
        self.say(f"{name} was answered with an error, again: {error}")
        await self.clock.sleep(queued.errors * float(self.settings["TransactionMessageRetryInterval"][1]))

    def _after_answer(self, queued: Queued, answer: Any) -> None:
        transaction = queued.transaction
        if isinstance(queued.message, call.StopTransaction):
            transaction.settled.set()
        if not isinstance(queued.message, call.StartTransaction):
            return
        transaction.transaction_id = answer.transaction_id
        status = answer.id_tag_info["status"]
        self.say(f"transaction {answer.transaction_id} is {status}", connector_id=transaction.connector_id)
        if status != "Accepted" and self.settings["StopTransactionOnInvalidId"][1] == "true":
            self.known_tags.discard(transaction.id_tag.upper())
            transaction.stop("DeAuthorized")

    def acknowledge(self, request: Any, answer: Any, *, message_id: str) -> None:
        self.journal.add(
            Acknowledged(
                at=datetime.now(UTC),
                identity=self.identity,
                message_id=message_id,
                action=type(request).__name__,
                payload=remove_nones(snake_to_camel_case(asdict(request))),
                answer=remove_nones(snake_to_camel_case(asdict(answer))),
            )
        )

    async def _ask(self, request: Any) -> Any:
        """For what is only true now: sent once, or Offline."""
        line = self.line
        if line is None or not self._ready.is_set():
            raise Offline
        return await line.ask(request)

    def _in_background(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._background_ended)
        return task

    def _background_ended(self, task: asyncio.Task[None]) -> None:
        """A mistake in the background must not pass unseen: it ends whoever uses this charger."""
        self._tasks.discard(task)
        if task.cancelled() or task.exception() is None or self._failure is not None:
            return
        if task is self._connection and not self.has_booted:
            return  # `online` tells it
        self._failure = task.exception()
        if self._owner is not None:
            self._owner.cancel()

    async def _tell(self, request: Any, *, line: Line | None = None) -> None:
        """For what need not be told again when nobody hears it."""
        line = line or (self.line if self._ready.is_set() else None)
        if line is None:
            return
        try:
            await line.ask(request)
        except Offline:
            return
        except (TimeoutError, OCPPError) as error:
            self.say(f"{type(request).__name__} was not accepted: {type(error).__name__} {error}".rstrip())

    async def set_clock(self) -> None:
        """Takes over the server's time, unless a transaction runs, whose times must not jump."""
        if any(outlet.transaction for outlet in self.outlets.values()):
            return
        with contextlib.suppress(Offline, TimeoutError, OCPPError):
            answer = await self._ask(call.Heartbeat())
            self.clock.set(datetime.fromisoformat(answer.current_time))

    # -------------------------------------------------------------------------------------------- what the charger adds

    def _line_over(self, socket: ClientConnection) -> Line:
        """What speaks for this charge point over a new socket, and answers the server's calls."""
        raise NotImplementedError

    async def stop_all(self, reason: str) -> None:
        """Ends every transaction."""
        raise NotImplementedError

    def _status_of(self, number: int) -> call.StatusNotification:
        """What connector `number` (0: the whole charge point) says about itself."""
        raise NotImplementedError
