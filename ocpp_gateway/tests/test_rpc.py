import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocpp_gateway import rpc
from ocpp_gateway.rpc import Call, CallError, CallResult, Outbox, Unreadable, WireError

pytestmark = pytest.mark.once


@pytest.mark.parametrize(
    ("text", "frame"),
    [
        ('[2,"1","Heartbeat",{}]', Call("1", "Heartbeat", {})),
        (b'[2,"1","Heartbeat",{}]', Call("1", "Heartbeat", {})),
        ('[2,7,"Heartbeat",null]', Call(7, "Heartbeat", {})),
        (f'[2,"{"x" * 200}","Heartbeat",{{}}]', Call("x" * 200, "Heartbeat", {})),
        ('[3,"1",{"status":"Accepted"}]', CallResult("1", {"status": "Accepted"})),
        ('[3,"1"]', CallResult("1", None)),
        ('[4,"1","GenericError","why",{}]', CallError("1", "GenericError", "why")),
        ('[4,"1"]', CallError("1", "", "")),
        ('[2,"1","A",{"a":1,"a":2}]', Call("1", "A", {"a": 2})),
        ('[2,"1","A",{"a":["\\u0000"]}]', Call("1", "A", {"a": ["\N{SYMBOL FOR NULL}"]})),
    ],
)
def test_it_reads_frames(text, frame):
    assert rpc.parse(text) == frame


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "null",
        "[]",
        '[5,"1",{}]',
        "[2]",
        '[2,"","A",{}]',
        '[2,true,"A",{}]',
        "[2,{},1]",
        '["2","1","A",{}]',
        '[2,"1","StopTransaction",{"transactionId":,"meterStop":1}]',
        "[" * 100_000,
        '[4,"1",' + "[" * 900 + "]" * 900 + "]",
        "NaN",
        '[2,"1","A",{"a":1e400}]',
        '[2,"1","A",{"a":"\\ud800"}]',
        '[2,"1","A",{"a":' + "9" * 5000 + "}]",
        f'[2,"{"x" * 256}","A",{{}}]',
    ],
)
def test_what_is_no_frame_is_unreadable_and_owes_no_answer(text):
    frame = rpc.parse(text)
    assert isinstance(frame, Unreadable)
    assert frame.message_id is None


@pytest.mark.parametrize(
    "text",
    [
        '[2,"1"]',
        '[2,"1","A"]',
        '[2,"1",{"a":1},{}]',
        '[2,"1","",{}]',
        '[2,"1","A",[]]',
        '[2,"1","A",{},5]',
        f'[2,"1","{"A" * 65}",{{}}]',
        '[2,"1","A",' + '{"a":' * 300 + "1" + "}" * 300 + "]",
    ],
)
def test_a_broken_call_with_a_readable_id_owes_an_answer(text):
    frame = rpc.parse(text)
    assert isinstance(frame, Unreadable)
    assert frame.message_id == "1"


@given(st.one_of(st.text(), st.binary(), st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner)
    | st.dictionaries(st.text(), inner), max_leaves=20).map(json.dumps)))  # fmt: skip
def test_nothing_that_arrives_raises(data):
    assert isinstance(rpc.parse(data), Call | CallResult | CallError | Unreadable)


@given(st.integers(2, 4), st.lists(st.none() | st.integers() | st.text() | st.dictionaries(st.text(), st.text())))
def test_no_mutation_of_a_frame_raises(kind, rest):
    assert isinstance(rpc.parse(json.dumps([kind, *rest])), Call | CallResult | CallError | Unreadable)


def test_frames_are_compact():
    assert rpc.dump_call("1", "Reset", {"type": "Soft"}) == '[2,"1","Reset",{"type":"Soft"}]'
    assert rpc.dump_result(7, {}) == "[3,7,{}]"
    assert rpc.dump_error("1", WireError("NotImplemented", "x")) == '[4,"1","NotImplemented","x",{}]'


def test_one_call_is_outstanding():
    outbox = Outbox()
    asked = outbox.ask("1", "Reset", {}, command_id=5)
    with pytest.raises(AssertionError):
        outbox.ask("2", "Reset", {}, command_id=6)
    assert outbox.answered("other") is None
    assert outbox.answered("1") == asked
    assert outbox.answered("1") is None
    outbox.ask("2", "Reset", {}, command_id=6)
