"""A driver's way in a real browser: find, start, watch, stop, receipt. On a phone in English, on a desk in Czech."""

import re

import pytest

from sharecharge.testing.site import DESKTOP, PHONE, Site, now, share_charger, top_up

pytestmark = pytest.mark.browser

WAYS = {
    "phone-english-light": (PHONE, {"locale": "en", "color_scheme": "light"}, (49.30, 15.10)),
    "desk-czech-dark": (DESKTOP, {"locale": "cs", "color_scheme": "dark"}, (49.60, 17.90)),
}
WORDS = {
    "en": (
        "Plug in the car now",
        "Waiting for the energy",
        "waiting for the first reading",
        "Paused by the car",
        "Paid",
    ),
    "cs": ("připojte auto", "až poteče", "čeká se na první údaj", "Pozastavilo auto", "Zaplaceno"),
}


@pytest.mark.parametrize("way", WAYS)
def test_find_start_watch_stop_receipt(site: Site, way: str):
    from playwright.sync_api import expect

    viewport, options, at = WAYS[way]
    plug_in, flow, waiting, paused, paid = WORDS[options["locale"]]
    wallbox = share_charger(site, f"Box {way}", at)
    driver = site.sign_up("Dana", viewport, **options)
    top_up(driver, "500")

    # Find: the pin says it all, the filter stays in the address, a tap shows the card of the charger.
    driver.goto(f"/#14/{at[0]}/{at[1]}")
    pin = driver.locator(f"[aria-label^='Box {way}']")
    expect(pin.locator(".pin-body[data-state=free]")).to_be_visible()
    driver.locator("#id_free").check()
    expect(driver).to_have_url(re.compile(r"\?free=on#14/"))
    pin.click()
    card = driver.locator("#chosen a")
    expect(card).to_be_focused()
    with driver.expect_response(re.compile("/map/data/")):
        wallbox.status("Available")  # news, after which the keyboard is where it was
    driver.evaluate("() => new Promise(requestAnimationFrame)")
    expect(card).to_be_focused(timeout=1)
    card.press("Escape")
    expect(driver.locator("#chosen")).to_be_hidden()
    pin.click()
    card.click()
    expect(driver.locator(".plug .price")).to_contain_text("6.50" if options["locale"] == "en" else "6,50")

    # Start: every step is told when it is true, and not before.
    driver.locator(".plug form button").click()
    step = driver.locator(".steps li[data-state=now]")
    tag = wallbox.wait_for("RemoteStartTransaction")["idTag"]
    expect(step).to_contain_text(plug_in)
    expect(driver.locator(".countdown")).to_be_visible()
    driver.reload()
    expect(step).to_contain_text(plug_in)
    wallbox.status("Preparing")
    expect(step).to_contain_text(flow)
    expect(driver.locator(".countdown")).to_be_hidden()
    started = wallbox.call("StartTransaction", connectorId=1, idTag=tag, meterStart=1000, timestamp=now())
    wallbox.status("Charging")
    expect(driver).to_have_url(re.compile(r"/sessions/\d+/$"))

    # Watch, also on a second device that knows nothing of the first one. Nothing is said that is not known yet.
    expect(driver.locator(".head .status")).to_contain_text(waiting)
    for energy_wh in (1200, 1400):
        wallbox.measure(started["transactionId"], energy_wh)
    expect(driver.locator("[data-field=energy_text]").first).to_contain_text(re.compile("0[.,]400"))
    expect(driver.locator("[data-field=left_text]")).to_contain_text(re.compile("497[.,]40"))
    second = driver.context.new_page()
    second.goto("/wallet/")
    second.locator(".now").click()
    expect(second.locator("[data-field=energy_text]").first).to_contain_text(re.compile("0[.,]400"))
    expect(second.locator("#chart")).to_be_visible()
    # The power falls while the meter stands still, and the chart shows it.
    wallbox.measure(started["transactionId"], 1400, power_w=1_380)
    driver.wait_for_function("() => Chart.getChart('chart').data.datasets[1].data.at(-1)?.y === 1.38")
    wallbox.status("SuspendedEV")
    expect(driver.locator(".head .status")).to_contain_text(paused)
    expect(driver.locator("[data-field=pause_text]")).to_be_visible()
    wallbox.status("Charging")
    expect(driver.locator("[data-field=pause_text]")).to_be_hidden()

    # Stop: on the one device, seen on the other.
    second.locator(".live-stop button").click()
    wallbox.wait_for("RemoteStopTransaction")
    expect(driver.locator("[data-part=stop]")).to_be_visible()
    wallbox.call("StopTransaction", transactionId=started["transactionId"], meterStop=1400, timestamp=now())
    for page in (driver, second):
        expect(page.locator("#receipt")).to_be_visible()
        expect(page.locator("tfoot .total").first).to_contain_text(paid)
        expect(page.locator("tfoot .total").first).to_contain_text(re.compile("2[.,]60"))
    expect(driver.locator("#course")).to_be_visible()
    driver.emulate_media(media="print")
    expect(driver.locator("#receipt")).to_be_visible()
    expect(driver.locator("#course")).to_be_hidden()  # a heading of nothing: charts are not printed
    driver.emulate_media(media="screen")
    with driver.expect_download() as paper:
        driver.locator("a[href$='receipt.pdf']").click()
    assert paper.value.path().read_bytes().startswith(b"%PDF")
    driver.goto("/sessions/")
    expect(driver.locator(".rows .row-link")).to_have_text(f"Box {way}")
    with driver.expect_download() as download:
        driver.locator("a[href*='export.csv']").click()
    line = {"en": ",0.400,6.50,2.60,CZK", "cs": ";0,400;6,50;2,60;CZK"}[options["locale"]]
    assert line in download.value.path().read_text()
    wallbox.connection.close()
    assert site.complaints == []


