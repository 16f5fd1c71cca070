"""Reports of problems: who may write, read, answer and close them."""

import pytest

from chargers import problems
from chargers.models import Charger, Connector, ProblemReport
from chargers.problems import Kind, Subject
from chargers.tests.test_session_pages import make_session
from conftest import make_user
from sharecharge.errors import Refused

pytestmark = pytest.mark.django_db


@pytest.fixture
def problem(online, alice):
    return problems.report(Subject(online), by=alice, kind=Kind.PLUG, text="The cable is cut.")


def refusal_of(subject, by):
    with pytest.raises(Refused) as refusal:
        problems.report(subject, by=by, kind=Kind.OTHER, text="x")
    return refusal.value.code, refusal.value.status, refusal.value.field


def test_the_reporter_the_owner_and_operators_see_it(problem, alice, bob, charlie, oscar):
    seeing = [user.name for user in (alice, bob, charlie, oscar) if problem in ProblemReport.objects.visible_to(user)]
    assert seeing == ["Alice", "Bob", "Oscar"]


def test_it_remembers_the_session_and_its_plug(online, alice):
    session = make_session(online, alice)
    problem = problems.report(Subject(online, session=session), by=alice, kind=Kind.BILL, text="Too much.")
    assert (problem.session, problem.connector, problem.owner) == (session, session.connector, online.owner)


def test_a_private_charger_is_reported_by_whoever_charged_there(online, alice, charlie):
    make_session(online, alice)
    Charger.objects.update(access="private")
    online.refresh_from_db()
    assert problems.report(Subject(online), by=alice, kind=Kind.OTHER, text="x").pk
    assert refusal_of(Subject(online), charlie) == ("no_charger", 404, "charger")


def test_plug_and_session_are_of_the_charger_and_the_session_is_ones_own(online, alice, charlie):
    session = make_session(online, alice)
    assert refusal_of(Subject(online, session=session), charlie) == ("no_session", 400, "session")
    elsewhere = Connector(charger_id=online.pk + 1, connector_id=1)
    assert refusal_of(Subject(online, elsewhere), alice) == ("no_connector", 400, "connector")


def test_nobody_has_more_than_some_open_reports(problem, online, alice, bob, monkeypatch):
    monkeypatch.setattr(problems, "MOST_OPEN", 1)
    assert refusal_of(Subject(online), alice) == ("too_many_reports", 409, None)
    problems.answer(problem, by=bob, text="A new one is ordered.")
    assert problems.report(Subject(online), by=alice, kind=Kind.OTHER, text="x").status == "open"


@pytest.mark.parametrize("who", ["bob", "oscar"])
def test_the_owner_and_operators_answer(who, problem, request):
    by = request.getfixturevalue(who)
    answered = problems.answer(problem, by=by, text="A new one is ordered.")
    assert (answered.status, answered.answer, answered.answered_by) == ("answered", "A new one is ordered.", by)


def test_nobody_else_answers_or_closes(problem, alice, charlie):
    for user in (alice, charlie, make_user("Otto", role="owner")):
        with pytest.raises(Refused, match="owner of the charger"):
            problems.answer(problem, by=user, text="x")
    with pytest.raises(Refused, match="somebody else"):
        problems.close(problem, by=charlie)


@pytest.mark.parametrize("who", ["alice", "bob", "oscar"])
def test_it_is_closed_once_and_for_all(who, problem, request, bob):
    closed_at = problems.close(problem, by=request.getfixturevalue(who)).closed_at
    assert problems.close(ProblemReport.objects.get(), by=bob).closed_at == closed_at
    with pytest.raises(Refused, match="closed"):
        problems.answer(problem, by=bob, text="x")


def test_the_lists_by_status_share_all_reports(problem, online, alice, bob):
    answered = problems.report(Subject(online), by=alice, kind=Kind.OTHER, text="x")
    problems.answer(answered, by=bob, text="y")
    closed = problems.report(Subject(online), by=alice, kind=Kind.OTHER, text="x")
    problems.close(closed, by=alice)
    lists = [getattr(ProblemReport.objects, status.value)() for status in ProblemReport.Status]
    assert [list(rows) for rows in lists] == [[problem], [answered], [closed]]
    assert [row.status for rows in lists for row in rows] == list(ProblemReport.Status)
