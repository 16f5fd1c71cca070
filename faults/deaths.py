"""Servers die or hang while chargers charge."""

import asyncio
from statistics import median

from faults.show import Outcome, Scale, Show
from faults.stage import Stage

# How often a point is passed before it is fatal: commands are rarer than messages.
MOST_PASSES = {"command": 4, "start": 25, "stop": 25, "settlement": 25, "facts": 40}
WATCH_SECONDS = 5.0
# Those of `points.POINTS`, which only processes that have Django can read.
POINTS = (
    "start.held", "start.stored", "start.committed", "stop.unsettled", "settlement.moved", "stop.settled",
    "stop.committed", "command.claimed", "command.answered", "command.started", "command.finished", "facts.measured",
    "facts.seen", "facts.committed",
)  # fmt: skip


async def kill(stage: Stage, scale: Scale) -> Outcome:
    """kill -9 of the gateway at named points and at random moments."""
    show = Show(stage, "kill", scale, chargers=scale.chargers)
    gateway, outcome = show.gateway, show.outcome

    async def play() -> None:
        for point in scale.points:
            await asyncio.to_thread(gateway.kill)  # which has killed itself already, but for the first one
            has_died = await gateway.dies_at(point, passes=show.chance.randint(1, MOST_PASSES[point.partition(".")[0]]))
            outcome.expect(has_died, f"{point} was not passed")
            outcome.events[f"killed at {point}"] += has_died
        await show.rise(gateway.kill, gateway.start)
        for _round in range(scale.rounds):
            await show.pause(0.3, 2.0)
            await show.rise(gateway.kill, gateway.start)
            outcome.events["killed at random"] += 1
        if "command.started" in scale.points:
            await asyncio.sleep(WATCH_SECONDS + 1)  # what would be sent again is sent by now

    async with show:
        await show.under_load(play)
    return outcome


async def database(stage: Stage, scale: Scale) -> Outcome:
    """SIGKILL of PostgreSQL with all its children; it comes back with what it had on its disk."""
    show = Show(stage, "database", scale, chargers=scale.chargers)
    outcome, server = show.outcome, stage.database
    assert server is not None

    async def play() -> None:
        for _round in range(scale.rounds):
            await show.everybody_is_served()
            await show.pause(0.3, 2.0)
            await show.rise(server.kill, server.start, away_seconds=2.0)
            outcome.events["PostgreSQL killed"] += 1

    async with show:
        await show.under_load(play)
    endings = show.fleet.endings
    closed, refused = endings["closed by the server with 1013"], endings["HTTP/1.1 503 Service Unavailable"]
    outcome.remarks.append(f"{closed} sockets closed with 1013, {refused} handshakes refused with 503")
    outcome.expect(closed > 0, "no socket was closed with 1013")
    outcome.expect(refused > 0, "no handshake was refused with 503")
    return outcome


async def redis(stage: Stage, scale: Scale) -> Outcome:
    """Redis is killed, comes back, hangs, and goes on: the money path must not notice."""
    show = Show(stage, "redis", scale, chargers=scale.chargers)
    outcome, server = show.outcome, stage.redis
    assert server is not None

    async def observe(state: str) -> None:
        """Progress in this state: bills, and remote stops that only the watch can have found."""
        chargers = show.fleet.chargers
        before = {
            charger: (len(charger.latencies), len(charger.journal), _stops(charger.asked)) for charger in chargers
        }
        stops = 0
        for second in range(int(4 * WATCH_SECONDS)):
            await asyncio.sleep(1)
            stops = sum(_stops(charger.asked) - before[charger][2] for charger in chargers)
            if stops and second >= 2 * scale.rounds:
                break
        latencies = [each for charger in chargers for each in charger.latencies[before[charger][0] :]]
        sessions = sum(len(charger.journal) - before[charger][1] for charger in chargers)
        outcome.events[f"Redis {state}"] += 1
        outcome.expect(sessions > 0, f"no session began while Redis was {state}")
        outcome.expect(stops > 0, f"no remote stop arrived while Redis was {state}")
        if latencies:
            outcome.remarks.append(
                f"Redis {state}: {sessions} sessions began, {stops} remote stops arrived, an answer took "
                f"{median(latencies) * 1000:.0f} ms (at most {max(latencies) * 1000:.0f} ms)"
            )

    async def play() -> None:
        await show.everybody_is_served()
        await observe("alive")
        await asyncio.to_thread(server.kill)
        await observe("dead")
        await asyncio.to_thread(server.start)
        server.hang()
        try:
            await observe("hung")
        finally:
            server.go_on()

    async with show:
        await show.under_load(play)
    outcome.expect(not show.fleet.endings, "connections ended while only Redis was away")
    return outcome


def _stops(asked: list[tuple[str, str]]) -> int:
    return sum(action == "RemoteStopTransaction" for action, _message_id in asked)
