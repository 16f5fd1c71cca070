"""Chargers whose sockets another service holds: the same handlers as for our own sockets, one message at a time.

A charger's connection mark is then `relay.<service>`, so a socket of ours that served it before is told to close, and
the service cannot be taken for one of our processes.
"""

import secrets
from datetime import timedelta
from typing import Any

import orjson
from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from chargers import commands, database, presence, recorder, registry
from chargers.facts import Arrival, Facts
from chargers.models import Charger, Command
from ocpp_gateway import dispatch, metrics, rpc, schemas
from ocpp_gateway.registry import Incoming, Payload
from ocpp_gateway.rpc import Asked, Call, WireError
from ocpp_gateway.v16 import V16
from sharecharge.errors import Refused


def mark_of(service: str) -> str:
    return f"relay.{service}"


def find(identity: str) -> Charger:
    """The charger that may connect under this identity. Refused: it is not known (404), or it is disabled (403)."""
    charger = Charger.objects.live().with_identity(identity).first()
    if charger is None:
        raise Refused("unknown_identity", _("No charger has this identity."), status=404)
    if not charger.is_enabled:
        raise Refused("disabled", _("This charger is switched off by the operator."), status=403)
    return charger


def connected(charger: Charger, *, service: str, password: str, remote_address: str) -> None:
    """A socket was opened at the service. Refused: the password is not the charger's; the owner sees the attempt."""
    if not registry.password_matches(charger, password.encode()):
        presence.record_refusal(
            charger=charger, path=mark_of(service), remote_address=remote_address,
            subprotocols=[V16.subprotocol], outcome=presence.Outcome.WRONG_PASSWORD,
        )  # fmt: skip
        raise Refused("wrong_password", _("This is not the charger's password."), status=403, field="password")
    database.run(recorder.write, [_arrival(charger, service, remote_address)])


def disconnected(charger: Charger, *, service: str) -> None:
    """The socket at the service closed. Nothing happens when the charger is served elsewhere by now."""
    database.run(recorder.write, [Facts(charger.pk, timezone.now(), left=mark_of(service))])


def tell(charger: Charger, action: str, payload: Payload, *, service: str) -> Payload:
    """One message of the charger → the payload of its answer, once all of it is stored.

    Refused with the code that a CALLERROR would have: the action is not known, or the payload breaks the schema.
    """
    call = rpc.parse(rpc.dump_call(secrets.token_hex(8), action, payload))
    if not isinstance(call, Call):
        raise Refused("FormationViolation", _("This is no message of OCPP 1.6."), status=400)
    return database.run(_carry_out, charger, call, service)


def _carry_out(charger: Charger, call: Call, service: str) -> Payload:
    if charger.connection_mark != mark_of(service) and (call.action == dispatch.BOOT or not charger.connection_mark):
        recorder.write([_arrival(charger, service)])
    incoming = Incoming(charger.pk, call.payload, timezone.now())
    try:
        handler, note = dispatch.handler_of(V16, call, is_accepted=charger.is_accepted)
        carry_out = dispatch.report if handler.report else dispatch.decide
        facts, answer = carry_out(handler, call, incoming, note)
    except WireError as error:
        recorder.write([dispatch.refuse(charger.pk, call, error, incoming.received_at)[0]])
        status = 409 if error.code == "SecurityError" else 400
        raise Refused(error.code, error.description, status=status) from None
    recorder.write([facts])
    metrics.message(call.action, "answered").inc()
    return dict(orjson.loads(answer)[2])


def _arrival(charger: Charger, service: str, remote_address: str = "") -> Facts:
    shown = presence.kept(mark_of(service), remote_address, [V16.subprotocol])
    return Facts(charger.pk, timezone.now(), arrival=Arrival(mark_of(service), charger.connection_mark, *shown))


# ------------------------------------------------------------------------------------------------ our calls


def next_call(charger: Charger, *, service: str) -> dict[str, Any] | None:
    """The next thing to ask of the charger, marked as sent: `id`, `action` and `payload` of OCPP 1.6. None: nothing,
    or the one before it is still on its way (OCPP-J 1.6 §4.1.1)."""
    on_its_way = timezone.now() - timedelta(seconds=settings.CALL_TIMEOUT_SECONDS)
    if charger.commands.open().filter(sent_at__gt=on_its_way).exists():
        return None
    command = commands.claim_next(charger.pk, mark=mark_of(service), is_accepted=charger.is_accepted)
    if command is None:
        return None
    asked = _asked(command)
    payload = orjson.loads(asked.frame)[3]
    if wrong := next(schemas.violations(V16.schemas, asked.action, payload), None):
        commands.finish(command.pk, error=f"not sent, it breaks the schema: {wrong[1]}")
        return None
    return {"id": command.pk, "action": asked.action, "payload": payload}


def answered(charger: Charger, command_id: int, *, result: Any = None, error: str = "") -> Command:
    """The charger's answer to a call that `next_call` gave, or why there is none. The first word stays."""
    command = charger.commands.filter(pk=command_id).exclude(sent_at=None).first()
    if command is None:
        raise Refused("no_such_call", _("This charger was not asked that."), status=404)
    asked = _asked(command)
    if not error and (wrong := next(schemas.violations(V16.schemas, asked.action, result, response=True), None)):
        result, error = None, f"answer breaks the schema: {wrong[1]}"
    told = dispatch.finish(command.pk, charger.pk, asked, timezone.now(), result=result, error=error)
    recorder.write([told])
    command.refresh_from_db()
    return command


def _asked(command: Command) -> Asked:
    asker = V16.commands[command.action]
    frame = rpc.dump_call(command.message_id, asker.action, asker.payload(command.payload))
    return Asked(command.message_id, asker.action, command.pk, frame)
