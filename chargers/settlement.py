"""From readings to a bill: settle, correct, hold for review, release, and watch budgets.

Locks are taken in the order session → accounts by primary key (R19). Settling is safe to repeat.
"""

import logging
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from django.conf import settings
from django.db import OperationalError, transaction
from django.db.models import F, Max
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from billing import audit, pricing, wallets
from billing.models import Hold, Transfer
from chargers import commands, live, notices, plausibility
from chargers.models import ChargingSession, MeterValue
from sharecharge import prepared
from sharecharge.errors import Refused
from sharecharge.prepared import Prepared

logger = logging.getLogger(__name__)

Status = ChargingSession.Status

# More energy than a lorry takes: what an operator may bill at most (Wh).
OPERATORS_LIMIT_WH = 10_000_000
HELD_MONEY_DAYS = 7
WARN_AT_PERCENT = 80
PORTION = 500
REFUSED_GRACE = timedelta(minutes=1)
# What settling changes in a session.
FIELDS = ("energy_wh", "cost", "fee", "status", "settled_at", "corrections", "review_reasons", "reviewed_at")


def each(keys: Iterable[int], work: Callable[[int], bool]) -> int:
    """Does the work for one after the other; how many said that there was something to do.

    One that fails is logged and keeps none of the others from its turn: the next round tries again.
    """
    count = 0
    for key in keys:
        try:
            count += work(key)
        except Exception:  # the sweep's edge, drawn around each item
            logger.exception("%s of %s failed", work.__name__, key)
    return count


_registers = Prepared(
    lambda session: (
        MeterValue.objects.filter(session=session).registers().values_list("energy_wh", "measured_at", "received_at")
    ),
    session=1,
)


def assess(session: ChargingSession) -> plausibility.Assessment:
    """The energy of the session by all readings that there are, and what is doubtful about them."""
    return plausibility.assess(
        start=start_reading(session),
        readings=[
            plausibility.Reading(energy_wh, measured_at, received_at)
            for energy_wh, measured_at, received_at in _registers.all(session=session.pk)
            if energy_wh is not None  # which `registers` has made sure of already
        ],
        stop=stop_reading(session),
        rated_power_w=session.rated_power_w,
    )


def start_reading(session: ChargingSession) -> plausibility.Reading | None:
    return _reading(session.meter_start_wh, session.started_at, session.start_received_at)


def stop_reading(session: ChargingSession) -> plausibility.Reading | None:
    return _reading(session.meter_stop_wh, session.ended_at, session.stop_received_at)


def _reading(
    energy_wh: int | None, measured_at: datetime | None, received_at: datetime | None
) -> plausibility.Reading | None:
    if energy_wh is None or measured_at is None or received_at is None:
        return None
    return plausibility.Reading(energy_wh, measured_at, received_at)


def settle(session_id: int) -> bool:
    """Bills an ended session, corrects a billed one, or puts it aside for review. False: there was nothing to do.

    While the ledger is not sound nothing is done; the sweep comes back to it.
    """
    with transaction.atomic():
        session = ChargingSession.objects.select_for_update(no_key=True, of=("self",)).with_all().get(pk=session_id)
        settled_at = session.settled_at
        is_due = settle_locked(session)
        if is_due or session.settled_at != settled_at:
            prepared.update(session, *FIELDS)
        if is_due:
            live.publish_session(session)
        return is_due


def settle_locked(session: ChargingSession) -> bool:
    """The same for a session that the caller has locked, with all that belongs to it, and of which he saves FIELDS."""
    if session.status in (Status.RUNNING, Status.REFUSED) or session.is_held or audit.is_halted():
        return False
    assessment = assess(session)
    if session.status == Status.SETTLED and not assessment.doubts and assessment.energy_wh == session.energy_wh:
        session.settled_at = timezone.now()  # a late stop agrees
        return False
    doubts = _doubts(session, assessment)
    if doubts and not session.price.is_free:
        _put_aside(session, doubts)
    else:
        _bill(session, assessment.energy_wh)
    return True


