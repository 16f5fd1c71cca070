"""The load generator's process: reads a plan from stdin, drives its chargers, and writes what it found to stdout.

Both are JSON. A plan names its mode and what `Plan` describes; the process tells its own CPU time too, so that a reader
can see whether the server or the generator was at its end.
"""

import asyncio
import gc
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

import orjson

from bench import load, probe, workloads
from bench.load import Station, Tally
from bench.workloads import Box
from ocpp_gateway.simulator import Credentials

WARM_LIMIT_SECONDS = 90.0
DRAIN_SECONDS = 90.0
POLITE_CONNECTIONS = 20
STEPS = 20  # of the first session, among which the chargers are spread
TICK_SECONDS = 0.001

Found = dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """`watched`: names and process ids of what is measured beside the generator. `clock`: where the chargers' begin."""

    mode: str
    urls: list[str]
    chargers: list[Credentials]
    clock: str
    mix: str = "stress"
    seconds: float = 5.0
    warm_seconds: float = 1.0
    rate: float = 0.0
    watched: dict[str, list[int]] = field(default_factory=dict)

    @classmethod
    def from_json(cls, text: bytes) -> "Plan":
        told = orjson.loads(text)
        return cls(**{**told, "chargers": [Credentials(**line) for line in told["chargers"]]})


class Window:
    """Counts answers and CPU time while it is open."""

    def __init__(self, plan: Plan, tally: Tally) -> None:
        self.watched = {**plan.watched, "generator": [os.getpid()]}
        self.tally = tally

    def __enter__(self) -> "Window":
        self.before = self._cpu()
        self.began = time.perf_counter()
        self.tally.is_on = True
        return self

    def __exit__(self, *exception: object) -> None:
        self.tally.is_on = False
        self.seconds = time.perf_counter() - self.began
        self.cpu_seconds = {name: used - self.before[name] for name, used in self._cpu().items()}

    def _cpu(self) -> dict[str, float]:
        return {name: probe.cpu_seconds(pids) for name, pids in self.watched.items()}


def make_stations(plan: Plan, tally: Tally) -> list[Station]:
    """The chargers divided among the servers, each at its own place in its first session."""
    stations = []
    for number, credentials in enumerate(plan.chargers):
        box = Box(id_tag=credentials.id_tag, clock=datetime.fromisoformat(plan.clock))
        whole = workloads.VALUES[plan.mix]
        first_values = round(whole * (number + 1) / len(plan.chargers))
        stations.append(
            Station(
                credentials,
                url=plan.urls[number % len(plan.urls)],
                box=box,
                tally=tally,
                make_script=lambda box, values=first_values: workloads.sessions(box, plan.mix, first_values=values),  # type: ignore[misc]
            )
        )
    return stations


async def closed(plan: Plan, tally: Tally) -> Found:
    """As fast as the server answers, for `seconds` after all chargers have begun to charge."""
    stations = await load.connect(make_stations(plan, tally), at_once=POLITE_CONNECTIONS)
    for station in stations:
        station.begin()
    await asyncio.sleep(plan.warm_seconds)
    await until(lambda: all(s.box.journal or s.finished.done() for s in stations), seconds=WARM_LIMIT_SECONDS)
    with Window(plan, tally) as window:
        await asyncio.sleep(plan.seconds)
    await drain(stations, tally)
    return found(tally, window, stations)


async def drain(stations: list[Station], tally: Tally) -> None:
    """Ends all sessions and connections; who cannot is an error."""
    for station in stations:
        station.finish()
    _done, late = await asyncio.wait([station.finished for station in stations], timeout=DRAIN_SECONDS)
    if late:
        tally.errors["a session could not be ended"] += len(late)
    for station in stations:
        station.socket.close()
    await asyncio.sleep(0.1)


async def until(condition: Callable[[], bool], *, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:  # noqa: ASYNC110 - it is true of many stations at once
        await asyncio.sleep(0.05)


async def watch(stations: list[Station]) -> None:
    while True:
        await asyncio.sleep(1)
        for station in stations:
            station.check()


def found(tally: Tally, window: Window, stations: list[Station]) -> Found:
    return {
        "seconds": window.seconds,
        "messages": len(tally.latencies),
        "cpu_seconds": window.cpu_seconds,
        "latencies": tally.latencies,
        "lateness": tally.lateness,
        "boots": tally.boots,
        "actions": tally.actions,
        "asked": tally.asked,
        "errors": tally.errors,
        "journal": [journal(station) for station in stations],
    }


def journal(station: Station) -> Found:
    """What this charger was told that the server has kept."""
    return {
        "identity": station.identity,
        "status": station.box.status,
        "transactions": [asdict(transaction) for transaction in station.box.journal],
    }


MODES = {"closed": closed}


def main() -> None:
    plan = Plan.from_json(sys.stdin.buffer.read())
    gc.disable()  # a pause of ours would count as one of the server's
    result = asyncio.run(MODES[plan.mode](plan, Tally()))
    sys.stdout.buffer.write(orjson.dumps(result))


if __name__ == "__main__":
    main()
