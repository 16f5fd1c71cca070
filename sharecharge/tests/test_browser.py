"""The pages in a real browser, on a real server with a wallbox on a real websocket.

Nothing here touches Django's database: the server is another process with a scratch database of its own.
"""

import contextlib
import json
import os
import re
import socket
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

import pytest

from sharecharge.testing import browser as browsers

pytestmark = pytest.mark.browser

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "correct horse battery staple"
DESKTOP = {"width": 1440, "height": 900}
PHONE = {"width": 375, "height": 812}
START_SECONDS = 60
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
        return {"configurationKey": []} if action == "GetConfiguration" else {"status": "Accepted"}

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

    def measure(self, transaction: int, energy_wh: int) -> None:
        energy = {"value": str(energy_wh), "measurand": "Energy.Active.Import.Register", "unit": "Wh"}
        power = {"value": "10560", "measurand": "Power.Active.Import", "unit": "W"}
        sample = {"timestamp": now(), "sampledValue": [energy, power]}
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
        page = self.chromium.new_context(base_url=self.url, viewport=viewport, locale="en", **options).new_page()
        page.set_default_timeout(20_000)
        page.on("console", lambda line: self.note(line.type, line.text))
        page.on("pageerror", lambda error: self.note("error", str(error)))
        return page

    def note(self, kind: str, text: str) -> None:
        if kind in {"error", "warning"}:
            self.complaints.append(text)

    def sign_up(self, name: str, viewport: dict[str, int]) -> Any:
        page = self.visit(viewport)
        page.goto("/accounts/signup/")
        page.get_by_label("Your name").fill(name)
        page.get_by_label("Email").fill(f"{name.lower()}-{uuid.uuid4().hex[:6]}@example.com")
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.get_by_label("Password (again)").fill(PASSWORD)
        page.locator("main").get_by_role("button", name="Sign up").click()
        page.wait_for_url(self.url + "/")
        return page


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    executable = browsers.find_chromium()
    if executable is None:
        pytest.skip("no Chromium: set CHROMIUM or put one into PATH")
    playwright = pytest.importorskip("playwright.sync_api")
    folder = tmp_path_factory.mktemp("site")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    environment = {name: value for name, value in os.environ.items() if name not in {"REDIS_URL", "CHARGER_URL"}} | {
        "DATABASE_URL": f"sqlite:///{folder / 'site.sqlite3'}",
        "SITE_URL": url,
        "PAYMENT_PROVIDER": "fake",
        "SWEEP_INTERVAL_SECONDS": "1",
        # Tiles from here, so that no test needs the network.
        "MAP_TILE_URL": f"{url}/static/img/mark.svg?{{z}}-{{x}}-{{y}}",
    }
    with (folder / "log").open("wb") as log:
        command = [sys.executable, "manage.py", "serve", "--port", str(port)]
        server = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT)
    try:
        wait_until_ready(url, server, folder / "log")
        with playwright.sync_playwright() as running:
            chromium = running.chromium.launch(executable_path=executable, args=CHROMIUM_ARGUMENTS)
            yield Site(url, chromium)
            chromium.close()
    finally:
        server.terminate()
        server.wait(timeout=20)


def wait_until_ready(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert server.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=2):
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"the server was not ready after {START_SECONDS} s:\n{log.read_text()}")


def fits(page: Any) -> bool:
    """Nothing makes the page wider than the window."""
    return page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def add_charger(site: Site, owner: Any) -> tuple[str, str]:
    """Through the pages, at a place that is clicked on the map. Gives identity and password."""
    owner.get_by_role("link", name="Share a charger").click()
    owner.get_by_role("button", name="Become an owner").click()
    owner.get_by_label("Name").fill("Zkušební garáž")
    owner.get_by_label("Town").fill("Litomyšl")
    owner.locator("#map").click(position={"x": 200, "y": 120})
    assert re.fullmatch(r"-?\d+\.\d+", owner.get_by_label("Latitude").input_value())
    owner.get_by_label("Latitude").fill("49.8686")
    owner.get_by_label("Longitude").fill("16.3127")
    owner.get_by_role("button", name="Add the charger").click()
    password = owner.locator("#password").text_content()
    assert owner.url.startswith(f"{site.url}/my/chargers/")
    assert not owner.url.endswith("/add/")
    return owner.locator("#identity").text_content(), password


