"""Production without Docker, as docs/deploy.md shows it: two gateways, one web process, PostgreSQL, Redis, one proxy.

Everything comes in by TLS through docker/Caddyfile. The witness is what the wallboxes' own journals say.
"""

import base64
import contextlib
import http.client
import json
import os
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from billing import ledger
from chargers.models import Charger, ChargingSession, ConnectionAttempt, MeterValue
from sharecharge.testing.platform import ROOT, Platform
from sharecharge.testing.proxy import Proxy, find_caddy

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        connection.vendor != "postgresql" or not settings.REDIS_URL, reason="production is PostgreSQL and Redis"
    ),
    pytest.mark.skipif(find_caddy() is None, reason="there is no caddy"),
]

# Of the wallbox; the proxy's own is 127.0.0.1.
CLIENT_ADDRESS = "127.0.0.2" if sys.platform == "linux" else "127.0.0.1"


@dataclass
class Site:
    web: Platform
    gateways: tuple[Platform, Platform]
    proxy: Proxy

    @property
    def tls(self) -> ssl.SSLContext:
        """Trusts the root of the test's chain and nothing else."""
        return ssl.create_default_context(cafile=self.proxy.root)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    def process(role: str) -> Platform:
        return Platform(connection.settings_dict, "--only", role, "--no-sweep", TRUST_PROXY="true")

    web, gateways = process("web"), (process("ocpp"), process("ocpp"))
    proxy = Proxy(tmp_path, web=[web.port], ocpp=[gateway.port for gateway in gateways])
    for each in (web, *gateways):
        each.environment["SITE_URL"] = proxy.url
    with web, gateways[0], gateways[1], proxy:
        yield Site(web, gateways, proxy)


