"""Search by place, against a server of our own that answers like Nominatim."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core.cache import cache
from django.test import Client

from chargers import gazetteer
from sharecharge.errors import Refused

pytestmark = pytest.mark.once

BRNO = {"display_name": "Brno, Česko", "lat": "49.1951", "lon": "16.6068", "boundingbox": []}


class FakeNominatim:
    """Answers with `body` and `status`, and keeps what it was asked."""

    def __init__(self) -> None:
        self.status, self.body, self.location = 200, json.dumps([BRNO]), ""
        self.asked: list[tuple[str, str]] = []
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                fake.asked.append((self.path, self.headers["User-Agent"]))
                self.send_response(fake.status)
                if fake.location:
                    self.send_header("Location", fake.location)
                self.send_header("Content-Length", str(len(fake.body.encode())))
                self.end_headers()
                self.wfile.write(fake.body.encode())

            def log_message(self, *arguments: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05})


@pytest.fixture
def nominatim(settings) -> Iterator[FakeNominatim]:
    fake = FakeNominatim()
    fake.thread.start()
    settings.GEOCODER_URL = fake.url
    cache.clear()
    yield fake
    fake.server.shutdown()
    fake.server.server_close()
    fake.thread.join()
    cache.clear()


def rested() -> None:
    """As if the second between two questions had passed."""
    cache.delete(gazetteer.TURN)


def test_it_asks_as_the_policy_wants(nominatim: FakeNominatim):
    [spot] = gazetteer.find(" Brno & okolí ", language="cs")
    assert spot == gazetteer.Spot("Brno, Česko", 49.1951, 16.6068)
    [(path, agent)] = nominatim.asked
    asked = parse_qs(urlsplit(path).query)
    assert (urlsplit(path).path, asked["q"], asked["accept-language"]) == ("/search", ["Brno & okolí"], ["cs"])
    assert agent.startswith("ShareCharge (http")


def test_an_answer_is_remembered(nominatim: FakeNominatim):
    assert gazetteer.find("Brno", language="cs") == gazetteer.find("brno", language="cs")
    assert len(nominatim.asked) == 1


def test_the_second_question_within_a_second_waits(nominatim: FakeNominatim):
    gazetteer.find("Brno", language="cs")
    with pytest.raises(Refused) as refusal:
        gazetteer.find("Praha", language="cs")
    assert (refusal.value.code, refusal.value.status, len(nominatim.asked)) == ("search_busy", 429, 1)
    rested()
    assert gazetteer.find("Praha", language="cs")


@pytest.mark.parametrize(
    ("status", "body"),
    [(500, "[]"), (200, "<html>"), (200, "{}[]"), (200, '[{"lat": "x"}]'), (200, '{"error": "no"}'), (200, "7")],
)
def test_a_server_that_fails_is_told_in_words(nominatim: FakeNominatim, status, body):
    nominatim.status, nominatim.body = status, body
    with pytest.raises(Refused, match="does not answer"):
        gazetteer.find("Brno", language="en")


def test_it_follows_no_redirect(nominatim: FakeNominatim):
    nominatim.status, nominatim.location = 302, f"{nominatim.url}/elsewhere"
    with pytest.raises(Refused, match="does not answer"):
        gazetteer.find("Brno", language="en")
    assert len(nominatim.asked) == 1


def test_a_server_that_is_away_is_told_in_words(settings):
    cache.clear()
    settings.GEOCODER_URL = "http://127.0.0.1:1"
    with pytest.raises(Refused) as refusal:
        gazetteer.find("Brno", language="en")
    assert refusal.value.status == 503


# ------------------------------------------------------------------------------------------------ the map


def test_without_a_server_there_is_no_search(db):
    assert 'id="search"' not in Client().get("/").content.decode()
    assert Client().get("/map/search/", {"q": "Brno"}).status_code == 404
    assert Client().get("/", {"q": "Brno"}).status_code == 200


def test_the_script_gets_places(db, nominatim: FakeNominatim):
    data = Client().get("/map/search/", {"q": "Brno"}).json()
    assert data == {"places": [{"name": "Brno, Česko", "latitude": 49.1951, "longitude": 16.6068}]}
    assert Client().get("/map/search/", {"q": " "}).json() == {"places": []}
    assert Client().get("/map/search/", {"q": "Praha"}).status_code == 429


def test_the_list_without_scripts_begins_with_the_nearest(online, nominatim: FakeNominatim):
    nominatim.body = json.dumps([BRNO | {"lat": "49.87", "lon": "16.32"}])
    page = Client().get("/", {"q": "Litomyšl"}).content.decode()
    assert "Bob&#x27;s garage" in page
    assert "\N{NO-BREAK SPACE}m</span>" in page
    nominatim.body = json.dumps([BRNO | {"lat": "40", "lon": "10"}])
    rested()
    page = Client().get("/", {"q": "Far away"}).content.decode()
    assert "Bob&#x27;s garage" not in page


def test_the_page_says_why_nothing_was_found(db, nominatim: FakeNominatim):
    nominatim.body = "[]"
    assert "No place of this name" in Client().get("/", {"q": "Xyz"}).content.decode()
    nominatim.status = 500
    rested()
    assert "does not answer" in Client().get("/", {"q": "Abc"}).content.decode()
