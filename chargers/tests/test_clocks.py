"""One session, two clocks: everywhere the same times, and a note where the charger's are others."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from accounts.models import User
from billing import units
from chargers import courses, hosts, receipts, sessions, spreadsheets
from chargers.models import Charger, ChargingSession, MeterValue
from chargers.shapes import moment
from chargers.tests.test_api_chargers import get
from chargers.tests.test_documents import billed, words
from chargers.tests.test_session_pages import make_session

BEGAN = datetime(2026, 5, 4, 8, 0, tzinfo=UTC)  # 10:00 in Prague
HOUR = timedelta(hours=1)


def session_told(charger: Charger, driver: User, *, start: timedelta, end: timedelta) -> ChargingSession:
    """We heard of it from 10:00 to 12:00; the charger's clock was off by so much at its start and end."""
    session = billed(charger, driver)
    ChargingSession.objects.filter(pk=session.pk).update(
        start_received_at=BEGAN, started_at=BEGAN + start,
        stop_received_at=BEGAN + 2 * HOUR, ended_at=BEGAN + 2 * HOUR + end,
    )  # fmt: skip
    session.refresh_from_db()
    return session


@pytest.mark.parametrize(
    ("start", "end", "told", "duration", "note"),
    [
        (timedelta(0), timedelta(seconds=100), "10:00 – 4 May 2026 12:00", 2 * HOUR, ""),
        (timedelta(0), HOUR, "10:00 – 4 May 2026 12:00", 2 * HOUR, "by it this was from 4 May 2026 10:00 to 4 May"),
        (HOUR, HOUR, "10:00 – 4 May 2026 12:00", 2 * HOUR, "was ahead"),
        (-8 * HOUR, -4 * HOUR, "02:00 – 4 May 2026 08:00", 6 * HOUR, "We heard of the start on 4 May 2026 10:00"),
        (timedelta(0), -HOUR, "10:00 – 4 May 2026 11:00", HOUR, "of the end on 4 May 2026 12:00"),
    ],
)  # fmt: skip
def test_pages_papers_and_tables_say_the_same(
    online: Charger, alice: User, client_of, start, end, told, duration, note
):
    session = session_told(online, alice, start=start, end=end)
    page = client_of(alice).get(session.get_absolute_url()).content.decode()
    begin, _dash, finish = told.partition(" – ")
    assert f"4 May 2026 {told}" in page
    assert f"4 May 2026 {begin} · " in page
    assert units.duration(int(duration.total_seconds())) in page
    [(_row, line)] = receipts.lines([session])
    assert line["began_text"] == f"4 May 2026 {begin}"
    assert f"4 May 2026 {told}" in words(client_of(alice).get(f"/sessions/{session.pk}/receipt.pdf").content)
    table = "".join(spreadsheets.written(ChargingSession.objects.with_all(), spreadsheets.DRIVERS_IN_WORDS))
    assert f"2026-05-04 {begin}" in table
    assert f" {finish[-5:]}," in table
    notes = " ".join(receipts.paper(session, viewer=alice).notes)
    assert note in notes
    assert note or "clock" not in notes


@pytest.mark.parametrize(
    ("start", "end", "told"),
    [
        (HOUR, -HOUR, "from 4 May 2026 11:00 to 4 May 2026 11:00, and we heard of the start on 4 May 2026 10:00"),
        (-HOUR, HOUR, "Of each the earlier time is told here."),
        (-HOUR, -HOUR, "The times here are the charger's."),
        (HOUR, timedelta(0), "The times here are ours."),
    ],
)
def test_one_note_tells_of_both_ends(online: Charger, alice: User, start, end, told):
    session = session_told(online, alice, start=start, end=end)
    [note] = [note for note in receipts.paper(session, viewer=alice).notes if "clock" in note]
    assert told in note


@pytest.mark.parametrize(
    ("start", "told"),
    [(HOUR, "by it this began on 4 May 2026 11:00."), (-HOUR, "We heard of it on 4 May 2026 10:00:")],
)
def test_a_note_tells_nothing_of_an_end_that_was_never_told(online: Charger, alice: User, start, told):
    session = session_told(online, alice, start=start, end=start)
    session.stop_received_at, session.closed_by = None, "silence"
    [note] = [note for note in receipts.paper(session, viewer=alice).notes if "clock" in note]
    assert told in note
    assert not any(word in note for word in (units.NOTHING, " end", "times here"))