def section(page: Any, heading: str) -> Any:
    return page.locator("section", has=page.get_by_role("heading", name=heading))


def test_from_a_new_wallbox_to_a_paid_bill(site: Site):
    from playwright.sync_api import expect
    from websockets.exceptions import InvalidStatus

    owner = site.sign_up("Olga", DESKTOP)
    identity, password = add_charger(site, owner)
    url = f"{site.url.replace('http', 'ws')}/ocpp/{identity}"

    # The owner watches the wallbox knock, fail, and connect; nothing is reloaded, so the password stays.
    with pytest.raises(InvalidStatus):
        Wallbox(url, identity, "wrong")
    expect(owner.get_by_text("The password does not fit")).to_be_visible()
    wallbox = Wallbox(url, identity, password)
    wallbox.call("BootNotification", chargePointVendor="Test", chargePointModel="Box")
    wallbox.status("Available")
    expect(owner.locator("#charger .head .status")).to_contain_text("online since")
    expect(owner.locator("#password")).to_have_text(password)
    owner.reload()
    expect(owner.locator("#password")).to_have_count(0)

    # It is priced and opened to anyone.
    owner.get_by_label("Price per kWh").fill("6,50")
    owner.get_by_label("Power (kW)").fill("11")
    section(owner, "Plugs").get_by_role("button", name="Save").click()
    expect(owner.get_by_text("A running session keeps its price")).to_be_visible()
    owner.get_by_label("Who may use it").select_option("public")
    section(owner, "Sharing").get_by_role("button", name="Save").click()
    expect(owner.get_by_role("link", name="The page that drivers see")).to_be_visible()

    # A driver on a phone tops up, adds a card and finds the charger.
    driver = site.sign_up("Dana", PHONE)
    driver.goto("/wallet/")
    driver.get_by_label("Amount").fill("500")
    driver.get_by_role("button", name="Continue to the payment").click()
    driver.get_by_role("button", name="Pay", exact=True).click()
    expect(driver.locator(".figures .main dd")).to_contain_text("500.00")
    driver.goto("/cards/")
    driver.get_by_label("Card number").fill("04:a1:b2:c3")
    driver.get_by_role("button", name="Add the card").click()
    expect(driver.get_by_text("04A1B2C3")).to_be_visible()
    driver.goto("/")
    expect(driver.locator(".pin-body[data-state=free]")).to_contain_text("6.50")
    driver.get_by_role("link", name="Zkušební garáž").click()
    expect(driver.get_by_text("130.00")).to_be_visible()

    # Honest steps, then the live page, then the receipt: all without a reload.
    driver.get_by_role("button", name="Start", exact=True).click()
    tag = wallbox.wait_for("RemoteStartTransaction")["idTag"]
    expect(driver.locator(".steps li[data-state=now]")).to_contain_text("Plug in the car now")
    wallbox.status("Preparing")
    expect(driver.locator(".steps li[data-state=now]")).to_contain_text("Waiting for the energy to flow")
    watcher = site.visit(DESKTOP)
    watcher.goto("/")
    expect(watcher.locator(".pin-body[data-state=busy]")).to_be_visible()
    started = wallbox.call("StartTransaction", connectorId=1, idTag=tag, meterStart=1000, timestamp=now())
    assert started["idTagInfo"]["status"] == "Accepted"
    wallbox.status("Charging")
    driver.wait_for_url(re.compile(r"/sessions/\d+/$"))
    wallbox.measure(started["transactionId"], 1200)
    expect(driver.locator("[data-field=energy_text]").first).to_contain_text("0.200")
    expect(driver.locator("[data-field=cost_text]")).to_contain_text("1.30")
    driver.get_by_role("button", name="Stop charging").click()
    wallbox.wait_for("RemoteStopTransaction")
    expect(driver.locator("[data-part=stop]")).to_contain_text("Accepted by the charger")
    wallbox.call("StopTransaction", transactionId=started["transactionId"], meterStop=1400, timestamp=now())
    expect(driver.get_by_role("heading", name="Receipt")).to_be_visible()
    expect(driver.locator(".figures .main dd").nth(1)).to_contain_text("2.60")
    wallbox.status("Available")
    expect(watcher.locator(".pin-body[data-state=free]")).to_be_visible()
    owner.reload()
    expect(owner.get_by_text("your share 2.34")).to_be_visible()
    wallbox.connection.close()
    expect(watcher.locator(".pin-body[data-state=offline]")).to_be_visible()
    assert site.complaints == []


