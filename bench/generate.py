"""The load generator's process: reads a plan from stdin, drives its chargers, and writes what it found to stdout.

Both are JSON. It tells its own CPU time beside that of the servers, so that a reader can see who was at the end of his
strength.
"""

import asyncio
import gc
import os
import sys
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Self

import orjson

from bench import load, probe, workloads
from bench.load import Station, Tally, now
from bench.workloads import Box
from ocpp_gateway.simulator import Credentials

WARM_LIMIT_SECONDS = 90.0
DRAIN_SECONDS = 90.0
# After the last message of the open loop was due. Who needs longer than this does not keep up.
GRACE_SECONDS = 5.0
POLITE_CONNECTIONS = 20
QUIET_SECONDS = 2.0
QUIET_SHARE = 0.1
QUIET_LIMIT_SECONDS = 60.0

Found = dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """`mode` is a name in MODES. `watched`: the processes that are measured beside the generator, by role.

    `clock`: where the chargers' own clocks begin. `rate`: messages per second of the open loop. `base`: how many of
    the chargers are connected before the memory of the others is measured.
    """

    mode: str
    urls: list[str]
    chargers: list[Credentials]
    clock: str
    mix: str = "day"
    seconds: float = 5.0
    warm_seconds: float = 1.0
    rate: float = 0.0
    base: int = 0
    watched: dict[str, list[int]] = field(default_factory=dict)

    @classmethod
    def from_json(cls, text: bytes) -> Self:
        told = orjson.loads(text)
        return cls(**{**told, "chargers": [Credentials(**line) for line in told["chargers"]]})


class Stopwatch:
    """Time, and CPU seconds of all roles; `others` is what the rest of the machine did meanwhile."""

    def __init__(self, plan: Plan) -> None:
        self.watched = {**plan.watched, "generator": [os.getpid()]}

    def __enter__(self) -> Self:
        self.before, self.began = self._cpu(), now()
        return self

    def __exit__(self, *exception: object) -> None:
        self.seconds = now() - self.began
        # The kernel's counters are not read at the same moment: `others` may come out a little below nothing.
        self.cpu_seconds = {role: max(0.0, used - self.before[role]) for role, used in self._cpu().items()}

    def _cpu(self) -> dict[str, float]:
        used = {role: probe.cpu_seconds(pids) for role, pids in self.watched.items()}
        return {**used, "others": probe.busy_seconds() - sum(used.values())}


def make_stations(plan: Plan, tally: Tally) -> list[Station]:
    """The chargers, divided among the servers."""
    return [make_station(plan, number, tally) for number in range(len(plan.chargers))]


def make_station(plan: Plan, number: int, tally: Tally) -> Station:
    """Each begins at its own place in a session, so that the mix is right from the first second."""
    credentials = plan.chargers[number]
    first_values = round(workloads.VALUES[plan.mix] * (number + 1) / len(plan.chargers))
    return Station(
        credentials,
        url=plan.urls[number % len(plan.urls)],
        box=Box(id_tag=credentials.id_tag, clock=datetime.fromisoformat(plan.clock)),
        tally=tally,
        make_script=lambda box: workloads.sessions(box, plan.mix, first_values=first_values),
    )


# ------------------------------------------------------------------------------------------------ closed and open loop


async def under_way(plan: Plan, tally: Tally) -> list[Station]:
    """Lets the chargers in, and returns when all of them charge."""
    stations = await load.connect(make_stations(plan, tally), at_once=POLITE_CONNECTIONS)
    for station in stations:
        station.begin()
    await until(lambda: all(s.box.journal or s.finished.done() for s in stations), seconds=WARM_LIMIT_SECONDS)
    return stations


async def spread(stations: list[Station]) -> None:
    """Returns when half of the chargers are past their first session: nobody marches in step any more."""

    def is_spread() -> bool:
        return 2 * sum(len(s.box.journal) > 1 or s.finished.done() for s in stations) >= len(stations)

    await until(is_spread, seconds=WARM_LIMIT_SECONDS)


async def closed(plan: Plan) -> Found:
    """As fast as the server answers."""
    tally = Tally()
    stations = await under_way(plan, tally)
    await asyncio.sleep(plan.warm_seconds)
    await spread(stations)
    with Stopwatch(plan) as watch:
        tally.begin = watch.began
        await asyncio.sleep(plan.seconds)
        tally.end = now()
    await drain(stations, tally)
    return {**found(tally, watch), "journal": list(map(journal, stations))}


