"""The server that `manage.py serve` starts, over real sockets."""

import base64
import http.client
import json

import pytest
from django.db import connection
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from chargers.models import Charger, ConnectionAttempt
from sharecharge.testing.platform import Platform

pytestmark = pytest.mark.django_db(transaction=True)

OCPP = [Subprotocol("ocpp1.6")]


@pytest.fixture
def knock(registered):
    def knock(platform, *, identity=None, password=None, subprotocols=OCPP, path=""):
        identity = identity or registered.charger.identity
        token = base64.b64encode(f"{identity}:{password or registered.password}".encode()).decode()
        return connect(
            f"{platform.charger_url}/{identity}{path}",
            subprotocols=subprotocols,
            additional_headers={"Authorization": f"Basic {token}"},
            max_size=None,
        )

    return knock


def test_the_door_answers_in_http_and_lives_through_rough_guests(knock, registered):
    Charger.objects.update(is_configured_after_boot=False)
    with Platform(connection.settings_dict) as platform:
        refusals = {
            (404, b"unknown_identity"): {"identity": "NOBODY"},
            (404, b"bad_path"): {"path": "/extra/path"},
            (401, b"wrong_password"): {"password": "wrong"},
            (400, b"no_subprotocol"): {"subprotocols": None},
            (400, b"unknown_subprotocol"): {"subprotocols": [Subprotocol("ocpp2.0.1")]},
        }
        for (status, reason), options in refusals.items():
            with pytest.raises(InvalidStatus) as refused, knock(platform, **options):
                pass
            assert (refused.value.response.status_code, refused.value.response.body) == (status, reason)
            assert ("WWW-Authenticate" in refused.value.response.headers) == (status == 401)

        plain = http.client.HTTPConnection("127.0.0.1", platform.port, timeout=10)
        plain.request("GET", f"/ocpp/{registered.charger.identity}")
        assert 400 <= plain.getresponse().status < 500

        with (
            knock(platform, path="/") as quiet,
            knock(platform, identity=registered.charger.identity.lower()) as socket,
        ):
            with pytest.raises(ConnectionClosed):
                quiet.recv(timeout=10)  # the newer one took over
            socket.send(json.dumps([2, "1", "BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"}]))
            assert json.loads(socket.recv(timeout=10))[2]["status"] == "Accepted"
            # 150 KiB in fragments, and as a binary frame.
            long_text = json.dumps([2, "2", "DataTransfer", {"vendorId": "V", "data": "x" * 150_000}])
            socket.send(iter([long_text[:70_000], long_text[70_000:]]))
            assert json.loads(socket.recv(timeout=10))[2] == {"status": "UnknownVendorId"}
            socket.send(long_text.replace('"2"', '"3"', 1).encode())
            assert json.loads(socket.recv(timeout=10))[1] in {"2", "3"}
            socket.ping().wait(10)

        with knock(platform) as greedy, pytest.raises(ConnectionClosed) as closed:
            greedy.send("x" * 24 * 1024 * 1024)
            greedy.recv(timeout=20)
        assert closed.value.rcvd is None or closed.value.rcvd.code == 1009
        with knock(platform) as socket:  # only that socket was closed
            socket.send(json.dumps([2, "4", "Heartbeat", {}]))
            assert json.loads(socket.recv(timeout=10))[0] == 3
    assert set(ConnectionAttempt.objects.values_list("outcome", flat=True)) >= {
        "unknown_identity", "bad_path", "wrong_password", "no_subprotocol", "unknown_subprotocol", "accepted",
    }  # fmt: skip


def test_a_password_never_reaches_the_log(knock, registered):
    platform = Platform(connection.settings_dict, LOG_LEVEL="DEBUG").start()
    with pytest.raises(InvalidStatus), knock(platform, password="CANARY-PASSWORD"):
        pass
    with knock(platform) as socket:
        socket.send(json.dumps([2, "1", "BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"}]))
        socket.recv(timeout=10)
    log = platform.stop()
    assert "BootNotification" in log
    assert f"charger={registered.charger.pk}" in log
    for secret in ("CANARY-PASSWORD", registered.password, platform.environment["SECRET_KEY"]):
        assert secret not in log
        assert base64.b64encode(secret.encode()).decode()[:16] not in log