def _doubts(session: ChargingSession, assessment: plausibility.Assessment) -> list[str]:
    doubts = [str(doubt) for doubt in assessment.doubts]
    if session.stop_received_at is not None and session.meter_stop_wh is None:
        doubts.append(str(plausibility.Doubt.STOP_UNREADABLE))
    if session.reviewed_at is not None:
        # Somebody has decided about this bill. Whatever comes later must not overrule that by itself.
        doubts.append(str(plausibility.Doubt.AFTER_REVIEW))
    return doubts


def _put_aside(session: ChargingSession, doubts: list[str]) -> None:
    session.review_reasons, session.reviewed_at = doubts, None
    # The driver's money is not kept for ever while people look at readings.
    until = timezone.now() + timedelta(days=HELD_MONEY_DAYS)
    Hold.objects.active().filter(reference=session.reference).update(expires_at=until)
    logger.warning("session %s is held for review: %s", session.pk, ", ".join(doubts))


def settle_under_savepoint(session: ChargingSession) -> None:
    """R6: whatever is wrong with billing, the fact before it is kept and acknowledged, and the sweep tries again.

    The caller holds the lock of the session, and has stored the fact.
    """
    before = {name: getattr(session, name) for name in FIELDS}
    try:
        with transaction.atomic():
            settle_locked(session)
            prepared.update(session, *FIELDS)
    except OperationalError:
        raise  # the database itself failed; the charger sends again
    except Exception:  # R6, as above; it is logged, and the session stays unbilled, which is what the sweep looks for
        logger.exception("session %s could not be billed now", session.pk)
        for name, value in before.items():
            setattr(session, name, value)


def _bill(session: ChargingSession, energy_wh: int) -> None:
    """The first bill, or the difference to it. The one place where a session's cost is set."""
    cost = pricing.cost(session.price, pricing.Consumption(energy_wh))
    fee = pricing.fee(cost, session.fee_basis_points)
    amount, share = cost - (session.cost or 0), fee - (session.fee or 0)
    reference, kind = session.reference, Transfer.Kind.SESSION
    if session.status == Status.SETTLED and amount:
        session.corrections += 1
        reference, kind = f"{session.reference}:correction:{session.corrections}", Transfer.Kind.CORRECTION
    if session.status == Status.ENDED or amount:
        wallets.settle(
            reference=reference,
            payer=session.user,
            payee=session.owner,
            amount=amount,
            fee=share,
            kind=kind,
            description=session.charger.name,
            hold=session.reference,
        )
    session.energy_wh, session.cost, session.fee = energy_wh, cost, fee
    session.status = Status.SETTLED
    session.settled_at = timezone.now()
    notices.session_settled(session)
    logger.info("session %s: %s Wh, cost %s, correction %s", session.pk, energy_wh, cost, session.corrections)


def settle_unsettled() -> int:
    """Bills what could not be billed when it ended, oldest first. Returns how many were."""
    if audit.is_halted():
        return 0
    return each(ChargingSession.objects.unsettled().order_by("pk").values_list("pk", flat=True)[:1000], settle)


def release(session: ChargingSession, *, by: User, energy_wh: int | None = None) -> None:
    """Somebody looked at doubtful readings: the session is billed, by default with the energy that they give.

    The owner, who earns by it, may bill at most what the plug can have delivered in the time; an operator may bill any
    energy from zero up.
    """
    if not (by.is_staff or by.pk == session.owner_id):
        raise Refused("not_yours", _("This session belongs to somebody else."), status=404)
    with transaction.atomic():
        session = ChargingSession.objects.select_for_update(no_key=True, of=("self",)).with_all().get(pk=session.pk)
        if not session.is_held:
            raise Refused("not_held", _("This session does not wait for a check."))
        assessment = assess(session)
        energy_wh = assessment.energy_wh if energy_wh is None else energy_wh
        if energy_wh < 0 or not (by.is_staff or energy_wh <= assessment.believable_wh):
            raise Refused(
                "energy_range",
                _("At most %(kwh)s kWh can be billed here. Ask the operator if it was more.")
                % {"kwh": assessment.believable_wh / 1000},
                status=400,
                field="energy_wh",
            )
        session.reviewed_at, session.reviewed_by = timezone.now(), by
        _bill(session, energy_wh)
        prepared.update(session, "reviewed_by", *FIELDS)
        live.publish_session(session)


