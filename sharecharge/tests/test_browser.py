"""The pages in a real browser, on a real server with a wallbox on a real websocket."""

import re
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from sharecharge.testing.site import (
    DESKTOP,
    PHONE,
    Site,
    Wallbox,
    add_charger,
    fits,
    manage_page,
    now,
    section,
    share_charger,
    top_up,
)

pytestmark = pytest.mark.browser


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
    expect(owner.get_by_text("online since")).to_be_visible()
    expect(owner.locator("#password")).to_have_text(password)
    owner.reload()
    expect(owner.locator("#password")).to_have_count(0)

    # It is priced and opened to anyone.
    owner.goto(f"{manage_page(owner)}settings/")
    owner.get_by_label("Price per kWh").fill("6,50")
    owner.get_by_label("Power (kW)").fill("11")
    section(owner, "Plugs").get_by_role("button", name="Save").click()
    expect(owner.get_by_text("A running session keeps its price")).to_be_visible()
    owner.get_by_role("radio", name="Anyone").check()
    section(owner, "Sharing").get_by_role("button", name="Save").click()
    expect(owner.get_by_role("radio", name="Anyone")).to_be_checked()

    # A driver on a phone tops up, adds a card and finds the charger.
    driver = site.sign_up("Dana", PHONE)
    top_up(driver, "500")
    expect(driver.locator(".figures .main dd")).to_contain_text("500.00")
    driver.goto("/cards/")
    driver.get_by_label("Card number").fill("04:a1:b2:c3")
    driver.get_by_role("button", name="Add the card").click()
    expect(driver.get_by_text("04A1B2C3")).to_be_visible()
    driver.goto("/#14/49.8686/16.3127")
    expect(driver.locator(".pin-body[data-state=free]")).to_contain_text("6.50")
    driver.locator("#places").get_by_role("link", name="Zkušební garáž").click()
    expect(driver.get_by_text("130.00")).to_be_visible()

    # Honest steps, then the live page, then the receipt: all without a reload.
    driver.get_by_role("button", name="Start charging").click()
    tag = wallbox.wait_for("RemoteStartTransaction")["idTag"]
    expect(driver.locator(".steps li[data-state=now]")).to_contain_text("Plug in the car now")
    wallbox.status("Preparing")
    expect(driver.locator(".steps li[data-state=now]")).to_contain_text("Waiting for the energy to flow")
    watcher = site.visit(DESKTOP)
    watcher.goto("/#14/49.8686/16.3127")
    expect(watcher.locator(".pin-body[data-state=busy]")).to_be_visible()
    started = wallbox.call("StartTransaction", connectorId=1, idTag=tag, meterStart=1000, timestamp=now())
    assert started["idTagInfo"]["status"] == "Accepted"
    wallbox.status("Charging")
    expect(driver).to_have_url(re.compile(r"/sessions/\d+/$"))
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
    owner.goto("/my/sessions/")
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
    add_charger(site, page, "Frida's box", (48.9, 14.4))
    assert fits(page)
    for path in (
        "/sessions/",
        "/wallet/",
        "/cards/",
        "/profile/",
        "/profile/delete/",
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


@pytest.mark.parametrize(("code", "told"), [(4401, "You are logged out"), (4404, "is not there any more")])
def test_a_page_that_is_over_says_so_and_does_not_try_again(site: Site, code: int, told: str):
    from playwright.sync_api import expect

    page = site.visit(PHONE)
    tries: list[str] = []

    def close(route: Any) -> None:
        tries.append(route.url)
        route.close(code=code)

    page.route_web_socket(re.compile("/ws/"), close)
    page.goto("/?free=on")
    expect(page.get_by_role("alert").filter(has_text=told)).to_be_visible()
    page.wait_for_timeout(1500)  # the first try again would come after half a second
    assert len(tries) == 1
    assert fits(page)
    assert page.locator("#live-logged-out a").get_attribute("href") == "/accounts/login/?next=/%3Ffree%3Don"


@pytest.mark.parametrize("works", [True, False])
def test_a_link_that_was_not_copied_is_shown_instead(site: Site, works: bool):
    from playwright.sync_api import expect

    wallbox = share_charger(site, "Zum Teilen", (48.1, 16.1))
    page = site.visit(DESKTOP)
    answer = "Promise.resolve()" if works else "Promise.reject(new Error())"
    page.add_init_script(f"navigator.clipboard.writeText = () => {answer}; navigator.share = undefined;")
    page.goto("/?near=48.1,16.1")
    page.locator("#places a").first.click()
    words = page.locator("[data-share] > span")
    before = words.text_content()
    words.click()
    words.click()
    if works:
        expect(words).to_have_text("Link copied")
        expect(words).to_have_text(before, timeout=8000)
    else:
        expect(page.locator("[data-share] + code")).to_have_text(re.compile(r"^http://.*/c/\w+/$"))
        expect(words).to_have_text(before)
        assert page.evaluate("getSelection().toString()").startswith(site.url)
    wallbox.connection.close()


def test_it_speaks_czech_at_a_touch(site: Site):
    from playwright.sync_api import expect

    page = site.visit(PHONE)
    page.goto("/")
    page.locator("#id_free").check()
    expect(page).to_have_url(re.compile(r"\?free=on#"))
    page.get_by_role("button", name="CS").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Nabíječky, které lidé sdílejí")
    expect(page).to_have_url(re.compile(r"\?free=on#"))
    expect(page.locator("#id_free")).to_be_checked()
    assert site.complaints == []


def test_the_list_works_without_scripts(site: Site):
    page = site.visit(PHONE, java_script_enabled=False)
    assert page.goto("/").status == 200
    assert page.get_by_role("heading", level=1).is_visible()


def test_the_api_can_be_browsed_by_who_is_logged_in(site: Site):
    from playwright.sync_api import expect

    page = site.sign_up("Hana", DESKTOP)
    page.goto("/api/v1/users/me")
    expect(page.locator(".response-info")).to_contain_text('"name": "Hana"')
    page.locator("textarea[name=_content]").fill('{"name": "Hanka"}')
    page.get_by_role("button", name="PATCH").click()
    expect(page.locator(".response-info")).to_contain_text('"name": "Hanka"')
    page.goto("/api/v1/id-tags")
    expect(page.locator(".response-info")).to_contain_text('"results": []')
    page.locator("textarea[name=_content]").fill('{"uid": "04:A1:B2:C4"}')
    page.get_by_role("button", name="POST").click()
    expect(page.locator(".response-info")).to_contain_text("HTTP 201")
    assert site.complaints == []


def test_times_are_told_in_the_browsers_zone(site: Site):
    """From the second page on; the first one is not loaded twice for it."""
    driver = site.sign_up("Dora", PHONE, timezone_id="America/New_York")
    top_up(driver, "100")
    assert driver.locator("body").get_attribute("data-zone") == "America/New_York"
    told = driver.locator("main li .more").first.text_content()
    here = datetime.now(ZoneInfo("America/New_York"))
    assert any(f"{here - timedelta(minutes=ago):%H:%M}" in told for ago in (0, 1, 2))
    visitor = site.visit(PHONE, timezone_id="America/New_York")
    loads: list[str] = []
    visitor.on("framenavigated", lambda frame: loads.append(frame.url))
    visitor.goto("/accounts/login/", wait_until="networkidle")
    assert (len(loads), visitor.locator("body").get_attribute("data-zone")) == (1, "Europe/Prague")
    assert site.complaints == []


def test_a_refused_form_opens_where_it_is_wrong_without_scripts(site: Site):
    page = site.visit(PHONE, java_script_enabled=False)
    page.goto("/accounts/signup/")
    page.locator("[name=name]").fill("Nina")
    page.locator("[name=email]").fill("nina@example.com")
    page.locator("[name=password1]").fill("12345678")
    page.locator("[name=password2]").fill("12345678")
    page.locator("main form button").click()
    assert page.locator(".errors a").first.get_attribute("href") == "#id_password1"
    assert page.evaluate("document.activeElement.name") == "password1"
