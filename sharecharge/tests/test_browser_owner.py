"""An owner's way in a real browser: the wizard with a wallbox that first fails, and what follows. On a phone in Czech,
on a desk in English. And an operator who releases a held session."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from chargers.tests.test_pictures import encoded, picture
from sharecharge.testing.site import (
    DESKTOP,
    PASSWORD,
    PHONE,
    Site,
    Wallbox,
    add_charger,
    fits,
    manage_page,
    now,
    share_charger,
    shifted,
    top_up,
)
from sharecharge.tests.test_browser_looks import MOST_SHIFT, serious

pytestmark = pytest.mark.browser

WAYS = {
    "phone-czech-dark": (PHONE, {"locale": "cs", "color_scheme": "dark"}, (50.10, 17.10)),
    "desk-english-light": (DESKTOP, {"locale": "en", "color_scheme": "light"}, (50.20, 17.40)),
}
WORDS = {
    "en": ("wrong password", "Your wallbox is connected", "It starts from here", "6.50"),
    "cs": ("špatné heslo", "Váš wallbox je připojený", "Začne nabíjet na pokyn odsud", "6,50"),
}


@pytest.mark.parametrize("way", WAYS)
def test_the_wizard_with_a_wallbox_that_fails_first(site: Site, way: str):
    from playwright.sync_api import expect
    from websockets.exceptions import InvalidStatus

    viewport, options, at = WAYS[way]
    wrong, connected, starts, price = WORDS[options["locale"]]
    owner = site.sign_up("Olga", viewport, **options)
    identity, password = add_charger(site, owner, f"Box {way}", at)
    url = f"{site.url.replace('http', 'ws')}/ocpp/{identity}"

    # It fails, and the page says why and what to do; it succeeds, and the password is still there.
    with pytest.raises(InvalidStatus):
        Wallbox(url, identity, "wrong")
    failed = owner.locator("[data-list=attempts] > li")
    expect(failed.locator("[data-state=refused]")).to_be_visible()
    expect(failed).to_contain_text(wrong)
    assert fits(owner)
    assert serious(owner) == []
    wallbox = Wallbox(url, identity, password)
    wallbox.call("BootNotification", chargePointVendor="Test", chargePointModel="Box")
    expect(owner.get_by_text(connected)).to_be_visible()
    expect(owner.locator("#password")).to_have_text(password)

    # Leaving and coming back leads to the same place; a plug appears when the wallbox tells of it.
    manage = manage_page(owner)
    owner.goto(f"{manage}setup/")
    expect(owner).to_have_url(f"{manage}setup/plugs/")
    wallbox.status("Available")
    owner.locator("[name=connector1-price_per_kwh]").fill(price)
    owner.locator("[name=connector1-max_power_w]").fill("11")
    owner.locator("[name=access][value=public]").check()
    owner.locator("main form .btn-primary").click()

    # Ticks come from what the wallbox does.
    owner.wait_for_url("**/setup/test/")
    expect(owner.locator(".ticks li[data-state=done]")).to_have_count(2)
    owner.locator("[name=what][value='1']").click()
    expect(owner.locator("[data-list=steps] li[data-state=done]")).to_have_count(2)
    tag = wallbox.wait_for("RemoteStartTransaction")["idTag"]
    assert fits(owner)
    assert serious(owner) == []
    owner.reload()
    expect(owner.locator("#seconds-left")).to_be_visible()
    wallbox.status("Preparing")
    expect(owner.locator("[data-list=steps] li[data-state=done]")).to_have_count(3)
    started = wallbox.call("StartTransaction", connectorId=1, idTag=tag, meterStart=1000, timestamp=now())
    expect(owner.locator(".ticks li[data-state=done]", has_text=starts)).to_be_visible()
    expect(owner.locator("[data-list=steps] li[data-state=done]")).to_have_count(4)
    expect(owner.locator("[name=what][value='1']")).to_have_count(0)
    owner.locator("[name=what][value=stop]").click()
    wallbox.wait_for("RemoteStopTransaction")
    wallbox.call("StopTransaction", transactionId=started["transactionId"], meterStop=1100, timestamp=now())
    wallbox.status("Available")
    expect(owner.locator(".ticks li[data-state=done]")).to_have_count(4)
    assert fits(owner)
    assert serious(owner) == []

    # The label, and the hours: one day for all of them, and who looks at the map sees at once that it is closed.
    owner.goto(f"{manage}setup/label/")
    expect(owner.locator(".label .plate")).to_be_visible()
    visitor = site.visit(viewport, **options)
    visitor.goto(f"/#14/{at[0]}/{at[1]}")
    pin = visitor.locator(f"[aria-label^='Box {way}'] .pin-body")
    expect(pin).to_have_attribute("data-state", "free")
    owner.locator("a[href$='/settings/#hours']").click()
    owner.locator("[name=when][value=hours]").check()
    owner.locator("[name=mon_kind]").select_option("closed")
    owner.locator("[data-copy-day]").click()
    day = (datetime.now(ZoneInfo("Europe/Prague")).weekday() + 3) % 7
    for each in (day, (day + 1) % 7):
        owner.locator("#hours select").nth(each).select_option("hours")
        owner.locator("#hours [name$=_from0]").nth(each).fill("17:00")
        owner.locator("#hours [name$=_to0]").nth(each).fill("07:00")
    assert fits(owner)
    assert serious(owner) == []
    owner.locator("#hours .btn-primary").click()
    expect(pin).to_have_attribute("data-state", "closed")
    expect(owner.locator("#hours [name$=_to0]").nth(day)).to_have_value("07:00")

    # A photo is added, and everybody sees it, on the page and on the map.
    owner.goto(f"{manage}photos/")
    gate = {"name": "IMG_1.png", "mimeType": "image/png", "buffer": encoded(picture(), "PNG")}
    owner.locator("[name=file]").set_input_files(gate)
    owner.locator("input[name=description]").fill("The gate")
    owner.locator("form[enctype] .btn-primary").click()
    expect(owner.locator(".photo-row img")).to_have_js_property("naturalWidth", 480)
    assert fits(owner)
    assert serious(owner) == []
    visitor.reload()
    entry = visitor.locator("#places li", has_text=f"Box {way}")
    expect(entry.locator("img")).to_have_js_property("naturalWidth", 480)
    entry.locator("a").click()
    expect(visitor.locator(".week")).to_be_visible()
    assert fits(visitor)
    expect(visitor.get_by_role("img", name="The gate")).to_have_js_property("naturalWidth", 640)
    assert serious(visitor) == []

    # The everyday page with a command whose answer comes by itself.
    owner.goto(manage)
    owner.locator("form[action$='/refresh/'] button").click()
    wallbox.wait_for("TriggerMessage")
    expect(owner.locator("[data-list=commands] > li").first.locator("[data-state=accepted]")).to_be_visible()
    owner.goto("/my/chargers/")
    expect(owner.locator("[data-list=chargers] [data-state=online]")).to_be_visible()
    wallbox.connection.close()
    expect(owner.locator("[data-list=alerts] [data-state=faulty]")).to_be_visible()
    assert fits(owner)
    assert serious(owner) == []
    assert site.complaints == []


def operator(site: Site, make_operator, viewport: dict[str, int], **options: str):
    """Logged in, on the admin's first page."""
    page = site.visit(viewport, **options)
    page.goto("/admin/")
    page.locator("[name=login]").fill(make_operator())
    page.locator("[name=password]").fill(PASSWORD)
    page.locator("main form button").first.click()
    page.wait_for_url("**/admin/")
    return page


