"""The simulated charge point against a scripted server; its car, register and queue by themselves."""

import asyncio
import io
import json
import random
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from itertools import pairwise

import pytest
from ocpp.v16 import call

from ocpp_gateway.simulator import (
    Car,
    Clock,
    Credentials,
    Journal,
    ServerRefused,
    SimulatedCharger,
    Traffic,
    arriving_car,
    read_credentials,
    run_fleet,
)
from ocpp_gateway.simulator.memory import Backoff, OfflineQueue, Queued, Transaction
from ocpp_gateway.simulator.vehicles import Measurement, Profiles, Register
from ocpp_gateway.tests.central_system import central_system

pytestmark = pytest.mark.once

ALICE = Credentials("SCALICE", "secret", "04AA", 1)
NOON = datetime(2026, 1, 11, 12, tzinfo=UTC)
FAST = 3600.0


def a_car(**changes):
    return Car(
        **{"model": "Car", "battery_wh": 50_000, "max_power_w": 11_000, "phases": 3, "soc_percent": 50, **changes}
    )


def a_charger(system, **changes):
    options = {"url": system.url, "clock": Clock(FAST), "seed": 1, "register_wh": 1000, **changes}
    return SimulatedCharger(options.pop("credentials", ALICE), **options)


async def until(condition, seconds=5.0):
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.01)


class TestCar:
    def test_it_takes_full_power_up_to_80_percent_and_less_above(self):
        assert a_car(soc_percent=80).wanted_power_w() == 11_000
        powers = [a_car(soc_percent=soc).wanted_power_w() for soc in (80, 85, 90, 95, 99)]
        assert all(later < earlier for earlier, later in pairwise(powers))
        assert a_car(soc_percent=100).wanted_power_w() == 0

    def test_it_stops_at_its_own_target(self):
        car = a_car(soc_percent=79, target_percent=80)
        for _minute in range(60):
            car.take(limit_w=11_000, seconds=60)
        assert car.is_full
        assert car.soc_percent == pytest.approx(80)

    def test_an_hour_at_full_power_is_11_kwh_of_which_the_battery_gets_most(self):
        car = a_car(soc_percent=10)
        assert car.take(limit_w=22_000, seconds=3600) == pytest.approx(11_000)
        assert car.soc_percent == pytest.approx(10 + 11_000 * 0.9 / 50_000 * 100)

    def test_it_obeys_a_limit_and_refuses_less_than_6_amperes(self):
        assert a_car().power_w(5000) == 5000
        assert a_car().power_w(3 * 230 * 5.9) == 0
        assert a_car(phases=1).power_w(230 * 6) == 230 * 6

    def test_arriving_cars_can_be_charged(self):
        cars = [arriving_car(random.Random(seed)) for seed in range(200)]
        assert all(0 < car.soc_percent < car.target_percent <= 100 for car in cars)


class TestRegister:
    def test_it_counts_up_and_reads_whole_wh(self):
        register = Register(10.0)
        register.count(0.6)
        register.count(0.6)
        assert register.reading_wh == 11

    def test_it_never_counts_down(self):
        with pytest.raises(ValueError, match="never"):
            Register(10.0).count(-1)

    def test_a_measurement_says_what_the_schema_wants(self):
        rows = Measurement(NOON, 1234, 11_000, 3, 56.4, 30.0).sampled_values()
        values = {(row["measurand"], row.get("phase")): row["value"] for row in rows}
        assert values["Energy.Active.Import.Register", None] == "1234"
        assert values["SoC", None] == "56"
        assert float(values["Current.Import", "L1"]) == pytest.approx(16, abs=0.2)


class TestProfiles:
    def limit(self, profiles, *, minutes=0.0):
        at = NOON + timedelta(minutes=minutes)
        return profiles.limit_w(1, at=at, started_at=NOON, phases=3, rated_w=11_000)

    def a_profile(self, limit, **changes):
        periods = changes.pop("periods", [{"start_period": 0, "limit": limit}])
        schedule = {"charging_rate_unit": changes.pop("unit", "W"), "charging_schedule_period": periods}
        return {
            "charging_profile_id": 1,
            "stack_level": 0,
            "charging_profile_purpose": "TxDefaultProfile",
            "charging_profile_kind": "Relative",
            "charging_schedule": schedule,
            **changes,
        }

    def test_amperes_count_per_phase(self):
        profiles = Profiles()
        profiles.install(1, self.a_profile(10, unit="A"), at=NOON)
        assert self.limit(profiles) == 10 * 230 * 3

    def test_a_higher_stack_level_wins_and_purposes_are_all_obeyed(self):
        profiles = Profiles()
        profiles.install(1, self.a_profile(5000), at=NOON)
        profiles.install(1, self.a_profile(9000, stack_level=1), at=NOON)
        assert self.limit(profiles) == 9000
        profiles.install(0, self.a_profile(7000, charging_profile_purpose="ChargePointMaxProfile"), at=NOON)
        assert self.limit(profiles) == 7000

    def test_periods_follow_each_other(self):
        profiles = Profiles()
        periods = [{"start_period": 0, "limit": 5000}, {"start_period": 600, "limit": 8000}]
        profiles.install(1, self.a_profile(0, periods=periods), at=NOON)
        assert [self.limit(profiles, minutes=minutes) for minutes in (0, 9.9, 10, 20)] == [5000, 5000, 8000, 8000]

    def test_a_transaction_profile_ends_with_its_transaction(self):
        profiles = Profiles()
        profiles.install(1, self.a_profile(5000, charging_profile_purpose="TxProfile"), at=NOON)
        assert self.limit(profiles) == 5000
        profiles.end_of_transaction(1)
        assert self.limit(profiles) == 11_000


