"""Charging sessions: start, stop, close, review, bill.

Locks are taken in the order charger → session → accounts (R19). Facts are stored first and billed in the same
transaction under a savepoint: when billing fails, the fact stays, is acknowledged, and the sweep bills (R6).
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import OperationalError, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from billing import pricing, wallets
from billing.models import Hold, Transfer
from chargers import authorization, commands, live, plausibility
from chargers.authorization import Verdict
from chargers.clock import Moment
from chargers.models import Charger, ChargingSession, Connector, UnmatchedStop
from chargers.recorder import CONNECTOR_LIMIT
from sharecharge.errors import Refused

logger = logging.getLogger(__name__)

Status = ChargingSession.Status
ClosedBy = ChargingSession.ClosedBy

HELD_MONEY_DAYS = 7
WARN_AT = 0.8


@dataclass(frozen=True, slots=True)
class Started:
    session: ChargingSession
    verdict: Verdict


# ------------------------------------------------------------------------------------------------ start


def start(
    charger: Charger,
    *,
    connector_id: int,
    id_tag_text: str,
    meter_start_wh: int | None,
    moment: Moment,
    received_at: datetime,
) -> Started:
    """Records a start, whatever the verdict: energy may flow already.

    A start that is sent again finds the session that it made, and gets the first answer (R4).
    """
    with transaction.atomic():
        charger = (
            Charger.objects.select_for_update(no_key=True, of=("self",)).select_related("owner").get(pk=charger.pk)
        )
        connector = _connector(charger, connector_id)
        twin = _twin(charger, connector, id_tag_text, meter_start_wh, moment)
        if twin:
            return Started(twin, _first_verdict(twin))
        if connector:
            for unfinished in connector.sessions.running().select_for_update(no_key=True):
                # It never reported its stop; the connector cannot charge two cars.
                _close(unfinished, ClosedBy.NEXT_START)
        verdict = authorization.check_start(charger, id_tag_text, connector)
        session = ChargingSession(
            charger=charger,
            connector=connector,
            owner=charger.owner,
            id_tag=verdict.tag,
            id_tag_text=id_tag_text[:64],
            user=verdict.tag.user if verdict.tag else None,
            started_at=moment.at,
            start_text=moment.text,
            is_clock_doubtful=moment.is_doubtful,
            start_received_at=received_at,
            meter_start_wh=meter_start_wh,
        )
        if verdict.is_accepted and connector:
            verdict = _begin(session, connector, verdict)
        else:
            session.status, session.refusal = Status.REFUSED, str(verdict.reason)
            session.save()
        live.publish_session(session)
        return Started(session, verdict)


def _connector(charger: Charger, number: int) -> Connector | None:
    """The connector, discovered if it is new; None for numbers that no connector can have."""
    if not 0 < number <= CONNECTOR_LIMIT:
        return None
    connector, _created = Connector.objects.get_or_create(charger=charger, connector_id=number)
    return connector


def _twin(
    charger: Charger, connector: Connector | None, id_tag_text: str, meter_start_wh: int | None, moment: Moment
) -> ChargingSession | None:
    """The session of an earlier copy of the same StartTransaction.

    With a doubtful clock only a running or a just refused one counts: a box whose clock always says 1970 and whose
    register begins at zero starts every session with the same message.
    """
    same = charger.sessions.filter(
        connector=connector,
        id_tag_text__iexact=id_tag_text[:64],
        start_text=moment.text,
        meter_start_wh=meter_start_wh,
    )
    if moment.is_doubtful or not moment.text:
        recently = timezone.now() - timedelta(minutes=10)
        same = same.running() | same.filter(status=Status.REFUSED, start_received_at__gt=recently)
    return same.select_related("id_tag", "id_tag__user", "id_tag__parent").order_by("-pk").first()


def _first_verdict(session: ChargingSession) -> Verdict:
    reason = authorization.Reason(session.refusal) if session.refusal else None
    return Verdict(session.id_tag, reason)


def _begin(session: ChargingSession, connector: Connector, verdict: Verdict) -> Verdict:
    """Reserves money and lets the session run, or refuses it after all. Returns the final verdict."""
    assert session.user is not None
    if authorization.is_free_for(session.charger, connector, session.user):
        session.tariff = pricing.Tariff(currency=settings.CURRENCY, price_per_kwh=0).as_dict()
    else:
        assert connector.tariff is not None
        session.tariff = connector.tariff.snapshot()
    session.fee_basis_points = settings.PLATFORM_FEE_BASIS_POINTS
    session.save()
    if not session.price.is_free:
        try:
            wallets.hold(
                session.user,
                reference=session.reference,
                minimum=settings.MINIMUM_START_BALANCE,
                wanted=settings.SESSION_HOLD,
            )
        except Refused as refusal:  # another session took the money since the check
            session.status, session.refusal = Status.REFUSED, refusal.code
            session.save(update_fields=["status", "refusal"])
            return Verdict(verdict.tag, authorization.Reason(refusal.code))
    commands.after_start(session)
    return verdict


# ------------------------------------------------------------------------------------------------ stop


def stop(
    charger: Charger,
    *,
    transaction_id: int | None,
    transaction_text: str,
    id_tag_text: str,
    meter_stop_wh: int | None,
    reason: str,
    moment: Moment,
    received_at: datetime,
) -> ChargingSession | None:
    """Records a stop and bills it. None: it names no session of this charger, and was kept as unmatched.

    Repeating it changes nothing. After a provisional close it corrects the bill by a further transfer.
    """
    with transaction.atomic():
        session = _session_to_stop(charger, transaction_id, id_tag_text, meter_stop_wh, moment)
        if session is None:
            UnmatchedStop.objects.get_or_create(
                charger=charger,
                transaction_id=transaction_text[:40],
                id_tag_text=id_tag_text[:64],
                meter_stop_wh=meter_stop_wh,
                stop_text=moment.text,
                defaults={"received_at": received_at, "stop_reason": reason[:30]},
            )
            logger.warning("a stop of %s matches no session", transaction_text[:40], extra={"charger": charger.pk})
            return None
        if session.stop_received_at is not None:
            return session
        session.stop_received_at = received_at
        session.ended_at = max(moment.at, session.started_at)
        session.meter_stop_wh = meter_stop_wh
        session.stop_reason = (reason or "Local")[:30]
        session.is_clock_doubtful = session.is_clock_doubtful or moment.is_doubtful
        if session.is_running:
            session.status = Status.ENDED
            session.closed_by = ClosedBy.STOP
        session.save()
        _settle_under_savepoint(session)
        live.publish_session(session)
        return session


def _session_to_stop(
    charger: Charger, transaction_id: int | None, id_tag_text: str, meter_stop_wh: int | None, moment: Moment
) -> ChargingSession | None:
    """R5: only within the asking charger. An unknown id matches when there is just one session that it can mean."""
    own = charger.sessions.select_for_update(no_key=True)
    if transaction_id is not None and 0 < transaction_id < 2**63:
        named = own.filter(pk=transaction_id).first()
        if named:
            return named
    if id_tag_text:
        own = own.filter(id_tag_text__iexact=id_tag_text[:64])
    stopped = own.filter(stop_received_at__isnull=False, meter_stop_wh=meter_stop_wh, ended_at=moment.at)
    if not moment.is_doubtful and (repeated := stopped.first()):
        return repeated
    running = own.running()
    candidates = list(running[:2])
    return candidates[0] if len(candidates) == 1 else None


# ------------------------------------------------------------------------------------------------ close without a stop


def close_silent(now: datetime) -> int:
    """Ends sessions of chargers that have said nothing at all for SESSION_SILENCE_HOURS, and bills them (R10)."""
    limit = now - timedelta(hours=settings.SESSION_SILENCE_HOURS)
    silent = ChargingSession.objects.running().filter(start_received_at__lt=limit, charger__last_seen_at__lt=limit)
    count = 0
    for key in silent.values_list("pk", flat=True)[:1000]:
        with transaction.atomic():
            session = silent.select_for_update(no_key=True, of=("self",), skip_locked=True).filter(pk=key).first()
            if session:
                _close(session, ClosedBy.SILENCE)
                count += 1
    return count


def close(session: ChargingSession, *, by: User) -> None:
    """An operator ends a session that its charger will never end. Billed from the last reading."""
    if not by.is_staff:
        raise Refused("operators_only", _("Only an operator can do this."), status=403)
    with transaction.atomic():
        session = ChargingSession.objects.select_for_update(no_key=True).get(pk=session.pk)
        if not session.is_running:
            raise Refused("session_over", _("This session has already ended."))
        _close(session, ClosedBy.OPERATOR)


def _close(session: ChargingSession, closed_by: ClosedBy) -> None:
    """Provisionally, from the last good reading. A stop that comes later corrects it."""
    last = session.meter_values.order_by("pk").last()
    session.status = Status.ENDED
    session.closed_by = closed_by
    session.ended_at = max(session.started_at, last.measured_at if last else session.start_received_at)
    session.save(update_fields=["status", "closed_by", "ended_at"])
    _settle_under_savepoint(session)
    live.publish_session(session)


# ------------------------------------------------------------------------------------------------ bill


def assess(session: ChargingSession) -> plausibility.Assessment:
    """The energy of the session by all readings that there are, and what is doubtful about them."""
    connector = session.connector
    return plausibility.assess(
        start=_reading(session.meter_start_wh, session.started_at, session.start_received_at),
        readings=[
            plausibility.Reading(energy_wh, measured_at, received_at)
            for energy_wh, measured_at, received_at in session.meter_values.registers().values_list(
                "energy_wh", "measured_at", "received_at"
            )
            if energy_wh is not None  # which `registers` has made sure of already
        ],
        stop=_reading(session.meter_stop_wh, session.ended_at, session.stop_received_at),
        rated_power_w=connector.rated_power_w if connector else Connector().rated_power_w,
    )


def _reading(
    energy_wh: int | None, measured_at: datetime | None, received_at: datetime | None
) -> plausibility.Reading | None:
    if energy_wh is None or measured_at is None or received_at is None:
        return None
    return plausibility.Reading(energy_wh, measured_at, received_at)


def settle(session_id: int) -> None:
    """Bills an ended session, or puts it aside for review. Safe to repeat."""
    with transaction.atomic():
        session = ChargingSession.objects.select_for_update(no_key=True, of=("self",)).with_all().get(pk=session_id)
        if session.status in (Status.RUNNING, Status.REFUSED) or session.is_held:
            return
        assessment = assess(session)
        doubts = [str(doubt) for doubt in assessment.doubts]
        if session.stop_received_at is not None and session.meter_stop_wh is None:
            doubts.append(str(plausibility.Doubt.STOP_UNREADABLE))
        if doubts and session.reviewed_at is None and not session.price.is_free:
            session.review_reasons = doubts
            session.save(update_fields=["review_reasons"])
            # The driver's money is not kept for ever while people look at readings.
            until = timezone.now() + timedelta(days=HELD_MONEY_DAYS)
            Hold.objects.active().filter(reference=session.reference).update(expires_at=until)
            logger.warning("session %s is held for review: %s", session.pk, ", ".join(doubts))
        else:
            _bill(session, assessment.energy_wh)
        live.publish_session(session)


def _settle_under_savepoint(session: ChargingSession) -> None:
    if session.status == Status.REFUSED:
        return
    try:
        settle(session.pk)
        session.refresh_from_db()
    except OperationalError:
        raise  # the database itself failed; the charger sends again
    except (
        Exception
    ):  # R6: whatever is wrong with billing, the stop is kept and acknowledged, and the sweep tries again
        logger.exception("session %s could not be billed now", session.pk)


def _bill(session: ChargingSession, energy_wh: int) -> None:
    """The first bill, or the difference to it. The one place where a session's cost is set."""
    cost = pricing.cost(session.price, pricing.Consumption(energy_wh))
    fee = pricing.fee(cost, session.fee_basis_points)
    first = session.status == Status.ENDED
    if first:
        wallets.release_hold(session.reference)
        reference, kind, amount, share = session.reference, Transfer.Kind.SESSION, cost, fee
    else:
        session.corrections += 1
        reference, kind = f"{session.reference}:correction:{session.corrections}", Transfer.Kind.CORRECTION
        amount, share = cost - (session.cost or 0), fee - (session.fee or 0)
    wallets.settle(
        reference=reference,
        payer=session.user,
        payee=session.owner,
        amount=amount,
        fee=share,
        kind=kind,
        description=session.charger.name,
    )
    session.energy_wh, session.cost, session.fee = energy_wh, cost, fee
    session.status = Status.SETTLED
    session.settled_at = timezone.now()
    session.save(update_fields=["energy_wh", "cost", "fee", "status", "settled_at", "corrections"])
    logger.info("session %s: %s Wh, cost %s, correction %s", session.pk, energy_wh, cost, session.corrections)


