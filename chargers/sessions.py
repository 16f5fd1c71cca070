"""Charging sessions: start, stop, close, and how they stand. Bills are made in settlement.py.

Locks are taken in the order charger → session → accounts (R19). Facts are stored first and billed in the same
transaction under a savepoint: when billing fails, the fact stays, is acknowledged, and the sweep bills (R6).
"""

import logging
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.conf import settings
from django.db import OperationalError, transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts import id_tags
from accounts.models import IdTag, User
from billing import ledger, pricing, wallets
from chargers import authorization, commands, live, notices, recorder, settlement
from chargers.authorization import Verdict
from chargers.clock import Moment
from chargers.facts import Facts, Sample
from chargers.models import Charger, ChargingSession, Connector, MeterValue, UnmatchedStop
from chargers.models.sessions import SessionQuerySet
from chargers.recorder import CONNECTOR_LIMIT
from sharecharge import prepared
from sharecharge.errors import Refused
from sharecharge.prepared import Prepared

logger = logging.getLogger(__name__)

Status = ChargingSession.Status
ClosedBy = ChargingSession.ClosedBy

FREE_AGAIN = timedelta(minutes=15)
STOP_FIELDS = ("stop_received_at", "ended_at", "meter_stop_wh", "stop_reason", "is_clock_doubtful", "closed_by")


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
        charger, connector = _lock_place(charger, connector_id)
        twin = _twin(charger, connector, id_tag_text, meter_start_wh, moment)
        if twin:
            return Started(twin, _first_verdict(twin))
        # One card is judged at one charger at a time, or it could start at two at once.
        tag = id_tags.find(id_tag_text, lock=True)
        running = _running(connector, tag)
        here = [other for other in running if connector and other.connector_id == connector.pk]
        is_history = any(_began_later(other, moment) for other in here)
        if here:
            # One order for all accounts (R19): those of the sessions that end here, and those that a hold will need.
            ledger.lock(_concerned(tag, here))
        if not is_history:
            # The card itself says that its last charge here is over; the money that was held for it is free again.
            _close_unfinished([other for other in here if other.id_tag_text.upper() == id_tag_text[:64].upper()])
        began_at = _judged_at(charger, moment, received_at)
        verdict = authorization.check_start(charger, tag, connector, running=running, began_at=began_at)
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
            verdict = _begin(session, connector, verdict, running=here, is_history=is_history)
        else:
            _refuse(session, verdict)
        if session.is_running:
            notices.session_started(session)
        transaction.on_commit(lambda: recorder.remembered.sessions.update({session.pk: charger.pk}))
        live.publish_session(session)
        return Started(session, verdict)


def _judged_at(charger: Charger, moment: Moment, received_at: datetime) -> datetime:
    """The moment whose weekly hours count: that which the wallbox tells, or ours if that one is outside of them.

    Offline histories come late, clocks are wrong, and whoever was let in just before the end still has to plug in. A
    start that is refused is not paid, so a doubt must not cost the owner energy that flows already.
    """
    told = min(moment.at, received_at)
    let_in = told - timedelta(seconds=settings.REMOTE_START_TIMEOUT_SECONDS)
    return next((at for at in (told, let_in) if charger.is_open_at(at)), received_at)


def _concerned(tag: IdTag | None, sessions: list[ChargingSession]) -> set[User]:
    keys = {key for session in sessions for key in (session.user_id, session.owner_id) if key is not None}
    return {User(pk=key) for key in keys | ({tag.user_id} if tag else set())}


_places = Prepared(
    lambda charger, number: (
        Connector.objects.select_related("charger__owner", "tariff")
        .filter(charger=charger, connector_id=number)
        .only(*authorization.PLACE_FIELDS)
        .select_for_update(no_key=True, of=("charger",))
    ),
    charger=1,
    number=1,
)


def _lock_place(charger: Charger, number: int) -> tuple[Charger, Connector | None]:
    """The locked charger and its connector, discovered if it is new; None for numbers that no connector can have."""
    connector = _places.first(charger=charger.pk, number=number)
    if connector:
        return connector.charger, connector
    charger = Charger.objects.select_for_update(no_key=True, of=("self",)).select_related("owner").get(pk=charger.pk)
    if not 0 < number <= CONNECTOR_LIMIT:
        return charger, None
    connector, _created = Connector.objects.get_or_create(charger=charger, connector_id=number)
    connector.charger = charger
    return charger, connector


