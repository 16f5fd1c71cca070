"""One message against the database, in a worker thread. Exceptions become CALLERRORs; a database that is away does not.

Commit, then answer: the answer that a function here returns may be sent, because its effect is stored.
"""

import logging
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

from django.db import InterfaceError, OperationalError, close_old_connections, connection, transaction

from chargers import commands, recorder
from chargers.models import Command, Message
from chargers.recorder import Exchange, Facts
from ocpp_gateway import rpc, schemas
from ocpp_gateway.registry import Handler, Incoming, Version
from ocpp_gateway.rpc import Call, WireError

logger = logging.getLogger(__name__)

T = TypeVar("T")

# Lock timeout, deadlock and serialization failure: PostgreSQL asks to try again.
RETRIED_STATES = frozenset({"40001", "40P01", "55P03"})
ATTEMPTS = 4
BOOT = "BootNotification"


AWAY = (OperationalError, InterfaceError)


class DatabaseAway(Exception):
    """Nothing was stored. The socket is closed without an answer, so that the charger keeps its message (R2)."""


def in_database(function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    """Runs a piece of work in this worker thread. Raises DatabaseAway; retries what the database asks to retry."""
    close_old_connections()
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return function(*args, **kwargs)
        except AWAY as error:
            if attempt < ATTEMPTS and _is_worth_a_retry(error):
                time.sleep(0.02 * 2**attempt)
                continue
            connection.close()
            raise DatabaseAway(str(error)) from error
    raise AssertionError("unreachable")


def _is_worth_a_retry(error: Exception) -> bool:
    state = getattr(error.__cause__, "sqlstate", None)
    return state in RETRIED_STATES or "database is locked" in str(error)


# ------------------------------------------------------------------------------------------------ their calls


def handler_of(version: Version, call: Call, *, is_accepted: bool) -> tuple[Handler, str]:
    """The handler of a CALL that may be read, and what about its payload breaks the schema. Raises WireError."""
    handler = version.handlers.get(call.action)
    if handler is None:
        if call.action in schemas.actions(version.schemas):
            raise WireError("NotSupported", f"{call.action} is not offered here.")
        raise WireError("NotImplemented", f"{call.action} is no action of {version.subprotocol}.")
    if not is_accepted and call.action != BOOT:
        # §4.2: before its first accepted boot a charger may say nothing else.
        raise WireError("SecurityError", "Send BootNotification first.")
    for code, description in schemas.violations(version.schemas, call.action, call.payload):
        if not handler.is_lenient:
            raise WireError(code, description)
        return handler, description
    return handler, ""


def report(handler: Handler, call: Call, incoming: Incoming, note: str) -> tuple[Facts, str]:
    """The facts of a fact-lane CALL and the frame that answers it once they are stored. Pure."""
    assert handler.report is not None
    told = handler.report(incoming)
    answer = rpc.dump_result(call.message_id, told.answer)
    facts = Facts(
        incoming.charger_id,
        incoming.received_at,
        samples=told.samples,
        status=told.status,
        exchange=exchange(call, answer, note=note),
    )
    return facts, answer


def decide(handler: Handler, call: Call, incoming: Incoming, note: str) -> str:
    """Runs a decision and stores it with its log line in one transaction. Returns the frame that answers."""
    assert handler.decide is not None
    with transaction.atomic():
        answer = rpc.dump_result(call.message_id, handler.decide(incoming))
        told = exchange(call, answer, note=note)
        recorder.write([Facts(incoming.charger_id, incoming.received_at, exchange=told)])
        return answer


def refuse(charger_id: int, call: Call, error: WireError, received_at: datetime) -> str:
    """Logs a CALL that is not carried out. Returns the CALLERROR."""
    answer = rpc.dump_error(call.message_id, error)
    if error.code == "SecurityError" and not _asked_to_boot(charger_id):
        commands.request_boot(charger_id)
    recorder.write([Facts(charger_id, received_at, exchange=exchange(call, answer, is_error=True))])
    return answer


def _asked_to_boot(charger_id: int) -> bool:
    return Command.objects.open().filter(charger_id=charger_id, action=Command.Action.TRIGGER_MESSAGE).exists()


def exchange(call: Call, answer: str, *, is_error: bool = False, note: str = "") -> Exchange:
    return Exchange(
        direction=Message.Direction.IN,
        message_id=str(call.message_id),
        action=call.action.replace("\0", ""),
        request=call.text,
        response=answer,
        is_error=is_error,
        note=note.replace("\0", ""),
    )


def unreadable(charger_id: int, text: str, reason: str, received_at: datetime) -> Facts:
    """A frame that could not be read, for the log."""
    told = Exchange(Message.Direction.IN, "", "", text.replace("\0", "\N{SYMBOL FOR NULL}"), reason, is_error=True)
    return Facts(charger_id, received_at, exchange=told)


# ------------------------------------------------------------------------------------------------ our calls


def finish(
    command_id: int, charger_id: int, asked: rpc.Asked, received_at: datetime, *, result: Any = None, error: str = ""
) -> None:
    """The answer (or the failure) of a call of ours: the Command ends, and the log gets its line."""
    with transaction.atomic():
        commands.finish(command_id, result=result, error=error)
        told = Exchange(
            direction=Message.Direction.OUT,
            message_id=asked.message_id,
            action=asked.action,
            request=masked(asked.frame),
            response=masked(error or rpc.dump_payload(result)),
            is_error=bool(error),
        )
        recorder.write([Facts(charger_id, received_at, exchange=told)])


def masked(frame: str) -> str:
    """A frame as it may be logged: a password is in it at a rotation, and in the configuration that some tell."""
    return f"{commands.AUTHORIZATION_KEY} is not logged" if commands.AUTHORIZATION_KEY in frame else frame
