"""`./run screenshots`: the pictures in docs/images, of a platform with always the same people, chargers and history.

The map is not among them: its tiles come from the network. Run as a program it is the whole; with a folder as its
argument it fills that folder's database, in a process of its own, and prints what wallboxes log in with.
"""

import json
import subprocess
import sys
import tempfile
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from sharecharge.testing import browser
from sharecharge.testing.site import (
    CHROMIUM_ARGUMENTS,
    DESKTOP,
    PHONE,
    ROOT,
    Site,
    Wallbox,
    environment_of,
    running_server,
)

PICTURES = ROOT / "docs" / "images"
LOOKS = {
    "phone-light": (PHONE, "light"),
    "phone-dark": (PHONE, "dark"),
    "desk-light": (DESKTOP, "light"),
    "desk-dark": (DESKTOP, "dark"),
}
# Which page, whose, and in which looks. `{charger}` and `{session}` are keys, `{code}` is on the label.
PAGES = {
    "charger": ("driver", "/c/{code}/", ("phone-light", "desk-dark")),
    "session": ("driver", "/sessions/{session}/", ("phone-dark", "desk-light")),
    "wizard": ("owner", "/my/chargers/{charger}/setup/connect/", ("phone-light", "desk-light")),
    "dashboard": ("owner", "/my/chargers/", ("phone-dark", "desk-light")),
    "manage": ("owner", "/my/chargers/{charger}/", ("phone-light", "desk-light")),
    "earnings": ("owner", "/my/earnings/", ("phone-light", "desk-dark")),
    "operators": ("operator", "/admin/", ("desk-light",)),
}
# kWh of each month, from eleven months ago to the last one, and of yesterday and today.
MONTHS_KWH = (38, 52, 61, 44, 70, 66, 81, 95, 74, 102, 118)
YESTERDAY_KWH, TODAY_KWH = 52, 14
# Somebody has been charging for so long.
POWER_W, MINUTES, SAMPLE_MINUTES = 10_560, 60, 2


def main() -> None:
    from playwright.sync_api import sync_playwright

    executable = browser.find_chromium()
    if executable is None:
        sys.exit("There is no Chromium: set CHROMIUM, or install one.")
    with tempfile.TemporaryDirectory() as name, running_server(Path(name)) as url, sync_playwright() as running:
        chromium = running.chromium.launch(executable_path=executable, args=CHROMIUM_ARGUMENTS)
        scene = filled(Path(name), url)
        wallboxes = connect(scene, url)
        take(Site(url, chromium), scene)
        for wallbox in wallboxes:
            wallbox.connection.close()
        chromium.close()


def filled(folder: Path, url: str) -> dict[str, Any]:
    """Fills the database of a running server. Gives the scene: logins, and what wallboxes say."""
    command = [sys.executable, "-m", "sharecharge.pictures", str(folder)]
    made = subprocess.run(command, cwd=ROOT, env=environment_of(folder, url), check=True, stdout=subprocess.PIPE)
    scene: dict[str, Any] = json.loads(made.stdout)
    return scene


def connect(scene: dict[str, Any], url: str) -> list[Wallbox]:
    """All but the last wallbox come online; at the first one somebody charges."""
    wallboxes = []
    for identity, password in scene["wallboxes"][:-1]:
        wallbox = Wallbox(f"{url.replace('http', 'ws')}/ocpp/{identity}", identity, password)
        wallbox.call("BootNotification", chargePointVendor="Solax", chargePointModel="X3-HAC", firmwareVersion="1.9")
        wallbox.status("Available")
        wallboxes.append(wallbox)
    first = wallboxes[0]
    first.status("Charging")
    scene["session"] = charge(first, scene["card"])
    return wallboxes


