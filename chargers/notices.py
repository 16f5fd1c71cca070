"""What people and programs are told of: bills, money that runs out, answers, and chargers that have gone or came back.

Shapes are those of the API. They are made where somebody listens only, and imported late: they are made from the very
modules that tell of these events.
"""

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts import events, letters, webhooks
from accounts.models import Letter
from chargers.models import Charger, ChargingSession, ProblemReport

# Wallboxes lose their connection all the time, for seconds. What is away for longer is worth a message.
GRACE = timedelta(minutes=5)
AT_ONCE = 200


def tell_absences(now: datetime) -> int:
    """Tells of chargers that have been gone for `GRACE`, each once. Returns how many."""
    gone = Charger.objects.live().unheard().filter(absence_told_at=None, disconnected_at__lt=now - GRACE)
    keys = list(gone.order_by("disconnected_at").values_list("pk", flat=True)[:AT_ONCE])
    return sum(_tell(key, events.CHARGER_OFFLINE, is_there=False) for key in keys)


def tell_returns() -> int:
    """Tells of those that are back after their absence was told. Returns how many."""
    back = Charger.objects.live().heard().filter(absence_told_at__isnull=False)
    keys = list(back.values_list("pk", flat=True)[:AT_ONCE])
    return sum(_tell(key, events.CHARGER_ONLINE, is_there=True) for key in keys)


def _tell(key: int, event: str, *, is_there: bool) -> bool:
    """False: it is not so any more, or another process has told."""
    with transaction.atomic():
        charger = Charger.objects.select_for_update(no_key=True, of=("self",)).select_related("owner").get(pk=key)
        if charger.is_online != is_there or (charger.absence_told_at is None) == is_there:
            return False
        charger.absence_told_at = None if is_there else timezone.now()
        charger.save(update_fields=["absence_told_at"])
        if not is_there:
            _write_of_absence(charger)
        webhooks.tell(event, owner_id=charger.owner_id, data=lambda: _shape_of_charger(charger))
        return True


def _write_of_absence(charger: Charger) -> None:
    """Once for each absence. One that was never let in is no news."""
    if charger.booted_at is not None and charger.disconnected_at is not None:
        number = int(charger.disconnected_at.timestamp())
        letters.write(Letter.Kind.CHARGER_OFFLINE, to=charger.owner, about=charger.pk, number=number)


def session_started(session: ChargingSession) -> None:
    _tell_session(events.SESSION_STARTED, session)


def session_stopped(session: ChargingSession) -> None:
    """It ended, or was closed because its charger fell silent; its bill comes later."""
    _tell_session(events.SESSION_STOPPED, session)


def session_settled(session: ChargingSession) -> None:
    """It was billed, or its bill was corrected. Who charges at home for nothing needs no letter about it."""
    _tell_session(events.SESSION_SETTLED, session)
    if session.user is not None and session.user_id != session.owner_id:
        letters.write(Letter.Kind.RECEIPT, to=session.user, about=session.pk, number=session.corrections)


def money_nearly_used(session: ChargingSession) -> None:
    if session.user is not None:
        letters.write(Letter.Kind.LOW_BALANCE, to=session.user, about=session.pk)


def problem_answered(problem: ProblemReport) -> None:
    """Whoever answers the own report knows of it."""
    if problem.answered_by_id != problem.reporter_id:
        letters.write(Letter.Kind.ANSWER, to=problem.reporter, about=problem.pk, number=problem.edition)


def _tell_session(event: str, session: ChargingSession) -> None:
    webhooks.tell(event, owner_id=session.owner_id, data=lambda: _shape_of_session(session))


def _shape_of_charger(charger: Charger) -> dict[str, Any]:
    from chargers import shapes
    from chargers.serializers.chargers import OwnChargerSerializer

    return dict(OwnChargerSerializer(shapes.with_plugs(Charger.objects.filter(pk=charger.pk)).get()).data)


def _shape_of_session(session: ChargingSession) -> dict[str, Any]:
    """As its owner sees it, and as it stands in this transaction: not all of it may be saved yet."""
    from chargers import receipts
    from chargers.serializers.sessions import SessionSerializer

    [told] = receipts.told([session], with_debts=False)
    return dict(SessionSerializer(told, context={"viewer": session.owner}).data)