def test_a_chart_does_not_follow_a_clock_that_jumps(online: Charger, alice: User):
    session = session_told(online, alice, start=timedelta(0), end=HOUR)
    for index, is_ahead in enumerate((False, True, True)):
        at = BEGAN + timedelta(minutes=20 * index)
        session.meter_values.create(
            charger=online, connector_id=1, received_at=at, measured_at=at + HOUR * is_ahead, raw=[], digest=index
        )
    assert [seconds for seconds, _energy, _power in courses.of(session)] == [0, 1200, 2400]


def test_what_silence_closed_did_not_end_in_the_future(online: Charger, alice: User, oscar: User):
    session = billed(online, alice)
    ChargingSession.objects.filter(pk=session.pk).update(
        status="running",
        settled_at=None,
        stop_received_at=None,
        ended_at=None,
        start_received_at=BEGAN,
        started_at=BEGAN,
    )
    session.meter_values.create(
        charger=online, connector_id=1, received_at=BEGAN + HOUR, measured_at=BEGAN + 5 * HOUR, raw=[], digest=1
    )
    sessions.close(session, by=oscar)
    session.refresh_from_db()
    assert session.finished_at == BEGAN + HOUR


MINUTE = timedelta(minutes=1)


def running(charger: Charger, driver: User, *, start: timedelta, late: timedelta) -> ChargingSession:
    """We heard of it ten minutes ago and have two samples; the charger told this much of its start, and is so late."""
    now = timezone.now()
    session = make_session(charger, driver)
    session.meter_values.all().delete()
    session.start_received_at = now - 10 * MINUTE
    session.started_at = session.start_received_at + start
    session.save()
    for minutes in (5, 1):
        at = now - minutes * MINUTE
        session.meter_values.create(
            charger=charger, connector_id=1, received_at=at, measured_at=at + late, raw=[], digest=minutes
        )
    return ChargingSession.objects.get(pk=session.pk)


def said(session: ChargingSession, driver: User) -> list[int]:
    """How long it lasts in minutes, by the API, and by its chart, whose last sample is one minute old."""
    told = get(f"sessions/{session.pk}", driver)["seconds"]
    return [round(told / 60), round(courses.of(session)[-1][0] / 60)]


SLOW, SINCE_2021 = -5 * HOUR, -timedelta(days=1900)


@pytest.mark.parametrize(
    ("start", "late", "minutes"),
    [
        (timedelta(0), timedelta(0), 10),
        (SLOW, SLOW, 10),
        (SINCE_2021, SINCE_2021, 10),
        (SINCE_2021, timedelta(0), 10),  # set while it charges
        (-2 * HOUR, timedelta(0), 130),  # was offline, and its clock is right
        (HOUR, HOUR, 10),
    ],
)
def test_what_runs_lasts_by_one_clock(online: Charger, alice: User, bob: User, client_of, start, late, minutes):
    session = running(online, alice, start=start, late=late)
    assert said(session, alice) == [minutes, minutes - 1]
    since = moment(session.start_received_at - (minutes - 10) * MINUTE)
    [(_row, line)] = hosts.lines(Charger.objects.owned_by(bob))
    assert line["sessions"][0]["since_text"] == since
    assert since in str(hosts.charger(online)["strangers"])
    assert units.duration(60 * minutes) in client_of(alice).get(session.get_absolute_url()).content.decode()


def test_a_clock_that_told_nothing_since_is_not_believed(online: Charger, alice: User, client_of):
    session = running(online, alice, start=SLOW, late=timedelta(0))
    session.meter_values.all().delete()
    assert round(sessions.progress(session).seconds / 60) == 10


def test_lists_compare_all_clocks_at_once(online: Charger, alice: User, django_assert_num_queries):
    told = {}
    for late in (timedelta(0), SLOW, SLOW):
        session = running(online, alice, start=SLOW, late=late)
        ChargingSession.objects.filter(pk=session.pk).update(connector=None)  # one runs at a connector
        told[session.pk] = session.started_at if late != SLOW else session.start_received_at
    rows = list(ChargingSession.objects.running())
    with django_assert_num_queries(1):
        MeterValue.objects.compare_clocks(rows)
    with django_assert_num_queries(0):
        assert {row.pk: row.began_at for row in rows} == told
        MeterValue.objects.compare_clocks([])
