"""Charging sessions: start, stop, close, and how they stand. Bills are made in settlement.py.

Locks are taken in the order charger → session → accounts (R19). Facts are stored first and billed in the same
transaction under a savepoint: when billing fails, the fact stays, is acknowledged, and the sweep bills (R6).
"""

import logging
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts import id_tags
from accounts.models import User
from billing import pricing, wallets
from chargers import authorization, commands, live, recorder, settlement
from chargers.authorization import Verdict
from chargers.clock import Moment
from chargers.models import Charger, ChargingSession, Connector, MeterValue, UnmatchedStop
from chargers.recorder import CONNECTOR_LIMIT, Facts, Sample
from sharecharge.errors import Refused

logger = logging.getLogger(__name__)

Status = ChargingSession.Status
ClosedBy = ChargingSession.ClosedBy

FREE_AGAIN = timedelta(minutes=15)


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
        # One card is judged at one charger at a time, or it could start at two at once.
        id_tags.lock(id_tag_text)
        if connector and not _is_history(connector, moment):
            # The card itself says that its last charge here is over; the money that was held for it is free again.
            _close_unfinished(connector, id_tag_text=id_tag_text)
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
            rated_power_w=(connector or Connector()).rated_power_w,
        )
        if verdict.is_accepted and connector:
            verdict = _begin(session, connector, verdict, is_history=_is_history(connector, moment))
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


def _begin(session: ChargingSession, connector: Connector, verdict: Verdict, *, is_history: bool) -> Verdict:
    """Reserves money and lets the session run, or refuses it after all. Returns the final verdict."""
    assert session.user is not None
    if authorization.is_free_for(session.charger, connector, session.user):
        session.tariff = pricing.Tariff(currency=settings.CURRENCY, price_per_kwh=0).as_dict()
    else:
        assert connector.tariff is not None
        session.tariff = connector.tariff.snapshot()
    session.fee_basis_points = settings.PLATFORM_FEE_BASIS_POINTS
    if is_history:
        session.status, session.closed_by, session.ended_at = Status.ENDED, ClosedBy.NEXT_START, session.started_at
        session.save()
        settlement.settle_under_savepoint(session)
        return verdict
    _close_unfinished(connector)
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


def _is_history(connector: Connector, moment: Moment) -> bool:
    """A start from before the one that runs now, delivered late: it is over already, and its stop will bill it."""
    later = connector.sessions.running().filter(started_at__gt=moment.at, is_clock_doubtful=False)
    return not moment.is_doubtful and later.exists()


def _close_unfinished(connector: Connector, *, id_tag_text: str = "") -> None:
    """Ends what never reported its stop: the connector cannot charge two cars. With a tag: only that tag's session."""
    unfinished = connector.sessions.running().select_for_update(no_key=True)
    if id_tag_text:
        unfinished = unfinished.filter(id_tag_text__iexact=id_tag_text[:64])
    for session in unfinished:
        _close(session, ClosedBy.NEXT_START)


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
    samples: tuple[Sample, ...] = (),
) -> ChargingSession | None:
    """Records a stop, with the samples that came inside it, and bills it.

    Repeating it changes nothing. After a provisional close it corrects the bill by a further transfer.
    None: it names no session of this charger, and was kept as unmatched.
    """
    with transaction.atomic():
        charger = Charger.objects.select_for_update(no_key=True).get(pk=charger.pk)
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
        if samples:
            own = tuple(replace(sample, session_id=session.pk) for sample in samples)
            recorder.write([Facts(charger.pk, received_at, samples=own)])
        settlement.settle_under_savepoint(session)
        live.publish_session(session)
        return session


def _session_to_stop(
    charger: Charger, transaction_id: int | None, id_tag_text: str, meter_stop_wh: int | None, moment: Moment
) -> ChargingSession | None:
    """R5: only within the asking charger.

    A charger that was offline never learned our id and sends none (0, -1): that is the session that runs, if there is
    just one and the stop can be its. An id that we did not give is somebody else's: only the card can tell whose.
    """
    own = charger.sessions.select_for_update(no_key=True)
    if transaction_id is not None and transaction_id > 0:
        named = own.filter(pk=transaction_id).first()
        if named or not id_tag_text:
            return named
    if id_tag_text:
        own = own.filter(id_tag_text__iexact=id_tag_text[:64])
    stopped = own.filter(stop_received_at__isnull=False, meter_stop_wh=meter_stop_wh, ended_at=moment.at)
    if not moment.is_doubtful and (repeated := stopped.first()):
        return repeated
    candidates = own.running().filter(started_at__lte=moment.at)
    if meter_stop_wh is not None:
        candidates = candidates.exclude(meter_start_wh__gt=meter_stop_wh)
    found = list(candidates[:2])
    return found[0] if len(found) == 1 else None


# ------------------------------------------------------------------------------------------------ close without a stop


def close_silent(now: datetime) -> int:
    """Ends sessions whose charger will not: silent for SESSION_SILENCE_HOURS (R10), or long free again. Bills them.

    A connector that says Available while nothing is measured has lost its stop, whatever heartbeats there are.
    """
    limit, free_since = now - timedelta(hours=settings.SESSION_SILENCE_HOURS), now - FREE_AGAIN
    running = ChargingSession.objects.running()
    silent = running.filter(start_received_at__lt=limit, charger__last_seen_at__lt=limit)
    measured_lately = MeterValue.objects.filter(session=OuterRef("pk"), received_at__gte=free_since)
    freed = running.filter(
        ~Exists(measured_lately), connector__status="Available", connector__status_received_at__lt=free_since,
        start_received_at__lt=free_since,
    )  # fmt: skip

    def close_one(key: int) -> bool:
        with transaction.atomic():
            lost = silent.filter(pk=key) | freed.filter(pk=key)
            session = lost.select_for_update(no_key=True, of=("self",), skip_locked=True).first()
            if session:
                _close(session, ClosedBy.SILENCE)
            return session is not None

    keys = {*silent.values_list("pk", flat=True)[:1000], *freed.values_list("pk", flat=True)[:1000]}
    return settlement.each(sorted(keys), close_one)


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
    settlement.settle_under_savepoint(session)
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
        energy_wh = settlement.assess(session).energy_wh
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
        state=session.state,
        energy_wh=energy_wh,
        power_w=last.power_w if last and session.is_running else None,
        soc_percent=last.soc_percent if last else None,
        cost=cost,
        seconds=max(0, int((end - begin).total_seconds())),
        measured_at=last.measured_at if last else None,
    )