def charge(wallbox: Wallbox, card: str) -> int:
    """Tells of an hour that ends now, as a wallbox does that was offline meanwhile. Gives the session."""
    end = datetime.now(UTC)
    moments = {minute: end - timedelta(minutes=MINUTES - minute) for minute in range(0, MINUTES + 1, SAMPLE_MINUTES)}
    start = {"connectorId": 1, "idTag": card, "meterStart": 0, "timestamp": moments[0].isoformat()}
    session: int = wallbox.call("StartTransaction", **start)["transactionId"]
    for minute, at in moments.items():
        wallbox.measure(session, POWER_W * minute // 60, power_w=POWER_W, at=at.isoformat())
    return session


def take(site: Site, scene: dict[str, Any]) -> None:
    PICTURES.mkdir(exist_ok=True)
    for name, (who, path, looks) in PAGES.items():
        for look in looks:
            viewport, scheme = LOOKS[look]
            page = site.visit(viewport, color_scheme=scheme)
            page.goto("/accounts/login/")
            page.locator("[name=login]").fill(scene[who])
            page.locator("[name=password]").fill(scene["password"])
            page.locator("main form .btn-primary").click()
            page.wait_for_url("**/")
            page.goto(path.format(**scene))
            page.wait_for_load_state("networkidle")
            page.screenshot(path=PICTURES / f"{name}-{look}.png")
            page.context.close()


# ------------------------------------------------------------------------------------------------ the scene


def fill() -> dict[str, Any]:
    """People and chargers of the demo, and a year of charging: until yesterday at the first one, today at the next."""
    from accounts.models import IdTag, User
    from chargers import statistics
    from chargers.models import Charger
    from sharecharge import demonstration

    spots = demonstration.make_cast()
    charger, another = (Charger.objects.get(identity=spot.credentials.identity) for spot in spots[:2])
    driver = User.objects.get(email=demonstration.DRIVER)
    today = statistics.today()
    for day, kwh in history(today):
        charge_on(charger, driver, day, kwh)
    charge_on(another, driver, today, TODAY_KWH)
    return {
        "wallboxes": [(spot.credentials.identity, spot.credentials.password) for spot in spots],
        "card": IdTag.objects.cards_of(User.objects.get(email="neighbour1@example.org")).get().uid,
        "charger": charger.pk,
        "code": charger.code,
        "owner": demonstration.OWNER,
        "driver": "neighbour1@example.org",
        "operator": demonstration.OPERATOR,
        "password": demonstration.PASSWORD,
    }


def history(today: date) -> list[tuple[date, int]]:
    """One day in each of the months before, and yesterday if it is one of this month, each with its kWh."""
    days, month = [], today.replace(day=1)
    for kwh in reversed(MONTHS_KWH):
        month = (month - timedelta(days=1)).replace(day=1)
        days.append((month.replace(day=15), kwh))
    yesterday = today - timedelta(days=1)
    return [*reversed(days), *([(yesterday, YESTERDAY_KWH)] if yesterday.month == today.month else [])]


def charge_on(charger: Any, driver: Any, day: date, kwh: int) -> None:
    """One session from midnight on, billed as any other; of today only what fits in so far."""
    from django.utils import timezone

    from chargers import settlement, statistics
    from chargers.models import ChargingSession
    from ocpp_gateway import provisioning

    connector = charger.connectors.get()
    begin = statistics.midnight(day)
    end = min(begin + timedelta(hours=kwh * 1000 / POWER_W), timezone.now())
    energy_wh = round((end - begin).total_seconds() * POWER_W / 3600)
    provisioning.fund(driver, amount=kwh * connector.price_per_kwh)
    session = ChargingSession.objects.create(
        charger=charger, connector=connector, user=driver, owner=charger.owner, status="ended", closed_by="stop",
        started_at=begin, start_received_at=begin, ended_at=end, stop_received_at=end, meter_start_wh=0,
        meter_stop_wh=energy_wh, tariff=connector.tariff.snapshot(), fee_basis_points=1000,
    )  # fmt: skip
    settlement.settle(session.pk)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        import os

        import django

        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sharecharge.settings")
        django.setup()
        print(json.dumps(fill()))
    else:
        main()
