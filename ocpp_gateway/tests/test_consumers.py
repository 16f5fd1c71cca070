"""The gateway as a charger sees it: frames in, frames out, rows in between. [TC_…] are certification cases."""

import asyncio
from datetime import timedelta

import pytest
from django.db import OperationalError
from django.utils import timezone

from billing import wallets
from chargers import commands, database, live, presence, recorder, registry, sessions
from chargers.hours import Window, week_of
from chargers.models import Charger, ChargingSession, Command, Connector, Message, MeterValue
from ocpp_gateway import consumers, switchboard
from ocpp_gateway.tests.station import Station, basic

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("_no_waiting")]

TIME = "2026-01-11T21:38:14.000Z"
LATER = "2026-01-11T22:38:14.000Z"


def start(station, *, tag="04A1B2C3D4", connector=1, meter=1000, timestamp=TIME):
    return station.call(
        "StartTransaction", {"connectorId": connector, "idTag": tag, "meterStart": meter, "timestamp": timestamp}
    )


def status(station, value, connector=1):
    return station.call("StatusNotification", {"connectorId": connector, "errorCode": "NoError", "status": value})


def ask_for_configuration():
    return commands.request(Charger.objects.get(), Command.Action.GET_CONFIGURATION)


# ------------------------------------------------------------------------------------------------ the door


def test_a_refusal_is_a_real_http_answer(station):
    start = station.connect(headers=[basic(station.identity, "wrong")])
    assert (start["type"], start["status"]) == ("websocket.http.response.start", 401)
    assert (b"www-authenticate", b'Basic realm="OCPP", charset="UTF-8"') in start["headers"]
    assert station.output()["body"] == b"wrong_password"


def test_a_server_without_denial_responses_closes(station):
    assert station.connect(headers=[], can_deny=False) == {"type": "websocket.close"}


def test_a_database_that_is_away_refuses_with_503(station, monkeypatch):
    def away(door, **options):
        raise OperationalError("away")

    monkeypatch.setattr(consumers.handshake, "admit", away)
    assert station.connect()["status"] == 503


def test_the_subprotocol_is_echoed(station):
    assert station.connect(subprotocols=("ocpp0.1", "ocpp1.6"))["subprotocol"] == "ocpp1.6"


def test_a_newer_socket_takes_over_and_the_old_ones_close_changes_nothing(station, runner, registered):
    station.boot()
    newer = Station(runner, registered)
    newer.connect()
    assert station.output() == {"type": "websocket.close", "code": 1000}
    station.close()
    assert Charger.objects.get().is_online
    assert newer.call("Heartbeat", {})["currentTime"]
    newer.close()
    assert not Charger.objects.get().is_online
    del station.application


def test_a_lost_takeover_event_is_made_up_for(station, monkeypatch):
    monkeypatch.setattr(switchboard, "WATCH_SECONDS", 0.1)
    station.boot()
    Charger.objects.update(connection_mark="somebody-else")
    assert station.output() == {"type": "websocket.close", "code": 1000}


def test_a_charger_that_an_operator_disables_loses_its_socket(station, monkeypatch):
    monkeypatch.setattr(switchboard, "WATCH_SECONDS", 0.1)
    station.boot()
    Charger.objects.update(is_enabled=False)
    assert station.output() == {"type": "websocket.close", "code": 1000}
    station.close()
    assert station.connect()["status"] == 403


# ------------------------------------------------------------------------------------------------ boot


def test_cold_boot(station):
    """[TC_001]"""
    station.connect()
    answer = station.call(
        "BootNotification",
        {"chargePointVendor": "SolaxPower", "chargePointModel": "X3", "chargeBoxSerialNumber": "S" * 30},
    )
    assert (answer["status"], answer["interval"]) == ("Accepted", 300)
    assert answer["currentTime"].endswith("Z")
    charger = Charger.objects.get()
    assert (charger.vendor, charger.serial_number) == ("SolaxPower", "S" * 30)
    assert charger.booted_at is not None


@pytest.mark.parametrize(("registration", "word"), [("pending", "Pending"), ("rejected", "Rejected")])
def test_a_charger_that_is_not_accepted_may_only_boot(station, registration, word):
    """[TC_002, TC_003]"""
    Charger.objects.update(registration=registration)
    station.connect()
    boot = {"chargePointVendor": "V", "chargePointModel": "M"}
    assert station.call("BootNotification", boot)["status"] == word
    assert station.ask("Heartbeat", {})[2] == "SecurityError"
    Charger.objects.update(registration="accepted")
    assert station.call("BootNotification", boot)["status"] == "Accepted"
    assert station.call("Heartbeat", {})


