"""What must be survived (reliability.md): killed servers, racing messages, several processes.

The witness is the charger's own journal of what was acknowledged to it.
"""

import base64
import contextlib
import json
import random
import threading
import time
import urllib.parse
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from django.conf import settings
from django.db import connection
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from billing import ledger, wallets
from billing.models import Account, Transfer
from chargers import clock, database, sessions, settlement
from chargers.models import Charger, ChargingSession, Command, MeterValue
from conftest import fund
from sharecharge.testing.platform import Platform

pytestmark = pytest.mark.django_db(transaction=True)

BEGIN = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)


def at(minutes: float) -> str:
    return (BEGIN + timedelta(minutes=minutes)).isoformat().replace("+00:00", "Z")


class JournalCharger:
    """A charger that keeps every message until it is acknowledged, and a journal of those that were."""

    def __init__(self, registered) -> None:
        self.identity, self.password = registered.charger.identity, registered.password
        self.journal: dict[str, dict] = {}
        self.queue: list[tuple[str, str, dict]] = []
        self.socket: ClientConnection | None = None
        self.stack = contextlib.ExitStack()

    def connect(self, platform: Platform) -> None:
        token = base64.b64encode(f"{self.identity}:{self.password}".encode()).decode()
        self.stack = contextlib.ExitStack()
        self.socket = self.stack.enter_context(
            connect(
                f"{platform.charger_url}/{self.identity}",
                subprotocols=[Subprotocol("ocpp1.6")],
                additional_headers={"Authorization": f"Basic {token}"},
            )
        )

    def say(self, message_id: str, action: str, payload: dict) -> None:
        self.queue.append((message_id, action, payload))

    def flush(self, *, after_send=lambda: None) -> bool:
        """Sends what waits, one by one. False when the connection broke: the rest waits on."""
        try:
            while self.queue:
                message_id, action, payload = self.queue[0]
                self.socket.send(json.dumps([2, message_id, action, payload]))
                after_send()
                while (frame := json.loads(self.socket.recv(timeout=20)))[1] != message_id:
                    assert frame[0] == 2, frame
                    self.socket.send(json.dumps([4, frame[1], "NotSupported", "", {}]))
                assert frame[0] == 3, frame
                self.journal[message_id] = frame[2]
                self.queue.pop(0)
        except (ConnectionClosed, OSError):
            return False
        return True


def meter_values(session_id: int, number: int) -> dict:
    value = {"timestamp": at(number), "sampledValue": [{"value": str(1000 + 50 * number)}]}
    return {"connectorId": 1, "transactionId": session_id, "meterValue": [value]}


class KilledPlatform:
    """Sends a message, and some milliseconds later the server is dead; then it is started and the rest is sent."""

    def __init__(self, charger: JournalCharger) -> None:
        self.charger, self.chance, self.broken = charger, random.Random(16), 0
        self.platform = Platform(connection.settings_dict).start()
        charger.connect(self.platform)

    def survive(self) -> None:
        fatal = self.chance.randrange(len(self.charger.queue))
        sent = iter(range(len(self.charger.queue)))

        def kill_at_the_fatal_one() -> None:
            if next(sent) == fatal:
                time.sleep(self.chance.uniform(0, 0.008))
                self.platform.kill()

        self.broken += not self.charger.flush(after_send=kill_at_the_fatal_one)
        self.platform.start()
        self.charger.connect(self.platform)
        assert self.charger.flush()