class TestQueue:
    def test_later_messages_carry_the_transaction_id_once_it_is_known(self):
        transaction = Transaction(1, "04AA", NOON, 0)
        stop = Queued(call.StopTransaction(5, "2026-01-11T12:00:00Z", transaction_id=-1), transaction)
        values = Queued(call.MeterValues(1, []), transaction)
        assert (stop.request().transaction_id, values.request().transaction_id) == (-1, None)
        transaction.transaction_id = 42
        assert (stop.request().transaction_id, values.request().transaction_id) == (42, 42)
        assert stop.request().timestamp == "2026-01-11T12:00:00Z"

    async def test_it_keeps_the_order_and_gives_the_first_until_it_is_done(self):
        queue, transaction = OfflineQueue(), Transaction(1, "04AA", NOON, 0)
        one, two = (Queued(call.MeterValues(1, []), transaction) for _i in range(2))
        queue.append(one)
        queue.append(two)
        assert [await queue.first(), await queue.first()] == [one, one]
        queue.done()
        assert await queue.first() is two
        queue.done()
        await asyncio.wait_for(queue.emptied(), 1)

    def test_backoff_grows_to_its_limit_and_never_repeats_itself(self):
        backoff = Backoff(random.Random(1), first=1, limit=30)
        delays = [backoff.next() for _i in range(50)]
        assert all(0 < delay <= 30 for delay in delays)
        assert max(delays[:2]) <= 2 < max(delays)
        assert len(set(delays)) == 50


