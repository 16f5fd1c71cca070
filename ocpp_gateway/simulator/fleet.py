"""Many charge points at once, and the cars that come and go."""

import asyncio
import random
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from ocpp_gateway.simulator.connection import Credentials
from ocpp_gateway.simulator.link import Say
from ocpp_gateway.simulator.memory import Clock, Journal, Transaction
from ocpp_gateway.simulator.station import SimulatedCharger
from ocpp_gateway.simulator.vehicles import Car, arriving_car


@dataclass
class Traffic:
    """How cars come and go. Simulated seconds."""

    gap_seconds: float = 1200.0
    stay_seconds: float = 5400.0
    sessions: int = 0  # at each charger; 0: without end


async def live(charger: SimulatedCharger, traffic: Traffic) -> list[Transaction]:
    """Cars come to a charger, charge and leave. Gives the transactions; ends after `traffic.sessions` visits."""
    rng, done = charger.rng, []
    visits = 0
    while not traffic.sessions or visits < traffic.sessions:
        visits += 1
        # Gaps are random as arrivals are, but nobody wants to watch a charger that stays empty for hours.
        await charger.clock.sleep(min(rng.expovariate(1 / traffic.gap_seconds), 3 * traffic.gap_seconds))
        outlet = rng.choice(list(charger.outlets.values()))
        await charger.set_clock()
        if outlet.car is not None or not outlet.is_available or outlet.remote_tag is not None:
            continue
        stay = traffic.stay_seconds * rng.uniform(0.4, 1.6)
        transaction = await charger.visit(arriving_car(rng), connector_id=outlet.number, stay_seconds=stay)
        if transaction:
            done.append(transaction)
    return done


async def run_fleet(
    fleet: Sequence[Credentials],
    *,
    url: str,
    speed: float,
    traffic: Traffic,
    seed: int | None = None,
    journal: Journal | None = None,
    say: Say | None = None,
    sample_seconds: int = 60,
    cars_follow_remote_starts: bool = False,
    tells_samples: bool = True,
) -> list[Transaction]:
    """Simulated charge points, each with its cars, until all their sessions are done or the task is cancelled.

    ServerRefused when the server does not let one of them in at its first attempt.
    """
    rng = random.Random(seed)

    async def run(credentials: Credentials) -> list[Transaction]:
        charger = SimulatedCharger(
            credentials,
            url=url,
            clock=Clock(speed),
            journal=journal,
            say=say,
            seed=rng.getrandbits(32),
            sample_seconds=sample_seconds,
            cars_follow_remote_starts=cars_follow_remote_starts,
            tells_samples=tells_samples,
        )
        async with charger:
            return await live(charger, traffic)

    done = await together([run(credentials) for credentials in fleet])
    return [transaction for transactions in done for transaction in transactions]


async def charge_once(
    credentials: Credentials,
    car: Car,
    *,
    url: str,
    clock: Clock,
    journal: Journal,
    say: Say | None = None,
    seed: int | None = None,
    stay_seconds: float = float("inf"),
    tells_samples: bool = True,
) -> Transaction | None:
    """One visit of one car, from the boot of its charge point to the answered StopTransaction."""
    charger = SimulatedCharger(
        credentials, url=url, clock=clock, journal=journal, say=say, seed=seed, tells_samples=tells_samples
    )
    async with charger:
        return await charger.visit(car, stay_seconds=stay_seconds)


async def together(works: Sequence[Coroutine[Any, Any, Any]]) -> list[Any]:
    """The results of works that run at the same time; when one fails, the others are cancelled."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