def _twin(
    charger: Charger, connector: Connector | None, id_tag_text: str, meter_start_wh: int | None, moment: Moment
) -> ChargingSession | None:
    """The session of an earlier copy of the same StartTransaction.

    With a doubtful clock only a running or a just refused one counts: a box whose clock always says 1970 and whose
    register begins at zero starts every session with the same message.
    """
    recently = timezone.now() - timedelta(minutes=10)
    twins = [
        session
        for session in _begun_then.all(charger=charger.pk, text=moment.text)
        if session.connector_id == (connector.pk if connector else None)
        and session.meter_start_wh == meter_start_wh
        and session.id_tag_text.upper() == id_tag_text[:64].upper()
        and ((not moment.is_doubtful and moment.text) or session.is_running or _was_just_refused(session, recently))
    ]
    return twins[0] if twins else None


_begun_then = Prepared(
    lambda charger, text: (
        ChargingSession.objects.select_related("id_tag__user", "id_tag__parent")
        .filter(charger=charger, start_text=text)
        .order_by("-pk")[:50]
    ),
    charger=1,
    text="",
)


def _was_just_refused(session: ChargingSession, recently: datetime) -> bool:
    return session.status == Status.REFUSED and session.start_received_at > recently


def _first_verdict(session: ChargingSession) -> Verdict:
    reason = authorization.Reason(session.refusal) if session.refusal else None
    return Verdict(session.id_tag, reason)


def _refuse(session: ChargingSession, verdict: Verdict) -> None:
    session.status, session.refusal = Status.REFUSED, str(verdict.reason)
    session.save()


def _begin(
    session: ChargingSession,
    connector: Connector,
    verdict: Verdict,
    *,
    running: list[ChargingSession],
    is_history: bool,
) -> Verdict:
    """Reserves money and lets the session run, or refuses it after all. Returns the final verdict."""
    assert session.user is not None
    is_free = authorization.is_free_for(session.charger, connector, session.user)
    if is_free:
        session.tariff = pricing.Tariff(currency=settings.CURRENCY, price_per_kwh=0).as_dict()
    else:
        assert connector.tariff is not None
        session.tariff = connector.tariff.snapshot()
    session.fee_basis_points = settings.PLATFORM_FEE_BASIS_POINTS
    if is_history:
        return _keep_history(session, verdict)
    _close_unfinished(running)
    prepared.insert(session)
    if not is_free:
        try:
            wallets.hold(
                session.user,
                reference=session.reference,
                minimum=settings.MINIMUM_START_BALANCE,
                wanted=settings.SESSION_HOLD,
            )
        except Refused as refusal:
            session.status, session.refusal = Status.REFUSED, refusal.code
            session.save(update_fields=["status", "refusal"])
            return Verdict(verdict.tag, authorization.Reason(refusal.code))
    commands.after_start(session)
    return verdict


def _keep_history(session: ChargingSession, verdict: Verdict) -> Verdict:
    """A start from before the one that runs now, delivered late: it is over already, and its stop will bill it."""
    assert session.user is not None
    if not session.price.is_free and (reason := authorization.check_wallet(session.user)):
        verdict = Verdict(verdict.tag, reason)
        _refuse(session, verdict)
        return verdict
    session.status, session.closed_by, session.ended_at = Status.ENDED, ClosedBy.NEXT_START, session.started_at
    session.save()
    settlement.settle_under_savepoint(session)
    return verdict


def _running(connector: Connector | None, tag: IdTag | None) -> list[ChargingSession]:
    """What runs on the connector, and what runs with the card, here or elsewhere."""
    return _running_of.all(connector=connector.pk if connector else 0, tag=tag.pk if tag else 0)


_running_of = Prepared(
    lambda connector, tag: (
        ChargingSession.objects.running()
        .filter(Q(connector=connector) | Q(id_tag=tag))
        .select_related("charger")
        .only(*authorization.RUNNING_FIELDS)
    ),
    connector=1,
    tag=1,
)


def _began_later(other: ChargingSession, moment: Moment) -> bool:
    return not moment.is_doubtful and not other.is_clock_doubtful and other.started_at > moment.at


def _close_unfinished(sessions: list[ChargingSession]) -> None:
    """Ends what never reported its stop: the connector cannot charge two cars."""
    for known in sessions:
        session = ChargingSession.objects.select_for_update(no_key=True).running().filter(pk=known.pk).first()
        if session:
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
    told = _Stop(
        transaction_id,
        transaction_text,
        id_tag_text,
        meter_stop_wh,
        reason[:30] or "Local",
        moment,
        received_at,
        samples,
    )
    try:
        with transaction.atomic():
            return _stop(charger, told, is_billed=True)
    except OperationalError:
        raise  # the database itself failed; the charger sends again
    except Exception:  # R6: whatever is wrong with billing, the fact is kept and acknowledged, and the sweep bills
        logger.exception("a stop could not be billed now", extra={"charger": charger.pk})
    with transaction.atomic():
        return _stop(charger, told, is_billed=False)


