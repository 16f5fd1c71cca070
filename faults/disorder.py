"""Messages that come twice, at once, in the wrong order, or hours later by a clock that jumps."""

import asyncio
import itertools
from collections.abc import Coroutine, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from faults.chargers import Charger, Line, Lost, Transaction
from faults.show import Outcome, Scale, Show
from faults.stage import Stage
from ocpp_gateway.simulator import Credentials

LINES = 4
# Widens the moment between "is there a twin?" and the row, in which races meet.
PAUSE_SECONDS = 0.03
ONLINE, HOURS_LATER = timedelta(0), timedelta(hours=5)


# ------------------------------------------------------------------------------------------------ races


async def races(stage: Stage, scale: Scale) -> Outcome:
    """The same messages over several sockets of a charger, old and new ones, on two gateway processes."""
    show = Show(stage, "races", scale, chargers=max(4, scale.chargers // 5), gateways=2, pause=PAUSE_SECONDS)
    urls = [gateway.charger_url for gateway in show.gateways]
    racers = [Racer(each, urls, show.outcome) for each in stage.chargers[: show.outcome.chargers]]
    async with show:
        await asyncio.gather(*(racer.boot() for racer in racers))
        for _round in range(scale.rounds):
            await asyncio.gather(*(racer.charge() for racer in racers))
        for racer, other in zip(racers[::2], racers[1::2], strict=False):
            await racer.stop_that_of(other)
        await asyncio.gather(*(racer.stop_last() for racer in racers))
        show.testimony = [racer.testimony() for racer in racers]
    return show.outcome


class Racer:
    """A charger that says everything on LINES sockets at once. Old sockets are closed meanwhile, as they should be."""

    def __init__(self, credentials: Credentials, urls: Sequence[str], outcome: Outcome) -> None:
        self.credentials, self.urls, self.outcome = credentials, urls, outcome
        self.clock = datetime.now(UTC).replace(microsecond=0) - timedelta(days=2)
        self.register_wh = 100_000
        self.numbers = itertools.count(1)
        self.journal: list[Transaction] = []
        self.strays = 0

    def _now(self) -> str:
        self.clock += timedelta(minutes=1)
        return self.clock.isoformat().replace("+00:00", "Z")

    async def _one(self, action: str, payload: dict[str, Any], *, url: str) -> dict[str, Any]:
        line = await Line(self.credentials, url).connect()
        try:
            return await line.ask(f"{next(self.numbers)}", action, payload)
        finally:
            line.close()

    async def boot(self) -> None:
        await self._one("BootNotification", {"chargePointVendor": "F", "chargePointModel": "R"}, url=self.urls[0])

    async def everywhere(self, action: str, payload: dict[str, Any]) -> list[dict[str, Any]]:
        """The answers of all sockets that lived long enough; at least one, or it is said once more."""
        answers: list[dict[str, Any]] = []
        while not answers:
            asked = [self._one(action, payload, url=url) for url, _n in zip(itertools.cycle(self.urls), range(LINES))]
            answers = await self._gather(action, asked)
        self.outcome.events[f"{action} raced"] += 1
        return answers

    async def _gather(self, action: str, asked: "list[Coroutine[Any, Any, dict[str, Any]]]") -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for result in await asyncio.gather(*asked, return_exceptions=True):
            if isinstance(result, dict):
                self.outcome.acknowledged += 1
                found.append(result)
            elif not isinstance(result, Lost):
                self.outcome.faults[f"{action}: {result}"] += 1
        return found

    def _start(self) -> tuple[Transaction, dict[str, Any]]:
        transaction = Transaction(self.credentials.id_tag, self._now(), self.register_wh)
        self.journal.append(transaction)
        start = {"connectorId": 1, "idTag": self.credentials.id_tag, "meterStart": self.register_wh}
        return transaction, {**start, "timestamp": transaction.started}

    def _stop(self, transaction: Transaction) -> dict[str, Any]:
        stop = {"transactionId": transaction.answers[0], "idTag": transaction.id_tag, "meterStop": self.register_wh}
        return {**stop, "timestamp": self._now()}

    async def _begin(self) -> tuple[Transaction, dict[str, Any]]:
        transaction, start = self._start()
        self._heard(transaction, await self.everywhere("StartTransaction", start))
        return transaction, start

    def _heard(self, transaction: Transaction, answers: list[dict[str, Any]]) -> None:
        transaction.answers += [answer["transactionId"] for answer in answers]
        transaction.is_accepted = all(answer["idTagInfo"]["status"] == "Accepted" for answer in answers)

    async def charge(self) -> None:
        """A session; its stop races with the start of the next one, and both starts are told once more afterwards."""
        transaction, start = await self._begin()
        for _number in range(2):
            self.register_wh += 23  # 46 Wh are 35 haléře: fee and share, rounded apart, would be 36
            sample = {"timestamp": self._now(), "sampledValue": [{"value": str(self.register_wh)}]}
            values = {"connectorId": 1, "transactionId": transaction.answers[0], "meterValue": [sample]}
            await self.everywhere("MeterValues", values)
            transaction.values.append(self.register_wh)
        stop = self._stop(transaction)
        following, next_start = self._start()
        stopped, answers = await asyncio.gather(
            self.everywhere("StopTransaction", stop), self.everywhere("StartTransaction", next_start)
        )
        assert stopped
        transaction.meter_stop_wh = stop["meterStop"]
        self._heard(following, answers)
        self._heard(transaction, await self.everywhere("StartTransaction", start))
        self._heard(following, await self.everywhere("StartTransaction", next_start))
        await self._finish(following)
        await self.everywhere("StopTransaction", stop)

    async def _finish(self, transaction: Transaction) -> None:
        self.register_wh += 41
        stop = self._stop(transaction)
        await self.everywhere("StopTransaction", stop)
        transaction.meter_stop_wh = stop["meterStop"]

    async def stop_that_of(self, other: "Racer") -> None:
        """R5: another charger's session is none of this one's business, though it names its id. Its own do not run."""
        transaction, _start = await other._begin()
        other.register_wh += 29
        theft = {**other._stop(transaction), "idTag": self.credentials.id_tag, "meterStop": self.register_wh}
        await self.everywhere("StopTransaction", theft)
        self.strays += 1

    async def stop_last(self) -> None:
        if self.journal[-1].meter_stop_wh is None:
            await self._finish(self.journal[-1])

    def testimony(self) -> dict[str, Any]:
        charger = Charger(self.credentials, self.urls, seed="", pause_seconds=0)
        charger.journal = self.journal
        return {**charger.testimony(), "strays": self.strays}


# ------------------------------------------------------------------------------------------------ replay


class JumpyCharger(Charger):
    """Delivers what it measured a while ago. `jumps`: from which of its messages on its clock is off, by how much."""

    def __init__(self, *args: Any, ago: timedelta, jumps: dict[int, timedelta], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.clock = datetime.now(UTC).replace(microsecond=0) - ago
        self.is_online, self.jumps, self.told, self.offset = not ago, jumps, 0, timedelta(0)

    def _now(self) -> str:
        self.told += 1
        self.offset = self.jumps.get(self.told, self.offset)
        self.clock = datetime.now(UTC) if self.is_online else self.clock + timedelta(minutes=1)
        return (self.clock + self.offset).isoformat(timespec="milliseconds").replace("+00:00", "Z")


HOUR_AHEAD, NEVER_SET = timedelta(minutes=59), -timedelta(days=20_000)
# By the number of the charger's message; the first session begins with the first, and has samples from the third on.
CLOCKS: dict[str, dict[int, timedelta]] = {
    "right": {},
    "an hour ahead from the second sample on": {4: HOUR_AHEAD},
    "an hour ahead for two samples": {4: HOUR_AHEAD, 6: timedelta(0)},
    "1970 for two samples": {4: NEVER_SET, 6: timedelta(0)},
    "1970 until the third sample": {1: NEVER_SET, 5: timedelta(0)},
}


async def replay(stage: Stage, scale: Scale) -> Outcome:
    """The same sessions told at once, and hours later by clocks that jump: energy and money must be the same."""
    show = Show(stage, "replay", scale, chargers=2 * len(CLOCKS))
    fleet = iter(stage.chargers)
    pairs = [
        [
            JumpyCharger(next(fleet), [show.gateway.charger_url], seed=name, pause_seconds=0.02, ago=ago, jumps=jumps)
            for ago, jumps in ((ONLINE, {}), (HOURS_LATER, CLOCKS[name]))
        ]
        for name in CLOCKS
    ]
    show.fleet.chargers = [charger for pair in pairs for charger in pair]
    async with show:
        async with asyncio.TaskGroup() as tasks:
            for charger in show.fleet.chargers:
                tasks.create_task(_charge_often(charger, times=scale.rounds))
        for name, (online, offline) in zip(CLOCKS, pairs, strict=True):
            bills = [
                await asyncio.to_thread(stage.bills, show.url, each.credentials.identity) for each in (online, offline)
            ]
            show.outcome.events[f"clock {name}"] += 1
            show.outcome.expect(len(bills[0]) == scale.rounds, f"clock {name}: the online run is not billed")
            show.outcome.expect(bills[0] == bills[1], f"clock {name}: another bill than online")
    return show.outcome


async def _charge_often(charger: Charger, *, times: int) -> None:
    for _number in range(times):
        await charger.charge(samples=6)
    if charger.line:
        charger.line.close()
