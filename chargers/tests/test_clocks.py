"""One session, two clocks: everywhere the same times, and a note where the charger's are others."""

from datetime import UTC, datetime, timedelta

import pytest

from accounts.models import User
from billing import units
from chargers import courses, receipts, sessions, spreadsheets
from chargers.models import Charger, ChargingSession
from chargers.tests.test_documents import billed, words

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
