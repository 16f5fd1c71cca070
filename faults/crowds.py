"""Takeovers, storms, floods: many sockets, or too much from one."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator
from dataclasses import replace
from statistics import median
from urllib.parse import urlsplit

from faults.chargers import Charger, Line, Lost
from faults.show import Outcome, Scale, Show
from faults.stage import Stage
from ocpp_gateway.simulator import Credentials

WATCH_SECONDS = 5.0
BOOT = {"chargePointVendor": "F", "chargePointModel": "One"}
SLOW_SOCKETS = 60
# Messages of the flooding charger that are on their way at any time.
FLOOD_STREAMS = 300


# ------------------------------------------------------------------------------------------------ takeover


async def takeover(stage: Stage, scale: Scale) -> Outcome:
    """A second socket of the same identity on another process: without the password, then with it."""
    show = Show(stage, "takeover", scale, chargers=max(4, scale.chargers // 10), gateways=2)
    async with show:
        await asyncio.gather(*(_try_takeover(show, each) for each in stage.chargers[: show.outcome.chargers]))
        show.testimony = []
    return show.outcome


async def _try_takeover(show: Show, credentials: Credentials) -> None:
    try:
        await _take_over(show, credentials)
    except Lost as error:
        show.outcome.faults[f"a rightful socket was lost: {error}"] += 1


async def _take_over(show: Show, credentials: Credentials) -> None:
    outcome, (left, right) = show.outcome, (gateway.charger_url for gateway in show.gateways)
    old = await Line(credentials, left).connect()
    await old.ask("1", "BootNotification", BOOT)
    for wrong in ("guessed", ""):
        await _refuse(outcome, replace(credentials, password=wrong), right)
    outcome.expect(not old.ended.done(), "a stranger's attempt closed the socket")
    await old.ask("2", "Heartbeat", {})
    new = await Line(credentials, right).connect()
    outcome.events["takeover with the password"] += 1
    await new.ask("3", "Heartbeat", {})
    await _expect_replaced(outcome, old)
    outcome.expect(not new.ended.done(), "the new socket was closed, too")
    await asyncio.sleep(0.5)  # the old one's end is stored by now
    served = "SELECT connection_mark, disconnected_at FROM chargers_charger WHERE identity = %s"
    mark, disconnected_at = (await asyncio.to_thread(show.stage.rows, show.url, served, credentials.identity))[0]
    outcome.expect(mark != "" and disconnected_at is None, "the old socket's end marked the charger as offline")
    await new.ask("4", "Heartbeat", {})
    outcome.acknowledged += 4
    new.close()


async def _refuse(outcome: Outcome, stranger: Credentials, url: str) -> None:
    outcome.events["takeover without the password"] += 1
    try:
        await Line(stranger, url).connect()
    except Lost as error:
        outcome.expect("401" in str(error), f"a stranger was refused with {error}")
    else:
        outcome.faults["a stranger was let in"] += 1


async def _expect_replaced(outcome: Outcome, old: Line) -> None:
    try:
        reason = await asyncio.wait_for(asyncio.shield(old.ended), 3 * WATCH_SECONDS)
        outcome.expect("1000" in reason, f"the old socket ended: {reason}")
    except TimeoutError:
        outcome.faults["the old socket was not closed"] += 1


# ------------------------------------------------------------------------------------------------ storm


async def storm(stage: Stage, scale: Scale) -> Outcome:
    """The gateway dies, everybody comes back at once, and some open their handshake so slowly that it never ends."""
    show = Show(stage, "storm", scale, chargers=scale.crowd)
    gateway, outcome = show.gateway, show.outcome

    async def play() -> None:
        await show.everybody_is_served()
        for _round in range(scale.rounds):
            await asyncio.to_thread(gateway.kill)
            await asyncio.to_thread(gateway.start)
            async with _slow_handshakes(gateway.charger_url, SLOW_SOCKETS):
                outcome.recoveries.append(await show.everybody_is_served())
            outcome.events["everybody came at once"] += 1
            outcome.events["handshakes that never end"] += SLOW_SOCKETS

    async with show:
        await show.under_load(play)
    return outcome


@contextlib.asynccontextmanager
async def _slow_handshakes(url: str, count: int) -> AsyncIterator[None]:
    """So many sockets send a header line each half second."""
    address = urlsplit(url)
    tasks = [asyncio.create_task(_dribble(address.hostname or "", address.port or 0)) for _number in range(count)]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _dribble(host: str, port: int) -> None:
    _reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(b"GET /ocpp/SLOW HTTP/1.1\r\nUpgrade: websocket\r\n")
        while True:
            writer.write(b"X-Slow: 1\r\n")
            await writer.drain()
            await asyncio.sleep(0.5)
    except OSError:  # the server has had enough of it
        pass
    finally:
        writer.close()


# ------------------------------------------------------------------------------------------------ flood


async def flood(stage: Stage, scale: Scale) -> Outcome:
    """One charger sends as fast as it can without waiting for answers; the others must go on."""
    show = Show(stage, "flood", scale, chargers=scale.chargers)
    outcome = show.outcome
    flooder = stage.chargers[scale.chargers]

    async def play() -> None:
        await show.everybody_is_served()
        quiet = await _watch(show.fleet.chargers, 2.0 * scale.rounds)
        flooding = asyncio.create_task(_flood(outcome, flooder, show.gateway.charger_url))
        loud = await _watch(show.fleet.chargers, 2.0 * scale.rounds)
        flooding.cancel()
        await asyncio.gather(flooding, return_exceptions=True)
        outcome.expect(min(map(len, loud)) > 0, "a charger was not served during the flood")
        outcome.expect(outcome.events["messages of the flood"] > 0, "there was no flood")
        before, after = ([each for charger in told for each in charger] for told in (quiet, loud))
        outcome.remarks.append(
            f"a quiet charger's answer took {median(before) * 1000:.0f} ms without the flood, "
            f"{median(after) * 1000:.0f} ms beside it: {median(after) / median(before):.1f} times"
        )

    async with show:
        await show.under_load(play)
    return outcome


async def _watch(chargers: list[Charger], seconds: float) -> list[list[float]]:
    """The latencies of each charger within these seconds."""
    begin = [len(charger.latencies) for charger in chargers]
    await asyncio.sleep(seconds)
    return [charger.latencies[number:] for number, charger in zip(begin, chargers, strict=True)]


async def _flood(outcome: Outcome, credentials: Credentials, url: str) -> None:
    """Until it is cancelled: so many messages wait for their answers at any time."""
    line = await Line(credentials, url).connect()
    await line.ask("boot", "BootNotification", BOOT)

    async def pour(stream: int) -> None:
        for number in itertools.count():
            value = {"timestamp": "2026-01-01T00:00:00Z", "sampledValue": [{"value": f"{stream}{number:06}"}]}
            await line.ask(f"{stream}-{number}", "MeterValues", {"connectorId": 1, "meterValue": [value]})
            outcome.events["messages of the flood"] += 1

    try:
        await asyncio.gather(*map(pour, range(FLOOD_STREAMS)))
    except Lost as error:
        outcome.remarks.append(f"the flood was ended: {error}")
    finally:
        line.socket.abort("")
