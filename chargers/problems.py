"""Problems that people report about chargers: who may, who is told, and who answers."""

from typing import NamedTuple

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from chargers import notices, visibility
from chargers.models import Charger, ChargingSession, Connector, ProblemReport
from sharecharge.errors import Refused

Kind = ProblemReport.Kind

# Of one person that nobody has answered. Whoever has more writes letters, not reports.
MOST_OPEN = 20
OPERATORS = _("An operator has answered already, so your answer was not saved.")
CLOSED = _("This report is closed, so the answer was not saved.")


class Subject(NamedTuple):
    """What is reported: a charger, and perhaps which plug or which session there."""

    charger: Charger
    connector: Connector | None = None
    session: ChargingSession | None = None


def report(subject: Subject, *, by: User, kind: Kind, text: str) -> ProblemReport:
    """Tells the charger's owner and the operators.

    Refused: the reporter may not see the charger and has not charged there, plug or session are of another one, the
    session is somebody else's, or too many reports of this person are open.
    """
    charger, connector, session = subject
    _check(subject, by)
    with transaction.atomic():
        User.objects.select_for_update(no_key=True).get(pk=by.pk)  # so that many at once are counted, too
        if ProblemReport.objects.open().filter(reporter=by).count() >= MOST_OPEN:
            raise Refused("too_many_reports", _("Many of your reports are not answered yet. Please wait."))
        return ProblemReport.objects.create(
            charger=charger,
            connector=connector or (session.connector if session else None),
            session=session,
            reporter=by,
            owner_id=charger.owner_id,
            kind=kind,
            text=text,
        )


def _check(subject: Subject, by: User) -> None:
    """First whether they may know of the charger: what is said of its plugs and sessions would tell that it exists."""
    charger, connector, session = subject
    if not may_report(charger, by):
        raise _no_charger()
    if session is not None and not (session.charger_id == charger.pk and _may_see(session, by)):
        raise Refused("no_session", _("There is no such session at this charger."), status=400, field="session")
    if connector is not None and connector.charger_id != charger.pk:
        raise Refused("no_connector", _("This charger has no such connector."), status=400, field="connector")


def _no_charger() -> Refused:
    return Refused("no_charger", _("There is no such charger."), status=404, field="charger")


def may_report(charger: Charger, user: User) -> bool:
    """Whoever may open its page; and who has charged there, or earned by it, also when it is private or deleted."""
    return visibility.may_open(charger, user) or charger.sessions.of_person(user).exists()


def charger_to_report(pk: int, *, by: User) -> Charger:
    """Refused: there is none, or none that they may report."""
    charger = Charger.objects.filter(pk=pk).first()
    if charger is None or not may_report(charger, by):
        raise _no_charger()
    return charger


def _may_see(session: ChargingSession, by: User) -> bool:
    return by.is_staff or by.pk in (session.user_id, session.owner_id)


def answer(problem: ProblemReport, *, by: User, text: str) -> ProblemReport:
    """By the charger's owner or an operator. A later answer replaces an earlier one; each is told to the reporter.
    The same words again are no other answer, and stay their author's. What an operator said, only operators change.

    Refused: `by` is neither, the report is closed, or an owner would replace an operator's answer.
    """
    if not may_answer(problem, by):
        raise Refused("not_yours", _("The owner of the charger or an operator answers this."), status=403)
    with transaction.atomic():
        problem = ProblemReport.objects.select_for_update(no_key=True, of=("self",)).with_all().get(pk=problem.pk)
        if problem.closed_at is not None:
            raise Refused("report_closed", CLOSED)
        if text.splitlines() == problem.answer.splitlines():  # a browser ends lines in a way of its own
            return problem
        if not may_change(problem, by):
            raise Refused("operators_answer", OPERATORS)
        problem.answer, problem.answered_by, problem.answered_at = text, by, timezone.now()
        problem.save(update_fields=["answer", "answered_by", "answered_at"])
        notices.problem_answered(problem)
    return problem


def close(problem: ProblemReport, *, by: User) -> ProblemReport:
    """By whoever reported it, the charger's owner, or an operator. Closing twice changes nothing."""
    if not (may_answer(problem, by) or by.pk == problem.reporter_id):
        raise Refused("not_yours", _("This report belongs to somebody else."), status=403)
    if problem.closed_at is None:
        problem.closed_at = timezone.now()
        ProblemReport.objects.filter(pk=problem.pk, closed_at=None).update(closed_at=problem.closed_at)
    return problem


def may_change(problem: ProblemReport, user: User) -> bool:
    """Of those who may answer: whose words would be replaced?"""
    return user.is_staff or problem.answerer != "operator"


def may_answer(problem: ProblemReport, user: User) -> bool:
    return user.is_staff or user.pk == problem.owner_id
