"""Chargers whose sockets another service holds: the same handlers as for our own sockets, one message at a time.

A charger's connection mark is then `relay.<service>.<connection>`, so a socket of ours that served it before is told to
close, and the late end of an older socket at the service takes nobody offline (R15).
"""

import hashlib
import secrets
from datetime import timedelta
from typing import Any

import orjson
from django.conf import settings
from django.db import transaction
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


def prefix_of(service: str) -> str:
    """What the marks of this service's connections begin with; names are longer than a mark has room for."""
    return f"relay.{hashlib.sha256(service.encode()).hexdigest()[:8]}."


def find(identity: str) -> Charger:
    """The charger that may connect under this identity. Refused: it is not known (404), or it is disabled (403)."""
    charger = Charger.objects.live().with_identity(identity).first()
    if charger is None:
        raise Refused("unknown_identity", _("No charger has this identity."), status=404)
    if not charger.is_enabled:
        raise Refused("disabled", _("This charger is switched off by the operator."), status=403)
    return charger


def connected(charger: Charger, *, service: str, password: str, remote_address: str) -> str:
    """A socket was opened at the service: the name of its connection.

    Refused: the password is not the charger's; the owner sees the attempt.
    """
    if not registry.password_matches(charger, password.encode()):
        presence.record_refusal(
            charger=charger, path=f"relay: {service}", remote_address=remote_address,
            subprotocols=[V16.subprotocol], outcome=presence.Outcome.WRONG_PASSWORD,
        )  # fmt: skip
        raise Refused("wrong_password", _("This is not the charger's password."), status=403, field="password")
    return database.run(_arrive, charger, service, remote_address)


def disconnected(charger: Charger, *, service: str, connection: str = "") -> None:
    """A socket at the service closed. Nothing happens when the charger is served by a newer one, here or elsewhere.

    Without the name of the connection, whichever the service has.
    """
    mark = prefix_of(service) + connection if connection else charger.connection_mark
    if is_served_by(charger, service):
        database.run(recorder.write, [Facts(charger.pk, timezone.now(), left=mark)])


def is_served_by(charger: Charger, service: str) -> bool:
    return charger.connection_mark.startswith(prefix_of(service))


def tell(charger: Charger, action: str, payload: Payload, *, service: str) -> Payload:
    """One message of the charger → the payload of its answer, once all of it is stored.

    Refused with the code that a CALLERROR would have: the action is not known, or the payload breaks the schema.
    """
    call = rpc.parse(rpc.dump_call(secrets.token_hex(8), action, payload))
    if not isinstance(call, Call):
        raise Refused("FormationViolation", _("This is no message of OCPP 1.6."), status=400)
    return database.run(_carry_out, charger, call, service)


def _carry_out(charger: Charger, call: Call, service: str) -> Payload:
    is_new = call.action == dispatch.BOOT or not charger.connection_mark
    if is_new and not is_served_by(charger, service):
        _arrive(charger, service)
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


def _arrive(charger: Charger, service: str, remote_address: str = "") -> str:
    connection = secrets.token_hex(8)
    shown = presence.kept(f"relay: {service}", remote_address, [V16.subprotocol])
    arrival = Arrival(prefix_of(service) + connection, charger.connection_mark, *shown)
    recorder.write([Facts(charger.pk, timezone.now(), arrival=arrival)])
    charger.connection_mark = arrival.mark
    return connection


# ------------------------------------------------------------------------------------------------ our calls


def next_call(charger: Charger, *, service: str) -> dict[str, Any] | None:
    """The next thing to ask of the charger, marked as sent: `id`, `action` and `payload` of OCPP 1.6. None: nothing,
    the one before it is still on its way (OCPP-J 1.6 §4.1.1), or the charger is served elsewhere."""
    with transaction.atomic():
        # Two who ask at once would put two calls on their way.
        charger = Charger.objects.select_for_update(no_key=True).get(pk=charger.pk)
        on_its_way = timezone.now() - timedelta(seconds=settings.CALL_TIMEOUT_SECONDS)
        if not is_served_by(charger, service) or charger.commands.open().filter(sent_at__gt=on_its_way).exists():
            return None
        command = commands.claim_next(charger.pk, mark=charger.connection_mark, is_accepted=charger.is_accepted)
    if command is None:
        return None
    asked = _asked(command)
    payload = orjson.loads(asked.frame)[3]
    if wrong := next(schemas.violations(V16.schemas, asked.action, payload), None):
        commands.finish(command.pk, error=f"not sent, it breaks the schema: {wrong[1]}")
        return None
    return {"id": command.pk, "action": asked.action, "payload": payload}


def answered(charger: Charger, command_id: int, *, service: str, result: Any = None, error: str = "") -> Command:
    """The charger's answer to a call that `next_call` gave, or why there is none. The first word stays.

    Refused: nobody asked that, or another connection serves the charger by now, and its answer counts.
    """
    if not is_served_by(charger, service):
        raise Refused("served_elsewhere", _("This charger is connected elsewhere by now."))
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
