"""`./run screenshots`: the pictures in docs/images, of a platform with always the same people, chargers and history.

The map is not among them: its tiles come from the network. Run as a program it is the whole; with a folder as its
argument it fills that folder's database, in a process of its own, and prints what wallboxes log in with.
"""

import json
import subprocess
import sys
import tempfile
from datetime import timedelta
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
    now,
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
# kWh of each month, from eleven months ago on.
MONTHS_KWH = (38, 52, 61, 44, 70, 66, 81, 95, 74, 102, 118, 64)
RATED_KW = 11
ENERGY_WH, TOOK = 8_400, timedelta(minutes=48)


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
    start = first.call("StartTransaction", connectorId=1, idTag=scene["card"], meterStart=0, timestamp=now(before=TOOK))
    first.status("Charging")
    scene["session"] = start["transactionId"]
    for step in range(1, 9):
        first.measure(start["transactionId"], step * ENERGY_WH // 8, at=now(before=TOOK * (8 - step) / 8))
    return wallboxes


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
    """People and chargers of the demo, and a year of charging at the first one."""
    from accounts.models import IdTag, User
    from chargers.models import Charger
    from sharecharge import demonstration

    spots = demonstration.make_cast()
    charger = Charger.objects.get(identity=spots[0].credentials.identity)
    driver = User.objects.get(email=demonstration.DRIVER)
    for months_ago, kwh in enumerate(reversed(MONTHS_KWH)):
        charge_at(charger, driver, months_ago, kwh)
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


def charge_at(charger: Any, driver: Any, months_ago: int, kwh: int) -> None:
    """One long session, billed as any other."""
    from django.utils import timezone

    from chargers import settlement, statistics
    from chargers.models import ChargingSession
    from ocpp_gateway import provisioning

    connector = charger.connectors.get()
    now = timezone.localtime()
    year, month = divmod(now.year * 12 + now.month - 1 - months_ago, 12)
    end = now.replace(year=year, month=month + 1, day=15) if months_ago else now
    # The last one is of today, whatever time it is.
    length = timedelta(hours=12) if months_ago else (end - statistics.midnight(statistics.today())) / 2
    kwh = max(1, min(kwh, int(length / timedelta(hours=1) * RATED_KW)))
    provisioning.fund(driver, amount=kwh * connector.price_per_kwh)
    session = ChargingSession.objects.create(
        charger=charger, connector=connector, user=driver, owner=charger.owner, status="ended", closed_by="stop",
        started_at=end - length, start_received_at=end - length, ended_at=end, stop_received_at=end,
        meter_start_wh=0, meter_stop_wh=kwh * 1000, tariff=connector.tariff.snapshot(), fee_basis_points=1000,
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
