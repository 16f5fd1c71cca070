from bench import profiling

FOLDED = """\
run (loop.py:10);handle (app.py:20);encode (json.py:3) 6
run (loop.py:10);handle (app.py:21) 3
run (loop.py:10);handle (app.py:22);handle (app.py:20);encode (json.py:9) 1
"""


def test_a_summary_tells_who_ran_and_who_was_on_the_stack():
    running, on_stack = profiling.summary(FOLDED).split("On the stack")
    assert [line.split() for line in running.splitlines() if "%" in line] == [
        ["70.0%", "encode", "(json.py)"],
        ["30.0%", "handle", "(app.py)"],
    ]
    assert {line.split()[1]: line.split()[0] for line in on_stack.splitlines() if "%" in line} == {
        "run": "100.0%",
        "handle": "100.0%",
        "encode": "70.0%",
    }