def test_who_never_introduced_itself_is_asked_to(station):
    station.connect()
    assert station.ask("Heartbeat", {})[2] == "SecurityError"
    asked = station.next_call()
    assert asked[2:] == ["TriggerMessage", {"requestedMessage": "BootNotification"}]


def test_a_reconnect_needs_no_boot(booted, runner, registered):
    booted.close()
    booted.connect()
    assert booted.call("Heartbeat", {})["currentTime"].endswith("Z")


# ------------------------------------------------------------------------------------------------ frames and errors


@pytest.mark.parametrize(
    ("action", "payload", "code"),
    [
        ("Heartbeats", {}, "NotImplemented"),
        ("heartbeat", {}, "NotImplemented"),
        ("Reset", {"type": "Hard"}, "NotSupported"),
        ("Authorize", {}, "OccurenceConstraintViolation"),
        ("Authorize", {"idTag": 5}, "TypeConstraintViolation"),
        (
            "StatusNotification",
            {"connectorId": 1, "errorCode": "x", "status": "Available"},
            "PropertyConstraintViolation",
        ),
    ],
)
def test_bad_calls_get_the_error_of_their_kind_and_the_connection_lives(booted, action, payload, code):
    frame = booted.ask(action, payload)
    assert frame[0] == 4
    assert frame[2] == code
    assert (len(frame), frame[4]) == (5, {})
    assert booted.call("Heartbeat", {})
    assert Message.objects.filter(is_error=True, action=action).exists()


def test_noise_is_logged_and_survived(booted):
    for noise in ("garbage", "[]", '[2,"1","StopTransaction",{"transactionId":,}]', "[" * 5000, "\0", '[9,"1",{}]'):
        booted.send(noise)
    booted.send([2, "broken", 5])
    assert booted.receive()[:3] == [4, "broken", "FormationViolation"]
    booted.send([3, "never-asked", {}])
    booted.send([4, "never-asked", "GenericError", "", {}])
    assert booted.call("Heartbeat", {})
    assert Message.objects.filter(action="", is_error=True).count() == 7


def test_ids_are_echoed_exactly(booted):
    for message_id in (7, "x" * 36, "x" * 100, "žluťoučký"):
        assert booted.ask("Heartbeat", {}, message_id=message_id)[0] == 3


def test_an_id_that_is_used_again_is_a_new_message(booted):
    first = booted.ask("Heartbeat", {}, message_id="1")
    assert booted.ask("StatusNotification", {"connectorId": 1, "errorCode": "NoError", "status": "Available"},
                      message_id="1")[2] == {}  # fmt: skip
    booted.pass_time(0.01)
    assert booted.ask("Heartbeat", {}, message_id="1")[2] != first[2]


def test_thirty_pipelined_calls_are_answered_once_each_in_their_order(booted):
    for number in range(30):
        booted.send([2, f"p{number}", "Heartbeat", {}])
    assert [booted.receive()[1] for _number in range(30)] == [f"p{number}" for number in range(30)]


def test_a_bug_costs_one_message_and_not_the_connection(booted, monkeypatch):
    def bug(*args, **kwargs):
        raise ZeroDivisionError

    with monkeypatch.context() as broken:
        broken.setattr(presence, "firmware_status", bug)
        assert booted.ask("FirmwareStatusNotification", {"status": "Installed"})[2] == "InternalError"
    assert booted.call("FirmwareStatusNotification", {"status": "Installed"}) == {}
    assert Charger.objects.get().firmware_status == "Installed"


def test_a_database_that_goes_away_closes_the_socket_without_an_answer(booted, alice_card, monkeypatch):
    """R2: an error would use up one of the charger's attempts, an Accepted would lose the bill."""

    def away(*args, **kwargs):
        raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(sessions, "start", away)
    booted.send([2, "s", "StartTransaction", {"connectorId": 1, "idTag": "X", "meterStart": 0, "timestamp": TIME}])
    assert booted.output() == {"type": "websocket.close", "code": 1013}


def test_a_decision_is_answered_only_with_its_log_line(booted, alice_card, monkeypatch):
    """And the charger that asks again gets the session that was decided on."""
    write = recorder.write

    def write_refusals_only(batch, **options):
        assert batch[0].exchange.is_error, "nobody can read this"
        write(batch, **options)

    begin = {"connectorId": 1, "idTag": "04A1B2C3D4", "meterStart": 0, "timestamp": TIME}
    with monkeypatch.context() as broken:
        broken.setattr(recorder, "write", write_refusals_only)
        assert booted.ask("StartTransaction", begin)[2] == "InternalError"
    assert booted.call("StartTransaction", begin)["transactionId"] == ChargingSession.objects.get().pk


def test_a_stale_takeover_event_closes_nobody(booted, runner):
    live.publish_takeover("an-older-one")
    assert booted.call("Heartbeat", {})
    booted.pass_time(0.05)
    assert booted.call("Heartbeat", {})


