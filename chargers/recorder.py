"""The facts lane: meter values, statuses, last-seen times and the message log of all sockets of a process.

Facts are many and dumb, so one writer thread per process takes whatever waits and commits it at once ("natural
batching": no timer, a lone fact is committed immediately). Whoever submitted a fact answers its charger only after the
commit. A batch that fails is written again one by one, so that one poisoned fact costs only itself.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import close_old_connections, connection, transaction

from chargers import live
from chargers.models import Charger, ChargingSession, Connector, Message, MeterValue

logger = logging.getLogger(__name__)

BATCH_LIMIT = 500
QUEUE_LIMIT = 10_000
# A wallbox has a handful of connectors. Beyond this a number is a mistake, and makes no row.
CONNECTOR_LIMIT = 64
MESSAGE_TEXT_LIMIT = 16_384


@dataclass(frozen=True, slots=True)
class Sample:
    """What a charger measured at one moment. `session_id` is the transactionId as sent, None if none was."""

    connector_id: int
    session_id: int | None
    measured_at: datetime
    context: str
    raw: list[Any]
    digest: int
    energy_wh: int | None = None
    power_w: int | None = None
    current_ma: int | None = None
    voltage_mv: int | None = None
    soc_percent: int | None = None
    temperature_mc: int | None = None
    phases: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class ConnectorStatus:
    """`connector_id` 0 is the charger itself."""

    connector_id: int
    status: str
    error_code: str
    info: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Exchange:
    """One CALL and its answer, for the message log."""

    direction: Message.Direction
    message_id: str
    action: str
    request: str
    response: str
    is_error: bool
    note: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """What one frame of one charger tells. Any frame at all proves that the charger is alive."""

    charger_id: int
    received_at: datetime
    samples: tuple[Sample, ...] = ()
    status: ConnectorStatus | None = None
    exchange: Exchange | None = None


# ------------------------------------------------------------------------------------------------ writing


def write(batch: Sequence[Facts]) -> None:
    """Stores a batch in one transaction. Also called by decisions, inside their own transaction."""
    with transaction.atomic():
        connectors = _connectors(batch)
        _write_samples(batch, connectors)
        _write_statuses(batch, connectors)
        _write_last_seen(batch)
        _write_messages(batch)


def _connectors(batch: Sequence[Facts]) -> dict[tuple[int, int], Connector]:
    """The connectors that the batch names, by (charger, number). Unknown ones are discovered: they get their row."""
    named = {
        (facts.charger_id, number)
        for facts in batch
        for number in (
            *(sample.connector_id for sample in facts.samples),
            *([facts.status.connector_id] if facts.status else ()),
        )
        if 0 < number <= CONNECTOR_LIMIT
    }
    if not named:
        return {}
    found = _find_connectors(named)
    missing = named - found.keys()
    if missing:
        discovered = [Connector(charger_id=charger, connector_id=number) for charger, number in sorted(missing)]
        Connector.objects.bulk_create(discovered, ignore_conflicts=True)
        found |= _find_connectors(missing)
    return found


def _find_connectors(named: Iterable[tuple[int, int]]) -> dict[tuple[int, int], Connector]:
    rows = Connector.objects.select_related("charger").filter(charger_id__in={charger for charger, _number in named})
    return {(row.charger_id, row.connector_id): row for row in rows}


def _write_samples(batch: Sequence[Facts], connectors: dict[tuple[int, int], Connector]) -> None:
    samples = [(facts, sample) for facts in batch for sample in facts.samples]
    if not samples:
        return
    named = {sample.session_id for _facts, sample in samples if sample.session_id is not None}
    own = set(ChargingSession.objects.filter(pk__in=named).values_list("charger_id", "pk")) if named else set()
    unnamed = {
        connectors[key].pk
        for facts, sample in samples
        if sample.session_id is None and (key := (facts.charger_id, sample.connector_id)) in connectors
    }
    running = dict(
        ChargingSession.objects.running().filter(connector__in=unnamed).values_list("connector_id", "pk")
        if unnamed
        else ()
    )

    def session_of(facts: Facts, sample: Sample) -> int | None:
        if sample.session_id is not None:
            # R5: another charger's session is none of its business.
            return sample.session_id if (facts.charger_id, sample.session_id) in own else None
        connector = connectors.get((facts.charger_id, sample.connector_id))
        return running.get(connector.pk) if connector else None

    rows = [
        MeterValue(
            charger_id=facts.charger_id,
            connector_id=max(0, min(sample.connector_id, 32_767)),
            session_id=session_of(facts, sample),
            measured_at=sample.measured_at,
            received_at=facts.received_at,
            context=sample.context,
            energy_wh=sample.energy_wh,
            power_w=sample.power_w,
            current_ma=sample.current_ma,
            voltage_mv=sample.voltage_mv,
            soc_percent=sample.soc_percent,
            temperature_mc=sample.temperature_mc,
            phases=sample.phases,
            raw=sample.raw,
            digest=sample.digest,
        )
        for facts, sample in samples
    ]
    MeterValue.objects.bulk_create(rows, ignore_conflicts=True)
    live.publish_measured({row.session_id for row in rows if row.session_id is not None})


def _write_statuses(batch: Sequence[Facts], connectors: dict[tuple[int, int], Connector]) -> None:
    changed: dict[int, Connector] = {}
    for facts in batch:
        status = facts.status
        if status is None:
            continue
        if status.connector_id == 0:
            Charger.objects.filter(pk=facts.charger_id).update(status=status.status, error_code=status.error_code)
        elif connector := connectors.get((facts.charger_id, status.connector_id)):
            connector.status, connector.error_code = status.status, status.error_code
            connector.info, connector.status_at = status.info, status.at
            connector.status_received_at = facts.received_at
            changed[connector.pk] = connector
    if changed:
        Connector.objects.bulk_update(
            changed.values(), ["status", "error_code", "info", "status_at", "status_received_at"]
        )
        live.publish_connectors(list(changed.values()))


def _write_last_seen(batch: Sequence[Facts]) -> None:
    latest = max(facts.received_at for facts in batch)
    Charger.objects.filter(pk__in={facts.charger_id for facts in batch}).update(last_seen_at=latest)


def _write_messages(batch: Sequence[Facts]) -> None:
    Message.objects.bulk_create(
        Message(
            charger_id=facts.charger_id,
            direction=facts.exchange.direction,
            message_id=facts.exchange.message_id[:64],
            action=facts.exchange.action[:64],
            request=facts.exchange.request[:MESSAGE_TEXT_LIMIT],
            response=facts.exchange.response[:MESSAGE_TEXT_LIMIT],
            is_error=facts.exchange.is_error,
            note=facts.exchange.note[:255],
            at=facts.received_at,
        )
        for facts in batch
        if facts.exchange
    )


# ------------------------------------------------------------------------------------------------ the writer thread


class Overloaded(Exception):
    """More facts wait than the bound allows. The charger sends again later."""


class Recorder:
    """The process's only writer of facts. Its thread begins with the first fact."""

    def __init__(self) -> None:
        self._waiting: queue.Queue[tuple[Facts, Future[None]]] = queue.Queue(QUEUE_LIMIT)
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def submit(self, facts: Facts) -> Future[None]:
        """Hands a fact over. The future is done after its commit, or has the exception that prevented it.

        Raises Overloaded. Never blocks.
        """
        done: Future[None] = Future()
        try:
            self._waiting.put_nowait((facts, done))
        except queue.Full:
            raise Overloaded from None
        if self._thread is None:
            with self._lock:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
                    self._thread.start()
        return done

    def _run(self) -> None:
        while True:
            batch = [self._waiting.get()]
            while len(batch) < BATCH_LIMIT:
                try:
                    batch.append(self._waiting.get_nowait())
                except queue.Empty:
                    break
            # Who has gone meanwhile (a socket that closed) was not answered and sends again; from here on nobody can
            # take his future back.
            batch = [(facts, done) for facts, done in batch if done.set_running_or_notify_cancel()]
            if batch:
                self._commit(batch)

    def _commit(self, batch: list[tuple[Facts, Future[None]]]) -> None:
        try:
            close_old_connections()
            write([facts for facts, _done in batch])
        except Exception as error:  # the edge of a thread: every waiting charger must learn how it ended
            if len(batch) > 1:
                logger.warning("a batch of %d facts failed (%s), writing them one by one", len(batch), error)
                for item in batch:
                    self._commit([item])
                return
            connection.close_if_unusable_or_obsolete()
            batch[0][1].set_exception(error)
        else:
            for _facts, done in batch:
                done.set_result(None)


recorder = Recorder()