def settle_unsettled() -> int:
    """Bills what could not be billed when it ended. Returns how many were tried."""
    keys = list(ChargingSession.objects.unsettled().values_list("pk", flat=True)[:1000])
    for key in keys:
        settle(key)
    return len(keys)


def release(session: ChargingSession, *, by: User, energy_wh: int | None = None) -> None:
    """Somebody looked at doubtful readings: the session is billed, by default with the energy that they give.

    The owner may bill that or less; an operator may bill any energy from zero up.
    """
    if not (by.is_staff or by.pk == session.owner_id):
        raise Refused("not_yours", _("This session belongs to somebody else."), status=404)
    with transaction.atomic():
        session = ChargingSession.objects.select_for_update(no_key=True, of=("self",)).with_all().get(pk=session.pk)
        if not session.is_held:
            raise Refused("not_held", _("This session does not wait for a check."))
        measured = assess(session).energy_wh
        energy_wh = measured if energy_wh is None else energy_wh
        if energy_wh < 0 or (energy_wh > measured and not by.is_staff):
            raise Refused("energy_range", _("You can bill the measured energy or less."), status=400, field="energy_wh")
        session.reviewed_at, session.reviewed_by = timezone.now(), by
        session.save(update_fields=["reviewed_at", "reviewed_by"])
        _bill(session, energy_wh)
        live.publish_session(session)


