"""A driver's history: filters, the table for a spreadsheet, the chart of a session, and what is running now."""

import csv
import io
from datetime import datetime, timedelta

import pytest
from django.test import Client
from django.utils import timezone, translation

from accounts.models import User
from billing import units, wallets
from chargers import courses, shapes
from chargers.models import Charger, ChargingSession, MeterValue
from chargers.tests.test_session_pages import make_session
from conftest import make_user

# The test's client is not asynchronous, and the table comes in portions.
pytestmark = pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")


@pytest.fixture
def running(online: Charger, alice: User) -> ChargingSession:
    return make_session(online, alice)


def began(session: ChargingSession, day: str) -> None:
    at = timezone.make_aware(datetime.fromisoformat(f"{day}T23:30"))
    ChargingSession.objects.filter(pk=session.pk).update(start_received_at=at)


# ------------------------------------------------------------------------------------------------ filters


@pytest.mark.parametrize(
    ("asked", "fits"),
    [({"since": "2026-05-04"}, True), ({"since": "2026-05-05"}, False), ({"until": "2026-05-04"}, True),
     ({"until": "2026-05-03"}, False), ({"since": "2026-05-04", "until": "2026-05-04"}, True)],
)  # fmt: skip
def test_days_are_local_and_count_both_ends(running: ChargingSession, alice: User, client_of, asked, fits):
    began(running, "2026-05-04")
    page = client_of(alice).get("/sessions/", asked).content.decode()
    assert (running.get_absolute_url() in page.partition("<main")[2]) is fits
    assert ("No session fits" in page) is not fits


def test_one_charger_of_those_where_one_has_charged(running: ChargingSession, alice: User, client_of):
    browser = client_of(alice)
    assert running.get_absolute_url() in browser.get("/sessions/", {"charger": running.charger_id}).content.decode()
    page = browser.get("/sessions/", {"charger": running.charger_id + 1}).content.decode()
    assert 'class="wrong"' in page
    stranger = client_of(make_user("Dora")).get("/sessions/", {"charger": running.charger_id}).content.decode()
    assert running.charger.name not in stranger


def test_nonsense_in_the_address_is_told(alice: User, client_of):
    assert 'class="wrong"' in client_of(alice).get("/sessions/", {"since": "yesterday"}).content.decode()


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/Los_Angeles"])
@pytest.mark.parametrize("asked", [{"since": "0001-01-01"}, {"until": "9999-12-31"}, {"since": "1999-12-31"}])
def test_a_day_of_another_time_is_told(running: ChargingSession, alice: User, client_of, asked, zone):
    browser = client_of(alice)
    browser.cookies["zone"] = zone
    answer = browser.get("/sessions/", asked)
    assert answer.status_code == 200
    assert "Choose a day between the years 2000 and 2100." in answer.content.decode()
    assert browser.get("/sessions/export.csv", asked).status_code == 200


def test_the_first_and_the_last_day_may_be_asked_for(running: ChargingSession, alice: User, client_of):
    browser = client_of(alice)
    browser.cookies["zone"] = "Asia/Tokyo"
    page = browser.get("/sessions/", {"since": "2000-01-01", "until": "2100-01-01"}).content.decode()
    assert running.get_absolute_url() in page
    assert 'min="2000-01-01" max="2100-01-01"' in page


# ------------------------------------------------------------------------------------------------ the table


def table_of(client: Client, **asked: str) -> list[dict[str, str]]:
    response = client.get("/sessions/export.csv", asked)
    assert response.headers["Content-Disposition"] == 'attachment; filename="sharecharge.csv"'
    return list(csv.DictReader(io.StringIO(b"".join(response).decode("utf-8-sig"))))


def test_the_table_tells_the_same_as_the_list(running: ChargingSession, alice: User, bob: User, client_of):
    [row] = table_of(client_of(alice))
    assert (row["Charger"], row["Plug"], row["State"]) == ("Bob's garage", "1", "Charging")
    assert (row["Price per kWh"], row["Energy (kWh)"], row["Cost"], row["Currency"]) == ("5.00", "", "", "CZK")
    assert row["Began"] == f"{timezone.localtime(running.started_at):%Y-%m-%d %H:%M}"
    assert table_of(client_of(alice), until="2020-01-01") == []
    assert table_of(client_of(bob)) == []