def test_a_start_that_fails_says_so_and_can_be_tried_again(site: Site):
    from playwright.sync_api import expect

    wallbox = share_charger(site, "Box that refuses", (49.90, 13.50))
    wallbox.refuses = {"RemoteStartTransaction"}
    driver = site.sign_up("Dana", PHONE)
    top_up(driver, "500")
    driver.goto("/#14/49.9/13.5")
    driver.locator("#places").get_by_role("link", name="Box that refuses").click()
    driver.get_by_role("button", name="Start charging").click()
    expect(driver.get_by_role("alert")).to_contain_text("The charger turned the start down")
    wallbox.refuses = set()
    driver.get_by_role("button", name="Try again").click()
    expect(driver.locator(".steps li[data-state=now]")).to_contain_text("Plug in the car now")
    driver.goto("/wallet/")
    expect(driver.locator(".figures .main dd")).to_contain_text("500.00")
    wallbox.connection.close()
    assert site.complaints == []


def test_a_card_is_added_by_holding_it_to_the_charger(site: Site):
    from playwright.sync_api import expect

    wallbox = share_charger(site, "Box with a reader", (50.20, 12.80))
    driver = site.sign_up("Dana", PHONE)
    driver.goto("/#14/50.2/12.8")
    driver.locator("#places").get_by_role("link", name="Box with a reader").click()
    number = driver.locator(".plate").inner_text().split()[-1]
    driver.goto("/cards/claim/")
    driver.get_by_label("Number on the charger").fill(number)
    driver.get_by_role("button", name="I stand there with my card").click()
    expect(driver.locator(".countdown")).to_be_visible()
    wallbox.call("Authorize", idTag="04AABBCCDD9988")
    expect(driver.get_by_text("is yours now")).to_be_visible()
    driver.get_by_role("link", name="To my cards").click()
    expect(driver.get_by_text("04AABBCCDD9988")).to_be_visible()
    wallbox.connection.close()
    assert site.complaints == []
