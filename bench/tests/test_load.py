from collections import deque
from datetime import UTC, datetime
from functools import partial

import orjson
import pytest

from bench import load, workloads
from bench.load import Station, Tally
from bench.workloads import Box
from ocpp_gateway.simulator import Credentials

pytestmark = pytest.mark.once

RIGHT = {
    "currentTime": "2026-01-01T00:00:00.000Z",
    "interval": 300,
    "status": "Accepted",
    "transactionId": 7,
    "idTagInfo": {"status": "Accepted"},
}


class Line:
    """In the place of a websocket: keeps what was sent."""

    def __init__(self) -> None:
        self.sent: list[list] = []
        self.aborted: list[str] = []

    def send(self, text: bytes) -> None:
        self.sent.append(orjson.loads(text))

    def abort(self, reason: str) -> None:
        self.aborted.append(reason)


class Clock:
    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock(monkeypatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(load, "now", clock)
    return clock


@pytest.fixture
async def station(clock) -> Station:
    station = Station(
        Credentials("SC1", "secret", "04BE00000001"),
        url="ws://127.0.0.1:1/ocpp",
        box=Box(id_tag="04BE00000001", clock=datetime(2026, 1, 1, tzinfo=UTC)),
        tally=Tally(begin=0.0),
        make_script=partial(workloads.sessions, mix="stress", first_values=1),
    )
    station.socket = Line()  # type: ignore[assignment]
    return station


def answer(station: Station, payload=RIGHT) -> None:
    station.received(orjson.dumps([3, station.socket.sent[-1][1], payload]))


def actions(station: Station) -> list[str]:
    return [frame[2] for frame in station.socket.sent]


class TestClosedLoop:
    async def test_the_next_message_follows_the_answer(self, station, clock):
        station.begin()
        assert actions(station) == ["Authorize"]
        clock.seconds += 0.25
        answer(station)
        assert actions(station) == ["Authorize", "StartTransaction"]
        assert station.tally.latencies == [0.25]
        assert station.tally.actions == {"Authorize": 1}

    async def test_every_message_has_an_id_of_its_own(self, station):
        station.begin()
        for _message in range(30):
            answer(station)
        ids = [frame[1] for frame in station.socket.sent]
        assert len(set(ids)) == len(ids) == 31

    async def test_only_answers_inside_the_window_count(self, station, clock):
        station.tally.begin, station.tally.end = 101, 102
        station.begin()
        for clock.seconds in (100.9, 101, 101.9, 102):
            answer(station)
        assert station.tally.latencies == pytest.approx([0.1, 0.9])

    async def test_a_car_that_leaves_ends_its_session(self, station):
        station.begin()
        answer(station)
        answer(station)
        station.finish()
        while not station.finished.done():
            answer(station)
        assert actions(station) == [
            "Authorize", "StartTransaction", "StatusNotification", "StopTransaction", "StatusNotification",
        ]  # fmt: skip


class TestOpenLoop:
    async def test_nothing_is_sent_before_it_is_due(self, station):
        station.due = deque()
        station.begin()
        assert actions(station) == []
        station.is_due(100.0)
        assert actions(station) == ["Authorize"]
        answer(station)
        assert actions(station) == ["Authorize"]

    async def test_latency_counts_from_the_due_time_also_while_the_message_waits(self, station, clock):
        """A slow answer delays what is due behind it, and that is the server's fault (no coordinated omission)."""
        station.tally.by_due = True
        station.due = deque()
        station.begin()
        station.is_due(100.0)
        for clock.seconds in (101.0, 102.0):
            station.is_due(clock.seconds)  # the first one is not answered yet
        clock.seconds = 103.0
        answer(station)  # due at 100
        answer(station)  # due at 101, sent at 103
        clock.seconds = 103.5
        answer(station)  # due at 102, sent at 103
        assert station.tally.latencies == [3.0, 2.0, 1.5]

    async def test_messages_count_by_the_time_when_they_were_due(self, station, clock):
        station.tally.by_due, station.tally.begin = True, 101.0
        station.due = deque()
        station.begin()
        for clock.seconds in (100.5, 101.0):
            station.is_due(clock.seconds)
        clock.seconds = 105.0
        answer(station)
        answer(station)
        assert station.tally.latencies == [4.0]

    async def test_our_own_delay_is_told_apart(self, station, clock):
        station.due = deque()
        station.begin()
        clock.seconds = 100.25
        station.is_due(100.0)
        clock.seconds = 100.5
        station.is_due(100.125)  # the charger was busy: this wait is not ours
        assert station.tally.lateness == [0.25]


class TestErrors:
    @pytest.mark.parametrize(
        ("frame", "error"),
        [
            ('[3,"1",{"idTagInfo":{"status":"Blocked"}}]', "wrong answer to Authorize"),
            ('[3,"1",[]]', "wrong answer to Authorize"),
            ('[3,"999",{"idTagInfo":{"status":"Accepted"}}]', "nobody asked for this"),
            ('[4,"1","InternalError","",{}]', "CALLERROR for Authorize"),
            ("no JSON", "the frame cannot be read"),
            ("[]", "the frame cannot be read"),
            ('[3,"1"]', "the frame cannot be read"),
            ("5", "the frame cannot be read"),
        ],
    )
    async def test_a_wrong_frame_is_counted_and_its_text_is_shown(self, station, frame, error):
        station.begin()
        station.received(frame.encode())
        assert station.tally.errors == {f"{error}: {frame}": 1}
        assert station.tally.latencies == []

    async def test_after_an_error_the_charger_begins_anew(self, station):
        station.begin()
        answer(station)
        answer(station, RIGHT | {"transactionId": 0})
        assert actions(station) == ["Authorize", "StartTransaction", "Authorize"]
        assert station.box.journal == []

    async def test_what_is_never_answered_ends_the_connection(self, station, clock):
        station.begin()
        clock.seconds += load.ANSWER_SECONDS + 1
        station._watch()
        station.timer.cancel()
        assert station.socket.aborted == ["Authorize was not answered"]

    async def test_a_lost_connection_is_an_error_and_the_end(self, station):
        station.begin()
        station.lost("the connection was lost")
        assert station.tally.errors == {"connection: the connection was lost": 1}
        assert station.finished.done()

    async def test_our_own_close_is_no_error(self, station):
        station.begin()
        station.lost("")
        assert station.tally.errors == {}


class TestBoot:
    async def test_a_charger_is_in_when_it_was_accepted(self, station, clock):
        station.dialled = 99.0
        station.opened()
        station.timer.cancel()
        assert actions(station) == ["BootNotification"]
        answer(station)
        assert station.booted.result() is True
        assert station.tally.boots == [1.0]

    async def test_a_charger_that_must_wait_is_not_in(self, station):
        station.opened()
        station.timer.cancel()
        answer(station, RIGHT | {"status": "Pending"})
        assert station.socket.aborted == [""]
        assert station.tally.errors.total() == 1

    async def test_nobody_listens(self, station, unused_tcp_port):
        fresh = Station(
            Credentials("SC1", "", ""),
            url=f"ws://127.0.0.1:{unused_tcp_port}/ocpp",
            box=station.box,
            tally=station.tally,
            make_script=station.make_script,
        )
        assert await load.connect([fresh], at_once=1) == []
        assert station.tally.errors.total() == 1


async def test_the_servers_questions_are_answered(station):
    station.begin()
    station.received(b'[2,"theirs","GetConfiguration",{}]')
    assert station.socket.sent[-1] == [3, "theirs", {"configurationKey": [], "unknownKey": []}]
    assert station.tally.errors == {}
    assert station.asked is not None