@dataclass(frozen=True, slots=True)
class _Stop:
    """What a StopTransaction says."""

    transaction_id: int | None
    transaction_text: str
    id_tag_text: str
    meter_stop_wh: int | None
    reason: str
    moment: Moment
    received_at: datetime
    samples: tuple[Sample, ...]


def _stop(charger: Charger, told: _Stop, *, is_billed: bool) -> ChargingSession | None:
    session = _named(charger, told.transaction_id) or _matching(charger, told)
    if session is None:
        _keep_unmatched(charger, told)
        return None
    if session.stop_received_at is not None:
        return session
    # After the bill that it corrects, or the sweep would not find what could not be corrected now.
    session.stop_received_at = told.received_at if session.settled_at is None else max(told.received_at, timezone.now())
    session.ended_at = max(told.moment.at, session.started_at)
    session.meter_stop_wh = told.meter_stop_wh
    session.stop_reason = told.reason
    session.is_clock_doubtful = session.is_clock_doubtful or told.moment.is_doubtful
    if session.is_running:
        session.status, session.closed_by = Status.ENDED, ClosedBy.STOP
        notices.session_stopped(session)
    facts = Facts(charger.pk, told.received_at)
    recorder.write_samples([(facts, replace(sample, session_id=session.pk)) for sample in told.samples])
    if is_billed:
        settlement.settle_locked(session)
    prepared.update(session, *STOP_FIELDS, *settlement.FIELDS)
    live.publish_session(session)
    return session


def _keep_unmatched(charger: Charger, told: _Stop) -> None:
    UnmatchedStop.objects.get_or_create(
        charger_id=charger.pk,
        transaction_id=told.transaction_text[:40],
        id_tag_text=told.id_tag_text[:64],
        meter_stop_wh=told.meter_stop_wh,
        stop_text=told.moment.text,
        defaults={"received_at": told.received_at, "stop_reason": told.reason},
    )
    logger.warning("a stop of %s matches no session", told.transaction_text[:40], extra={"charger": charger.pk})


def _own(charger_id: int) -> SessionQuerySet:
    """Sessions of this charger, locked when they are read, and the charger before them."""
    own = ChargingSession.objects.with_all().filter(charger=charger_id)
    return own.select_for_update(no_key=True, of=("charger", "self"))


def _named(charger: Charger, transaction_id: int | None) -> ChargingSession | None:
    """The session with the id that we gave. R5: only within the asking charger."""
    if transaction_id is None or transaction_id <= 0:
        return None
    return _with_id.first(charger=charger.pk, key=transaction_id)


OWN_FIELDS = [field.name for field in ChargingSession._meta.concrete_fields]
_with_id = Prepared(
    lambda charger, key: (
        ChargingSession.objects.filter(charger=charger, pk=key)
        .select_related("charger", "user", "owner")
        .only(*OWN_FIELDS, "charger__name", "owner__id", "user__is_active", "user__mails_receipts")
        .select_for_update(no_key=True, of=("charger", "self"))
    ),
    charger=1,
    key=1,
)


def _matching(charger: Charger, told: _Stop) -> ChargingSession | None:
    """The session that a stop without an id of ours must mean.

    A charger that was offline never learned our id and sends none (0, -1): that is the session that runs, if there is
    just one and the stop can be its. An id that we did not give is somebody else's: only the card can tell whose.
    """
    if told.transaction_id is not None and told.transaction_id > 0 and not told.id_tag_text:
        return None
    own = _own(charger.pk)
    if told.id_tag_text:
        own = own.filter(id_tag_text__iexact=told.id_tag_text[:64])
    stopped = own.filter(stop_received_at__isnull=False, meter_stop_wh=told.meter_stop_wh, ended_at=told.moment.at)
    if not told.moment.is_doubtful and (repeated := stopped.first()):
        return repeated
    candidates = own.running().filter(started_at__lte=told.moment.at)
    if told.meter_stop_wh is not None:
        candidates = candidates.exclude(meter_start_wh__gt=told.meter_stop_wh)
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
    last_at = min(last.measured_at, last.received_at) if last else session.start_received_at
    session.ended_at = max(session.started_at, last_at)
    session.save(update_fields=["status", "closed_by", "ended_at"])
    notices.session_stopped(session)
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
    end = timezone.now() if session.is_running or session.finished_at is None else session.finished_at
    return Progress(
        state=session.state,
        energy_wh=energy_wh,
        power_w=last.power_w if last and session.is_running else None,
        soc_percent=last.soc_percent if last else None,
        cost=cost,
        seconds=max(0, int((end - session.began_at).total_seconds())),
        measured_at=last.measured_at if last else None,
    )
