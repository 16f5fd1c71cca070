from collections import Counter

import pytest

from faults import report
from faults.plays import is_caught
from faults.show import Outcome

pytestmark = pytest.mark.once

OUTCOME = Outcome(
    "kill", on="PostgreSQL 99", chargers=50, events=Counter({"killed at random": 3}), acknowledged=7, sessions=2,
    faults=Counter({"stops lost": 2, "sessions doubled": 1, "a | b": 4, "bills lost or wrong": 0}),
    recoveries=[1.0, 2.0, 9.0], remarks=["a remark"],
)  # fmt: skip


def test_it_adds_up_what_was_played_several_times():
    text = report.render([OUTCOME, OUTCOME])
    assert "on PostgreSQL 99" in text
    assert "| kill | 6 × killed at random | 50 | 4 | 14 | 4 | 2 | 8 | 2.0 (9.0) |" in text
    assert "- kill: a remark." in text


def test_faults_that_did_not_happen_are_none():
    assert OUTCOME.found == {"stops lost": 2, "sessions doubled": 1, "a | b": 4}
    assert "FAULTS" in report.line(OUTCOME)
    assert report.line(Outcome("kill")).endswith("ok")


def test_only_the_right_find_catches_a_mutant():
    assert is_caught("stops_of_any_charger", OUTCOME)
    assert not is_caught("no_password_at_the_door", OUTCOME)
    assert "**not caught**" in report.render_mutants({"no_password_at_the_door": OUTCOME})


def test_it_rewrites_only_what_stands_between_its_marks(tmp_path):
    document = tmp_path / "doc.md"
    document.write_text("before\n<!-- faults: begin -->\nold\n<!-- faults: end -->\nafter\n")
    report.rewrite(document, report.PLAYED, "new")
    assert document.read_text() == "before\n<!-- faults: begin -->\n\nnew\n\n<!-- faults: end -->\nafter\n"
    with pytest.raises(ValueError, match="mutants"):
        report.rewrite(document, report.MUTANTS, "new")
