"""The facts lane: meter values, statuses, last-seen times and the message log of all sockets of a process.

Facts are many and dumb, so one writer per process takes whatever waits and commits it at once ("natural batching": no
timer, a lone fact is committed immediately). Whoever submitted a fact answers its charger only after the
commit. A batch that fails is written again one by one, so that one poisoned fact costs only itself.
"""

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Iterable, Sequence
from contextvars import Context
from datetime import datetime
from functools import partial
from typing import Any

from django.db import connection, transaction

from chargers import live, metrics, presence, rows
from chargers.database import is_away, refresh_connection, writing
from chargers.facts import MESSAGE_TEXT_LIMIT, ConnectorStatus, Facts, Sample
from chargers.models import Charger, ChargingSession, Connector, Message, MeterValue
from sharecharge.crews import Crew
from sharecharge.fibres import resolve

logger = logging.getLogger(__name__)

BATCH_LIMIT = 500
QUEUE_LIMIT = 20_000
# A wallbox has a handful of connectors. Beyond this a number is a mistake, and makes no row.
CONNECTOR_LIMIT = 64
# The row of a charger is not rewritten for every frame: that it was heard within these seconds is known well enough.
SEEN_EVERY_SECONDS = 5.0
# How long the facts of all sockets may wait for a row that somebody decides about; then only those of its charger do.
PATIENCE_MS = 500
# And not in every batch.
SEE_EVERY_SECONDS = 1.0
REMEMBERED_LIMIT = 200_000


# ------------------------------------------------------------------------------------------------ writing


Heard = dict[int, datetime]


def write(batch: Sequence[Facts], *, seen: Heard | None = None) -> None:
    """Stores a batch, all or nothing. `seen`: who was heard when, as far as it is due (None: all of the batch)."""
    seen = _heard_in(batch) if seen is None else seen
    has_more = bool(seen) or any(facts.arrival or facts.left for facts in batch)
    # What `rows.together` makes of the rest is one statement, and needs no transaction around it.
    with transaction.atomic() if has_more or connection.vendor != "postgresql" else contextlib.nullcontext():
        presence.arrived([facts for facts in batch if facts.arrival])
        with rows.together():
            measured = write_samples([(facts, sample) for facts in batch for sample in facts.samples])
            changed = _write_statuses([(facts, facts.status) for facts in batch if facts.status])
            _write_messages(batch)
        live.publish_measured(measured)
        live.publish_chargers(changed)
        presence.seen(seen)
        presence.left([facts for facts in batch if facts.left])


def _heard_in(batch: Iterable[Facts]) -> Heard:
    """Who said something when. That a socket closed says nothing of its charger."""
    return {facts.charger_id: facts.received_at for facts in batch if not facts.left}


class _Remembered:
    """What a process has seen in the database and what never changes there, so that it is looked up once: the charger
    of a session, and that a connector exists. And whom it has heard, and when it last wrote that."""

    def __init__(self) -> None:
        self.sessions: dict[int, int] = {}
        self.connectors: set[tuple[int, int]] = set()
        self.seen_at: dict[int, float] = {}
        self.heard: Heard = {}
        self.looked_at = 0.0

    def have_seen(self, told: Heard) -> None:
        if told:
            self.looked_at = time.monotonic()
            self.seen_at.update(dict.fromkeys(told, self.looked_at))
            self.heard = {}

    def tidy(self) -> None:
        if len(self.sessions) + len(self.connectors) + len(self.seen_at) > REMEMBERED_LIMIT:
            self.forget()

    def forget(self) -> None:
        for known in (self.sessions, self.connectors, self.seen_at, self.heard):
            known.clear()
        self.looked_at = 0.0


remembered = _Remembered()

SAMPLE_COLUMNS = (
    "charger_id", "connector_id", "session_id", "measured_at", "received_at", "context", "energy_wh", "power_w",
    "current_ma", "voltage_mv", "soc_percent", "temperature_mc", "phases", "raw", "digest",
)  # fmt: skip


def write_samples(told: Sequence[tuple[Facts, Sample]]) -> set[int]:
    """Stores samples with the sessions they belong to, and gives these. One that is stored already is left alone."""
    if not told:
        return set()
    _discover({(facts.charger_id, sample.connector_id) for facts, sample in told})
    sessions = _sessions_of(told)
    rows.insert(
        MeterValue,
        SAMPLE_COLUMNS,
        [
            (
                facts.charger_id, max(0, min(sample.connector_id, 32_767)), session_id, sample.measured_at,
                facts.received_at, sample.context, sample.energy_wh, sample.power_w, sample.current_ma,
                sample.voltage_mv, sample.soc_percent, sample.temperature_mc, sample.phases, sample.raw, sample.digest,
            )
            for (facts, sample), session_id in zip(told, sessions, strict=True)
        ],
    )  # fmt: skip
    return {key for key in sessions if key is not None}


