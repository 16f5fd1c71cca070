import pytest

from bench import profiling

pytestmark = pytest.mark.once

FOLDED = """\
run (asyncio/loop.py:10);take (ocpp_gateway/consumers.py:20);encode (json/encoder.py:3) 6
run (asyncio/loop.py:10);take (ocpp_gateway/consumers.py:21) 3
run (asyncio/loop.py:10);take (ocpp_gateway/consumers.py:22);take (ocpp_gateway/consumers.py:20);<genexpr> (x.py:9) 1
"""


def test_a_summary_tells_what_ran_and_which_of_ours_was_on_the_stack():
    packages, functions, ours = (
        [line.split(maxsplit=1) for line in part.splitlines()[1:]] for part in profiling.summary(FOLDED).split("\n\n")
    )
    assert packages == [["60.0%", "json"], ["30.0%", "ocpp_gateway"], ["10.0%", "x.py"]]
    assert functions == [
        ["60.0%", "encode (json/encoder.py)"],
        ["30.0%", "take (ocpp_gateway/consumers.py)"],
        ["10.0%", "<genexpr> (x.py)"],
    ]
    assert ours == [["100.0%", "take (ocpp_gateway/consumers.py)"]]