def test_a_name_is_no_formula(running: ChargingSession, alice: User, client_of):
    Charger.objects.update(name='=HYPERLINK("http://evil.example")')
    [row] = table_of(client_of(alice))
    assert row["Charger"].startswith("'=")


def test_an_end_before_the_beginning_is_told(running: ChargingSession, alice: User, client_of):
    page = client_of(alice).get("/sessions/?since=2026-05-02&until=2026-05-01").content.decode()
    assert "The end lies before the beginning." in page


def test_a_czech_spreadsheet_opens_it(running: ChargingSession, alice: User, client_of):
    """Between Czech cells stands a semicolon, because the comma is before the decimals. Letters are known by a mark."""
    Charger.objects.update(name="Garáž; vlevo")
    ChargingSession.objects.update(energy_wh=5_500, cost=2_750, fee=275)
    response = client_of(alice).get("/sessions/export.csv", headers={"Accept-Language": "cs"})
    translation.activate("en")  # a stream is written when its request is over
    heading, line = b"".join(response).decode().splitlines()
    assert heading.startswith("\ufeffČíslo;Nabíječka;")
    assert ';"Garáž; vlevo";1;' in line
    assert line.endswith(";5,500;5,00;27,50;CZK;")


# ------------------------------------------------------------------------------------------------ the chart


def test_a_course_counts_from_the_start(running: ChargingSession, alice: User, client_of):
    points = client_of(alice).get(f"/sessions/{running.pk}/course/").json()["points"]
    assert points == [[1200, 1_000, 10_560], [2400, 5_000, 10_560]]


def test_many_samples_become_few_points_and_keep_the_last(running: ChargingSession):
    times = [running.began_at + timedelta(hours=1, seconds=index) for index in range(1_000)]
    MeterValue.objects.bulk_create(
        MeterValue(
            charger=running.charger, connector_id=1, session=running, energy_wh=7_000 + index, received_at=at,
            measured_at=at, raw=[], digest=1_000 + index,
        )
        for index, at in enumerate(times)
    )  # fmt: skip
    points = courses.of(running)
    assert 150 < len(points) <= courses.MOST_POINTS
    assert points[-1] == (3600 + 999, 6_999, None)


def test_the_course_of_others_is_not_there(running: ChargingSession, charlie: User, client_of):
    assert client_of(charlie).get(f"/sessions/{running.pk}/course/").status_code == 404


# ------------------------------------------------------------------------------------------------ now


def test_every_page_leads_to_what_is_running(running: ChargingSession, alice: User, bob: User, client_of):
    link = f'now" href="{running.get_absolute_url()}"'
    assert link in client_of(alice).get("/").content.decode()
    assert link not in client_of(alice).get(running.get_absolute_url()).content.decode()
    assert link not in client_of(bob).get("/").content.decode()
    assert link not in Client().get("/").content.decode()


def test_what_is_left_is_between_the_driver_and_the_platform(running: ChargingSession, alice: User, bob: User):
    wallets.hold(alice, reference=running.reference, minimum=100, wanted=30_000)
    assert shapes.session(running, viewer=alice)["left_text"] == units.money(100_000 - 2_500)
    assert shapes.session(running, viewer=bob)["left_text"] == ""
    assert shapes.session(running)["left_text"] == ""


@pytest.mark.parametrize(
    ("status", "words"), [("SuspendedEV", "The car takes"), ("SuspendedEVSE", "The charger gives")]
)
def test_a_pause_is_told_from_the_end(running: ChargingSession, status, words):
    running.connector.status = status
    shape = shapes.session(running)
    assert (shape["state"], shape["is_running"], shape["pause_text"][: len(words)]) == ("paused", True, words)
    assert "goes on" in shape["pause_text"]
