"""What Prometheus sees of a charger's conversation."""

import asyncio

import pytest
from prometheus_client import REGISTRY

from chargers import commands, live, sessions
from chargers.models import Charger, Command
from ocpp_gateway import consumers
from ocpp_gateway.tests.station import Station, basic

pytestmark = pytest.mark.django_db(transaction=True)


def value(name, **labels):
    return REGISTRY.get_sample_value(f"sharecharge_{name}", labels) or 0.0


class Growth:
    """By how much a figure has grown since this was made."""

    def __init__(self):
        self.before = {}

    def of(self, name, **labels):
        key = (name, *sorted(labels.items()))
        now = value(name, **labels)
        return now - self.before.setdefault(key, now)


@pytest.fixture
def station(registered, connector, monkeypatch):
    monkeypatch.setattr(consumers, "SETTLE_AFTER_BOOT_SECONDS", 0)
    monkeypatch.setattr(consumers, "SETTLE_AFTER_CONNECT_SECONDS", 0)
    Charger.objects.update(is_configured_after_boot=False)
    with asyncio.Runner() as runner:
        yield Station(runner, registered)
        live._Server.bell = None


def test_sockets_and_handshakes(station):
    growth = Growth()
    figures = [("gateway_handshakes_total", {"outcome": outcome}) for outcome in ("accepted", "wrong_password")]
    assert [growth.of(name, **labels) for name, labels in figures] == [0, 0]
    station.connect(headers=[basic(station.identity, "wrong")])
    sockets = value("gateway_sockets")
    station.connect()
    assert value("gateway_sockets") == sockets + 1
    station.close()
    station.pass_time(0.05)
    assert value("gateway_sockets") == sockets
    assert [growth.of(name, **labels) for name, labels in figures] == [1, 1]


def test_messages_by_action_and_result(station, monkeypatch, alice_card):
    kinds = [
        ("BootNotification", "answered"), ("Heartbeat", "answered"), ("StatusNotification", "refused"),
        ("StartTransaction", "failed"), ("other", "refused"), ("other", "unreadable"),
    ]  # fmt: skip
    growth, counted = Growth(), []
    for action, result in kinds:
        growth.of("gateway_messages_total", action=action, result=result)
    growth.of("gateway_message_seconds_count", action="Heartbeat")
    growth.of("recorder_batch_facts_sum")
    station.boot()
    station.call("Heartbeat", {})
    station.ask("StatusNotification", {"connectorId": 1})
    monkeypatch.setattr(sessions, "start", lambda *args, **kwargs: 1 / 0)
    station.ask("StartTransaction", {"connectorId": 1, "idTag": "X", "meterStart": 0, "timestamp": "2026-01-01T00:00Z"})
    station.ask("MadeUpByACharger", {})
    station.send("no frame")
    station.call("Heartbeat", {})
    counted = [growth.of("gateway_messages_total", action=action, result=result) for action, result in kinds]
    assert counted == [1, 2, 1, 1, 1, 1]
    assert growth.of("gateway_message_seconds_count", action="Heartbeat") == 2
    assert growth.of("recorder_batch_facts_sum") == 8, "the arrival and each of the seven frames"
    station.close()


def test_commands_and_how_they_ended(station, settings):
    growth = Growth()
    for result in ("answered", "error", "timed_out", "lost"):
        growth.of("gateway_calls_total", action="GetConfiguration", result=result)
    growth.of("commands_finished_total", action="get_configuration", result="accepted")
    growth.of("command_seconds_count", action="get_configuration")
    station.boot()
    for answer in ([3, {}], [4, "NotSupported", "", {}]):
        commands.request(Charger.objects.get(), Command.Action.GET_CONFIGURATION)
        message_id = station.next_call()[1]
        station.send([answer[0], message_id, *answer[1:]])
        station.call("Heartbeat", {})
    settings.CALL_TIMEOUT_SECONDS = 0.05
    commands.request(Charger.objects.get(), Command.Action.GET_CONFIGURATION)
    station.next_call()
    station.pass_time(0.3)
    settings.CALL_TIMEOUT_SECONDS = 30
    commands.request(Charger.objects.get(), Command.Action.GET_CONFIGURATION)
    station.next_call()
    station.close()
    station.pass_time(0.05)
    ended = [
        growth.of("gateway_calls_total", action="GetConfiguration", result=result)
        for result in ("answered", "error", "timed_out", "lost")
    ]
    assert ended == [1, 1, 1, 1]
    assert growth.of("commands_finished_total", action="get_configuration", result="accepted") == 1
    assert growth.of("command_seconds_count", action="get_configuration") == 3


def test_one_id_leads_from_a_frame_through_the_worker_to_its_bill(station, alice_card, caplog):
    """The connection's mark and the charger's own message id."""
    seen = []

    def remember(record):
        from sharecharge import trace

        seen.append((record.name, trace.current.get()))
        return True

    handler = caplog.handler
    handler.addFilter(remember)
    caplog.set_level("INFO")
    station.boot()
    begin = {"connectorId": 1, "idTag": "04A1B2C3D4", "meterStart": 0, "timestamp": "2026-01-01T00:00:00Z"}
    session = station.call("StartTransaction", begin)["transactionId"]
    end = {"transactionId": session, "meterStop": 1000, "timestamp": "2026-01-01T01:00:00Z"}
    station.ask("StopTransaction", end, message_id="the-stop")
    mark = Charger.objects.get().connection_mark
    station.close()
    handler.removeFilter(remember)
    assert ("chargers.settlement", f"{mark}:the-stop") in seen