def test_kill_9_at_random_moments_loses_nothing_and_bills_once(registered, connector, alice, bob, alice_card):
    """Start, 40 samples and stop, while the server dies again and again under every kind of message."""
    Charger.objects.update(is_configured_after_boot=False)
    charger = JournalCharger(registered)
    killed = KilledPlatform(charger)
    try:
        charger.say("boot", "BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"})
        assert charger.flush()
        start = {"connectorId": 1, "idTag": "04A1B2C3D4", "meterStart": 1000, "timestamp": at(0)}
        charger.say("start", "StartTransaction", start)
        killed.survive()
        session_id = charger.journal["start"]["transactionId"]
        for number in range(1, 41):
            charger.say(f"m{number}", "MeterValues", meter_values(session_id, number))
            if number % 10 == 0:
                killed.survive()
        stop = {"transactionId": session_id, "meterStop": 3000, "timestamp": at(41), "reason": "Local"}
        charger.say("stop", "StopTransaction", stop)
        killed.survive()
        # And once more, as from a charger that has forgotten what was acknowledged.
        charger.say("again", "StartTransaction", start)
        charger.say("stop again", "StopTransaction", stop)
        assert charger.flush()
    finally:
        killed.platform.stop()
    assert killed.broken >= 3, "the server must die under messages that wait for their answer"
    session = ChargingSession.objects.get()
    assert charger.journal["again"]["transactionId"] == session.pk == session_id
    acknowledged = {int(key[1:]) for key in charger.journal if key.startswith("m")}
    kept = {(value.energy_wh or 0) // 50 - 20 for value in MeterValue.objects.registers()}
    assert acknowledged == set(range(1, 41)) == kept
    assert MeterValue.objects.filter(session=session).count() == 40
    assert (session.energy_wh, session.cost) == (2000, 1000)
    assert Transfer.objects.exclude(kind=Transfer.Kind.TOP_UP).count() == 1
    assert (wallets.wallet_of(alice).balance, wallets.wallet_of(bob).balance) == (99_000, 900)
    assert wallets.wallet_of(alice).held == 0
    assert ledger.breaches() == []


def in_parallel(function, count=10, *, retry=True):
    """Runs it in so many threads at once, each with a database connection of its own."""
    barrier = threading.Barrier(count)

    def run(_number):
        try:
            barrier.wait(20)
            return database.run(function) if retry else function()
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(run, range(count)))


def start(charger):
    return sessions.start(
        charger, connector_id=1, id_tag_text="04A1B2C3D4", meter_start_wh=1000,
        moment=clock.read(at(0), received_at=BEGIN), received_at=BEGIN,
    ).session.pk  # fmt: skip


def test_ten_parallel_starts_are_one_session_with_one_hold(online, alice, alice_card):
    assert len(set(in_parallel(lambda: start(online)))) == 1
    assert ChargingSession.objects.count() == 1
    assert wallets.wallet_of(alice).held == settings.SESSION_HOLD


def test_ten_parallel_stops_are_one_settlement(online, alice, bob, alice_card):
    session_id = start(online)
    moment = clock.read(at(60), received_at=BEGIN)
    stopped = in_parallel(
        lambda: sessions.stop(
            online, transaction_id=session_id, transaction_text=str(session_id), id_tag_text="", meter_stop_wh=6000,
            reason="Local", moment=moment, received_at=BEGIN + timedelta(hours=1),
        ).pk
    )  # fmt: skip
    assert stopped == [session_id] * 10
    assert wallets.wallet_of(alice) == wallets.Wallet(balance=97_500, held=0, owed=0)
    assert wallets.wallet_of(bob).balance == 2250
    assert Transfer.objects.filter(kind=Transfer.Kind.SESSION).count() == 1
    assert ledger.breaches() == []


def test_ten_sweeps_at_once_bill_once(online, alice, alice_card, monkeypatch):
    session_id = start(online)
    with monkeypatch.context() as broken:
        broken.setattr(settlement, "settle_locked", lambda session: 1 / 0)
        sessions.stop(
            online, transaction_id=session_id, transaction_text="", id_tag_text="", meter_stop_wh=6000, reason="",
            moment=clock.read(at(60), received_at=BEGIN), received_at=BEGIN + timedelta(hours=1),
        )  # fmt: skip
    in_parallel(settlement.settle_unsettled)
    assert wallets.wallet_of(alice).balance == 97_500
    assert ledger.breaches() == []


