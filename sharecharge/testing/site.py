"""A running server, a Chromium that looks at it, and the least wallbox that can charge: for the browser tests.

Nothing here touches Django's database: the server is another process with a scratch database of its own.
"""

import contextlib
import json
import os
import re
import subprocess
import sys
import threading
import time
import urllib.request
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sharecharge.testing.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "correct horse battery staple"  # noqa: S105
DESKTOP = {"width": 1440, "height": 900}
PHONE = {"width": 375, "height": 812}
START_SECONDS = 60
Point = tuple[float, float]  # latitude, longitude
LITOMYSL: Point = (49.8686, 16.3127)
# What moves although nobody touched anything; in every page from its first moment.
WATCH_SHIFTS = """window.shifts = new PerformanceObserver((list) => shifts.note(list.getEntries()));
shifts.sum = 0;
shifts.note = (moves) => moves.filter((it) => !it.hadRecentInput).forEach((it) => { shifts.sum += it.value; });
shifts.observe({ type: "layout-shift", buffered: true });"""
SHIFTED = "() => { shifts.note(shifts.takeRecords()); return shifts.sum; }"
CHROMIUM_ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]


class Wallbox:
    """The least wallbox that can charge: one plug, and it does what it is asked."""

    def __init__(self, url: str, identity: str, password: str) -> None:
        import base64

        from websockets.sync.client import connect
        from websockets.typing import Subprotocol

        token = base64.b64encode(f"{identity}:{password}".encode()).decode()
        headers = {"Authorization": f"Basic {token}"}
        self.connection = contextlib.ExitStack()
        opening = connect(url, subprotocols=[Subprotocol("ocpp1.6")], additional_headers=headers, proxy=None)
        self.socket = self.connection.enter_context(opening)
        self.answers: dict[str, Any] = {}
        self.asked: dict[str, dict[str, Any]] = {}
        self.refuses: set[str] = set()
        self.news = threading.Condition()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        from websockets.exceptions import ConnectionClosed

        try:
            for text in self.socket:
                frame = json.loads(text)
                with self.news:
                    if frame[0] == 2:
                        self.asked[frame[2]] = frame[3]
                        self.socket.send(json.dumps([3, frame[1], self._obey(frame[2])]))
                    else:
                        self.answers[frame[1]] = frame[2]
                    self.news.notify_all()
        except ConnectionClosed:
            return

    def _obey(self, action: str) -> dict[str, Any]:
        if action == "GetConfiguration":
            return {"configurationKey": []}
        return {"status": "Rejected" if action in self.refuses else "Accepted"}

    def call(self, action: str, **payload: Any) -> dict[str, Any]:
        key = uuid.uuid4().hex
        self.socket.send(json.dumps([2, key, action, payload]))
        with self.news:
            assert self.news.wait_for(lambda: key in self.answers, timeout=20), f"no answer to {action}"
            return self.answers[key]

    def wait_for(self, action: str) -> dict[str, Any]:
        """What the server asked of it."""
        with self.news:
            assert self.news.wait_for(lambda: action in self.asked, timeout=20), f"nobody asked for {action}"
            return self.asked[action]

    def status(self, status: str) -> None:
        self.call("StatusNotification", connectorId=1, errorCode="NoError", status=status)

    def measure(self, transaction: int, energy_wh: int, *, power_w: int = 10_560, at: str = "") -> None:
        """One sample, of this moment if it is not told which."""
        energy = {"value": str(energy_wh), "measurand": "Energy.Active.Import.Register", "unit": "Wh"}
        power = {"value": str(power_w), "measurand": "Power.Active.Import", "unit": "W"}
        sample = {"timestamp": at or now(), "sampledValue": [energy, power]}
        self.call("MeterValues", connectorId=1, transactionId=transaction, meterValue=[sample])


def now() -> str:
    return datetime.now(UTC).isoformat()


class Site:
    """A server that runs, and a Chromium that looks at it."""

    def __init__(self, url: str, chromium: Any) -> None:
        self.url = url
        self.chromium = chromium
        self.complaints: list[str] = []

    def visit(self, viewport: dict[str, int], **options: Any) -> Any:
        """A page of a new person. What the console complains of is kept."""
        options = {"locale": "en", **options}
        page = self.chromium.new_context(base_url=self.url, viewport=viewport, **options).new_page()
        page.add_init_script(WATCH_SHIFTS)
        page.set_default_timeout(20_000)
        page.on("console", lambda line: self.note(line.type, line.text))
        page.on("pageerror", lambda error: self.note("error", str(error)))
        return page

    def note(self, kind: str, text: str) -> None:
        if kind in {"error", "warning"}:
            self.complaints.append(text)

    def sign_up(self, name: str, viewport: dict[str, int], **options: Any) -> Any:
        page = self.visit(viewport, **options)
        page.goto("/accounts/signup/")
        page.locator("[name=name]").fill(name)
        page.locator("[name=email]").fill(f"{name.lower()}-{uuid.uuid4().hex[:6]}@example.com")
        page.locator("[name=password1]").fill(PASSWORD)
        page.locator("[name=password2]").fill(PASSWORD)
        page.locator("main form button").click()
        page.wait_for_url(lambda url: "/accounts/signup/" not in url)
        return page