# ------------------------------------------------------------------------------------------------ while it runs


@dataclass(frozen=True, slots=True)
class Progress:
    """For a session page. `state` is charging, paused, ended, checking, settled or refused; cost in minor units."""

    state: str
    energy_wh: int
    power_w: int | None
    soc_percent: int | None
    cost: int | None
    seconds: int
    measured_at: datetime | None


def progress(session: ChargingSession) -> Progress:
    last = session.meter_values.order_by("pk").last()
    energy_wh = session.energy_wh
    if energy_wh is None:
        energy_wh = assess(session).energy_wh
    cost = session.cost
    if cost is None and session.status != Status.REFUSED:
        cost = pricing.cost(session.price, pricing.Consumption(energy_wh))
    # Both ends by one clock: ours while it runs, the charger's afterwards.
    begin, end = (
        (session.start_received_at, timezone.now())
        if session.is_running or session.ended_at is None
        else (session.started_at, session.ended_at)
    )
    return Progress(
        state=_state(session),
        energy_wh=energy_wh,
        power_w=last.power_w if last and session.is_running else None,
        soc_percent=last.soc_percent if last else None,
        cost=cost,
        seconds=max(0, int((end - begin).total_seconds())),
        measured_at=last.measured_at if last else None,
    )


def _state(session: ChargingSession) -> str:
    if session.status == Status.RUNNING:
        paused = session.connector is not None and session.connector.status in {"SuspendedEV", "SuspendedEVSE"}
        return "paused" if paused else "charging"
    if session.is_held:
        return "checking"
    return str(session.status)


def enforce_budgets() -> int:
    """Reserves more for sessions that near the end of their money; warns their drivers, and stops at the end (R18).

    Returns how many were told to stop.
    """
    stopped = 0
    for session in ChargingSession.objects.running().with_all().iterator():
        if session.price.is_free:
            continue
        held = Hold.objects.active().filter(reference=session.reference).first()
        budget = held.amount if held else 0
        cost = progress(session).cost or 0
        if cost < budget * WARN_AT:
            continue
        budget += wallets.extend_hold(session.reference, by=max(0, cost - budget) + settings.SESSION_HOLD)
        if cost >= budget * WARN_AT and session.warned_at is None:
            ChargingSession.objects.filter(pk=session.pk, warned_at=None).update(warned_at=timezone.now())
            live.publish_session(session)
        if cost >= budget and not session.commands.open().filter(action=commands.Action.REMOTE_STOP).exists():
            _stop_for_money(session)
            stopped += 1
    return stopped


def _stop_for_money(session: ChargingSession) -> None:
    try:
        commands.request_remote_stop(session, user=None)
    except Refused as refusal:  # it ended since the query
        logger.info("session %s: %s", session.pk, refusal.code)