def test_money_that_crosses_in_many_directions_neither_blocks_nor_leaks(alice, bob, charlie):
    """Everybody charges at everybody's, with a hold that its settlement releases: the locks must have one order."""
    people = [alice, bob, charlie]
    fund(bob, 100_000)
    numbers = iter(range(200))
    lock = threading.Lock()

    def pay():
        for _time in range(10):
            with lock:
                number = next(numbers)
            payer, payee = people[number % 3], people[(number + 1 + number % 2) % 3]
            wallets.hold(payer, reference=f"hold:{number}", minimum=1, wanted=500)
            wallets.settle(
                reference=f"cross:{number}", payer=payer, payee=payee, amount=100 + number, fee=number % 7,
                kind=Transfer.Kind.SESSION, description="", hold=f"hold:{number}",
            )  # fmt: skip

    in_parallel(pay, retry=False)
    assert Transfer.objects.filter(reference__startswith="cross:").count() == 100
    assert not Account.objects.exclude(held=0).exists()
    assert ledger.breaches() == []


@pytest.mark.skipif(not settings.REDIS_URL, reason="two processes hear of each other through Redis")
def test_the_browser_on_one_process_and_the_charger_on_another(registered, connector, alice, client_of):
    """Live status, remote start and stop across processes, and what a session page shows."""
    Charger.objects.update(is_configured_after_boot=False)
    charger = JournalCharger(registered)
    cookies = client_of(alice).cookies
    headers = {"Cookie": f"sessionid={cookies['sessionid'].value}", "Origin": "http://127.0.0.1"}
    with Platform(connection.settings_dict) as left, Platform(connection.settings_dict) as right:
        with connect(f"{right.url.replace('http', 'ws')}/ws/map/", additional_headers=headers) as map_socket:
            assert json.loads(map_socket.recv(timeout=10))["type"] == "snapshot"
            charger.connect(left)
            charger.say("boot", "BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"})
            charger.say("free", "StatusNotification", {"connectorId": 1, "errorCode": "NoError", "status": "Available"})
            assert charger.flush()
            seen = json.loads(map_socket.recv(timeout=10))
            while seen["data"]["state"] != "free":
                seen = json.loads(map_socket.recv(timeout=10))
            assert seen["data"]["code"] == registered.charger.code
        # The page is served by one process, the charger hangs on the other.
        browser = HttpBrowser(right, headers["Cookie"])
        browser.post(f"/c/{registered.charger.code}/start/{connector.connector_id}/")
        _type, message_id, action, payload = json.loads(charger.socket.recv(timeout=10))
        assert action == "RemoteStartTransaction"
        charger.socket.send(json.dumps([3, message_id, {"status": "Accepted"}]))
        start = {"connectorId": 1, "idTag": payload["idTag"], "meterStart": 1000, "timestamp": at(0)}
        charger.say("start", "StartTransaction", start)
        assert charger.flush()
        session_id = charger.journal["start"]["transactionId"]
        url = f"{right.url.replace('http', 'ws')}/ws/sessions/{session_id}/"
        with connect(url, additional_headers=headers) as session_socket:
            assert json.loads(session_socket.recv(timeout=10))["data"]["energy_wh"] == 0
            charger.say("m1", "MeterValues", meter_values(session_id, 10))
            assert charger.flush()
            assert json.loads(session_socket.recv(timeout=10))["data"]["energy_wh"] == 500
        browser.post(f"/sessions/{session_id}/stop/")
        assert json.loads(charger.socket.recv(timeout=10))[2] == "RemoteStopTransaction"
        charger.stack.close()
    assert set(Command.objects.values_list("action", flat=True)) == {"remote_start", "remote_stop"}


class HttpBrowser:
    """Posts forms to a running platform, as the person whose session cookie it has."""

    def __init__(self, platform: Platform, cookie: str) -> None:
        self.platform, self.cookie = platform, cookie

    def post(self, path: str, **fields: object) -> None:
        token = "x" * 32
        headers = {"Cookie": f"{self.cookie}; csrftoken={token}", "X-CSRFToken": token}
        data = urllib.parse.urlencode(fields).encode()
        request = urllib.request.Request(self.platform.url + path, data=data, headers=headers)
        with urllib.request.urlopen(request, timeout=10) as response:
            assert response.status == 200
