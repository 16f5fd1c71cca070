"""The charge points' sockets of this process: one channel, one listener and one watch for all of them.

Events name a connection by its mark, `<process>.<connection>`, so one group of the channel layer carries everything
that concerns this process, and an idle charger costs the layer nothing. A lost event loses nothing: every few seconds
the watch looks in the database for commands and takeovers.
"""

import asyncio
import logging
import secrets
import time
from typing import Any, Protocol

from channels.layers import get_channel_layer

from chargers import commands, live, presence
from chargers.database import DatabaseAway
from ocpp_gateway import metrics
from ocpp_gateway.workers import work

logger = logging.getLogger(__name__)

WATCH_SECONDS = 5.0
PORTION = 500
LAYER_RETRY_SECONDS = 2.0
# Longer than any statement may take: whoever waits so long for the database waits for one that hangs.
STUCK_SECONDS = 40.0
# Layers forget members after a day, and Redis forgets everything when it is restarted.
JOIN_AGAIN_SECONDS = 60.0


class Socket(Protocol):
    charger_id: int
    mark: str

    def wake(self) -> None:
        """Look for a command that waits."""

    async def replace(self) -> None:
        """Close: a newer socket serves the charger, or nobody may any more."""

    async def give_up(self, before: float) -> None:
        """Close if a message has been in hand since before that time."""

    async def retire(self) -> None:
        """Finish the message in hand, then close: the server goes."""


class Switchboard:
    def __init__(self) -> None:
        self.process = secrets.token_hex(4)
        self.sockets: dict[str, Socket] = {}
        self.tasks: list[asyncio.Task[None]] = []
        self.is_retiring = False
        self.emptied = asyncio.Event()

    def new_mark(self) -> str:
        return f"{self.process}.{secrets.token_hex(8)}"

    def add(self, socket: Socket) -> None:
        self.sockets[socket.mark] = socket
        metrics.SOCKETS.set(len(self.sockets))
        if not self.tasks:
            self.tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._watch())]

    def remove(self, socket: Socket) -> None:
        self.sockets.pop(socket.mark, None)
        metrics.SOCKETS.set(len(self.sockets))
        if not self.sockets:
            for task in self.tasks:
                task.cancel()
            self.tasks = []
            self.emptied.set()

    async def retire(self, seconds: float) -> None:
        """Lets every socket finish its message and close, within `seconds`: the process is about to end."""
        self.is_retiring = True
        await asyncio.gather(*(socket.retire() for socket in list(self.sockets.values())), return_exceptions=True)
        if not self.sockets:
            return
        self.emptied = asyncio.Event()
        try:
            await asyncio.wait_for(self.emptied.wait(), seconds)
        except TimeoutError:
            logger.warning("%d charge points could not finish in time", len(self.sockets))

    async def _listen(self) -> None:
        """Hears that commands wait, or that a newer socket took over. A broken layer is tried again for ever."""
        group = live.gateway_group(self.process)
        while True:
            try:
                layer = get_channel_layer()
                channel = await layer.new_channel()
                joining = asyncio.create_task(self._stay_joined(layer, group, channel))
                try:
                    while True:
                        await self._heed(await layer.receive(channel))
                finally:
                    joining.cancel()
                    await self._leave(layer, group, channel)
            except Exception as error:  # redis-py's own tree of errors; R24: Redis is a doorbell
                logger.warning("the channel layer is away: %r", error)
                await asyncio.sleep(LAYER_RETRY_SECONDS)

    async def _stay_joined(self, layer: Any, group: str, channel: str) -> None:
        while True:
            try:
                await layer.group_add(group, channel)
            except Exception as error:  # as above; the listener meets the same error, or the next round succeeds
                logger.warning("the channel layer cannot be joined: %r", error)
            await asyncio.sleep(JOIN_AGAIN_SECONDS)

    async def _leave(self, layer: Any, group: str, channel: str) -> None:
        """Leaves the group, if the layer still answers; else the membership expires by itself."""
        try:
            await asyncio.wait_for(layer.group_discard(group, channel), LAYER_RETRY_SECONDS)
        except Exception as error:  # redis-py's own tree of errors; the membership expires by itself
            logger.info("the channel layer was not told of a leave: %r", error)

    async def _heed(self, event: dict[str, Any]) -> None:
        socket = self.sockets.get(event["mark"])
        if socket is None:
            return  # it has closed meanwhile
        if event["type"] == "connection.replaced":
            await socket.replace()
        else:
            socket.wake()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            try:
                stuck = time.monotonic() - STUCK_SECONDS
                await asyncio.gather(*(socket.give_up(stuck) for socket in list(self.sockets.values())))
                await asyncio.wait_for(self._look(), STUCK_SECONDS)
            except (DatabaseAway, TimeoutError) as error:
                logger.warning("sockets cannot be looked after: %r", error)
            except Exception:  # nobody awaits this task; without it lost events would stay lost
                logger.exception("sockets cannot be looked after")

    async def _look(self) -> None:
        """R15: the newest authenticated socket wins. Disabled and deleted chargers have none."""
        sockets = list(self.sockets.values())
        keys = [socket.charger_id for socket in sockets]
        marks: dict[int, str] = {}
        waiting: set[int] = set()
        for begin in range(0, len(keys), PORTION):  # ten thousand at once would hold up everybody
            portion = keys[begin : begin + PORTION]
            marks |= await work(presence.current_marks, portion)
            waiting.update(await work(commands.chargers_waiting, portion))
        for socket in sockets:
            current = marks.get(socket.charger_id, "")
            if current and current != socket.mark:
                await socket.replace()
            elif socket.charger_id in waiting:
                socket.wake()


switchboard = Switchboard()
