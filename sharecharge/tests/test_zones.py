"""Times in the zone of the browser, and those that are the same for everybody."""

import csv
import io
import threading
from datetime import UTC, date, datetime

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from accounts import zones
from accounts.models import User
from chargers import documents, opening, registry, statistics
from chargers.hours import Window, week_of
from chargers.models import Charger, ChargingSession
from chargers.tests.test_consumers import Browser, do
from chargers.tests.test_documents import billed, words

NEW_YORK = "America/New_York"
# Three hours before midnight in New York, already the next day and month in Prague.
LATE = datetime(2026, 8, 1, 1, 0, tzinfo=UTC)

pytestmark = pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")


def travelling(client: Client, zone: str = NEW_YORK) -> Client:
    client.cookies[zones.COOKIE] = zone
    return client


def began(session: ChargingSession, at: datetime) -> ChargingSession:
    ChargingSession.objects.filter(pk=session.pk).update(started_at=at, start_received_at=at, ended_at=at)
    session.refresh_from_db()
    return session


@pytest.fixture
def session(online: Charger, alice: User) -> ChargingSession:
    return began(billed(online, alice), LATE)


@pytest.mark.parametrize(
    "name", ["", "Mars/Olympus", "../../etc/passwd", "Europe", "x" * 5000, "Europe/Prague\0", "UTC+1"]
)
def test_what_is_no_zone_is_nobodys(name: str):
    assert zones.named(name) is None


@pytest.mark.parametrize("name", [NEW_YORK, "UTC", "Etc/GMT+5", "Asia/Calcutta", "Europe/Kiev"])
def test_zones_by_their_old_names_too(name: str):
    assert str(zones.named(name)) == name


@pytest.mark.parametrize(
    ("zone", "told"),
    [(NEW_YORK, "31 Jul 2026 21:00"), ("", "1 Aug 2026 03:00"), ("nonsense", "1 Aug 2026 03:00"),
     ("Asia/Kathmandu", "1 Aug 2026 06:45")],
)  # fmt: skip
def test_pages_tell_times_in_the_visitors_zone(session: ChargingSession, alice: User, client_of, zone: str, told: str):
    response = travelling(client_of(alice), zone).get("/sessions/")
    assert told in response.content.decode()
    assert "Cookie" in response.headers["Vary"]
    assert timezone.get_current_timezone_name() == zones.platforms_name()  # and nobody else's


@pytest.mark.parametrize(
    ("at", "told"), [("2026-03-08 06:59", "01:59"), ("2026-03-08 07:00", "03:00"), ("2026-11-01 06:00", "01:00")]
)
def test_when_the_clocks_there_change(session: ChargingSession, alice: User, client_of, at: str, told: str):
    began(session, datetime.fromisoformat(f"{at}+00:00"))
    page = travelling(client_of(alice)).get("/sessions/").content.decode()
    assert f"2026 {told}" in page


@pytest.mark.parametrize(("asked", "fits"), [({"until": "2026-07-31"}, True), ({"since": "2026-08-01"}, False)])
def test_days_of_a_filter_are_those_that_are_shown(session, alice: User, client_of, asked, fits: bool):
    page = travelling(client_of(alice)).get("/sessions/", asked).content.decode()
    assert (session.get_absolute_url() in page.partition("<main")[2]) is fits


def test_a_paper_says_the_same_to_everybody_and_names_its_zone(session, alice: User, bob: User, client_of):
    browser = travelling(client_of(alice))
    paper = words(browser.get(f"/sessions/{session.pk}/receipt.pdf").content)
    assert "1 Aug 2026 03:00" in paper
    assert "Times: Europe/Prague" in paper
    page = browser.get(session.get_absolute_url()).content.decode()
    assert "Times on this page: America/New_York." in page
    assert "Times on this page" not in client_of(alice).get(session.get_absolute_url()).content.decode()
    with timezone.override(NEW_YORK):
        assert "1 Aug 2026 03:00" in words(documents.statement(bob, date(2026, 8, 1)))


def test_the_table_is_in_the_platforms_zone_and_the_api_in_utc(session, alice: User, client_of):
    browser = travelling(client_of(alice))
    table = b"".join(browser.get("/sessions/export.csv")).decode("utf-8-sig")
    assert next(csv.DictReader(io.StringIO(table)))["Began"] == "2026-08-01 03:00"
    assert browser.get(f"/api/v1/sessions/{session.pk}").json()["started_at"] == "2026-08-01T01:00:00Z"
    table = b"".join(browser.get("/api/v1/sessions.csv")).decode()
    assert next(csv.DictReader(io.StringIO(table)))["started_at"] == "2026-08-01T01:00:00+00:00"


def test_months_of_money_are_the_platforms(session: ChargingSession, bob: User):
    hosted = ChargingSession.objects.hosted_by(bob)
    with time_machine.travel(LATE, tick=False), timezone.override(NEW_YORK):
        today = statistics.today()
        [day] = statistics.course(hosted, statistics.Span(today, today))
        [month] = statistics.course(hosted, statistics.Span(today, today, by="month"))
    assert (str(today), day.totals.sessions, month.totals.sessions) == ("2026-08-01", 1, 1)


@pytest.mark.parametrize(("zone", "told"), [(NEW_YORK, "today at 17:00 (Europe/Prague)"), ("Europe/Vienna", "17:00.")])
def test_weekly_hours_are_of_the_place_and_say_so_to_others(charger: Charger, connector, zone: str, told: str):
    registry.set_hours(charger, week_of([Window(day, 34, 44) for day in range(7)]))
    with time_machine.travel(datetime(2026, 8, 3, 10, 0, tzinfo=UTC), tick=False):
        with timezone.override(zone):
            assert told in opening.now_text(charger)
        page = travelling(Client(), zone).get(charger.get_absolute_url()).content.decode()
    assert ("These are hours of the place, in Europe/Prague." in page) is (zone == NEW_YORK)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("zone", "told"), [(NEW_YORK, "21:00"), ("nonsense", "03:00")])
async def test_a_pages_socket_tells_times_like_its_page(online: Charger, alice: User, zone: str, told: str):
    session = await do(billed, online, alice)
    await do(
        session.meter_values.create,
        charger=online,
        connector_id=1,
        measured_at=LATE,
        received_at=LATE,
        raw=[],
        digest=1,
    )
    async with Browser(f"/ws/sessions/{session.pk}/?zone={zone}", alice) as browser:
        [reading] = (await browser.hear())["data"]["readings"]
    assert reading["at_text"] == told


def test_two_papers_at_once_leave_both_visitors_their_zones():
    both, zone_after = threading.Barrier(2), {}

    @zones.platforms()
    def make_paper() -> None:
        both.wait(10)

    def visit(zone: str) -> None:
        with timezone.override(zone):
            make_paper()
            zone_after[zone] = timezone.get_current_timezone_name()

    visitors = [threading.Thread(target=visit, args=(zone,)) for zone in ("America/New_York", "Asia/Tokyo")]
    for visitor in visitors:
        visitor.start()
    for visitor in visitors:
        visitor.join()
    assert zone_after == {zone: zone for zone in ("America/New_York", "Asia/Tokyo")}