@contextlib.contextmanager
def simulated(site: Site, folder: Path, *, chargers: int, sessions: int) -> Iterator["subprocess.Popen[bytes]"]:
    """Wallboxes that verify the certificate and charge. They keep `journal` in the folder, and tell `said` the rest."""
    fleet = folder / "fleet.jsonl"
    call_command("provision", chargers=chargers, drivers=chargers, balance=100_000, price=1000, output=fleet)
    pace = ["--speed", "300", "--stay", "3000", "--gap", "60", "--seed", "3", "--sessions", str(sessions)]
    options = ["--url", site.proxy.charger_url, "--chargers", str(fleet), "--json", *pace]
    command = [sys.executable, "manage.py", "simulate", *options]
    environment = {**os.environ, "SSL_CERT_FILE": str(site.proxy.root)}
    with (folder / "journal").open("w") as journal, (folder / "said").open("w") as said:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=journal, stderr=said)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def wait_for(is_so: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def running() -> int:
    return ChargingSession.objects.filter(ended_at=None, refusal="").count()


def admitted() -> int:
    return sum(ConnectionAttempt.objects.filter(outcome="accepted").values_list("count", flat=True))


def test_wallboxes_charge_by_tls_through_a_dead_gateway_a_deploy_and_a_new_configuration(site, tmp_path):
    first, second = site.gateways
    second.stop()  # so that both wallboxes are at the first one
    with simulated(site, tmp_path, chargers=2, sessions=4) as wallboxes:
        wait_for(lambda: running() == 2, "two cars charge")
        assert admitted() == 2
        second.start()
        first.kill()
        wait_for(lambda: admitted() == 4, "the wallboxes come back, through the proxy, to the other gateway")
        # A deploy of the web and a new configuration of the proxy: no wallbox even notices.
        site.web.stop()
        site.proxy.reload()
        site.web.start()
        before = MeterValue.objects.count()
        wait_for(lambda: MeterValue.objects.count() > before + 5, "samples still come in")
        assert wallboxes.wait(timeout=300) == 0
    assert "8 sessions" in (tmp_path / "said").read_text()
    assert admitted() == 4
    assert set(ConnectionAttempt.objects.values_list("outcome", flat=True)) == {"accepted"}

    journal = map(json.loads, (tmp_path / "journal").read_text().splitlines())
    stops = [line for line in journal if line["action"] == "StopTransaction"]
    assert len(stops) == 8
    for stop in stops:
        session = ChargingSession.objects.get(pk=stop["payload"]["transactionId"], settled_at__isnull=False)
        assert session.energy_wh == stop["payload"]["meterStop"] - session.meter_start_wh
        assert session.cost == session.energy_wh  # a haléř per Wh
    assert ledger.breaches() == []


def knock(site: Site, registered, *, password: str = "", **headers: str) -> ClientConnection:
    identity = registered.charger.identity
    token = base64.b64encode(f"{identity}:{password or registered.password}".encode()).decode()
    return connect(
        f"{site.proxy.charger_url}/{identity}",
        ssl=site.tls,
        subprotocols=[Subprotocol("ocpp1.6")],
        additional_headers={"Authorization": f"Basic {token}", **headers},
        source_address=(CLIENT_ADDRESS, 0),
    )


def get(site: Site, path: str, *, host: str = "localhost", **headers: str) -> http.client.HTTPResponse:
    client = http.client.HTTPSConnection(host, site.proxy.port, context=site.tls, timeout=20)
    client.request("GET", path, headers={"Host": f"localhost:{site.proxy.port}", **headers})
    return client.getresponse()


def send(site: Site, path: str, *, size: int) -> int:
    """The status of the answer to a form of so many bytes."""
    client = http.client.HTTPSConnection("localhost", site.proxy.port, context=site.tls, timeout=20)
    headers = {"Host": f"localhost:{site.proxy.port}", "Content-Type": "application/x-www-form-urlencoded"}
    client.request("POST", path, body=bytes(size), headers=headers)
    return client.getresponse().status


def test_the_proxy_leads_everybody_to_their_door(site, registered, connector):
    Charger.objects.update(is_configured_after_boot=False)
    with slow_head(site) as slow:
        wallboxes_are_known_by_password_and_address(site, registered)
        people_get_pages_by_tls_only(site)
        the_plain_door_is_for_wallboxes_only(site)
        with pytest.raises(ssl.SSLCertVerificationError):
            connect(f"{site.proxy.charger_url}/X", ssl=ssl.create_default_context()).close()
        assert slow.recv(1000)[:12] in {b"", b"HTTP/1.1 400", b"HTTP/1.1 408"}  # after ten seconds


@contextlib.contextmanager
def slow_head(site: Site) -> Iterator[ssl.SSLSocket]:
    """Somebody who holds a connection by never finishing what to ask."""
    address = ("127.0.0.1", site.proxy.port)
    with site.tls.wrap_socket(socket.create_connection(address, timeout=60), server_hostname="localhost") as client:
        client.sendall(b"GET /ocpp/SLOW HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
        yield client


def wallboxes_are_known_by_password_and_address(site: Site, registered) -> None:
    with pytest.raises(InvalidStatus) as refused, knock(site, registered, password="wrong"):
        pass
    assert refused.value.response.status_code == 401
    assert refused.value.response.headers["WWW-Authenticate"].startswith("Basic")
    with knock(site, registered, **{"X-Forwarded-For": "203.0.113.7"}) as socket:  # whatever it says of itself
        socket.send(json.dumps([2, "1", "BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"}]))
        assert json.loads(socket.recv(timeout=10))[2]["status"] == "Accepted"
    assert set(ConnectionAttempt.objects.values_list("outcome", "remote_address")) == {
        ("wrong_password", CLIENT_ADDRESS),
        ("accepted", CLIENT_ADDRESS),
    }
    # A wrong path is recorded by the gateway, too, and somebody with a browser is told what the address is for.
    with pytest.raises(InvalidStatus) as refused:
        connect(f"wss://localhost:{site.proxy.port}/steve/CP1", ssl=site.tls).close()
    assert refused.value.response.body == b"bad_path"
    assert get(site, f"/ocpp/{registered.charger.identity}").status == 426


def people_get_pages_by_tls_only(site: Site) -> None:
    page = get(site, "/accounts/login/")
    assert (page.status, page.headers["Strict-Transport-Security"]) == (200, "max-age=31536000")
    assert "Secure" in page.headers["Set-Cookie"]
    assert get(site, "/", host="127.0.0.1").status == 200
    assert get(site, "/metrics").status == 404
    plain = http.client.HTTPConnection("127.0.0.1", site.proxy.http_port, timeout=20)
    plain.request("GET", "/", headers={"Host": "localhost"})
    answer = plain.getresponse()
    assert (answer.status, answer.headers["Location"]) == (308, "https://localhost/")
    # Only photos are big.
    assert send(site, "/accounts/login/", size=2 * 1024**2) == 413
    assert send(site, "/my/chargers/1/photos/", size=2 * 1024**2) == 403  # by us: no form of ours was sent
    assert send(site, "/my/chargers/1/photos/", size=12 * 1024**2) == 413
    origin = {"Origin": site.proxy.url}
    with connect(f"wss://localhost:{site.proxy.port}/ws/map/", ssl=site.tls, additional_headers=origin) as live:
        assert json.loads(live.recv(timeout=10))["type"] == "snapshot"


def the_plain_door_is_for_wallboxes_only(site: Site) -> None:
    with pytest.raises(InvalidStatus) as refused:
        connect(f"ws://127.0.0.1:{site.proxy.plain_port}/ocpp/NOBODY").close()
    assert refused.value.response.body == b"unknown_identity"
    browser = http.client.HTTPConnection("127.0.0.1", site.proxy.plain_port, timeout=20)
    browser.request("GET", "/", headers={"Host": "localhost"})
    assert browser.getresponse().status == 404
