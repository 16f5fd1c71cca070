"""The map in a real browser: pins that leave each other room, filters in the address, search, keyboard, offline."""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sharecharge.testing.site import DESKTOP, PHONE, Site, fits
from sharecharge.tests.test_browser_looks import serious

pytestmark = pytest.mark.browser

OVERLAPS = """() => {
  const all = [...document.querySelectorAll(".leaflet-marker-pane .pin-body, .leaflet-marker-pane .marker-cluster")]
    .map((it) => it.getBoundingClientRect());
  const beside = (one, other) => one.right - 1 <= other.left || one.bottom - 1 <= other.top;
  const covers = (one, other) => !beside(one, other) && !beside(other, one);
  return all.flatMap((one, index) => all.slice(index + 1).filter((other) => covers(one, other)));
}"""


def pin(index: int, latitude: float, longitude: float, state: str = "free") -> dict[str, Any]:
    return {
        "code": f"code{index}", "name": f"Box {index}", "town": "Town", "latitude": latitude, "longitude": longitude,
        "url": f"/c/code{index}/", "state": state, "state_text": state, "free_text": "", "age_text": "",
        "distance_m": None, "distance_text": "", "price_per_kwh": 650, "price_text": "6.50 Kč/kWh", "power_w": 11_000,
        "power_text": "11.0 kW", "pin_text": "11 kW · 6.50 Kč", "plugs_text": "Type 2 AC",
    }  # fmt: skip


def serve_pins(page: Any, pins: list[dict[str, Any]]) -> list[str]:
    """These pins whatever is asked; gives the list of what was."""
    asked: list[str] = []

    def answer(route: Any) -> None:
        asked.append(route.request.url)
        route.fulfill(body=json.dumps({"chargers": pins, "more": False}), content_type="application/json")

    page.route("**/map/data/**", answer)
    return asked


@pytest.mark.parametrize("width", [320, 375, 768, 1440])
def test_pins_do_not_cover_each_other(site: Site, width: int):
    page = site.visit({"width": width, "height": 800}, reduced_motion="reduce")
    states = ("free", "busy", "faulty", "offline")
    crowd = [pin(n, 49.8 + (n * 37 % 41) / 300, 16.0 + (n * 53 % 59) / 300, states[n % 4]) for n in range(120)]
    serve_pins(page, crowd)
    for zoom in (8, 10, 12, 13, 14):
        page.goto("about:blank")
        page.goto(f"/#{zoom}/49.87/16.1")
        page.locator(".leaflet-marker-pane > *").first.wait_for()
        page.wait_for_function("document.querySelectorAll('#places > li').length === 120")
        page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        assert page.evaluate(OVERLAPS) == [], zoom
    assert site.complaints == []