def environment_of(folder: Path, url: str) -> dict[str, str]:
    """What a server, or another command, on this folder's database is told."""
    return {name: value for name, value in os.environ.items() if name not in {"REDIS_URL", "CHARGER_URL"}} | {
        "DATABASE_URL": f"sqlite:///{folder / 'site.sqlite3'}",
        "SITE_URL": url,
        "PAYMENT_PROVIDER": "fake",
        "SWEEP_INTERVAL_SECONDS": "1",
        # Tiles from here, and nobody to ask for places: no test needs the network.
        "MAP_TILE_URL": f"{url}/static/img/mark.svg?{{z}}-{{x}}-{{y}}",
        "GEOCODER_URL": "http://127.0.0.1:1",
    }


def make_operator(folder: Path, url: str) -> str:
    """As on a new platform, from the command line. Gives the e-mail address; the password is PASSWORD."""
    email = f"oscar-{uuid.uuid4().hex[:6]}@example.com"
    environment = environment_of(folder, url) | {"DJANGO_SUPERUSER_PASSWORD": PASSWORD}
    command = [sys.executable, "manage.py", "createsuperuser", "--noinput", "--email", email, "--name", "Oscar"]
    subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)
    return email


@contextlib.contextmanager
def running_server(folder: Path) -> Iterator[str]:
    """The real server in a process of its own, as an address; `folder` takes its database and its log."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environment = environment_of(folder, url)
    with (folder / "log").open("wb") as log:
        command = [sys.executable, "manage.py", "serve", "--port", str(port)]
        server = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT)
    try:
        wait_until_ready(url, server, folder / "log")
        yield url
    finally:
        server.terminate()
        server.wait(timeout=20)


def wait_until_ready(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert server.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=2):  # noqa: S310 - our own address
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"the server was not ready after {START_SECONDS} s:\n{log.read_text()}")


def fits(page: Any) -> bool:
    """Nothing makes the page wider than the window."""
    return page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def shifted(page: Any) -> float:
    """How far the page has moved by itself since it was opened: Google's cumulative layout shift, without windows."""
    return page.evaluate(SHIFTED)


def add_charger(site: Site, owner: Any, name: str = "Zkušební garáž", at: Point = LITOMYSL) -> tuple[str, str]:
    """Through the wizard, at a place that is clicked on the map, in whatever language. Gives identity and password."""
    owner.goto("/my/become-owner/")
    owner.locator("main form .btn-primary").click()
    owner.locator("[name=name]").fill(name)
    owner.locator("[name=city]").fill("Litomyšl")
    owner.locator("#map").click(position={"x": 200, "y": 120})
    assert re.fullmatch(r"-?\d+\.\d+", owner.locator("[name=latitude]").input_value())
    owner.locator("[name=latitude]").fill(str(at[0]))
    owner.locator("[name=longitude]").fill(str(at[1]))
    owner.locator("main form .btn-primary").click()
    owner.locator("[name=model][value=other]").click()
    password = owner.locator("#password").text_content()
    assert re.fullmatch(rf"{site.url}/my/chargers/\d+/setup/connect/", owner.url)
    return owner.locator("#identity").text_content(), password


def manage_page(owner: Any) -> str:
    """The path of the charger that the wizard is about."""
    return owner.url.removesuffix("setup/connect/")


def share_charger(site: Site, name: str, at: Point) -> Wallbox:
    """A charger of a new owner that is online, free, and open to anyone for 6.50 per kWh."""
    owner = site.sign_up("Otto", DESKTOP)
    identity, password = add_charger(site, owner, name, at)
    wallbox = Wallbox(f"{site.url.replace('http', 'ws')}/ocpp/{identity}", identity, password)
    wallbox.call("BootNotification", chargePointVendor="Test", chargePointModel="Box")
    wallbox.status("Available")
    owner.get_by_role("link", name="Continue", exact=True).click()
    owner.get_by_label("Price per kWh").fill("6,50")
    owner.get_by_label("Power (kW)").fill("11")
    owner.get_by_role("radio", name="Anyone").check()
    owner.get_by_role("button", name="Continue").click()
    owner.get_by_role("heading", name="Does it work?").wait_for()
    owner.context.close()
    return wallbox


def top_up(driver: Any, amount: str) -> None:
    """Through the page of the fake provider, in whatever language."""
    driver.goto("/wallet/")
    driver.locator("[name=amount]").fill(amount)
    driver.locator("form[action$='/top-up/'] .btn-primary").click()
    driver.locator("[name=answer][value=pay]").click()
    driver.wait_for_url("**/wallet/")


def section(page: Any, heading: str) -> Any:
    return page.locator("section", has=page.get_by_role("heading", name=heading))
