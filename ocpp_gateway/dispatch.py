"""One message against the database. Exceptions become CALLERRORs; a database that is away does not.

Commit, then answer: a frame that a function here returns may be sent once the facts beside it are stored.
"""

import logging
from datetime import datetime
from typing import Any

from django.db import transaction

from chargers import commands
from chargers.facts import Exchange, Facts
from chargers.models import Command, Message
from ocpp_gateway import rpc, schemas
from ocpp_gateway.registry import Handler, Incoming, Version
from ocpp_gateway.rpc import Call, WireError

logger = logging.getLogger(__name__)

BOOT = "BootNotification"


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


def decide(handler: Handler, call: Call, incoming: Incoming, note: str) -> tuple[Facts, str]:
    """Carries out a decision, which is stored when this returns. A job for `work`.

    Returns its line for the log, and the frame that answers.
    """
    assert handler.decide is not None
    answer = rpc.dump_result(call.message_id, handler.decide(incoming))
    return Facts(incoming.charger_id, incoming.received_at, exchange=exchange(call, answer, note=note)), answer


def refuse(charger_id: int, call: Call, error: WireError, received_at: datetime) -> tuple[Facts, str]:
    """The log line of a CALL that is not carried out, and the CALLERROR. Pure."""
    answer = rpc.dump_error(call.message_id, error)
    return Facts(charger_id, received_at, exchange=exchange(call, answer, is_error=True)), answer


def ask_to_boot(charger_id: int) -> None:
    """A charger talks without ever having introduced itself."""
    asked = Command.objects.open().filter(charger_id=charger_id, action=Command.Action.TRIGGER_MESSAGE)
    if not asked.exists():
        commands.request_boot(charger_id)


def exchange(call: Call, answer: str, *, is_error: bool = False, note: str = "") -> Exchange:
    return Exchange(
        direction=Message.Direction.IN.value,
        message_id=str(call.message_id),
        action=call.action.replace("\0", ""),
        request=call.text,
        response=answer,
        is_error=is_error,
        note=note.replace("\0", ""),
    )


def unreadable(charger_id: int, text: str, reason: str, received_at: datetime) -> Facts:
    """A frame that could not be read, for the log."""
    told = Exchange(
        Message.Direction.IN.value, "", "", text.replace("\0", "\N{SYMBOL FOR NULL}"), reason, is_error=True
    )
    return Facts(charger_id, received_at, exchange=told)


# ------------------------------------------------------------------------------------------------ our calls


def finish(
    command_id: int, charger_id: int, asked: rpc.Asked, received_at: datetime, *, result: Any = None, error: str = ""
) -> Facts:
    """The answer (or the failure) of a call of ours: the Command ends. Returns the line for the log."""
    with transaction.atomic():
        commands.finish(command_id, result=result, error=error)
    told = Exchange(
        direction=Message.Direction.OUT.value,
        message_id=asked.message_id,
        action=asked.action,
        request=masked(asked.frame),
        response=masked(error or rpc.dump_payload(result)),
        is_error=bool(error),
    )
    return Facts(charger_id, received_at, exchange=told)


def masked(frame: str) -> str:
    """A frame as it may be logged: a password is in it at a rotation, and in the configuration that some tell."""
    return f"{commands.AUTHORIZATION_KEY} is not logged" if commands.AUTHORIZATION_KEY in frame else frame
