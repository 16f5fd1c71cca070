from collections import Counter
from datetime import UTC, datetime, timedelta

import orjson
import pytest

from bench import workloads
from bench.workloads import Box, Message
from chargers import plausibility
from chargers.plausibility import Reading
from ocpp_gateway import schemas

pytestmark = pytest.mark.once

RIGHT = {
    "currentTime": "2026-01-01T00:00:00.000Z",
    "interval": 300,
    "status": "Accepted",
    "transactionId": 7,
    "idTagInfo": {"status": "Accepted"},
}
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def make_box() -> Box:
    return Box(id_tag="04BE00000001", clock=BEGIN)


def play(script, *, answer=RIGHT, leave_after: int | None = None, box: Box | None = None) -> list[Message]:
    """All messages of a script whose every answer is the same."""
    messages = []
    try:
        message = next(script)
        while True:
            messages.append(message)
            if len(messages) == leave_after:
                box.is_leaving = True
            message = script.send(answer)
    except StopIteration:
        return messages


def payload(message: Message):
    action, told = orjson.loads(b"[" + message.body)
    assert action == message.action
    return told


@pytest.mark.parametrize(
    ("mix", "counts"),
    [
        (
            "stress",
            {"Authorize": 1, "StartTransaction": 1, "StatusNotification": 2, "MeterValues": 10, "StopTransaction": 1},
        ),
        (
            "day",
            {
                "Authorize": 1, "StartTransaction": 1, "StatusNotification": 4, "MeterValues": 60, "StopTransaction": 1,
                "Heartbeat": 4,
            },
        ),
    ],
)  # fmt: skip
def test_a_session_has_the_messages_of_its_mix(mix, counts):
    messages = play(workloads.MIXES[mix](make_box(), workloads.VALUES[mix]))
    assert Counter(message.action for message in messages) == counts


@pytest.mark.parametrize("mix", workloads.MIXES)
def test_every_message_keeps_to_the_official_schema(mix):
    messages = [workloads.boot, *play(workloads.MIXES[mix](make_box(), 3))]
    assert [list(schemas.violations("v16", m.action, payload(m))) for m in messages] == [[]] * len(messages)


def test_meter_values_carry_ten_values():
    messages = play(workloads.stress(make_box()))
    samples = [payload(message)["meterValue"] for message in messages if message.action == "MeterValues"]
    assert {len(sample["sampledValue"]) for [sample] in samples} == {10}
    assert len({sample["timestamp"] for [sample] in samples}) == 10


@pytest.mark.parametrize("mix", workloads.MIXES)
def test_a_session_is_plausible(mix):
    """Or the server would hold it for review, and settle nothing."""
    told = [payload(m) | {"action": m.action} for m in play(workloads.MIXES[mix](make_box(), workloads.VALUES[mix]))]

    def reading(energy_wh: str, at: str) -> Reading:
        moment = datetime.fromisoformat(at)
        return Reading(int(energy_wh), moment, moment)

    [start] = [p for p in told if p["action"] == "StartTransaction"]
    [stop] = [p for p in told if p["action"] == "StopTransaction"]
    values = [p["meterValue"][0] for p in told if p["action"] == "MeterValues"]
    assessment = plausibility.assess(
        start=reading(start["meterStart"], start["timestamp"]),
        readings=[reading(value["sampledValue"][0]["value"], value["timestamp"]) for value in values],
        stop=reading(stop["meterStop"], stop["timestamp"]),
        rated_power_w=11_000,
    )
    assert assessment.doubts == ()
    assert assessment.energy_wh == workloads.VALUES[mix] * workloads.WH_PER_MINUTE


def test_sessions_follow_each_other_until_the_car_leaves():
    box = make_box()
    messages = play(workloads.sessions(box, "stress", first_values=2), leave_after=7 + 5, box=box)
    actions = [message.action for message in messages]
    assert actions.count("StartTransaction") == actions.count("StopTransaction") == 2
    assert actions.count("MeterValues") < 2 + 10
    assert [t.meter_stop_wh is not None for t in box.journal] == [True, True]


def test_time_and_register_never_go_back():
    box = make_box()
    play(workloads.sessions(box, "day", first_values=60), leave_after=150, box=box)
    first, second = box.journal[:2]
    assert first.meter_stop_wh == first.meter_start_wh + 60 * workloads.WH_PER_MINUTE
    assert second.meter_start_wh == first.meter_stop_wh
    assert BEGIN < box.clock < BEGIN + timedelta(hours=5)


def test_the_journal_has_what_was_answered_and_nothing_else():
    box = make_box()
    script = workloads.stress(box)
    for answer in (None, RIGHT, RIGHT, RIGHT, RIGHT):  # up to the second MeterValues, which is not answered
        message = script.send(answer)
    assert message.action == "MeterValues"
    [transaction] = box.journal
    assert (transaction.id, transaction.values, transaction.meter_stop_wh) == (7, 1, None)
    assert box.status == "Charging"


@pytest.mark.parametrize(
    ("is_right", "answer"),
    [
        (workloads.is_booted, RIGHT | {"status": "Pending"}),
        (workloads.is_booted, RIGHT | {"interval": 0}),
        (workloads.is_booted, RIGHT | {"currentTime": "2026-01-01T00:00:00"}),
        (workloads.has_time, {}),
        (workloads.is_admitted, {}),
        (workloads.is_admitted, {"idTagInfo": {"status": "Blocked"}}),
        (workloads.is_started, RIGHT | {"transactionId": 0}),
        (workloads.is_started, RIGHT | {"transactionId": -1}),
        (workloads.is_started, RIGHT | {"transactionId": "7"}),
        (workloads.is_started, RIGHT | {"transactionId": True}),
        (workloads.is_started, RIGHT | {"idTagInfo": {"status": "ConcurrentTx"}}),
    ],
)
def test_a_wrong_answer_is_seen(is_right, answer):
    assert is_right(RIGHT)
    assert not is_right(answer)


@pytest.mark.parametrize("action", [*workloads.ANSWERS, "Reset"])
def test_the_server_gets_an_answer_to_whatever_it_asks(action):
    kind, message_id, *rest = orjson.loads(workloads.answer('an "id"', action))
    assert message_id == 'an "id"'
    if action in workloads.ANSWERS:
        assert kind == 3
        assert list(schemas.violations("v16", action, rest[0], response=True)) == []
    else:
        assert [kind, *rest] == [4, "NotSupported", "", {}]
