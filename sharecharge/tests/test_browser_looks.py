"""Every page at phone and desktop size, in both languages and colour schemes: it fits, axe finds nothing serious, the
console is silent, what is touched is big enough, and nothing jumps."""

import uuid
from typing import Any
from urllib.parse import urlsplit

import pytest

from sharecharge.testing.site import (
    DESKTOP,
    PHONE,
    Site,
    add_charger,
    fits,
    manage_page,
    share_charger,
    shifted,
    top_up,
)

pytestmark = pytest.mark.browser

PUBLIC = ("/", "/accounts/login/", "/accounts/signup/", "/accounts/password/reset/", "/offline/")
PERSONAL = ("/", "/sessions/", "/wallet/", "/cards/", "/cards/claim/", "/profile/", "/profile/delete/", "/reports/",
            "/accounts/email/", "/accounts/password/change/", "/my/become-owner/")  # fmt: skip
OWNED = ("/my/chargers/", "/my/chargers/add/", "/my/sessions/", "/my/problems/", "/my/earnings/", "/payouts/")
OF_A_CHARGER = ("", "settings/", "photos/", "log/", "restart/", "label/", "password/", "delete/", "setup/place/",
                "setup/model/", "setup/connect/", "setup/plugs/", "setup/test/", "setup/label/")  # fmt: skip
LOOKS = {
    "phone-light-english": (PHONE, {"locale": "en", "color_scheme": "light"}),
    "phone-dark-czech": (PHONE, {"locale": "cs", "color_scheme": "dark"}),
    "desk-light-czech": (DESKTOP, {"locale": "cs", "color_scheme": "light"}),
    "desk-dark-english": (DESKTOP, {"locale": "en", "color_scheme": "dark"}),
}
# Of boxes and radio buttons the label is what is touched.
TOUCHED = "button, .btn, .nav-link, .row-link, summary, select, input:not([type=radio])"
ELSEWHERE = ".leaflet-control, .visually-hidden-focusable, .chip, .field-check"
TOO_SMALL = """([touched, elsewhere]) => [...document.querySelectorAll(touched)]
    .filter((it) => it.checkVisibility() && !it.closest(elsewhere))
    .map((it) => [it.outerHTML.slice(0, 80), it.getBoundingClientRect().height])
    .filter(([, height]) => height > 0 && height < 43.5)"""
MOST_SHIFT = 0.1  # "good" is up to here, says web.dev


def serious(page: Any) -> list[str]:
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    return [
        f"{page.url}: {it['id']} {node['target']} {node['failureSummary']}"
        for it in found
        if it["impact"] in {"serious", "critical"}
        for node in it["nodes"]
    ]


def look_at(page: Any, path: str) -> None:
    page.goto(path)
    page.wait_for_load_state("load")
    assert fits(page), path
    assert serious(page) == []
    assert page.evaluate(TOO_SMALL, [TOUCHED, ELSEWHERE]) == [], path
    assert shifted(page) < MOST_SHIFT, path


def glance_at(page: Any, path: str, viewport: dict[str, int]) -> None:
    """The same page in another size: it fits there, too, and stays where it is."""
    before = page.viewport_size
    page.set_viewport_size(viewport)
    page.goto(path)
    page.wait_for_load_state("load")
    assert fits(page), path
    assert shifted(page) < MOST_SHIFT, path
    page.set_viewport_size(before)


@pytest.mark.parametrize("look", LOOKS)
def test_pages_of_everybody(site: Site, look: str):
    from playwright.sync_api import expect

    viewport, options = LOOKS[look]
    page = site.visit(viewport, **options)
    for path in PUBLIC:
        look_at(page, path)
        expect(page.locator("html")).to_have_attribute("data-bs-theme", options["color_scheme"])
    assert site.complaints == []


@pytest.mark.parametrize("look", LOOKS)
def test_pages_of_a_person(site: Site, look: str):
    viewport, options = LOOKS[look]
    page = site.sign_up("Dana", viewport, **options)
    top_up(page, "300")
    page.goto("/cards/")
    page.locator("[name=uid]").fill(f"04{uuid.uuid4().hex[:12]}")
    page.locator("main form .btn-primary").last.click()
    for path in PERSONAL:
        look_at(page, path)
    assert site.complaints == []


def begin_top_up(page: Any) -> str:
    """The path of the fake provider's page for a new payment."""
    page.goto("/wallet/")
    page.locator("[name=amount]").fill("250")
    page.locator("form[action$='/top-up/'] .btn-primary").click()
    page.wait_for_url("**/pay/")
    return urlsplit(page.url).path


def answer(page: Any, path: str, word: str) -> None:
    page.goto(path)
    page.locator(f"[name=answer][value={word}]").click()
    page.wait_for_url("**/wallet/")
    assert fits(page)
    assert serious(page) == []


