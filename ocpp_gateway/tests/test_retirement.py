"""A gateway that is told to stop: what is in hand is finished, what is not is sent again elsewhere."""

import asyncio
import json
import threading
import time

import pytest
from channels.consumer import AsyncConsumer
from django.db import connection
from websockets.exceptions import ConnectionClosed

from chargers import live, registry, sessions
from chargers.models import Charger, ChargingSession, Message
from ocpp_gateway import switchboard as switchboard_module
from ocpp_gateway.consumers import ChargePointConsumer
from ocpp_gateway.switchboard import switchboard
from ocpp_gateway.tests.station import Station
from ocpp_gateway.tests.test_survival import JournalCharger, at
from sharecharge import fibres
from sharecharge.testing.platform import Platform

pytestmark = pytest.mark.django_db(transaction=True)

START = {"connectorId": 1, "idTag": "04A1B2C3D4", "meterStart": 0, "timestamp": at(0)}


@pytest.fixture
def station(registered, connector):
    Charger.objects.update(is_configured_after_boot=False)
    with asyncio.Runner() as runner:
        station = Station(runner, registered)
        yield station.boot()
        switchboard.is_retiring = False
        live._Server.bell = None


def test_an_idle_charge_point_is_told_to_come_again(station):
    async def retire():
        await asyncio.wait_for(switchboard.retire(0.2), 10)

    station.runner.run(retire())
    assert station.output() == {"type": "websocket.close", "code": 1012}
    station.close()


def test_the_message_in_hand_is_answered_and_the_next_one_is_left_to_be_sent_again(station, alice_card, monkeypatch):
    deciding, may_decide = threading.Event(), threading.Event()
    original = sessions.start

    def slowly(*args, **kwargs):
        deciding.set()
        deadline = time.monotonic() + 20
        while not may_decide.is_set():
            assert time.monotonic() < deadline
            fibres.sleep(0.01)
        return original(*args, **kwargs)

    monkeypatch.setattr(sessions, "start", slowly)
    station.send([2, "start", "StartTransaction", START])
    station.send([2, "after", "Heartbeat", {}])

    async def retire():
        await asyncio.to_thread(deciding.wait, 20)
        retiring = asyncio.create_task(switchboard.retire(20))
        await asyncio.sleep(0.05)
        may_decide.set()
        answer = await station.application.receive_output(20)
        close = await station.application.receive_output(20)
        await station.application.send_input({"type": "websocket.disconnect", "code": 1012})
        await asyncio.wait_for(retiring, 20)
        return answer, close

    answer, close = station.runner.run(retire())
    assert json.loads(answer["text"])[:2] == [3, "start"]
    assert json.loads(answer["text"])[2]["transactionId"] == ChargingSession.objects.get().pk
    assert close == {"type": "websocket.close", "code": 1012}
    assert not Message.objects.filter(message_id="after").exists()
    assert switchboard.sockets == {}


def test_a_server_that_gets_sigterm_loses_nothing_and_its_chargers_come_back(registered, connector, bob, alice_card):
    Charger.objects.update(is_configured_after_boot=False)
    fleet = [JournalCharger(registered)]
    fleet += [
        JournalCharger(registry.register(owner=bob, name=f"C{number}", latitude=50, longitude=14))
        for number in range(19)
    ]
    Charger.objects.update(is_configured_after_boot=False)
    with Platform(connection.settings_dict) as platform:
        for charger in fleet:
            charger.connect(platform)
            charger.say("boot", "BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"})
            assert charger.flush()
        stop_sending = threading.Event()

        def talk(charger):
            number = 0
            while not stop_sending.is_set():
                number += 1
                charger.say(
                    f"m{number}", "DataTransfer", {"vendorId": "V", "messageId": f"{charger.identity}-{number}"}
                )
                if not charger.flush():
                    return

        threads = [threading.Thread(target=talk, args=[charger]) for charger in fleet]
        for thread in threads:
            thread.start()
        log = platform.stop()
        stop_sending.set()
        for thread in threads:
            thread.join(20)
        for charger in fleet:
            with pytest.raises(ConnectionClosed) as closed:
                charger.socket.recv(timeout=10)
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1012
        assert "Traceback" not in log
        assert "could not finish" not in log
        assert not Charger.objects.exclude(connection_mark="").exists(), "everybody is known to have left"
        platform.start()
        for charger in fleet:
            charger.connect(platform)
            assert charger.flush()
            charger.stack.close()
    said = {f"{c.identity}-{key[1:]}" for c in fleet for key in c.journal if key.startswith("m")}
    kept = {json.loads(message.request)["messageId"] for message in Message.objects.filter(action="DataTransfer")}
    assert said
    assert said <= kept


def test_what_we_rely_on_in_channels():
    """Our consumer brings its own loop: Channels' may change, but not how an application is made of a consumer."""
    assert "__call__" in ChargePointConsumer.__dict__
    assert "dispatch" not in ChargePointConsumer.__dict__
    assert issubclass(ChargePointConsumer, AsyncConsumer)
    assert not hasattr(AsyncConsumer, "__slots__")
    application = ChargePointConsumer.as_asgi()
    assert application.consumer_class is ChargePointConsumer
    assert asyncio.iscoroutinefunction(application)


def test_a_database_that_hangs_is_like_one_that_is_away(station, alice_card, monkeypatch):
    """The charger that waits for its answer is sent away, and keeps its message."""
    may_go_on = threading.Event()
    monkeypatch.setattr(sessions, "start", lambda *args, **kwargs: may_go_on.wait(20) and 1 / 0)
    monkeypatch.setattr(switchboard_module, "WATCH_SECONDS", 0.1)
    monkeypatch.setattr(switchboard_module, "STUCK_SECONDS", 0.2)
    station.close()
    station.pass_time(0.1)
    station.boot()
    station.send([2, "start", "StartTransaction", START])
    try:
        assert station.output() == {"type": "websocket.close", "code": 1013}
    finally:
        may_go_on.set()
    station.close()
    station.pass_time(0.2)