@pytest.mark.parametrize(
    ("viewport", "locale", "released"), [(PHONE, "cs", "bylo uvolněno"), (DESKTOP, "en", "was released")],
    ids=["phone-czech", "desk-english"],
)  # fmt: skip
def test_an_operator_releases_a_held_session(site: Site, make_operator, viewport, locale: str, released: str):
    from playwright.sync_api import expect

    name, at = f"Held box {locale}", (50.30 if locale == "cs" else 50.40, 13.20)
    wallbox = share_charger(site, name, at)
    driver = site.sign_up("Dana", PHONE)
    top_up(driver, "500")
    driver.goto(f"/#14/{at[0]}/{at[1]}")
    driver.locator("#places").get_by_role("link", name=name).click()
    driver.get_by_role("button", name="Start charging").click()
    tag = wallbox.wait_for("RemoteStartTransaction")["idTag"]
    started = wallbox.call("StartTransaction", connectorId=1, idTag=tag, meterStart=5000, timestamp=now())
    # The register fell: nobody knows how much was charged, so nothing is billed before somebody has looked.
    wallbox.call("StopTransaction", transactionId=started["transactionId"], meterStop=4000, timestamp=now())
    driver.goto(f"/sessions/{started['transactionId']}/")
    expect(driver.get_by_role("heading", name="We are checking your bill")).to_be_visible()

    page = operator(site, make_operator, viewport, locale=locale)
    assert serious(page) == []
    assert shifted(page) < MOST_SHIFT
    page.locator(".board a[href$='attention=held']").click()
    page.locator("th.field-id a", has_text=str(started["transactionId"])).click()
    page.goto(f"/sessions/{started['transactionId']}/")
    page.locator("[name=energy_wh]").fill("0")
    page.locator("form[action$='/release/'] .btn-primary").click()
    page.locator("[name=sure]").click()
    expect(page.locator(".alert-success")).to_contain_text(released)
    expect(driver.get_by_role("heading", name="Receipt")).to_be_visible()  # the page looks again by itself
    wallbox.connection.close()
    assert site.complaints == []
