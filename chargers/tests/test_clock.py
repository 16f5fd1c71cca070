from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargers import clock

pytestmark = pytest.mark.once

RECEIVED = datetime(2026, 1, 11, 22, 41, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-11T20:02:05.000Z", "2026-01-11T20:02:05+00:00"),
        ("2026-01-11T20:02:05.123456789Z", "2026-01-11T20:02:05.123456+00:00"),
        ("2026-01-11T21:02:05+0100", "2026-01-11T20:02:05+00:00"),
        ("2026-01-11T21:02:05+01:00", "2026-01-11T20:02:05+00:00"),
        ("2026-01-11 20:02:05z", "2026-01-11T20:02:05+00:00"),
        ("2026-01-11T20:02:05", "2026-01-11T20:02:05+00:00"),
        ("2024-02-29T12:00:00Z", "2024-02-29T12:00:00+00:00"),
        # An hour ahead, as the Solax in the recorded conversation: believed, and harmless.
        ("2026-01-11T23:40:11.000Z", "2026-01-11T23:40:11+00:00"),
    ],
)
def test_it_reads_what_chargers_send(text, expected):
    moment = clock.read(text, received_at=RECEIVED)
    assert (moment.at.isoformat(), moment.is_doubtful, moment.text) == (expected, False, text)


@pytest.mark.parametrize(
    "value",
    ["1970-01-01T00:00:00Z", "2023-02-29T12:00:00Z", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00",
     "soon", "", None, 5, {}, "2026-01-13T00:00:00Z", "\0", "2026-01-11T20:02:05.000Z" * 9],
)  # fmt: skip
def test_what_cannot_be_right_becomes_our_own_time(value):
    moment = clock.read(value, received_at=RECEIVED)
    assert (moment.at, moment.is_doubtful) == (RECEIVED, True)


@given(st.one_of(st.text(), st.integers(), st.datetimes().map(str), st.none()))
def test_any_value_gives_a_moment(value):
    moment = clock.read(value, received_at=RECEIVED)
    assert clock.OLDEST <= moment.at <= RECEIVED + timedelta(days=1)
    assert "\0" not in moment.text