def _discover(named: set[tuple[int, int]]) -> None:
    """Connectors that samples name get their rows."""
    missing = sorted(key for key in named - remembered.connectors if 0 < key[1] <= CONNECTOR_LIMIT)
    if missing:
        discovered = [Connector(charger_id=charger_id, connector_id=number) for charger_id, number in missing]
        Connector.objects.bulk_create(discovered, ignore_conflicts=True)
        transaction.on_commit(lambda: remembered.connectors.update(missing))


def _sessions_of(told: Sequence[tuple[Facts, Sample]]) -> list[int | None]:
    """The session of each sample: the one that it names, if that is its own charger's (R5); if it names none, the one
    that runs on its connector."""
    remembered.tidy()
    named = {sample.session_id for _facts, sample in told if sample.session_id is not None}
    if unknown := {key for key in named if key not in remembered.sessions}:
        remembered.sessions.update(ChargingSession.objects.filter(pk__in=unknown).values_list("pk", "charger_id"))
    unnamed = {facts.charger_id for facts, sample in told if sample.session_id is None}
    running: dict[tuple[int, int], int] = {}
    if unnamed:
        found = ChargingSession.objects.running().filter(charger__in=unnamed, connector__isnull=False)
        running = {
            (charger, number): key
            for charger, number, key in found.values_list("charger_id", "connector__connector_id", "pk")
        }

    def session_of(facts: Facts, sample: Sample) -> int | None:
        if sample.session_id is None:
            return running.get((facts.charger_id, sample.connector_id))
        return sample.session_id if remembered.sessions.get(sample.session_id) == facts.charger_id else None

    return [session_of(facts, sample) for facts, sample in told]


STATUS_COLUMNS = ("status", "error_code", "info", "status_at", "status_received_at")
CONNECTOR_KEY = ("charger_id", "connector_id")
# What its owner says of a connector later; a discovered one begins with this.
DISCOVERED = {"type": "", "current": Connector.Current.AC.value, "is_enabled": True}


def _write_statuses(told: Sequence[tuple[Facts, ConnectorStatus]]) -> set[int]:
    """The last status of each connector; gives their chargers. A connector that we do not know is discovered by it."""
    last = {(facts.charger_id, status.connector_id): (facts, status) for facts, status in told}
    rows.insert(
        Connector,
        (*CONNECTOR_KEY, *STATUS_COLUMNS, *DISCOVERED),
        [
            (*key, status.status, status.error_code, status.info, status.at, facts.received_at, *DISCOVERED.values())
            for key, (facts, status) in sorted(last.items(), key=lambda item: item[0])
            if 0 < key[1] <= CONNECTOR_LIMIT
        ],
        unique=CONNECTOR_KEY,
        update=STATUS_COLUMNS,
    )
    whole = [(key[0], status.status, status.error_code) for key, (_facts, status) in last.items() if key[1] == 0]
    rows.update(Charger, ("id", "status", "error_code"), sorted(whole))
    return {charger_id for charger_id, _number in last}


MESSAGE_COLUMNS = (
    "charger_id", "direction", "message_id", "action", "request", "response", "is_error", "note", "at"
)  # fmt: skip


def _write_messages(batch: Sequence[Facts]) -> None:
    rows.insert(
        Message,
        MESSAGE_COLUMNS,
        [
            (
                facts.charger_id, told.direction, told.message_id[:64], told.action[:64],
                told.request[:MESSAGE_TEXT_LIMIT], told.response[:MESSAGE_TEXT_LIMIT], told.is_error, told.note[:255],
                facts.received_at,
            )
            for facts in batch
            if (told := facts.exchange)
        ],
    )  # fmt: skip


# ------------------------------------------------------------------------------------------------ the writer

Told = tuple[Facts, "asyncio.Future[None]"]


class Overloaded(Exception):
    """More facts wait than the bound allows. The charger sends again later."""