# ------------------------------------------------------------------------------------------------ budgets


def enforce_budgets() -> int:
    """Looks after the money of all running sessions (R18). Returns how many were told to stop."""
    running = ChargingSession.objects.running().order_by("pk")
    keys = list(running.values_list("pk", flat=True))
    portions = (keys[begin : begin + PORTION] for begin in range(0, len(keys), PORTION))
    return sum(each(_near_their_end(list(running.filter(pk__in=portion))), enforce_budget) for portion in portions)


def _near_their_end(sessions: list[ChargingSession]) -> list[int]:
    """Those that have used most of what is reserved for them, in two queries for all."""
    tops = MeterValue.objects.highest_of(sessions)
    holds = Hold.objects.active().filter(reference__in=[session.reference for session in sessions])
    budgets = dict(holds.values_list("reference", "amount"))
    return [
        session.pk
        for session in sessions
        if not session.price.is_free
        and _is_nearly_used(_cost_up_to(session, tops.get(session.pk)), budgets.get(session.reference, 0))
    ]


def stop_refused() -> int:
    """Tells chargers to stop that go on charging although their start was refused. Returns how many.

    Once per session: a charger that ignores this too is a case for its owner.
    """
    now = timezone.now()
    defiant = ChargingSession.objects.filter(
        status=Status.REFUSED,
        stop_received_at=None,
        commands=None,
        start_received_at__range=(now - timedelta(days=1), now - REFUSED_GRACE),
        meter_values__received_at__gt=F("start_received_at") + REFUSED_GRACE,
    )
    return each(defiant.distinct().values_list("pk", flat=True), stop_remotely)


def stop_remotely(session_id: int) -> bool:
    """The platform itself asks the charger to stop. False: the session ended since somebody looked."""
    try:
        commands.request_remote_stop(ChargingSession.objects.get(pk=session_id), user=None)
    except Refused as refusal:
        logger.info("session %s: %s", session_id, refusal.code)
        return False
    return True


def enforce_budget(session_id: int) -> bool:
    """Reserves more when 80 % of the hold is used; warns the driver when nothing is left to reserve; stops at 100 %.

    True: the session was told to stop.
    """
    session = ChargingSession.objects.running().filter(pk=session_id).first()
    if session is None or session.price.is_free:
        return False
    held = Hold.objects.active().filter(reference=session.reference).first()
    budget = held.amount if held else 0
    cost = _cost_up_to(session, session.meter_values.aggregate(top=Max("energy_wh"))["top"])
    if not _is_nearly_used(cost, budget):
        return False
    budget += wallets.extend_hold(session.reference, by=max(0, cost - budget) + settings.SESSION_HOLD)
    if _is_nearly_used(cost, budget) and session.warned_at is None:
        _warn(session)
    if cost < budget or session.commands.open().filter(action=commands.Action.REMOTE_STOP).exists():
        return False
    return stop_remotely(session.pk)


def _warn(session: ChargingSession) -> None:
    """Once, on the page and by e-mail."""
    with transaction.atomic():
        if ChargingSession.objects.filter(pk=session.pk, warned_at=None).update(warned_at=timezone.now()):
            notices.money_nearly_used(session)
            live.publish_session(session)


def _is_nearly_used(cost: int, budget: int) -> bool:
    return cost * 100 >= budget * WARN_AT_PERCENT


def _cost_up_to(session: ChargingSession, top: int | None) -> int:
    """By the highest register (Wh) alone: this is asked every few seconds, for every running session."""
    return pricing.cost(session.price, pricing.Consumption(session.energy_up_to(top)))
