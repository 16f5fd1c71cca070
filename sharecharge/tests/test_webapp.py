"""ShareCharge on a phone's home screen: what a browser needs to install it, and the page without a connection."""

import json
import re
import struct
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.staticfiles import finders
from django.test import Client

from sharecharge import webapp

pytestmark = pytest.mark.once


def manifest(language: str) -> dict:
    response = Client(headers={"Accept-Language": language}).get("/manifest.webmanifest")
    assert response.headers["Content-Type"] == "application/manifest+json"
    return json.loads(response.content)


def test_the_manifest_makes_it_installable(db):
    data = manifest("en")
    assert (data["name"], data["display"], data["start_url"]) == ("ShareCharge", "standalone", "/")
    assert {"192x192", "512x512"} <= {icon["sizes"] for icon in data["icons"]}
    assert "maskable" in {icon.get("purpose") for icon in data["icons"]}
    for shortcut in data["shortcuts"]:
        assert Client().get(shortcut["url"]).status_code == 302  # log in first, and then there


def test_the_manifest_speaks_czech(db):
    assert (manifest("cs")["lang"], manifest("cs")["shortcuts"][0]["name"]) == ("cs", "Moje nabíjení")


@pytest.mark.parametrize("size", [180, 192, 512])
def test_the_icons_are_as_big_as_they_say(size):
    header = Path(finders.find(f"img/icon-{size}.png")).read_bytes()[16:24]
    assert struct.unpack(">II", header) == (size, size)


def test_every_file_of_the_worker_is_there(db):
    response = Client().get("/worker.js")
    assert response.headers["Content-Type"].startswith("text/javascript")
    files = re.findall(r'"(/[^"]+)"', response.content.decode())
    assert "/offline/" in files
    for path in files:
        found = path.startswith("/static/") and finders.find(path.removeprefix("/static/"))
        assert found or Client().get(path).status_code == 200, path


def test_the_offline_page_needs_nothing_else(db):
    """The worker keeps what it names, so the page may name nothing that the worker does not keep."""
    page, worker = (Client().get(path).content.decode() for path in ("/offline/", "/worker.js"))
    for path in re.findall(r'(?:href|src)="(/static/[^"]+)"', page):
        assert f'"{path}"' in worker
    assert "Jste offline" in page


def test_another_offline_page_makes_another_worker(db, monkeypatch):
    first = Client().get("/worker.js").content
    assert Client().get("/worker.js").content == first
    monkeypatch.setattr(webapp, "render_to_string", lambda name: "another page")
    assert Client().get("/worker.js").content != first


def test_a_preview_of_a_page_has_a_name_and_a_picture(online, settings):
    settings.SITE_URL = "https://share.example"
    page = Client().get(online.get_absolute_url()).content.decode()
    assert f'property="og:url" content="https://share.example{online.get_absolute_url()}"' in page
    assert 'property="og:title" content="Bob&#x27;s garage' in page
    picture = re.search(r'property="og:image" content="https://share\.example/static/([^"]+)"', page).group(1)
    assert finders.find(picture)


def test_no_page_loads_anything_from_elsewhere():
    """Vendored files only: a foreign address may stand in a link, not in what is loaded."""
    for path in Path(settings.BASE_DIR, "templates").rglob("*.html"):
        text = path.read_text()
        assert not re.search(r'(?:src|srcset)="(?:https?:)?//', text), path.name
        assert not re.search(r'<link[^>]+href="(?:https?:)?//', text), path.name