class Recorder:
    """The process's only writer of facts."""

    def __init__(self) -> None:
        self._waiting: deque[Told] = deque()
        self._crew = Crew(1, "recorder")
        self._loop: asyncio.AbstractEventLoop | None = None  # where it writes at the moment
        self._looks_on: asyncio.AbstractEventLoop | None = None  # where it looks again soon
        self._impatient: Any = None

    def submit(self, facts: Facts) -> asyncio.Future[None]:
        """Hands a fact over, from an event loop. The future is done after the commit, or has what prevented it.

        Raises Overloaded. Never blocks.
        """
        if len(self._waiting) >= QUEUE_LIMIT:
            metrics.RECORDER_REFUSED_FACTS.inc()
            raise Overloaded
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        self._waiting.append((facts, done))
        if self._loop is not loop:
            self._loop = loop
            # After all that is said in this round of the loop; and in no trace, since it is about all of them.
            loop.call_soon(self._begin, context=Context())
        return done

    def waiting(self) -> int:
        return len(self._waiting)

    def _begin(self) -> None:
        self._crew.submit(self._drain).add_done_callback(self._rest)

    def _drain(self) -> None:
        while batch := self._next_batch():
            self._store(batch)

    def _rest(self, _done: object) -> None:
        if self._waiting:
            self._begin()
        else:
            self._loop = None
            self._look_later()

    def _look_later(self, _done: object = None) -> None:
        """Nobody may say anything any more, and it is still to be written who was heard."""
        loop = asyncio.get_running_loop()
        if remembered.heard and self._looks_on is not loop:
            self._looks_on = loop
            loop.call_later(SEE_EVERY_SECONDS, self._look, context=Context())

    def _look(self) -> None:
        self._looks_on = None
        if remembered.heard:
            self._crew.submit(partial(self._store, [])).add_done_callback(self._look_later)

    def _next_batch(self) -> "list[Told]":
        return [self._waiting.popleft() for _number in range(min(len(self._waiting), BATCH_LIMIT))]

    def _store(self, batch: "list[Told]") -> None:
        try:
            self._commit(batch)
        except Exception as error:  # nobody else would see it, and everybody waits for this
            logger.exception("facts could not be recorded")
            _tell(batch, error)

    def _be_impatient(self) -> None:
        """Once for each connection."""
        connection.ensure_connection()
        if connection.vendor == "postgresql" and connection.connection is not self._impatient:
            with connection.cursor() as cursor:
                cursor.execute(f"SET lock_timeout = {PATIENCE_MS:d}")
            self._impatient = connection.connection

    def _commit(self, batch: list[Told]) -> None:
        facts = [item for item, _done in batch]
        due = _due(facts)
        try:
            refresh_connection()
            self._be_impatient()
            with writing(), metrics.RECORDER_COMMIT_SECONDS.time():
                write(facts, seen=due)
        except Exception as error:  # an edge: every waiting charger must learn how it ended
            if len(batch) > 1 and not is_away(error):
                logger.warning("a batch of %d facts failed (%s), writing them one by one", len(batch), error)
                metrics.RECORDER_SINGLE_FACTS.inc(len(batch))
                for item in batch:
                    self._commit([item])
                return
            connection.close_if_unusable_or_obsolete()
            if not batch:
                logger.warning("who was heard will be written later: %s", error)
            _tell(batch, error)
        else:
            remembered.have_seen(due)
            metrics.RECORDER_BATCH_FACTS.observe(len(batch))
            _tell(batch, None)


def _due(facts: Sequence[Facts]) -> Heard:
    """Whose last-seen time is to be written now."""
    now = time.monotonic()
    before = now - SEEN_EVERY_SECONDS
    for charger_id, at in _heard_in(facts).items():
        if remembered.seen_at.get(charger_id, before) <= before:
            remembered.heard[charger_id] = at
    return remembered.heard if now - remembered.looked_at >= SEE_EVERY_SECONDS else {}


def _tell(batch: list[Told], error: Exception | None) -> None:
    """Wakes those who wait, each loop once: a wake-up per fact would cost more than the fact."""
    by_loop: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = {}
    for _facts, done in batch:
        by_loop.setdefault(done.get_loop(), []).append(done)
    for loop, waiting in by_loop.items():
        try:
            loop.call_soon_threadsafe(_resolve, waiting, error)
        except RuntimeError:  # the loop has closed, and with it went everybody who waited on it
            logger.info("%d facts were stored after their server had ended", len(waiting))


def _resolve(waiting: "list[asyncio.Future[None]]", error: Exception | None) -> None:
    for done in waiting:  # one whose socket has gone meanwhile was not answered, and sends again
        resolve(done, None, error)


recorder = Recorder()
metrics.RECORDER_WAITING_FACTS.set_function(recorder.waiting)
