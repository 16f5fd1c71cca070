"""What we ask of a charger, on the wire: one call at a time, and every end of it is known."""

from functools import partial

import pytest

from chargers import commands, control, live
from chargers.models import Charger, ChargingSession, Command, Message
from ocpp_gateway import switchboard
from ocpp_gateway.tests.test_consumers import LATER, ask_for_configuration, start, status

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("_no_waiting")]


def test_remote_start_and_stop(booted, connector, alice):
    """[TC_010, TC_012]"""
    status(booted, "Available")
    command = commands.request_remote_start(Charger.objects.get(), connector, user=alice)
    _type, message_id, action, payload = booted.next_call()
    assert action == "RemoteStartTransaction"
    booted.send([3, message_id, {"status": "Accepted"}])
    session_id = start(booted, tag=payload["idTag"])["transactionId"]
    command.refresh_from_db()
    assert (command.status, command.session_id) == ("accepted", session_id)
    commands.request_remote_stop(ChargingSession.objects.get(), user=alice)
    _type, message_id, action, payload = booted.next_call()
    assert (action, payload) == ("RemoteStopTransaction", {"transactionId": session_id})
    booted.send([3, message_id, {"status": "Accepted"}])
    booted.call(
        "StopTransaction", {"transactionId": session_id, "meterStop": 2000, "timestamp": LATER, "reason": "Remote"}
    )
    assert ChargingSession.objects.get().stop_reason == "Remote"


def test_one_call_is_outstanding_and_their_calls_are_answered_meanwhile(booted):
    first, second = ask_for_configuration(), ask_for_configuration()
    _type, message_id, action, _payload = booted.next_call()
    assert action == "GetConfiguration"
    assert booted.call("Heartbeat", {})
    assert booted.asked == []
    second.refresh_from_db()
    assert second.status == "waiting"
    booted.send([3, message_id, {"configurationKey": []}])
    booted.next_call()
    first.refresh_from_db()
    assert first.status == "accepted"


def test_a_refused_call_a_broken_answer_and_a_foreign_id_are_reported(booted):
    refused, broken, fine = ask_for_configuration(), ask_for_configuration(), ask_for_configuration()
    message_id = booted.next_call()[1]
    booted.send([3, "foreign", {}])
    booted.send([4, message_id, "InternalError", "tired", {}])
    booted.send([3, booted.next_call()[1], {"configurationKey": "all"}])
    booted.send([3, booted.next_call()[1], {}])
    booted.call("Heartbeat", {})
    for command in (refused, broken, fine):
        command.refresh_from_db()
    assert (refused.status, refused.error) == ("failed", "InternalError: tired")
    assert broken.error.startswith("answer breaks the schema")
    assert fine.status == "accepted"


def test_an_answer_that_does_not_come_lets_the_next_command_work(booted, settings):
    settings.CALL_TIMEOUT_SECONDS = 0.1
    late, second = ask_for_configuration(), ask_for_configuration()
    message_id = booted.next_call()[1]
    booted.pass_time(0.5)
    settings.CALL_TIMEOUT_SECONDS = 30
    booted.send([3, message_id, {}])
    booted.call("Heartbeat", {})
    late.refresh_from_db()
    assert (late.status, late.error) == ("failed", "no_answer")
    booted.send([3, booted.next_call()[1], {}])
    booted.call("Heartbeat", {})
    second.refresh_from_db()
    assert second.status in {"accepted", "failed"}


def test_a_socket_that_dies_under_a_call_is_reported_and_a_stop_is_sent_again(booted, alice_card):
    session = ChargingSession.objects.get(pk=start(booted)["transactionId"])
    commands.request_remote_stop(session, user=None)
    assert booted.next_call()[2] == "RemoteStopTransaction"
    booted.close()
    booted.connect()
    assert booted.next_call()[2] == "RemoteStopTransaction"


def test_a_command_is_found_without_being_woken(booted, monkeypatch):
    monkeypatch.setattr(switchboard, "WATCH_SECONDS", 0.1)
    monkeypatch.setattr(live, "publish_commands", lambda charger_id: None)
    booted.close()
    booted.connect()
    ask_for_configuration()
    assert booted.next_call()[2] == "GetConfiguration"


def test_a_broken_channel_layer_stops_nothing(station, alice_card, monkeypatch):
    """R24: the whole money path works with Redis dead."""

    class Broken:
        async def new_channel(self):
            raise ConnectionError("Redis is dead")

        async def group_send(self, group, message):
            raise ConnectionError("Redis is dead")

    monkeypatch.setattr(switchboard, "get_channel_layer", Broken)
    monkeypatch.setattr(live, "get_channel_layer", Broken)
    monkeypatch.setattr(switchboard, "WATCH_SECONDS", 0.1)
    station.boot()
    session_id = start(station)["transactionId"]
    ask_for_configuration()
    assert station.next_call()[2] == "GetConfiguration"
    station.call("StopTransaction", {"transactionId": session_id, "meterStop": 6000, "timestamp": LATER})
    assert ChargingSession.objects.get().cost == 2500


@pytest.mark.parametrize(
    ("ask", "call"),
    [
        (control.reset, ("Reset", {"type": "Soft"})),
        (partial(control.reset, is_hard=True), ("Reset", {"type": "Hard"})),
        (control.refresh, ("TriggerMessage", {"requestedMessage": "StatusNotification"})),
    ],
)
def test_what_an_owner_asks_of_the_charger(ask, call, booted, bob):
    """[TC_013, TC_014, TC_054]"""
    command = ask(Charger.objects.get(), by=bob)
    _type, message_id, *sent = booted.next_call()
    assert tuple(sent) == call
    booted.send([3, message_id, {"status": "Accepted"}])
    booted.call("Heartbeat", {})
    command.refresh_from_db()
    assert command.status == "accepted"


def test_an_unlock(booted, connector, bob):
    """[TC_017]"""
    command = control.unlock(Charger.objects.get(), connector, by=bob)
    _type, message_id, *sent = booted.next_call()
    assert sent == ["UnlockConnector", {"connectorId": 1}]
    booted.send([3, message_id, {"status": "UnlockFailed"}])
    booted.call("Heartbeat", {})
    command.refresh_from_db()
    assert command.status == "rejected"


def test_a_new_password_is_never_logged(booted, caplog):
    caplog.set_level("DEBUG", logger="ocpp_gateway")
    commands.request(
        Charger.objects.get(),
        Command.Action.CHANGE_CONFIGURATION,
        payload={"key": "AuthorizationKey", "value": "CANARY-SECRET"},
    )
    _type, message_id, _action, payload = booted.next_call()
    assert payload["value"] == "CANARY-SECRET"
    booted.send([3, message_id, {"status": "Accepted"}])
    booted.call("Heartbeat", {})
    assert "CANARY" not in caplog.text
    assert booted.password not in caplog.text
    assert not [message for message in Message.objects.all() if "CANARY" in message.request + message.response]
