"""What the fault tests must notice: ways to break the platform's promises, put into a gateway process from outside.

`plays.CAUGHT` says in which play each is caught, and by what. Runs in processes that have Django.
"""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from django.db import connection
from django.utils import timezone

from accounts import id_tags
from billing import ledger, pricing, wallets
from billing.models import Transfer
from chargers import presence, recorder, sessions
from chargers.models import Charger, ChargingSession, Command, Connector
from ocpp_gateway import consumers, dispatch, handshake, rpc
from ocpp_gateway.consumers import ChargePointConsumer
from ocpp_gateway.switchboard import Switchboard

MUTANTS: dict[str, Callable[[], None]] = {}


def put(place: Any, name: str, instead: Any) -> None:
    setattr(place, name, instead)


def mutant(function: Callable[[], None]) -> Callable[[], None]:
    MUTANTS[function.__name__] = function
    return function


# ------------------------------------------------------------------------------------------------ commit, then answer


@mutant
def facts_answered_before_their_commit() -> None:
    async def store(facts: Any) -> None:
        recorder.recorder.submit(facts)

    put(consumers, "store", store)


@mutant
def stops_answered_before_their_commit() -> None:
    original = dispatch.decide

    def decide(handler: Any, call: Any, incoming: Any, note: str) -> Any:
        if call.action != "StopTransaction":
            return original(handler, call, incoming, note)
        threading.Thread(target=original, args=[handler, call, incoming, note], daemon=True).start()
        answer = rpc.dump_result(call.message_id, {})
        return dispatch.Facts(incoming.charger_id, incoming.received_at, exchange=None), answer

    put(dispatch, "decide", decide)


@mutant
def frames_sent_before_they_are_stored() -> None:
    """Log and answer in the wrong order."""

    async def answer(self: Any, call: Any) -> None:
        facts, frame = await self._handle(call)
        if call.action == dispatch.BOOT:
            self._has_booted(frame)
        await self._send_frame(frame)
        await consumers.store(facts)

    put(ChargePointConsumer, "_answer", answer)


@mutant
def an_absent_database_is_answered_with_an_error() -> None:
    """R2 the other way round: the charger loses its message."""
    original = ChargePointConsumer._answer

    async def answer(self: Any, call: Any) -> None:
        try:
            await original(self, call)
        except consumers.DatabaseAway:
            await self._send_frame(rpc.dump_error(call.message_id, rpc.WireError("InternalError", "")))

    put(ChargePointConsumer, "_answer", answer)


# ------------------------------------------------------------------------------------------------ once


@mutant
def no_lock_at_a_start() -> None:
    def place(charger: Charger, number: int) -> tuple[Charger, Connector | None]:
        connector = Connector.objects.select_related("charger__owner", "tariff").get(
            charger=charger.pk, connector_id=number
        )
        return connector.charger, connector

    original = id_tags.find
    put(sessions, "_lock_place", place)
    put(id_tags, "find", lambda text, lock=False: original(text))


@mutant
def no_lock_and_no_index_at_a_start() -> None:
    no_lock_at_a_start()
    with connection.cursor() as cursor:
        cursor.execute("DROP INDEX IF EXISTS session_one_running_per_connector")


@mutant
def repeated_starts_are_new_starts() -> None:
    put(sessions, "_twin", lambda *_arguments: None)


@mutant
def repeated_samples_are_new_samples() -> None:
    original = recorder.write_samples
    numbers = iter(range(1, 10**9))

    def write_samples(told: Any) -> None:
        original([(facts, replace(sample, digest=next(numbers))) for facts, sample in told])

    put(recorder, "write_samples", write_samples)


@mutant
def remote_starts_are_sent_again() -> None:
    put(Command, "REPEATABLE", Command.REPEATABLE | {Command.Action.REMOTE_START})


# ------------------------------------------------------------------------------------------------ whose, and how much


@mutant
def stops_of_any_charger() -> None:
    put(sessions, "_named", lambda charger, key: ChargingSession.objects.with_all().filter(pk=key or 0).first())


@mutant
def fee_and_share_rounded_apart() -> None:
    """The owner's share is rounded by itself: a haléř is lost or made."""
    original = wallets.settle

    def settle(**told: Any) -> Any:
        amount = told["amount"]
        share = pricing.round_half_up(pricing.Decimal(amount) * 9 / 10)
        return original(**{**told, "amount": share + told["fee"]})

    put(wallets, "settle", settle)


@mutant
def repeated_stops_are_paid_again() -> None:
    """Neither the session nor the ledger remembers."""
    original, named = ledger._insert, sessions._named
    numbers = iter(range(1, 10**9))

    def insert(kind: Any, reference: str, **told: Any) -> Any:
        again = Transfer.objects.filter(reference=reference).exists()
        return original(kind, f"{reference}:correction:{next(numbers)}" if again else reference, **told)

    def forget(charger: Any, key: Any) -> Any:
        session = named(charger, key)
        if session and session.status == ChargingSession.Status.SETTLED:
            session.stop_received_at, session.status, session.cost = None, ChargingSession.Status.ENDED, None
        return session

    put(ledger, "_insert", insert)
    put(sessions, "_named", forget)


# ------------------------------------------------------------------------------------------------ who


@mutant
def no_password_at_the_door() -> None:
    put(handshake, "_check_credentials", lambda headers, charger: None)


@mutant
def old_sockets_stay() -> None:
    async def look(self: Any) -> None:
        await asyncio.sleep(0)

    put(Switchboard, "_look", look)
    put(Switchboard, "_heed", lambda self, event: look(self))


@mutant
def a_late_close_marks_the_charger_offline() -> None:
    def left(batch: Any) -> None:
        keys = {facts.charger_id for facts in batch}
        Charger.objects.filter(pk__in=keys).update(connection_mark="", disconnected_at=timezone.now())

    put(presence, "left", left)