def test_a_replaced_socket_gets_no_commands_even_if_nobody_told_it(booted):
    Charger.objects.update(connection_mark="newer")
    command = ask_for_configuration()
    booted.pass_time(0.2)
    command.refresh_from_db()
    assert command.status == "waiting"


def test_the_listener_ends_with_its_socket_although_redis_is_dead(station, monkeypatch):
    class Dying:
        async def new_channel(self):
            return "channel"

        async def group_add(self, group, channel):
            pass

        async def receive(self, channel):
            await asyncio.Event().wait()

        async def group_discard(self, group, channel):
            raise ConnectionError("Redis died meanwhile")

        async def group_send(self, group, message):
            raise ConnectionError("Redis died meanwhile")

    monkeypatch.setattr(switchboard, "get_channel_layer", Dying)
    monkeypatch.setattr(live, "get_channel_layer", Dying)
    station.boot()
    station.close()
    station.pass_time(0.05)
    listeners = [task for task in asyncio.all_tasks(station.runner.get_loop()) if "_listen" in repr(task)]
    assert listeners == []
    del station.application


def test_commands_wait_until_the_charger_could_introduce_itself(booted, monkeypatch):
    monkeypatch.setattr(consumers, "SETTLE_AFTER_CONNECT_SECONDS", 0.3)
    ask_for_configuration()
    booted.next_call()
    booted.close()
    booted.connect()
    boot = {"chargePointVendor": "V", "chargePointModel": "M"}
    assert booted.call("BootNotification", boot)["status"] == "Accepted"
    assert booted.asked == []
    assert booted.next_call()[2] == "GetConfiguration"


def test_what_the_database_asks_to_repeat_is_repeated(monkeypatch):
    calls = []

    def busy():
        calls.append(1)
        if len(calls) < 3:
            raise OperationalError("database is locked")
        return "done"

    assert database.run(busy) == "done"


# ------------------------------------------------------------------------------------------------ a charge


def test_a_regular_session(booted, alice, bob, alice_card):
    """[TC_003 plug in first, TC_004 identification first]"""
    status(booted, "Preparing")
    assert booted.call("Authorize", {"idTag": "04a1b2c3d4"})["idTagInfo"]["status"] == "Accepted"
    begun = start(booted)
    assert begun["idTagInfo"]["status"] == "Accepted"
    session_id = begun["transactionId"]
    status(booted, "Charging")
    values = [{"value": "2000", "unit": "Wh"}, {"value": "7.2", "measurand": "Power.Active.Import", "unit": "kW"}]
    meter_values = {"connectorId": 1, "transactionId": session_id,
                    "meterValue": [{"timestamp": TIME, "sampledValue": values}]}  # fmt: skip
    assert booted.call("MeterValues", meter_values) == {}
    assert booted.call("MeterValues", meter_values) == {}
    assert MeterValue.objects.get().power_w == 7200
    stop = {
        "transactionId": session_id,
        "meterStop": 6000,
        "timestamp": LATER,
        "idTag": "04A1B2C3D4",
        "reason": "Local",
    }
    assert booted.call("StopTransaction", stop) == {"idTagInfo": {"status": "Accepted"}}
    assert booted.call("StopTransaction", stop) == {"idTagInfo": {"status": "Accepted"}}
    session = ChargingSession.objects.get()
    assert (session.energy_wh, session.cost) == (5000, 2500)
    assert wallets.wallet_of(alice).balance == 97_500
    assert wallets.wallet_of(bob).balance == 2250


@pytest.mark.parametrize(
    ("tag", "expected"), [("DEADBEEF", "Invalid"), ("x" * 30, "Invalid"), ("", "Invalid"), (" 04A1B2C3D4 ", "Accepted")]
)
def test_authorize(booted, alice_card, tag, expected):
    """[TC_007]"""
    assert booted.call("Authorize", {"idTag": tag})["idTagInfo"]["status"] == expected


def test_authorize_tells_blocked_from_expired_and_names_the_group(booted, alice_card):
    alice_card.expires_at = timezone.now() + timedelta(days=1)
    alice_card.save()
    info = booted.call("Authorize", {"idTag": alice_card.uid})["idTagInfo"]
    assert info["expiryDate"].endswith("Z")
    type(alice_card).objects.update(expires_at=timezone.now())
    assert booted.call("Authorize", {"idTag": alice_card.uid})["idTagInfo"]["status"] == "Expired"
    type(alice_card).objects.update(expires_at=None, is_enabled=False)
    assert booted.call("Authorize", {"idTag": alice_card.uid})["idTagInfo"]["status"] == "Blocked"