def test_ten_thousand_chargers_are_groups_until_one_comes_near(site: Site):
    """The server sends at most 500 of them; the browser shows few things for these, too."""
    page = site.visit(PHONE)
    serve_pins(page, [pin(n, 48.6 + n % 25 / 10, 12.5 + n // 25 / 4) for n in range(500)])
    page.goto("/#7/49.8/15.5")
    page.locator(".marker-cluster").first.wait_for()
    assert page.locator(".leaflet-marker-pane > *").count() < 100


def test_filters_stay_in_the_address(site: Site):
    from playwright.sync_api import expect

    page = site.visit(DESKTOP)
    asked = serve_pins(page, [pin(1, 49.8, 15.5)])
    page.goto("/#8/49.8/15.5")
    page.get_by_text("Filters", exact=True).click()
    page.get_by_label("Plug", exact=True).select_option("CCS")
    page.get_by_label("Price at most").fill("7,50")
    page.get_by_label("Price at most").blur()
    expect(page).to_have_url(re.compile(r"\?connector=CCS&price=7%2C50#8/"))
    page.reload()
    expect(page.get_by_label("Price at most")).to_have_value("7,50")
    expect(page.locator("#more-count")).to_have_text("· 2")
    assert "connector=CCS" in asked[-1]
    assert site.complaints == []


def test_a_filter_that_is_no_number_is_told_and_left_out(site: Site):
    from playwright.sync_api import expect

    page = site.visit(PHONE)
    page.goto("/?free=on#8/49.8/15.5")
    page.get_by_text("Filters", exact=True).click()
    page.get_by_label("Price at most").fill("cheap")
    page.get_by_label("Price at most").blur()
    expect(page.locator("#filter-fault")).to_contain_text("A filter was left out. Price at most")
    page.get_by_label("Price at most").fill("7")
    page.get_by_label("Price at most").blur()
    expect(page.locator("#filter-fault")).to_be_hidden()
    assert site.complaints == []


@pytest.mark.parametrize("size", [PHONE, DESKTOP])
def test_without_a_script_there_is_a_list_and_no_empty_map(site: Site, size):
    from playwright.sync_api import expect

    page = site.visit(size, java_script_enabled=False)
    page.goto("/")
    expect(page.locator("#map")).to_be_hidden()
    expect(page.get_by_role("heading", name="Chargers that people share")).to_be_in_viewport()


def test_no_pin_of_the_first_view_is_cut_off(site: Site):
    page = site.visit(DESKTOP)
    spots = [(49.73, 13.4), (50.75, 15.03), (49.83, 18.16), (48.96, 14.48)]
    serve_pins(page, [pin(number, *spot) for number, spot in enumerate(spots)])
    items = "".join(
        f'<li data-latitude="{latitude}" data-longitude="{longitude}"></li>' for latitude, longitude in spots
    )

    def with_items(route: Any) -> None:
        """As if the server had listed them."""
        answer = route.fetch()
        route.fulfill(response=answer, body=answer.text().replace("</template>", f"</template>{items}", 1))

    page.route(site.url + "/", with_items)
    page.goto("/")
    page.wait_for_function("document.querySelectorAll('.leaflet-marker-pane .pin-body').length === 4")
    cut = """() => {
      const map = document.getElementById("map").getBoundingClientRect();
      return [...document.querySelectorAll(".leaflet-marker-pane .pin-body")].map((it) => it.getBoundingClientRect())
        .filter((it) => it.left < map.left || it.right > map.right || it.top < map.top || it.bottom > map.bottom);
    }"""
    assert page.evaluate(cut) == []


def test_it_asks_again_when_a_charger_opens(site: Site):
    """Nobody tells that the hours have begun: the pin says when that is."""
    from playwright.sync_api import expect

    page = site.visit(PHONE)
    page.clock.install(time=datetime(2025, 1, 1, tzinfo=UTC))  # the visitor's clock is wrong
    opens_at = datetime.now(UTC) + timedelta(hours=1)
    words = {"state_text": "closed, opens today at 17:00", "changes_at": opens_at.isoformat()}
    pins = [pin(1, 49.8, 15.5, "closed") | words]
    serve_pins(page, pins)
    heard: list[bool] = []
    page.on("websocket", lambda socket: socket.on("framereceived", lambda _frame: heard.append(True)))
    page.goto("/#8/49.8/15.5")
    for _time in range(200):
        if heard:
            break
        page.wait_for_timeout(50)
    assert heard
    marker = page.get_by_role("button", name="Box 1")
    expect(marker).to_have_accessible_name("Box 1: closed, opens today at 17:00, 11 kW · 6.50 Kč")
    pins[:] = [pin(1, 49.8, 15.5) | {"changes_at": (opens_at + timedelta(hours=14)).isoformat()}]
    page.clock.fast_forward("50:00")
    expect(marker).to_have_accessible_name(re.compile("closed"))
    page.clock.fast_forward("15:00")
    expect(marker).to_have_accessible_name("Box 1: free, 11 kW · 6.50 Kč")
    assert site.complaints == []


def test_a_place_is_searched_and_the_list_says_how_far(site: Site):
    from playwright.sync_api import expect

    page = site.visit(PHONE)
    serve_pins(page, [pin(1, 49.2, 16.6) | {"distance_m": 800.0, "distance_text": "800 m"}])
    places = [{"name": name, "latitude": 49.1951, "longitude": 16.6068} for name in ("Brno, Česko", "Brno, elsewhere")]
    page.route("**/map/search/**", lambda route: route.fulfill(body=json.dumps({"places": places})))
    page.goto("/")
    page.get_by_label("Town or address").fill("Brno")
    page.get_by_role("button", name="Search").click()
    with page.expect_request(re.compile("near=49.19510%2C16.60680")):
        page.get_by_role("button", name="Brno, Česko").click()
    expect(page).to_have_url(re.compile(r"#13/49\.19\d+/16\.60\d+"))
    expect(page.get_by_text("800 m")).to_be_visible()
    assert site.complaints == []


def test_a_search_that_fails_says_why(site: Site):
    from playwright.sync_api import expect

    page = site.visit(PHONE)
    page.goto("/")
    page.get_by_label("Town or address").fill("Atlantis")
    page.get_by_role("button", name="Search").click()
    expect(page.locator("#search-failure")).to_contain_text("The search does not answer")


def test_my_position_brings_me_there(site: Site):
    from playwright.sync_api import expect

    options = {"geolocation": {"latitude": 50.08, "longitude": 14.42}, "permissions": ["geolocation"]}
    page = site.visit(PHONE, **options)
    serve_pins(page, [])
    with page.expect_request(re.compile("near=50.0800%2C14.4200")):
        page.goto("/")  # allowed before, so nobody is asked
    expect(page.locator(".here")).to_be_visible()
    expect(page).to_have_url(re.compile(r"#13/50\.0\d+/14\.4\d+"))
    expect(page.locator("#nothing")).to_be_visible()
    page.goto("/sessions/")
    page.goto("/")
    expect(page).to_have_url(re.compile(r"#13/50\.0"))  # and the last view is kept


def test_a_keyboard_is_enough(site: Site):
    from playwright.sync_api import expect

    page = site.visit(DESKTOP)
    serve_pins(page, [pin(1, 49.8, 15.5, "busy")])
    page.goto("/#8/49.8/15.5")
    marker = page.get_by_role("button", name="Box 1: busy, 11 kW · 6.50 Kč")
    marker.focus()
    marker.press("Enter")
    expect(page.locator("#chosen a")).to_be_focused()
    page.keyboard.press("Escape")
    expect(marker).to_be_focused()
    assert site.complaints == []


def test_a_page_without_a_connection(site: Site):
    """The network says that it is back before it carries anything."""
    page = site.visit(PHONE)
    page.goto("/")
    page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    page.context.set_offline(True)
    page.goto("/accounts/login/")
    page.evaluate("dispatchEvent(new Event('online'))")
    page.wait_for_timeout(500)
    assert page.get_by_text("Running charging goes on").is_visible()
    assert fits(page)
    assert serious(page) == []
    # The server is there again, and nobody tells the page so.
    page.evaluate("addEventListener('online', (event) => event.stopImmediatePropagation(), { capture: true })")
    page.context.set_offline(False)
    page.locator("[name=login]").wait_for()
    assert page.url == site.url + "/accounts/login/"