async def open_loop(plan: Plan) -> Found:
    """So many messages per second, whether the server answers or not."""
    tally = Tally(by_due=True)
    stations = await under_way(plan, tally)
    for station in stations:
        station.due = deque()
    due = round((plan.warm_seconds + plan.seconds) * plan.rate)
    first_counted = round(plan.warm_seconds * plan.rate)
    began = now()
    tally.begin = began + first_counted / plan.rate
    await tick(stations, began=began, rate=plan.rate, numbers=range(first_counted))
    with Stopwatch(plan) as watch:
        await tick(stations, began=began, rate=plan.rate, numbers=range(first_counted, due))
    await until(lambda: not any(s.due or s.asked for s in stations), seconds=GRACE_SECONDS)
    tally.end = now()
    await drain(stations, tally)
    unanswered = due - first_counted - len(tally.latencies)
    journals = list(map(journal, stations))
    # What was due in so many seconds; the stopwatch may have started a moment late.
    return {**found(tally, watch), "seconds": plan.seconds, "unanswered": unanswered, "journal": journals}


async def tick(stations: Sequence[Station], *, began: float, rate: float, numbers: range) -> None:
    for number in numbers:
        moment = began + number / rate
        await asyncio.sleep(max(0.0, moment - now()))
        stations[number % len(stations)].is_due(moment)


async def drain(stations: list[Station], tally: Tally) -> None:
    """Ends all sessions and connections; who cannot is an error."""
    for station in stations:
        station.finish()
    await until(lambda: all(station.finished.done() for station in stations), seconds=DRAIN_SECONDS)
    if late := sum(not station.finished.done() for station in stations):
        tally.errors["a session could not be ended"] += late
    await leave(stations)


async def leave(stations: list[Station]) -> None:
    for station in stations:
        station.socket.close()
    await asyncio.sleep(0.1)


async def until(condition: Callable[[], bool], *, seconds: float) -> None:
    deadline = now() + seconds
    while not condition() and now() < deadline:  # noqa: ASYNC110 - it is about many stations at once
        await asyncio.sleep(0.02)


def found(tally: Tally, watch: Stopwatch) -> Found:
    return {
        "seconds": watch.seconds,
        "messages": len(tally.latencies),
        "cpu_seconds": watch.cpu_seconds,
        "latencies": tally.latencies,
        "lateness": tally.lateness,
        "actions": tally.actions,
        "errors": tally.errors,
    }


def journal(station: Station) -> Found:
    """What this charger was told that the server has kept."""
    transactions = [asdict(transaction) for transaction in station.box.journal]
    return {"identity": station.identity, "status": station.box.status, "transactions": transactions}


# ------------------------------------------------------------------------------------------------ crowds


async def idle(plan: Plan) -> Found:
    """What one more connected charger that says nothing costs in memory."""
    tally = Tally()
    stations = make_stations(plan, tally)
    first = await load.connect(stations[: plan.base], at_once=POLITE_CONNECTIONS)
    await quiet(plan)
    before = probe.memory_bytes(plan.watched["server"])
    more = await load.connect(stations[plan.base :], at_once=POLITE_CONNECTIONS)
    await quiet(plan)
    after = probe.memory_bytes(plan.watched["server"])
    with Stopwatch(plan) as watch:
        await asyncio.sleep(plan.seconds)
    still = sum(station.socket.transport is not None for station in (*first, *more))
    await leave([*first, *more])
    return {
        "connected": still,
        "bytes_per_charger": (after - before) / max(1, len(more)),
        "cpu_seconds_per_second": watch.cpu_seconds["server"] / watch.seconds,
        "errors": tally.errors,
    }


async def storm(plan: Plan) -> Found:
    """All come back at the same moment and boot, as after a power cut."""
    earlier = Tally()
    stations = await load.connect(make_stations(plan, earlier), at_once=POLITE_CONNECTIONS)
    await quiet(plan)  # what follows a first boot is not part of a storm
    await leave(stations)
    await quiet(plan)
    tally = Tally()
    with Stopwatch(plan) as watch:
        entered = await load.connect(make_stations(plan, tally), at_once=len(plan.chargers))
    await leave(entered)
    return {
        "failed": len(plan.chargers) - len(entered),
        "seconds": watch.seconds,
        "boots": tally.boots,
        "cpu_seconds": watch.cpu_seconds,
        "errors": tally.errors + earlier.errors,
    }


async def quiet(plan: Plan) -> None:
    """Returns when the server has nothing to do any more: what follows a boot or an end is over."""
    deadline = now() + QUIET_LIMIT_SECONDS
    while now() < deadline:
        with Stopwatch(plan) as watch:
            await asyncio.sleep(QUIET_SECONDS)
        if watch.cpu_seconds["server"] < QUIET_SHARE * watch.seconds:
            return


MODES = {"closed": closed, "open": open_loop, "idle": idle, "storm": storm}


def main() -> None:
    plan = Plan.from_json(sys.stdin.buffer.read())
    gc.disable()  # a pause of ours would count as one of the server's
    sys.stdout.buffer.write(orjson.dumps(asyncio.run(MODES[plan.mode](plan))))


if __name__ == "__main__":
    main()
