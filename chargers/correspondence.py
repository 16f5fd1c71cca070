"""What letters say, see accounts/letters.py. When they are written, notices.py decides."""

from django.urls import reverse

from accounts import letters
from accounts.letters import Content
from accounts.models import Letter
from billing import units
from chargers import receipts, sessions, shapes
from chargers.models import Charger, ChargingSession, ProblemReport

Kind = Letter.Kind


@letters.composer(Kind.RECEIPT)
def receipt(letter: Letter) -> Content | None:
    """Only the latest of several bills is told."""
    session = ChargingSession.objects.with_all().filter(pk=letter.subject_key).first()
    if session is None or session.cost is None or session.corrections != letter.number:
        return None
    [(_session, line)] = receipts.lines([session])
    return Content(
        "receipt",
        {
            "session": session,
            "line": line,
            "parts": receipts.parts(session),
            "is_corrected": session.corrections > 0,
            "duration_text": units.duration(sessions.progress(session).seconds),
            "path": session.get_absolute_url(),
        },
    )


@letters.composer(Kind.LOW_BALANCE)
def low_balance(letter: Letter) -> Content | None:
    """While it still runs; afterwards the receipt says it all."""
    session = ChargingSession.objects.running().with_all().filter(pk=letter.subject_key).first()
    if session is None:
        return None
    return Content("low_balance", {"session": session, "path": session.get_absolute_url()})


@letters.composer(Kind.CHARGER_OFFLINE)
def charger_offline(letter: Letter) -> Content | None:
    """Unless it is back, or gone for good."""
    charger = Charger.objects.live().filter(pk=letter.subject_key, is_enabled=True).first()
    if charger is None or charger.is_online:
        return None
    return Content(
        "charger_offline",
        {
            "charger": charger,
            "since_text": shapes.moment(charger.last_seen_at),
            "is_charging": charger.sessions.running().exists(),
            "path": reverse("charger_manage", args=[charger.pk]),
        },
    )


@letters.composer(Kind.ANSWER)
def answer(letter: Letter) -> Content | None:
    """Only the latest of several answers is told."""
    problem = ProblemReport.objects.with_all().filter(pk=letter.subject_key).first()
    if problem is None or problem.edition != letter.number:
        return None
    return Content("answer", {"problem": problem, "path": reverse("report", args=[problem.pk])})
