"""The charge point's socket: all of the I/O, and nothing but I/O.

A charger's messages are handled one by one in their order, each stored before it is answered. Calls of ours are sent
from rows; their answers arrive as ordinary frames, so nobody ever waits for a charger.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

from channels.consumer import AsyncConsumer
from django.conf import settings
from django.db import DatabaseError
from django.utils import timezone

from chargers import commands, database
from chargers.database import DatabaseAway
from chargers.facts import Facts
from chargers.models import Command, ConnectionAttempt
from chargers.recorder import Overloaded, recorder
from ocpp_gateway import dispatch, handshake, metrics, rpc, schemas
from ocpp_gateway.handshake import Admission, Connection, Door
from ocpp_gateway.registry import Incoming
from ocpp_gateway.rpc import Asked, Call, CallError, CallResult, Outbox, Unreadable, WireError
from ocpp_gateway.switchboard import switchboard
from ocpp_gateway.workers import work, workers
from sharecharge import trace

logger = logging.getLogger(__name__)

# Websocket close codes (RFC 6455 §7.4.1, IANA's registry).
CLOSE_REPLACED = 1000
CLOSE_RESTART = 1012
CLOSE_TRY_AGAIN = 1013
# Some wallboxes (Wallbox, ABB) lose their way when they are asked something right after the boot answer.
SETTLE_AFTER_BOOT_SECONDS = 1.0
# And a charger that is about to boot must be heard first.
SETTLE_AFTER_CONNECT_SECONDS = 3.0


async def store(facts: Facts) -> None:
    """Returns when the facts are committed. Raises DatabaseAway."""
    try:
        await recorder.submit(facts)
    except Overloaded as error:
        raise DatabaseAway("too many facts wait") from error
    except DatabaseError as error:
        # Its own transaction failed although it was alone: is the database away, or is it this fact?
        if isinstance(error, database.AWAY):
            raise DatabaseAway(str(error)) from error
        raise


def _door(scope: dict[str, Any]) -> Door:
    client = scope.get("client") or ["", 0]
    return Door(
        raw_path=(scope.get("raw_path") or scope["path"].encode()).decode("latin-1"),
        headers=scope["headers"],
        subprotocols=list(scope["subprotocols"]),
        remote_address=str(client[0]),
    )


class ChargePointConsumer(AsyncConsumer):
    """Serves one socket. Its own loop replaces Channels' dispatch, which costs a thread hop and a task per message; the
    channel layer is heard for all sockets together (`switchboard`)."""

    connection: Connection
    base_send: Callable[[dict[str, Any]], Awaitable[None]]

    def __init__(self) -> None:
        self.outbox = Outbox()
        self.sending: asyncio.Task[None] | None = None
        self.deadline: asyncio.TimerHandle | None = None
        self.may_send_at = asyncio.get_running_loop().time() + SETTLE_AFTER_CONNECT_SECONDS
        self.busy_since: float | None = None
        self.is_closing = self.is_woken = False

    async def __call__(
        self,
        scope: dict[str, Any],
        receive: Callable[[], Awaitable[dict[str, Any]]],
        send: Callable[[dict[str, Any]], Awaitable[None]],
    ) -> None:
        self.base_send = send
        await receive()  # websocket.connect
        if await self._enter(scope):
            await self._serve(receive)

    @property
    def charger_id(self) -> int:
        return self.connection.charger_id

    @property
    def mark(self) -> str:
        return self.connection.mark

    # -------------------------------------------------------------------------------------------- the door

    async def _enter(self, scope: dict[str, Any]) -> bool:
        try:
            admitted = await work(handshake.admit, _door(scope), mark=switchboard.new_mark())
            if isinstance(admitted, Admission):
                await store(admitted.facts)
        except DatabaseAway as error:
            logger.error("handshake refused, the database is away: %s", error)
            await self._deny(scope, 503, b"The database is away.", [(b"retry-after", b"10")])
            return False
        outcome = ConnectionAttempt.Outcome.ACCEPTED if isinstance(admitted, Admission) else admitted.outcome
        metrics.HANDSHAKES.labels(outcome.value).inc()
        if not isinstance(admitted, Admission):
            logger.info("handshake of %s refused: %s", scope["path"][:200], admitted.outcome)
            challenge = [(b"www-authenticate", b'Basic realm="OCPP", charset="UTF-8"')]
            await self._deny(
                scope, admitted.status, str(admitted.outcome).encode(), challenge if admitted.status == 401 else []
            )
            return False
        self.connection = admitted.connection
        scope["headers"] = []  # a socket stays for weeks, and needs them no more
        return True

    async def _deny(
        self, scope: dict[str, Any], status: int, reason: bytes, headers: list[tuple[bytes, bytes]]
    ) -> None:
        """A real HTTP answer where the server can give one (ASGI's denial response), else its 403."""
        if "websocket.http.response" not in (scope.get("extensions") or {}):
            await self.base_send({"type": "websocket.close"})
            return
        await self.base_send(
            {
                "type": "websocket.http.response.start",
                "status": status,
                "headers": [(b"content-type", b"text/plain"), *headers],
            }
        )
        await self.base_send({"type": "websocket.http.response.body", "body": reason})

    async def _serve(self, receive: Callable[[], Awaitable[dict[str, Any]]]) -> None:
        await self.base_send({"type": "websocket.accept", "subprotocol": self.connection.subprotocol})
        logger.info("connected", extra=self._extra)
        switchboard.add(self)
        if switchboard.is_retiring:
            await self._close(CLOSE_RESTART)
        if self.connection.has_commands:
            self.wake()
        try:
            while (event := await receive())["type"] != "websocket.disconnect":
                await self._take(event.get("text") or event.get("bytes") or "")
                workers.give_way()
        except DatabaseAway as error:
            # R2: a CALLERROR would use up one of the charger's attempts. Without an answer it keeps the message.
            logger.error("closed, the database is away: %s", error, extra=self._extra)
            await self._close(CLOSE_TRY_AGAIN)
        finally:
            self._stop_sending()
            try:
                await asyncio.shield(store(Facts(self.charger_id, timezone.now(), left=self.mark)))
            except DatabaseAway as error:
                logger.warning("the end of a connection was not stored: %s", error, extra=self._extra)
            finally:
                switchboard.remove(self)
                logger.info("disconnected", extra=self._extra)

    @property
    def _extra(self) -> dict[str, Any]:
        return {"connection": self.mark, "charger": self.charger_id}

    async def _send_frame(self, frame: str) -> None:
        if logger.isEnabledFor(logging.DEBUG):
            logger.debug("→ %s", dispatch.masked(frame), extra=self._extra)
        await self.base_send({"type": "websocket.send", "text": frame})

    async def replace(self) -> None:
        """A newer socket serves the charger, or nobody may any more."""
        logger.info("replaced or revoked", extra=self._extra)
        await self._close(CLOSE_REPLACED)

    async def retire(self) -> None:
        """The server goes: the message in hand is answered, what comes after it is not, and so is sent again."""
        if self.busy_since is None:
            await self._close(CLOSE_RESTART)

    async def give_up(self, before: float) -> None:
        """Closes if a message has been in hand since before that time: the database hangs."""
        if self.busy_since is not None and self.busy_since < before:
            logger.error("closed, the database does not answer", extra=self._extra)
            await self._close(CLOSE_TRY_AGAIN)

    async def _close(self, code: int) -> None:
        if not self.is_closing:
            self.is_closing = True
            await self.base_send({"type": "websocket.close", "code": code})

    # -------------------------------------------------------------------------------------------- what comes in

    async def _take(self, data: str | bytes) -> None:
        if self.is_closing:
            return  # what arrives after the end was not answered, so the charger sends it again
        if logger.isEnabledFor(logging.DEBUG):
            text = data if isinstance(data, str) else data.decode("utf-8", "replace")
            logger.debug("← %s", dispatch.masked(text), extra=self._extra)
        self.busy_since = time.monotonic()
        try:
            await self._heed(data)
        except (DatabaseAway, asyncio.CancelledError):
            raise
        except Exception:  # one of the two edges: a bug costs one message, not the connection
            logger.exception("a frame could not be handled", extra=self._extra)
        self.busy_since = None
        if switchboard.is_retiring:
            await self._close(CLOSE_RESTART)

    async def _heed(self, data: str | bytes) -> None:
        match rpc.parse(data):
            case Call() as call:
                await self._answer(call)
            case CallResult(message_id, payload):
                await self._take_result(message_id, payload)
            case CallError(message_id, code, description):
                if asked := self.outbox.answered(message_id):
                    await self._finish(asked, error=f"{code}: {description}")
            case Unreadable(reason, message_id):
                await self._take_unreadable(data, reason, message_id)

    async def _answer(self, call: Call) -> None:
        begun = time.perf_counter()
        trace.adopt(f"{self.mark}:{call.message_id}")
        try:
            facts, answer = await self._handle(call)
            result = "refused" if facts.exchange and facts.exchange.is_error else "answered"
            await store(facts)
        except (DatabaseAway, asyncio.CancelledError):
            raise
        except Exception:  # it is answered all the same
            logger.exception("%s could not be handled", call.action, extra=self._extra)
            bug = WireError("InternalError", "This message could not be handled.")
            facts, answer = dispatch.refuse(self.charger_id, call, bug, timezone.now())
            result = "failed"
            await store(facts)
        if call.action == dispatch.BOOT:
            self._has_booted(answer)
        await self._send_frame(answer)
        action = call.action if call.action in self.connection.version.handlers else metrics.OTHER
        metrics.message(action, result).inc()
        metrics.message_seconds(action).observe(time.perf_counter() - begun)

    async def _handle(self, call: Call) -> tuple[Facts, str]:
        """What is to be stored before the answer, and the answer."""
        connection, received_at = self.connection, timezone.now()
        incoming = Incoming(connection.charger_id, call.payload, received_at)
        try:
            handler, note = dispatch.handler_of(connection.version, call, is_accepted=connection.is_accepted)
            if handler.report:
                return dispatch.report(handler, call, incoming, note)
            return await work(dispatch.decide, handler, call, incoming, note)
        except WireError as error:
            if error.code == "SecurityError":
                await work(dispatch.ask_to_boot, connection.charger_id)
            return dispatch.refuse(connection.charger_id, call, error, received_at)

    def _has_booted(self, answer: str) -> None:
        """What the boot's own answer says decides what the charger may say and be asked from now on."""
        frame = rpc.parse(answer)
        status = frame.payload.get("status") if isinstance(frame, CallResult) else None
        self.connection.is_accepted = status == "Accepted"
        self.may_send_at = asyncio.get_running_loop().time() + SETTLE_AFTER_BOOT_SECONDS
        self.wake()

    async def _take_result(self, message_id: str | int, payload: Any) -> None:
        asked = self.outbox.answered(message_id)
        if asked is None:
            logger.info("an answer that nobody waits for was dropped", extra=self._extra)
            return
        version = self.connection.version
        wrong = next(schemas.violations(version.schemas, asked.action, payload, response=True), None)
        if wrong:
            await self._finish(asked, error=f"answer breaks the schema: {wrong[1]}")
        else:
            await self._finish(asked, result=payload)

    async def _take_unreadable(self, data: str | bytes, reason: str, message_id: str | int | None) -> None:
        text = data if isinstance(data, str) else data.decode("utf-8", "replace")
        logger.info("unreadable frame: %s", reason, extra=self._extra)
        metrics.message(metrics.OTHER, "unreadable").inc()
        await store(dispatch.unreadable(self.charger_id, text, reason, timezone.now()))
        if message_id is not None:
            await self._send_frame(rpc.dump_error(message_id, WireError("FormationViolation", reason)))

    # -------------------------------------------------------------------------------------------- what goes out

    def wake(self) -> None:
        """Looks for a command to be sent: now, or when the one on its way is answered."""
        self.is_woken = True
        if self.outbox.asked is None and self.sending is None and not self.is_closing:
            self.sending = asyncio.create_task(self._send_next())

    async def _send_next(self) -> None:
        try:
            while (wait := self.may_send_at - asyncio.get_running_loop().time()) > 0:  # noqa: ASYNC110 - a boot moves it
                await asyncio.sleep(wait)
            self.is_woken = False
            connection = self.connection
            command = await work(
                commands.claim_next, connection.charger_id, mark=connection.mark, is_accepted=connection.is_accepted
            )
            if command is not None:
                self.is_woken |= not await self._ask(command)
        except DatabaseAway as error:
            logger.warning("commands cannot be read: %s", error, extra=self._extra)
        except Exception:  # nobody awaits this task, so nobody else would tell
            logger.exception("a command could not be sent", extra=self._extra)
        finally:
            self.sending = None
        if self.is_woken:
            self.wake()

    async def _ask(self, command: Command) -> bool:
        """Sends a command. False: it cannot be said in this version of OCPP, and was ended with that reason."""
        version = self.connection.version
        asker = version.commands[command.action]
        payload = asker.payload(command.payload)
        asked = self.outbox.ask(command.message_id, asker.action, payload, command_id=command.pk)
        wrong = next(schemas.violations(version.schemas, asker.action, payload), None)
        if wrong:
            self.outbox.asked = None
            await work(commands.finish, command.pk, error=f"not sent, it breaks the schema: {wrong[1]}")
            return False
        loop = asyncio.get_running_loop()
        self.deadline = loop.call_later(settings.CALL_TIMEOUT_SECONDS, self._time_out, command)
        await self._send_frame(asked.frame)
        return True

    def _time_out(self, command: Command) -> None:
        asked = self.outbox.answered(command.message_id)
        if asked is not None:
            logger.info("%s was not answered in time", asked.action, extra=self._extra)
            metrics.CALLS.labels(asked.action, "timed_out").inc()
            self.sending = asyncio.create_task(self._give_up(command))

    async def _give_up(self, command: Command) -> None:
        try:
            await work(commands.timed_out, command)
        except Exception as error:  # nobody awaits this task; the sweep ends what is never answered
            logger.warning("a time-out was not stored: %r", error, extra=self._extra)
        finally:
            self.sending = None
        self.wake()

    async def _finish(self, asked: Asked, *, result: Any = None, error: str = "") -> None:
        if self.deadline:
            self.deadline.cancel()
        metrics.CALLS.labels(asked.action, "error" if error else "answered").inc()
        now = timezone.now()
        await store(
            await work(dispatch.finish, asked.command_id, self.charger_id, asked, now, result=result, error=error)
        )
        self.wake()

    def _stop_sending(self) -> None:
        self.is_closing = True
        if self.outbox.asked:
            metrics.CALLS.labels(self.outbox.asked.action, "lost").inc()
        if self.deadline:
            self.deadline.cancel()
        if self.sending:
            self.sending.cancel()