@pytest.mark.parametrize("viewport", [PHONE, DESKTOP], ids=["phone", "desktop"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_public_pages_fit_and_follow_the_system(site: Site, viewport: dict[str, int], scheme: str):
    from playwright.sync_api import expect

    page = site.visit(viewport, color_scheme=scheme)
    for path in ("/", "/accounts/login/", "/accounts/signup/", "/accounts/password/reset/"):
        page.goto(path)
        expect(page.locator("html")).to_have_attribute("data-bs-theme", scheme)
        assert fits(page), path
    assert site.complaints == []


@pytest.mark.parametrize("viewport", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_a_message_stands_above_the_map(site: Site, viewport: dict[str, int]):
    """After a sign-up the map greets with messages; it keeps its width and most of its height."""
    page = site.sign_up("Mia", viewport)
    message, drawn = page.locator(".flash").bounding_box(), page.locator("#map").bounding_box()
    assert message["width"] == viewport["width"]
    assert message["y"] + message["height"] <= drawn["y"]
    assert drawn["width"] >= min(viewport["width"], 1000)
    assert drawn["height"] >= 350
    assert fits(page)


def test_pages_of_people_fit_on_a_phone(site: Site):
    page = site.sign_up("Frida", PHONE)
    page.get_by_role("button", name="Menu").click()
    add_charger(site, page)
    assert fits(page)
    for path in (
        "/sessions/",
        "/wallet/",
        "/cards/",
        "/my/chargers/",
        "/my/chargers/add/",
        "/accounts/password/change/",
    ):
        page.goto(path)
        assert fits(page), path
    page.goto("/cards/")
    page.get_by_label("Card number").fill("ABCDEFGHIJ0123456789")
    page.get_by_label("Name of the card").fill("W" * 40)
    page.get_by_role("button", name="Add the card").click()
    number, badge = (page.locator(f".rows > li > span:nth-child({place})").bounding_box() for place in (1, 2))
    assert number["x"] + number["width"] <= badge["x"]
    assert page.evaluate("(([it]) => it.scrollWidth <= it.clientWidth)([document.querySelector('.rows')])")
    assert fits(page)
    assert site.complaints == []


def test_a_lost_connection_is_told(site: Site):
    from playwright.sync_api import expect

    page = site.visit(DESKTOP)
    page.route_web_socket(re.compile("/ws/"), lambda route: route.close())
    page.goto("/")
    expect(page.get_by_text("The connection is interrupted")).to_be_visible()


def test_the_menu_opens_on_a_phone_and_speaks_czech(site: Site):
    from playwright.sync_api import expect

    page = site.visit(PHONE)
    page.goto("/")
    page.get_by_role("button", name="Menu").click()
    page.get_by_role("button", name="CS").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Nabíječky, které lidé sdílejí")
    assert site.complaints == []


def test_the_list_works_without_scripts(site: Site):
    page = site.visit(PHONE, java_script_enabled=False)
    assert page.goto("/").status == 200
    assert page.get_by_role("heading", level=1).is_visible()


def test_the_api_can_be_browsed_by_who_is_logged_in(site: Site):
    from playwright.sync_api import expect

    site.complaints.clear()
    page = site.sign_up("Hana", DESKTOP)
    page.goto("/api/v1/users/me")
    expect(page.locator(".response-info")).to_contain_text('"name": "Hana"')
    page.locator("textarea[name=_content]").fill('{"name": "Hanka"}')
    page.get_by_role("button", name="PATCH").click()
    expect(page.locator(".response-info")).to_contain_text('"name": "Hanka"')
    page.goto("/api/v1/id-tags")
    expect(page.locator(".response-info")).to_contain_text('"results": []')
    page.locator("textarea[name=_content]").fill('{"uid": "04:A1:B2:C3"}')
    page.get_by_role("button", name="POST").click()
    expect(page.locator(".response-info")).to_contain_text("HTTP 201")
    assert site.complaints == []
