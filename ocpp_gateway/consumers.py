"""The charge point's socket: all of the I/O, and nothing but I/O.

One task reads the socket, message by message: a charger's messages are handled in their order, each stored before it
is answered. A second task listens to the channel layer, and survives when it breaks. Calls of ours are sent from rows;
their answers arrive as ordinary frames, so nobody ever waits for a charger.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from channels.consumer import AsyncConsumer
from channels.layers import get_channel_layer
from django.conf import settings
from django.db import DatabaseError
from django.utils import timezone

from chargers import commands, live, presence
from chargers.models import Command
from chargers.recorder import Overloaded, recorder
from ocpp_gateway import dispatch, handshake, rpc, schemas
from ocpp_gateway.dispatch import DatabaseAway
from ocpp_gateway.handshake import Connection, Door, Refusal
from ocpp_gateway.registry import Incoming
from ocpp_gateway.rpc import Asked, Call, CallError, CallResult, Outbox, Unreadable, WireError

logger = logging.getLogger(__name__)

T = TypeVar("T")

# Websocket close codes (RFC 6455 §7.4.1).
CLOSE_REPLACED = 1000
CLOSE_TRY_AGAIN = 1013
# Some wallboxes (Wallbox, ABB) lose their way when they are asked something right after the boot answer.
SETTLE_AFTER_BOOT_SECONDS = 1.0
# And a charger that is about to boot must be heard first.
SETTLE_AFTER_CONNECT_SECONDS = 3.0
WATCH_SECONDS = 5.0
LAYER_RETRY_SECONDS = 2.0

workers = ThreadPoolExecutor(max_workers=settings.GATEWAY_WORKERS, thread_name_prefix="gateway")


async def work(function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    """Runs database work in a worker thread with a connection of its own. Raises DatabaseAway."""
    job = partial(dispatch.in_database, function, *args, **kwargs)
    return await asyncio.get_running_loop().run_in_executor(workers, job)


class ChargePointConsumer(AsyncConsumer):
    """Serves one socket. The consumer's own loop replaces Channels' dispatch, which costs a thread hop per message."""

    connection: Connection
    base_send: Callable[[dict[str, Any]], Awaitable[None]]

    def __init__(self) -> None:
        self.outbox = Outbox()
        self.sending: asyncio.Task[None] | None = None
        self.deadline: asyncio.TimerHandle | None = None
        self.may_send_at = asyncio.get_running_loop().time() + SETTLE_AFTER_CONNECT_SECONDS
        self.is_closing = False

    async def __call__(
        self,
        scope: dict[str, Any],
        receive: Callable[[], Awaitable[dict[str, Any]]],
        send: Callable[[dict[str, Any]], Awaitable[None]],
    ) -> None:
        self.scope, self.base_send = scope, send
        await receive()  # websocket.connect
        try:
            admitted = await work(handshake.admit, self._door())
        except DatabaseAway as error:
            logger.error("handshake refused, the database is away: %s", error)
            await self._deny(503, b"The database is away.", [(b"retry-after", b"10")])
            return
        if isinstance(admitted, Refusal):
            logger.info("handshake of %s refused: %s", scope["path"][:200], admitted.outcome)
            challenge = [(b"www-authenticate", b'Basic realm="OCPP", charset="UTF-8"')]
            await self._deny(
                admitted.status, str(admitted.outcome).encode(), challenge if admitted.status == 401 else []
            )
            return
        self.connection = admitted
        await self._serve(receive)

    # -------------------------------------------------------------------------------------------- the door

    def _door(self) -> Door:
        client = self.scope.get("client") or ["", 0]
        return Door(
            raw_path=(self.scope.get("raw_path") or self.scope["path"].encode()).decode("latin-1"),
            headers=self.scope["headers"],
            subprotocols=list(self.scope["subprotocols"]),
            remote_address=str(client[0]),
        )

    async def _deny(self, status: int, reason: bytes, headers: list[tuple[bytes, bytes]]) -> None:
        """A real HTTP answer where the server can give one (ASGI's denial response), else its 403."""
        if "websocket.http.response" not in (self.scope.get("extensions") or {}):
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
        mark = self.connection.mark
        await self.base_send({"type": "websocket.accept", "subprotocol": self.connection.subprotocol})
        logger.info("connected", extra=self._extra)
        watch.add(self)
        listener = asyncio.create_task(self._listen())
        try:
            while (event := await receive())["type"] != "websocket.disconnect":
                await self._take(event.get("text") or event.get("bytes") or "")
        except DatabaseAway as error:
            # R2: a CALLERROR would use up one of the charger's attempts. Without an answer it keeps the message.
            logger.error("closed, the database is away: %s", error, extra=self._extra)
            await self._close(CLOSE_TRY_AGAIN)
        finally:
            listener.cancel()
            self._stop_sending()
            watch.remove(self)
            logger.info("disconnected", extra=self._extra)
            try:
                await asyncio.shield(work(presence.disconnected, self.connection.charger_id, mark=mark))
            except DatabaseAway as error:
                logger.warning("the end of a connection was not stored: %s", error, extra=self._extra)

    @property
    def _extra(self) -> dict[str, Any]:
        return {"connection": self.connection.mark, "charger": self.connection.charger_id}

    async def _send_frame(self, frame: str) -> None:
        if logger.isEnabledFor(logging.DEBUG):
            logger.debug("→ %s", dispatch.masked(frame), extra=self._extra)
        await self.base_send({"type": "websocket.send", "text": frame})

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
        connection, received_at = self.connection, timezone.now()
        incoming = Incoming(connection.charger_id, call.payload, received_at)
        try:
            handler, note = dispatch.handler_of(connection.version, call, is_accepted=connection.is_accepted)
            if handler.report:
                facts, answer = dispatch.report(handler, call, incoming, note)
                await self._store(facts)
            else:
                answer = await work(dispatch.decide, handler, call, incoming, note)
        except WireError as error:
            answer = await work(dispatch.refuse, connection.charger_id, call, error, received_at)
        except (DatabaseAway, asyncio.CancelledError):
            raise
        except Exception:  # one of the two edges: a bug costs one message, not the connection
            logger.exception("%s could not be handled", call.action, extra=self._extra)
            bug = WireError("InternalError", "This message could not be handled.")
            answer = await work(dispatch.refuse, connection.charger_id, call, bug, received_at)
        if call.action == dispatch.BOOT:
            self._has_booted(answer)
        await self._send_frame(answer)
        self.wake()

    async def _store(self, facts: Any) -> None:
        try:
            await asyncio.wrap_future(recorder.submit(facts))
        except Overloaded as error:
            raise DatabaseAway("too many facts wait") from error
        except DatabaseError as error:
            # Its own transaction failed although it was alone: is the database away, or is it this fact?
            if isinstance(error, dispatch.AWAY):
                raise DatabaseAway(str(error)) from error
            raise

    def _has_booted(self, answer: str) -> None:
        """What the boot's own answer says decides what the charger may say and be asked from now on."""
        frame = rpc.parse(answer)
        status = frame.payload.get("status") if isinstance(frame, CallResult) else None
        self.connection.is_accepted = status == "Accepted"
        self.may_send_at = asyncio.get_running_loop().time() + SETTLE_AFTER_BOOT_SECONDS

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
        await self._store(dispatch.unreadable(self.connection.charger_id, text, reason, timezone.now()))
        if message_id is not None:
            await self._send_frame(rpc.dump_error(message_id, WireError("FormationViolation", reason)))

    # -------------------------------------------------------------------------------------------- what goes out

    def wake(self) -> None:
        """Looks for a command to be sent, unless one is on its way."""
        if self.outbox.asked is None and self.sending is None and not self.is_closing:
            self.sending = asyncio.create_task(self._send_next())

    async def _send_next(self) -> None:
        again = False
        try:
            await asyncio.sleep(max(0.0, self.may_send_at - asyncio.get_running_loop().time()))
            connection = self.connection
            command = await work(
                commands.claim_next, connection.charger_id, mark=connection.mark, is_accepted=connection.is_accepted
            )
            if command is not None:
                again = not await self._ask(command)
        except DatabaseAway as error:
            logger.warning("commands cannot be read: %s", error, extra=self._extra)
        except Exception:  # nobody awaits this task, so nobody else would tell
            logger.exception("a command could not be sent", extra=self._extra)
        finally:
            self.sending = None
        if again:
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
            self.sending = asyncio.create_task(self._give_up(command))

    async def _give_up(self, command: Command) -> None:
        try:
            await work(commands.timed_out, command)
        except DatabaseAway as error:
            logger.warning("a time-out was not stored: %s", error, extra=self._extra)
        finally:
            self.sending = None

    async def _finish(self, asked: Asked, *, result: Any = None, error: str = "") -> None:
        if self.deadline:
            self.deadline.cancel()
        charger_id = self.connection.charger_id
        await work(dispatch.finish, asked.command_id, charger_id, asked, timezone.now(), result=result, error=error)
        self.wake()

    def _stop_sending(self) -> None:
        self.is_closing = True
        if self.deadline:
            self.deadline.cancel()
        if self.sending:
            self.sending.cancel()

    # -------------------------------------------------------------------------------------------- events

    async def _listen(self) -> None:
        """Hears that commands wait, or that a newer socket took over. A broken layer is tried again for ever."""
        group = live.gateway_group(self.connection.charger_id)
        while not self.is_closing:
            layer = get_channel_layer()
            channel = ""
            try:
                channel = await layer.new_channel()
                await layer.group_add(group, channel)
                self.wake()  # what was asked before we could hear
                while True:
                    await self._heed(await layer.receive(channel))
            except asyncio.CancelledError:
                await self._leave(layer, group, channel)
                raise
            except Exception as error:  # redis-py's own tree of errors; R24: Redis is a doorbell
                logger.warning("the channel layer is away: %r", error, extra=self._extra)
                await asyncio.sleep(LAYER_RETRY_SECONDS)

    async def _leave(self, layer: Any, group: str, channel: str) -> None:
        """Leaves the group, if the layer still answers; else the membership expires by itself."""
        try:
            await asyncio.wait_for(layer.group_discard(group, channel), LAYER_RETRY_SECONDS)
        except Exception as error:
            logger.info("the channel layer was not told of a leave: %r", error, extra=self._extra)

    async def _heed(self, message: dict[str, Any]) -> None:
        if message["type"] == "connection.replaced":
            # The event may be late and be about an older socket than this: the row knows who serves the charger now.
            charger_id = self.connection.charger_id
            await self.check_mark((await work(presence.current_marks, [charger_id])).get(charger_id, ""))
        else:
            self.wake()

    async def check_mark(self, current: str) -> None:
        """R15: the newest authenticated socket wins. Disabled and deleted chargers have none."""
        if current and current != self.connection.mark:
            logger.info("replaced or revoked", extra=self._extra)
            await self._close(CLOSE_REPLACED)


class Watch:
    """Looks every few seconds after all sockets of this process, in case an event was lost: commands and takeovers."""

    def __init__(self) -> None:
        self.sockets: set[ChargePointConsumer] = set()
        self.task: asyncio.Task[None] | None = None

    def add(self, socket: ChargePointConsumer) -> None:
        self.sockets.add(socket)
        if self.task is None or self.task.done():
            self.task = asyncio.create_task(self._run())

    def remove(self, socket: ChargePointConsumer) -> None:
        self.sockets.discard(socket)

    async def _run(self) -> None:
        while self.sockets:
            await asyncio.sleep(WATCH_SECONDS)
            try:
                await self._look()
            except DatabaseAway as error:
                logger.warning("sockets cannot be looked after: %s", error)
            except Exception:  # nobody awaits this task; without it lost events would stay lost
                logger.exception("sockets cannot be looked after")

    async def _look(self) -> None:
        sockets = list(self.sockets)
        keys = [socket.connection.charger_id for socket in sockets]
        marks = await work(presence.current_marks, keys)
        waiting = set(await work(commands.chargers_waiting, keys))
        for socket in sockets:
            await socket.check_mark(marks.get(socket.connection.charger_id, ""))
            if socket.connection.charger_id in waiting:
                socket.wake()


watch = Watch()