class TestSession:
    async def test_a_visit_from_boot_to_stop(self):
        async with central_system() as system, a_charger(system) as charger:
            transaction = await charger.visit(a_car(soc_percent=70, target_percent=80))
        statuses = [p["status"] for p in system.payloads("StatusNotification") if p["connectorId"] == 1]
        assert statuses == ["Available", "Preparing", "Charging", "SuspendedEV", "Finishing", "Available"]
        start, stop = system.payloads("StartTransaction")[0], system.payloads("StopTransaction")[0]
        assert start["meterStart"] == 1000
        assert stop["meterStop"] - start["meterStart"] == pytest.approx(5000 / 0.9, abs=2)
        assert stop["transactionId"] == transaction.transaction_id == 42
        assert stop["reason"] == "Local"
        samples = system.payloads("MeterValues")
        assert len(samples) > 5
        assert {sample["transactionId"] for sample in samples} == {42}

    async def test_the_journal_is_what_the_server_answered(self):
        lines = io.StringIO()
        journal = Journal(lines)
        async with central_system() as system:
            async with a_charger(system, journal=journal) as charger:
                await charger.visit(a_car(), energy_wh=2000)
            assert [(e.message_id, e.action, e.payload) for e in journal.entries] == system.received
        assert journal.of("StartTransaction")[0].answer["transactionId"] == 42
        assert len(journal.of("MeterValues", transactionId=42)) == len(system.payloads("MeterValues"))
        assert json.loads(lines.getvalue().splitlines()[0])["action"] == "BootNotification"

    async def test_what_happens_offline_is_sent_later_with_its_own_times(self):
        async with central_system() as system, a_charger(system) as charger:
            await charger.plug_in(a_car(soc_percent=10))
            transaction = await charger.tap()
            await until(lambda: len(system.payloads("MeterValues")) > 2)
            before = len(system.payloads("MeterValues"))
            await charger.lose_connection(seconds=0.3)
            assert len(system.payloads("MeterValues")) == before
            await charger.tap()
            await charger.queue.emptied()
        times = [sample["meterValue"][0]["timestamp"] for sample in system.payloads("MeterValues")]
        assert list(dict.fromkeys(times)) == sorted(set(times))
        gaps = [datetime.fromisoformat(b) - datetime.fromisoformat(a) for a, b in pairwise(sorted(set(times)))]
        assert max(gaps) < timedelta(minutes=10)  # nothing of the 18 offline minutes is missing
        assert len(system.payloads("BootNotification")) == 1
        assert system.payloads("StopTransaction")[-1]["meterStop"] == transaction.meter_stop_wh

    async def test_a_start_that_was_not_answered_is_sent_again_unchanged(self):
        async with central_system() as system:
            answer = system.answers["StartTransaction"]
            system.answers["StartTransaction"] = None
            async with a_charger(system) as charger:
                await charger.plug_in(a_car())
                await charger.tap()
                await until(lambda: system.payloads("StartTransaction"))
                system.answers["StartTransaction"] = answer
                await system.drop()
                await until(lambda: system.payloads("MeterValues"))
        first, second = system.payloads("StartTransaction")
        assert first == second
        assert len(set(system.ids("StartTransaction"))) == 1
        assert {sample["transactionId"] for sample in system.payloads("MeterValues")} == {42}

    async def test_an_error_is_answered_with_another_attempt(self):
        failures = [RuntimeError("no database"), RuntimeError("no database")]
        async with central_system() as system:
            good = system.answers["StopTransaction"]
            system.answers["StopTransaction"] = lambda _payload: failures.pop() if failures else good
            async with a_charger(system) as charger:
                await charger.visit(a_car(), energy_wh=1000)
        assert len(system.payloads("StopTransaction")) == 3

    async def test_a_refused_start_stops_with_deauthorized(self):
        async with central_system() as system:
            system.answers["StartTransaction"] = {"transactionId": 7, "idTagInfo": {"status": "Blocked"}}
            async with a_charger(system) as charger:
                await charger.visit(a_car())
        (stop,) = system.payloads("StopTransaction")
        assert (stop["reason"], stop["transactionId"]) == ("DeAuthorized", 7)

    async def test_a_card_that_is_not_let_in_starts_nothing(self):
        async with central_system() as system:
            system.answers["Authorize"] = {"idTagInfo": {"status": "Invalid"}}
            async with a_charger(system) as charger:
                assert await charger.visit(a_car()) is None
        assert system.payloads("StartTransaction") == []

    async def test_leaving_the_context_ends_a_running_session(self):
        async with central_system() as system:
            async with a_charger(system) as charger:
                await charger.plug_in(a_car())
                await charger.tap()
            assert len(system.payloads("StopTransaction")) == 1

    @pytest.mark.parametrize("status", [401, 403, 404])
    async def test_a_refused_handshake_is_told_with_its_reason(self, status):
        async with central_system() as system:
            system.refuse_with = HTTPStatus(status)
            with pytest.raises(ServerRefused, match=f"SCALICE: HTTP {status}: .*no"):
                async with a_charger(system):
                    raise AssertionError("it was let in")

    async def test_a_mistake_in_the_background_is_not_swallowed(self, monkeypatch):
        async with central_system() as system:
            monkeypatch.setattr(SimulatedCharger, "_flow", lambda *_a, **_k: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                async with a_charger(system) as charger:
                    await charger.visit(a_car())


class TestCommands:
    async def test_remote_start_waits_for_the_car_and_remote_stop_stops(self):
        async with central_system() as system, a_charger(system, clock=Clock(600)) as charger:
            start = {"idTag": "PHONE1", "connectorId": 1}
            assert (await system.call("RemoteStartTransaction", start))[2] == {"status": "Accepted"}
            await charger.plug_in(a_car())
            await until(lambda: system.payloads("MeterValues"))
            assert system.payloads("StartTransaction")[0]["idTag"] == "PHONE1"
            assert (await system.call("RemoteStartTransaction", start))[2] == {"status": "Rejected"}
            assert (await system.call("RemoteStopTransaction", {"transactionId": 41}))[2] == {"status": "Rejected"}
            assert (await system.call("RemoteStopTransaction", {"transactionId": 42}))[2] == {"status": "Accepted"}
            await until(lambda: system.payloads("StopTransaction"))
            assert system.payloads("StopTransaction")[0]["reason"] == "Remote"

    async def test_a_start_from_afar_before_the_card_is_left_alone(self):
        async with central_system() as system, a_charger(system, clock=Clock(60)) as charger:
            visit = asyncio.create_task(charger.visit(a_car()))
            await until(charger.outlets[1].plugged.is_set)
            await system.call("RemoteStartTransaction", {"idTag": "PHONE1", "connectorId": 1})
            await until(lambda: system.payloads("Authorize"))
            await system.call("RemoteStopTransaction", {"transactionId": 42})
            assert await visit is None
            assert [stop["reason"] for stop in system.payloads("StopTransaction")] == ["Remote"]

    async def test_a_car_may_follow_a_remote_start(self):
        async with central_system() as system, a_charger(system, cars_follow_remote_starts=True) as charger:
            await system.call("RemoteStartTransaction", {"idTag": "PHONE1"})
            await until(lambda: system.payloads("MeterValues"))
            await system.call("RemoteStopTransaction", {"transactionId": 42})
            await until(lambda: charger.outlets[1].status == "Available")

    async def test_configuration(self):
        async with central_system() as system, a_charger(system):
            answer = (await system.call("GetConfiguration", {"key": ["NumberOfConnectors", "Nonsense"]}))[2]
            assert answer["configurationKey"] == [{"key": "NumberOfConnectors", "readonly": True, "value": "1"}]
            assert answer["unknownKey"] == ["Nonsense"]
            cases = {
                ("MeterValueSampleInterval", "30"): "Accepted",
                ("MeterValueSampleInterval", "soon"): "Rejected",
                ("NumberOfConnectors", "2"): "Rejected",
                ("Nonsense", "1"): "NotSupported",
            }
            for (key, value), status in cases.items():
                answer = await system.call("ChangeConfiguration", {"key": key, "value": value})
                assert answer[2] == {"status": status}

    async def test_triggered_messages_come(self):
        async with central_system() as system, a_charger(system):
            for message in ("Heartbeat", "StatusNotification", "BootNotification"):
                before = len(system.payloads(message))
                answer = await system.call("TriggerMessage", {"requestedMessage": message})
                assert answer[2] == {"status": "Accepted"}
                await until(lambda m=message, n=before: len(system.payloads(m)) > n)
            answer = await system.call("TriggerMessage", {"requestedMessage": "FirmwareStatusNotification"})
            assert answer[2] == {"status": "NotImplemented"}

    async def test_a_profile_limits_the_power(self):
        profile = {
            "chargingProfileId": 1,
            "stackLevel": 0,
            "chargingProfilePurpose": "TxDefaultProfile",
            "chargingProfileKind": "Relative",
            "chargingSchedule": {
                "chargingRateUnit": "A",
                "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 8.0}],
            },
        }
        async with central_system() as system, a_charger(system) as charger:
            answer = await system.call("SetChargingProfile", {"connectorId": 1, "csChargingProfiles": profile})
            assert answer[2] == {"status": "Accepted"}
            await charger.visit(a_car(), energy_wh=1000)
            sample = system.payloads("MeterValues")[0]["meterValue"][0]["sampledValue"]
            power = next(row["value"] for row in sample if row["measurand"] == "Power.Active.Import")
            assert power == str(8 * 230 * 3)

    async def test_a_reset_ends_the_session_and_boots_again(self):
        async with central_system() as system, a_charger(system) as charger:
            await charger.plug_in(a_car())
            await charger.tap()
            assert (await system.call("Reset", {"type": "Soft"}))[2] == {"status": "Accepted"}
            await until(lambda: len(system.payloads("BootNotification")) == 2)
            await until(lambda: system.payloads("StopTransaction"))
            assert system.payloads("StopTransaction")[0]["reason"] == "SoftReset"

    async def test_unlock_availability_and_unknown_vendors(self):
        async with central_system() as system, a_charger(system):
            assert (await system.call("UnlockConnector", {"connectorId": 1}))[2] == {"status": "Unlocked"}
            assert (await system.call("DataTransfer", {"vendorId": "x"}))[2] == {"status": "UnknownVendorId"}
            answer = await system.call("ChangeAvailability", {"connectorId": 1, "type": "Inoperative"})
            assert answer[2] == {"status": "Accepted"}
            await until(lambda: system.payloads("StatusNotification")[-1]["status"] == "Unavailable")


class TestFleet:
    async def test_many_chargers_finish_their_sessions(self):
        fleet = [Credentials(f"SC{n}", "secret", f"TAG{n}", 2) for n in range(5)]
        async with central_system() as system:
            traffic = Traffic(gap_seconds=60, stay_seconds=600, sessions=2)
            done = await run_fleet(fleet, url=system.url, speed=FAST, traffic=traffic, seed=3)
        assert len(done) == 10
        assert len(system.payloads("StopTransaction")) == 10

    async def test_one_refused_charger_ends_all(self):
        async with central_system() as system:
            system.refuse_with = HTTPStatus.UNAUTHORIZED
            with pytest.raises(ServerRefused):
                await run_fleet([ALICE], url=system.url, speed=FAST, traffic=Traffic(), seed=3)

    def test_credentials_are_read_and_bad_lines_are_named(self, tmp_path):
        path = tmp_path / "fleet.jsonl"
        path.write_text('{"identity": "SC1", "password": "p", "id_tag": "T", "connectors": 1}\n\n')
        assert read_credentials(path) == [Credentials("SC1", "p", "T", 1)]
        path.write_text('{"identity": "SC1"}\n')
        with pytest.raises(ValueError, match="line 1"):
            read_credentials(path)
