"""One fault while it is played: a new database, gateways on it, chargers that live and people who give commands; and
what came out of it."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Self

from faults.chargers import Fleet
from faults.stage import Gateway, Stage

FINISH_SECONDS = 90.0
RECOVER_SECONDS = 60.0


@dataclass
class Outcome:
    """`events`: what was done to the platform, how often. `faults`: what it did wrong; empty when all is well.

    `recoveries`: seconds from the return of a server until the last charger was served.
    """

    name: str
    on: str = ""
    chargers: int = 0
    events: Counter[str] = field(default_factory=Counter)
    acknowledged: int = 0
    sessions: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    recoveries: list[float] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def expect(self, is_so: bool, fault: str) -> None:
        self.faults[fault] += not is_so

    @property
    def found(self) -> dict[str, int]:
        return dict(+self.faults)


@dataclass(frozen=True, slots=True)
class Scale:
    """How long. `chargers` live at once, `crowd` of them in the storm; `rounds` of everything that is random; `points`
    are the names of failpoints. `mutant`: what is wrong with the gateways, as in `mutants.MUTANTS`."""

    chargers: int
    crowd: int
    rounds: int
    points: tuple[str, ...]
    mutant: str = ""


class Show:
    """`async with Show(…) as show` plays; afterwards `show.outcome` has the verdict of the chargers' journals.

    `pause`: seconds by which the gateways widen the window in which starts may race. `testimony`: journals that are not
    the fleet's.
    """

    def __init__(
        self, stage: Stage, name: str, scale: Scale, *, chargers: int, gateways: int = 1, pause: float = 0.0
    ) -> None:
        self.stage, self.chance = stage, random.Random(name)
        self.outcome = Outcome(name, on=stage.about, chargers=chargers)
        self.url = stage.new_database()
        settings = {"FAULTS_MUTANT": scale.mutant, "FAULTS_PAUSE_SECONDS": str(pause)}
        self.gateways = [stage.gateway(self.url, **settings) for _number in range(gateways)]
        self.fleet = Fleet(stage.chargers[:chargers], [gateway.charger_url for gateway in self.gateways])
        self.testimony: list[dict[str, Any]] | None = None
        self.begun_at = time.monotonic()

    @property
    def gateway(self) -> Gateway:
        return self.gateways[0]

    async def __aenter__(self) -> Self:
        await asyncio.gather(*(asyncio.to_thread(gateway.start) for gateway in self.gateways))
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *exception: object) -> None:
        try:
            if kind is None:
                await self._judge()
        finally:
            await asyncio.gather(*(asyncio.to_thread(gateway.kill) for gateway in self.gateways))
            self.outcome.seconds = time.monotonic() - self.begun_at

    async def _judge(self) -> None:
        outcome, fleet = self.outcome, self.fleet
        testimony = fleet.testimony() if self.testimony is None else self.testimony
        outcome.faults += await asyncio.to_thread(self.stage.ask_witness, self.url, testimony)
        outcome.faults += fleet.errors
        outcome.acknowledged += fleet.acknowledged
        outcome.sessions = sum(len(told["transactions"]) for told in testimony)

    async def under_load(self, play: Callable[[], Awaitable[None]]) -> None:
        """Plays while the chargers live and people give commands, and lets them end in peace."""
        with self.stage.people(self.url) as given:
            async with self.fleet:
                await play()
                try:
                    await self.fleet.finish(FINISH_SECONDS)
                except TimeoutError as error:
                    self.outcome.faults[str(error)] += 1
        self.outcome.events["commands by people"] += sum(given)

    async def everybody_is_served(self) -> float:
        """Waits until every charger was acknowledged something more. Gives how many seconds that took."""
        waiting = self.fleet.wait_for_all()
        try:
            await asyncio.wait_for(waiting.is_over.wait(), RECOVER_SECONDS)
        except TimeoutError:
            self.outcome.faults[f"{len(waiting.missing)} chargers were not served again"] += 1
        return time.monotonic() - waiting.at

    async def rise(self, kill: Callable[[], object], start: Callable[[], object], *, away_seconds: float = 0.0) -> None:
        """A server dies, is away for a while, and comes back: so do all chargers, by themselves."""
        await asyncio.to_thread(kill)
        await asyncio.sleep(away_seconds)
        await asyncio.to_thread(start)
        self.outcome.recoveries.append(await self.everybody_is_served())

    async def pause(self, least: float, most: float) -> None:
        await asyncio.sleep(self.chance.uniform(least, most))