@pytest.mark.parametrize("look", LOOKS)
def test_pages_of_a_payment(site: Site, look: str):
    viewport, options = LOOKS[look]
    page = site.sign_up("Dana", viewport, **options)
    cancelled, paid = begin_top_up(page), begin_top_up(page)
    waiting = paid.removesuffix("pay/")
    for path in (paid, waiting, f"{waiting}?cancelled=1", "/wallet/"):
        look_at(page, path)
    answer(page, cancelled, "cancel")
    answer(page, paid, "pay")
    for path in (cancelled, paid):
        look_at(page, path)
    stranger = site.visit(viewport, **options)
    for path in (waiting, f"{waiting}?cancelled=1"):
        look_at(stranger, path)
    assert site.complaints == []


def test_a_payment_that_waits_is_looked_at_again_and_not_sent_again(site: Site):
    page = site.sign_up("Dana", PHONE, service_workers="block")  # or nothing could stand in for the provider
    waiting = begin_top_up(page).removesuffix("pay/")
    shown = page.request.get(waiting).text()
    asked: list[str] = []

    def provider_is_away(route: Any) -> None:
        asked.append(route.request.method)
        if route.request.method == "POST":
            route.fulfill(body=shown, content_type="text/html")
        else:
            route.continue_()

    page.goto(waiting)
    page.route(f"**{waiting}", provider_is_away)
    page.locator("main form .btn-primary").click()
    with page.expect_response(lambda response: response.url.endswith(waiting) and len(asked) == 2):
        pass  # it takes some seconds
    assert asked == ["POST", "GET"]


def test_pages_of_what_went_wrong(site: Site):
    """A page that is none, one for others, and a form that was open while somebody logged in beside it."""
    for viewport, options in (LOOKS["phone-dark-czech"], LOOKS["desk-dark-english"]):
        page = site.sign_up("Dana", viewport, **options)
        for path, status in (("/nowhere/", 404), ("/sessions/999999/", 404), ("/admin/", 403)):
            assert page.goto(path).status == status
            assert fits(page)
            assert serious(page) == []
        page.goto("/wallet/")
        page.locator("[name=amount]").fill("100")
        page.context.clear_cookies(name="csrftoken")
        page.locator("form[action$='/top-up/'] .btn-primary").click()
        assert serious(page) == []
        page.locator("main .actions .btn-primary").click()
        page.wait_for_url("**/wallet/")
    # Chromium's own words for each of these answers, and nothing else.
    assert [text for text in site.complaints if "status of 40" not in text] == []


def test_a_chargers_page(site: Site):
    wallbox = share_charger(site, "Box to look at", (50.60, 15.60))
    visitor = site.visit(PHONE)
    visitor.goto("/#14/50.6/15.6")
    visitor.locator("#places").get_by_role("link", name="Box to look at").click()
    visitor.wait_for_url("**/c/**")
    path = visitor.url.removeprefix(site.url)
    for viewport, options in LOOKS.values():
        look_at(site.visit(viewport, **options), path)
    driver = site.sign_up("Dana", PHONE)
    for page in (path, f"{path}report/"):
        look_at(driver, page)
    driver.locator("[name=text]").fill("The cable is cut.")
    driver.locator("main form .btn-primary").click()
    driver.wait_for_url("**/reports/*/")
    for page in (driver.url.removeprefix(site.url), "/reports/"):
        look_at(driver, page)
    wallbox.connection.close()
    assert site.complaints == []


def test_what_its_owner_sees(site: Site):
    owner = site.sign_up("Olga", PHONE)
    add_charger(site, owner, "Olga's box", (50.70, 15.90))
    manage = manage_page(owner).removeprefix(site.url)
    for path in (*OWNED, *(f"{manage}{page}" for page in OF_A_CHARGER)):
        look_at(owner, path)
        glance_at(owner, path, DESKTOP)
    assert site.complaints == []


@pytest.mark.parametrize("viewport", [PHONE, DESKTOP], ids=["phone", "desk"])
def test_the_map_does_not_jump(site: Site, viewport: dict[str, int]):
    page = site.visit(viewport)
    page.goto("/")
    page.locator(".leaflet-tile-loaded").first.wait_for()
    assert shifted(page) < MOST_SHIFT


def test_a_receipt_and_a_label_are_printed_without_buttons(site: Site):
    owner = site.sign_up("Olga", DESKTOP)
    add_charger(site, owner, "Box with a label", (50.80, 14.90))
    owner.goto(f"{manage_page(owner)}label/")
    owner.emulate_media(media="print")
    assert owner.locator(".label .plate").is_visible()
    owner.emulate_media(color_scheme="dark")
    ink = owner.locator(".label small").evaluate("it => getComputedStyle(it).color")
    assert ink == "rgb(87, 92, 116)"  # on white paper, whatever the scheme
    for selector in (".menu", ".top", ".head"):
        assert not owner.locator(selector).is_visible()
