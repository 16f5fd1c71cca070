"""How much a phone has to load before it sees the map: HTML, styles and scripts, compressed. Nothing from elsewhere."""

import gzip
import re
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest
from django.contrib.staticfiles import finders
from django.test import Client

pytestmark = pytest.mark.once

BUDGET_BYTES = 250_000
LINK = re.compile(r'<(?:script[^>]+src|link[^>]+rel="(?:stylesheet|icon|manifest)"[^>]*href)="([^"]+)"')


def files_of(page: str) -> set[str]:
    """The addresses of all styles and scripts that the page loads, with the modules that these import."""
    waiting, found = set(LINK.findall(page)), set()
    while waiting:
        address = waiting.pop()
        found.add(address)
        if address.endswith(".js"):
            text = content_of(address).decode()
            waiting |= {urljoin(address, name) for name in re.findall(r'from "(\./[^"]+)"', text)} - found
    return found


def content_of(address: str) -> bytes:
    if not address.startswith("/static/"):
        return Client().get(address).content
    return Path(finders.find(address.removeprefix("/static/"))).read_bytes()


@pytest.fixture
def page(online) -> str:
    return Client().get("/").content.decode()


def test_the_map_page_is_small(page: str):
    files = files_of(page)
    assert {"/static/js/map.js", "/static/js/live.js", "/static/css/map.css"} <= files
    sizes = {address: len(gzip.compress(content_of(address), 6)) for address in files}
    sizes["the page"] = len(gzip.compress(page.encode(), 6))
    assert sum(sizes.values()) < BUDGET_BYTES, sizes


def test_the_first_view_waits_for_nobody_else(page: str):
    """All that is loaded comes from here, and no script but the one for light and dark blocks the first paint."""
    assert [address for address in files_of(page) if urlsplit(address).netloc] == []
    blocking = [tag for tag in re.findall(r"<script[^>]*>", page) if "defer" not in tag and "module" not in tag]
    assert len(blocking) == 1
    assert "js/theme.js" in blocking[0]