def test_start_repeats_every_check(booted, alice_card):
    booted.call("Authorize", {"idTag": alice_card.uid})
    type(alice_card).objects.update(is_enabled=False)
    begun = start(booted)
    assert begun["idTagInfo"]["status"] == "Blocked"
    assert begun["transactionId"] > 0


def test_outside_the_hours_a_card_is_blocked_and_its_start_is_kept_as_refused(booted, alice_card):
    now = timezone.now()
    in_three_days = (timezone.localtime(now).weekday() + 3) % 7
    registry.set_hours(Charger.objects.get(), week_of([Window(in_three_days, 0, 48)]))
    assert booted.call("Authorize", {"idTag": alice_card.uid})["idTagInfo"]["status"] == "Blocked"
    begun = booted.call(
        "StartTransaction",
        {"connectorId": 1, "idTag": alice_card.uid, "meterStart": 0, "timestamp": now.isoformat()},
    )
    assert begun["idTagInfo"]["status"] == "Blocked"
    session = ChargingSession.objects.get(pk=begun["transactionId"])
    assert (session.status, session.refusal) == ("refused", "closed_now")


def test_a_card_that_charges_elsewhere_is_concurrent(booted, alice_card):
    start(booted)
    Connector.objects.create(charger=Charger.objects.get(), connector_id=2, tariff=Connector.objects.get().tariff)
    assert start(booted, connector=2)["idTagInfo"]["status"] == "ConcurrentTx"


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"connectorId": "1", "idTag": 5, "meterStart": "12.0", "timestamp": 5},
        {"connectorId": -1, "idTag": "X", "meterStart": 2**63, "timestamp": "1970-01-01T00:00:00Z"},
        {"connectorId": {}, "idTag": [], "meterStart": "NaN", "timestamp": None},
        {"connectorId": 1, "idTag": "a\0b", "meterStart": -5, "timestamp": TIME, "reservationId": 0},
    ],
)
def test_a_start_that_breaks_the_schema_is_still_answered_with_an_id(booted, payload):
    begun = booted.call("StartTransaction", payload)
    assert begun["transactionId"] > 0
    assert begun["idTagInfo"]["status"] == "Invalid"


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"transactionId": -1, "meterStop": -5, "timestamp": "soon"},
        {"transactionId": 2**63 - 1, "meterStop": 2**40, "timestamp": TIME},
        {"transactionId": "12.0", "meterStop": "1e3", "timestamp": TIME, "reason": "Because", "transactionData": 5},
        {"transactionId": 10**18, "meterStop": 1, "timestamp": TIME, "idTag": "STRANGER"},
    ],
)
def test_a_stop_of_nothing_is_answered_and_kept(booted, payload):
    booted.call("StopTransaction", payload)
    assert Charger.objects.get().unmatched_stops.count() == 1


def test_the_data_of_a_stop_is_part_of_the_bill(booted, alice_card):
    session_id = start(booted)["transactionId"]
    data = [{"timestamp": LATER, "sampledValue": [{"value": "6.5", "unit": "kWh"}]}]
    booted.call(
        "StopTransaction",
        {"transactionId": session_id, "meterStop": 6500, "timestamp": LATER, "transactionData": data},
    )
    assert MeterValue.objects.get().context == "Transaction.End"
    assert ChargingSession.objects.get().energy_wh == 5500


def test_an_offline_history_that_is_sent_at_once_is_billed_like_the_online_run(booted, alice_card):
    booted.send(
        [2, "a", "StartTransaction", {"connectorId": 1, "idTag": "04A1B2C3D4", "meterStart": 1000, "timestamp": TIME}]
    )
    for minute in range(1, 6):
        value = {"timestamp": f"2026-01-11T21:{38 + minute}:14Z", "sampledValue": [{"value": str(1000 + 100 * minute)}]}
        booted.send([2, f"m{minute}", "MeterValues", {"connectorId": 1, "meterValue": [value]}])
    booted.send([2, "z", "StopTransaction", {"transactionId": -1, "meterStop": 1500, "timestamp": LATER}])
    assert [booted.receive()[0] for _frame in range(7)] == [3] * 7
    session = ChargingSession.objects.get()
    assert (session.status, session.energy_wh, session.meter_values.count()) == ("settled", 500, 5)


def test_other_messages_are_answered_and_kept(booted):
    assert booted.call("DataTransfer", {"vendorId": "x"}) == {"status": "UnknownVendorId"}
    assert booted.call("DiagnosticsStatusNotification", {"status": "Uploaded"}) == {}
    assert Charger.objects.get().diagnostics_status == "Uploaded"
    assert Message.objects.filter(action="DataTransfer").exists()


def test_an_unknown_connector_is_discovered(booted):
    assert status(booted, "Available", connector=2) == {}
    assert status(booted, "Available", connector=10**9) == {}
    assert set(Connector.objects.values_list("connector_id", flat=True)) == {1, 2}
