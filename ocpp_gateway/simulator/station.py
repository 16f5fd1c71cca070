"""The charge point: connectors, cable, car, card, and what it does when the server or the network acts."""

import asyncio
import contextlib
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from ocpp.exceptions import OCPPError
from ocpp.v16 import call, call_result
from websockets.asyncio.client import ClientConnection

from ocpp_gateway.simulator.connection import Line, Offline
from ocpp_gateway.simulator.link import LinkedCharger
from ocpp_gateway.simulator.memory import (
    CHANGEABLE,
    Outlet,
    Queued,
    Transaction,
    utc_text,
)
from ocpp_gateway.simulator.vehicles import Car, Measurement, arriving_car

PLUG_SECONDS = 10.0  # simulated: from arriving to plugged in, from phone start to the car


class SimulatedCharger(LinkedCharger):
    """A charge point with its connectors, the cars that come to them, and its obedience to the server."""

    def _line_over(self, socket: ClientConnection) -> Line:
        return Line(self, socket)

    # -------------------------------------------------------------------------------------------- cable, card, car

    async def plug_in(self, car: Car, *, connector_id: int = 1) -> None:
        """A car at the cable. A start that waits for it (phone, card) goes on."""
        outlet = self.outlets[connector_id]
        if outlet.car is not None:
            raise ValueError(f"a car stands at connector {connector_id}")
        outlet.car = car
        self.say(f"{car.model} plugged in at {car.soc_percent:.0f} %", connector_id=connector_id)
        await self._set_status(outlet, "Preparing")
        outlet.plugged.set()

    async def unplug(self, *, connector_id: int = 1) -> None:
        """The car leaves; a running transaction ends (StopTransactionOnEVSideDisconnect)."""
        outlet = self.outlets[connector_id]
        if outlet.transaction:
            await self._stop(outlet.transaction, "EVDisconnected")
        outlet.plugged.clear()
        outlet.car = None
        await self._set_status(outlet, "Available" if outlet.is_available else "Unavailable")

    async def tap(self, *, id_tag: str | None = None, connector_id: int = 1) -> Transaction | None:
        """A card at the reader: it stops the transaction that it started, else it starts one.

        None when the card is not let in, or no car is plugged in.
        """
        id_tag = self.credentials.id_tag if id_tag is None else id_tag
        outlet = self.outlets[connector_id]
        running = outlet.transaction
        if running and running.id_tag.upper() == id_tag.upper():
            await self._stop(running, "Local")
            return running
        status = await self._authorize(id_tag)
        self.say(f"card …{id_tag[-4:]} is {status}", connector_id=connector_id)
        if status != "Accepted" or running or not outlet.plugged.is_set():
            return None
        return await self.start(id_tag=id_tag, connector_id=connector_id)

    async def _authorize(self, id_tag: str) -> str:
        """The server's word; without a connection what LocalAuthorizeOffline allows to remember."""
        try:
            answer = await self._ask(call.Authorize(id_tag))
        except (Offline, TimeoutError, OCPPError):
            remembers = self.settings["LocalAuthorizeOffline"][1] == "true" and id_tag.upper() in self.known_tags
            is_let_in = remembers or self.settings["AllowOfflineTxForUnknownId"][1] == "true"
            return "Accepted" if is_let_in else "Invalid"
        status = str(answer.id_tag_info["status"])
        (self.known_tags.add if status == "Accepted" else self.known_tags.discard)(id_tag.upper())
        return status

    async def start(self, *, id_tag: str, connector_id: int = 1) -> Transaction:
        """Opens a transaction, lets energy flow, and measures."""
        outlet = self.outlets[connector_id]
        if outlet.transaction:
            raise ValueError(f"a transaction is running at connector {connector_id}")
        transaction = Transaction(connector_id, id_tag, self.clock.now(), outlet.register.reading_wh)
        outlet.transaction = transaction
        start = call.StartTransaction(
            connector_id=connector_id,
            id_tag=id_tag,
            meter_start=transaction.meter_start_wh,
            timestamp=utc_text(transaction.started_at),
        )
        self.queue.append(Queued(start, transaction))
        await self._set_status(outlet, "Charging")
        self._in_background(self._charge(outlet, transaction))
        return transaction

    async def _charge(self, outlet: Outlet, transaction: Transaction) -> None:
        last = transaction.started_at
        while not transaction.stopping.is_set():
            power_w = self._power_now(outlet, transaction)
            pause = self.clock.real(float(self.settings["MeterValueSampleInterval"][1]))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(transaction.stopping.wait(), pause)
            now = self.clock.now()
            self._flow(outlet, transaction, seconds=(now - last).total_seconds())
            last = now
            if not transaction.stopping.is_set():
                self._measure(outlet, transaction, at=now, power_w=power_w)
                await self._show_flow(outlet, transaction)
        await self._finish(outlet, transaction)

    def _power_now(self, outlet: Outlet, transaction: Transaction) -> float:
        return outlet.car.power_w(self._limit_w(outlet, transaction)) if outlet.car else 0.0

    def _limit_w(self, outlet: Outlet, transaction: Transaction) -> float:
        return self.profiles.limit_w(
            outlet.number,
            at=self.clock.now(),
            started_at=transaction.started_at,
            phases=outlet.car.phases if outlet.car else 3,
            rated_w=self.rated_power_w,
        )

    def _flow(self, outlet: Outlet, transaction: Transaction, *, seconds: float) -> None:
        if outlet.car:
            taken = outlet.car.take(limit_w=self._limit_w(outlet, transaction), seconds=seconds)
            outlet.register.count(taken)
            self.warmth.follow(taken * 3600 / seconds if seconds > 0 else 0.0, seconds=seconds)

    def _measure(self, outlet: Outlet, transaction: Transaction, *, at: datetime, power_w: float) -> None:
        measurement = Measurement(
            at=at,
            register_wh=outlet.register.reading_wh,
            power_w=power_w,
            phases=outlet.car.phases if outlet.car else 3,
            soc_percent=outlet.car.soc_percent if outlet.car else 0.0,
            temperature_c=self.warmth.celsius,
        )
        sample = {"timestamp": utc_text(at), "sampled_value": measurement.sampled_values()}
        self.queue.append(Queued(call.MeterValues(outlet.number, [sample]), transaction))
        if self.tells_samples:
            energy_kwh = (measurement.register_wh - transaction.meter_start_wh) / 1000
            self.say(
                f"{power_w / 1000:.1f} kW, {energy_kwh:.2f} kWh, {measurement.soc_percent:.0f} %",
                connector_id=outlet.number,
            )

    async def _show_flow(self, outlet: Outlet, transaction: Transaction) -> None:
        """Charging, SuspendedEV (the car wants nothing) or SuspendedEVSE (we offer too little)."""
        if self._power_now(outlet, transaction) > 0:
            transaction.idle.clear()
            await self._set_status(outlet, "Charging")
        elif outlet.car is None or outlet.car.is_full:
            transaction.idle.set()
            await self._set_status(outlet, "SuspendedEV")
        else:
            await self._set_status(outlet, "SuspendedEVSE")

    async def _finish(self, outlet: Outlet, transaction: Transaction) -> None:
        transaction.meter_stop_wh = outlet.register.reading_wh
        stop = call.StopTransaction(
            meter_stop=transaction.meter_stop_wh,
            timestamp=self.clock.text(),
            transaction_id=-1,
            reason=transaction.stop_reason,
            id_tag=transaction.id_tag if transaction.stop_reason == "Local" else None,
        )
        self.queue.append(Queued(stop, transaction))
        outlet.transaction = None
        self.profiles.end_of_transaction(outlet.number)
        transaction.stopped.set()
        energy_kwh = (transaction.meter_stop_wh - transaction.meter_start_wh) / 1000
        self.say(f"stopped ({transaction.stop_reason}) after {energy_kwh:.2f} kWh", connector_id=outlet.number)
        await self._set_status(outlet, "Finishing")

    async def _stop(self, transaction: Transaction, reason: str) -> None:
        transaction.stop(reason)
        await transaction.stopped.wait()

    async def stop_all(self, reason: str) -> None:
        """Ends every running transaction; their last messages are in the queue afterwards."""
        running = [outlet.transaction for outlet in self.outlets.values() if outlet.transaction]
        await asyncio.gather(*(self._stop(transaction, reason) for transaction in running))

    async def visit(
        self,
        car: Car,
        *,
        connector_id: int = 1,
        id_tag: str | None = None,
        stay_seconds: float = float("inf"),
        energy_wh: float = float("inf"),
    ) -> Transaction | None:
        """A whole visit: plug in, tap, charge, tap, leave. Ends when the car is full, its driver is back after
        `stay_seconds` (simulated), or it has `energy_wh`. None when the card was not let in.
        """
        await self.plug_in(car, connector_id=connector_id)
        await self.clock.sleep(PLUG_SECONDS)
        transaction = await self.tap(id_tag=id_tag, connector_id=connector_id)
        if transaction is not None:
            await self._wait_for_end(transaction, stay_seconds=stay_seconds, energy_wh=energy_wh)
            await self._stop(transaction, "Local")
            await self.clock.sleep(PLUG_SECONDS)
        elif (other := self.outlets[connector_id].transaction) is not None:
            await other.stopped.wait()  # it was started from afar while the card was searched for
        await self.unplug(connector_id=connector_id)
        return transaction

    async def _wait_for_end(self, transaction: Transaction, *, stay_seconds: float, energy_wh: float) -> None:
        outlet = self.outlets[transaction.connector_id]
        leaves_at = time.monotonic() + self.clock.real(stay_seconds)
        while not (transaction.idle.is_set() or transaction.stopping.is_set()):
            if outlet.register.reading_wh - transaction.meter_start_wh >= energy_wh or time.monotonic() >= leaves_at:
                return
            await asyncio.sleep(min(0.05, self.clock.real(30)))

    # -------------------------------------------------------------------------------------------- status

    def _status_of(self, number: int) -> call.StatusNotification:
        status = self.outlets[number].status if number else "Available"
        return call.StatusNotification(
            connector_id=number, error_code="NoError", status=status, timestamp=self.clock.text()
        )

    async def _set_status(self, outlet: Outlet, status: str) -> None:
        """Tells a change. What cannot be told now is told after the next connect."""
        if outlet.status == status:
            return
        outlet.status = status
        self.say(status, connector_id=outlet.number)
        await self._tell(self._status_of(outlet.number))

    # -------------------------------------------------------------------------------------------- what the server asks

    def find_transaction(self, transaction_id: int) -> Transaction | None:
        for outlet in self.outlets.values():
            if outlet.transaction and outlet.transaction.transaction_id == transaction_id:
                return outlet.transaction
        return None

    def _free_outlet(self, connector_id: int | None) -> Outlet | None:
        for number, outlet in self.outlets.items():
            is_free = outlet.transaction is None and outlet.remote_tag is None and outlet.is_available
            if connector_id in (None, number) and is_free:
                return outlet
        return None

    def may_start_remotely(self, connector_id: int | None) -> bool:
        return self._free_outlet(connector_id) is not None

    async def start_remotely(self, id_tag: str, **details: Any) -> None:
        """Starts at once if a car is there, else when it comes within ConnectionTimeOut."""
        outlet = self._free_outlet(details.get("connector_id"))
        if outlet is None:
            return
        outlet.remote_tag = id_tag
        try:
            if self.settings["AuthorizeRemoteTxRequests"][1] == "true" and await self._authorize(id_tag) != "Accepted":
                return
            follows = await self._wait_for_car(outlet)
        except TimeoutError:
            self.say("no car came after a start from afar", connector_id=outlet.number)
            return
        finally:
            outlet.remote_tag = None
        if "charging_profile" in details:
            self.install_profile(outlet.number, details["charging_profile"])
        transaction = await self.start(id_tag=id_tag, connector_id=outlet.number)
        if follows:
            self._in_background(self._leave_later(transaction))

    async def _wait_for_car(self, outlet: Outlet) -> bool:
        """Was it our own car that came? TimeoutError when none came."""
        follows = False
        if self.cars_follow_remote_starts and outlet.car is None:
            await self.set_clock()
            await self.clock.sleep(PLUG_SECONDS)
            if outlet.car is None:  # nobody else came meanwhile
                follows = True
                await self.plug_in(arriving_car(self.rng), connector_id=outlet.number)
        timeout = self.clock.real(float(self.settings["ConnectionTimeOut"][1]))
        await asyncio.wait_for(outlet.plugged.wait(), timeout)
        return follows

    async def _leave_later(self, transaction: Transaction) -> None:
        """The car of a start from afar goes when its transaction has ended."""
        await transaction.stopped.wait()
        await self.clock.sleep(PLUG_SECONDS)
        await self.unplug(connector_id=transaction.connector_id)

    def read_configuration(self, keys: Sequence[str] | None) -> call_result.GetConfiguration:
        wanted = list(self.settings) if not keys else [key for key in keys if key in self.settings]
        unknown = [key for key in keys or () if key not in self.settings]
        rows = [{"key": key, "readonly": self.settings[key][0], "value": self.settings[key][1]} for key in wanted]
        return call_result.GetConfiguration(configuration_key=rows, unknown_key=unknown or None)

    def change_configuration(self, key: str, value: str) -> str:
        if key not in self.settings:
            return "NotSupported"
        is_read_only, old = self.settings[key]
        if (
            is_read_only
            or (old.isdigit() and not value.isdigit())
            or (key == "MeterValueSampleInterval" and value == "0")
        ):
            return "Rejected"
        self.settings[key] = (CHANGEABLE, value)
        return "Accepted"

    def check_trigger(self, requested_message: str, connector_id: int | None) -> str:
        if requested_message not in {"BootNotification", "Heartbeat", "StatusNotification", "MeterValues"}:
            return "NotImplemented"
        return "Accepted" if connector_id in (None, 0, *self.outlets) else "Rejected"

    async def send_triggered(self, requested_message: str, connector_id: int | None) -> None:
        line = self.line
        if line is None:
            return
        numbers = [connector_id] if connector_id else list(self.outlets)
        if requested_message == "BootNotification":
            await self._boot(line)
        elif requested_message == "Heartbeat":
            await line.ask(call.Heartbeat())
        elif requested_message == "StatusNotification":
            for number in [0, *numbers] if connector_id is None else [connector_id]:
                await line.ask(self._status_of(number))
        else:
            for number in numbers:
                self._measure_on_request(self.outlets[number])

    def _measure_on_request(self, outlet: Outlet) -> None:
        if outlet.transaction:
            power_w = self._power_now(outlet, outlet.transaction)
            self._measure(outlet, outlet.transaction, at=self.clock.now(), power_w=power_w)

    def install_profile(self, connector_id: int, profile: dict[str, Any]) -> str:
        if connector_id not in (0, *self.outlets):
            return "Rejected"
        self.profiles.install(connector_id, profile, at=self.clock.now())
        self.say("has a new charging profile", connector_id=connector_id)
        return "Accepted"

    async def restart(self, *, hard: bool) -> None:
        """Reset: transactions end, the connection is closed, and everything begins with a boot."""
        self.say("restarts")
        await self.stop_all("HardReset" if hard else "SoftReset")
        self.has_booted = False
        if self.line is not None:
            await self.line.socket.close()

    def change_availability(self, connector_id: int, is_operative: bool) -> str:
        chosen = [outlet for number, outlet in self.outlets.items() if connector_id in (0, number)]
        if not chosen:
            return "Rejected"
        for outlet in chosen:
            outlet.is_available = is_operative
        return "Scheduled" if any(outlet.transaction for outlet in chosen) else "Accepted"

    async def show_availability(self) -> None:
        for outlet in self.outlets.values():
            if outlet.car is None:
                await self._set_status(outlet, "Available" if outlet.is_available else "Unavailable")
