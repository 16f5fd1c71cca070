"""What people ask of a charger. A Command row is the truth; waking the socket that holds the charger is a courtesy.

Nobody waits for a charger. R11: a remote start, an unlock and a reset are sent at most once and expire; a remote stop,
configuration and charging profiles are sent again after a lost connection until they are answered or expire.
"""

import uuid
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts import id_tags
from accounts.models import IdTag, User
from chargers import authorization, live, metrics, registry, vendors
from chargers.models import Charger, ChargingSession, Command, Connector
from sharecharge.errors import Refused

Action = Command.Action

LIFETIMES = {
    Action.REMOTE_STOP: timedelta(days=1),
    # Whoever asks stands beside it: what arrives much later surprises the next one.
    Action.UNLOCK: timedelta(minutes=1),
    Action.RESET: timedelta(minutes=2),
}
# The configuration key that holds the password (OCPP 1.6 security whitepaper).
AUTHORIZATION_KEY = "AuthorizationKey"
SETUP = frozenset({Action.TRIGGER_MESSAGE, Action.GET_CONFIGURATION, Action.CHANGE_CONFIGURATION})
DEFAULT_LIFETIME = timedelta(minutes=10)
# How long an accepted remote start may take to become a session (the driver walks to the car, a history is replayed).
START_WINDOW = timedelta(minutes=15)
CONFIGURATION_READ_EVERY = timedelta(days=1)


# ------------------------------------------------------------------------------------------------ asking


def request(
    charger: Charger,
    action: Action,
    *,
    payload: dict[str, Any] | None = None,
    by: User | None = None,
    connector: Connector | None = None,
    session: ChargingSession | None = None,
    lifetime: timedelta | None = None,
) -> Command:
    """Puts a command on the charger's list. Who may ask is decided by the callers."""
    command = Command.objects.create(
        charger=charger,
        connector=connector,
        session=session,
        action=action,
        payload=payload or {},
        requested_by=by,
        expires_at=timezone.now() + (lifetime or LIFETIMES.get(action, DEFAULT_LIFETIME)),
    )
    live.publish_commands(charger.pk)
    _publish(command)
    return command


def request_remote_start(charger: Charger, connector: Connector, *, user: User) -> Command:
    """Asks the charger to start for `user`. Tapping twice gives the same command.

    Refused: the charger is offline, the connector is taken or out of order, or the user may not charge here.
    """
    if connector.charger_id != charger.pk:
        raise Refused("no_connector", authorization.SENTENCES[authorization.Reason.NO_CONNECTOR], status=404)
    tag = id_tags.virtual_tag(user)
    authorization.check_start(charger, tag, connector).require()
    if not charger.is_online:
        raise Refused("charger_offline", _("This charger is offline. Try another one, or later."))
    with transaction.atomic():
        Charger.objects.select_for_update(no_key=True).get(pk=charger.pk)
        if connector.sessions.running().exists():
            raise Refused("connector_busy", _("A car is already charging here."))
        if connector.status in {"Unavailable", "Faulted", "Reserved"}:
            raise Refused("connector_unavailable", _("This connector is out of order or reserved at the moment."))
        now = timezone.now()
        pending = connector.commands.filter(action=Action.REMOTE_START, session=None, expires_at__gt=now)
        for command in pending:
            if command.status not in {"waiting", "sent", "accepted"}:
                continue
            if command.requested_by_id == user.pk:
                return command
            raise Refused("connector_busy", _("Somebody else is just starting here."))
        return request(
            charger,
            Action.REMOTE_START,
            payload={"id_tag": tag.uid, "connector_id": connector.connector_id},
            by=user,
            connector=connector,
            lifetime=timedelta(seconds=settings.REMOTE_START_TIMEOUT_SECONDS),
        )


def request_remote_stop(session: ChargingSession, *, user: User | None) -> Command:
    """Asks the charger to end a session. `user` None: the platform itself (money used up). Asked twice: one command."""
    if user is not None and not (user.is_staff or user.pk in (session.user_id, session.owner_id)):
        raise Refused("not_yours", _("This session belongs to somebody else."), status=404)
    with transaction.atomic():
        session = (
            ChargingSession.objects.select_for_update(no_key=True, of=("self",))
            .select_related("charger")
            .get(pk=session.pk)
        )
        if session.stop_received_at is not None:
            raise Refused("session_over", _("This session has already ended."))
        pending = session.commands.open().filter(action=Action.REMOTE_STOP, expires_at__gt=timezone.now()).first()
        return pending or request(
            session.charger,
            Action.REMOTE_STOP,
            payload={"transaction_id": session.pk},
            by=user,
            connector=session.connector,
            session=session,
        )


def request_boot(charger_id: int) -> Command:
    """A charger talks without ever having introduced itself: it is asked to (gateway.md 3, never after Accepted)."""
    return request(Charger(pk=charger_id), Action.TRIGGER_MESSAGE, payload={"message": "BootNotification"})


def rotate_password(charger: Charger, *, by: User) -> str:
    """A new password, also sent to the charger if it is online (R14). The old one works until the new one was used.

    As hex text, which OCPP 1.6's security whitepaper asks for; the charger may use it as text or as bytes.
    """
    password = registry.rotate_password(charger)
    if charger.is_online:
        value = password.encode().hex()
        request(charger, Action.CHANGE_CONFIGURATION, payload={"key": AUTHORIZATION_KEY, "value": value}, by=by)
    return password


def after_boot(charger: Charger, *, has_changed: bool) -> None:
    """What we ask of a charger that has just booted: little, and only if it is wanted (gateway.md 3).

    Its configuration once a day, and when it `has_changed`: after a power cut whole streets boot at once.
    """
    if not charger.is_configured_after_boot:
        return
    lately = charger.commands.filter(
        action=Action.GET_CONFIGURATION, created_at__gt=timezone.now() - CONFIGURATION_READ_EVERY
    )
    if has_changed or not lately.exists():
        request(charger, Action.GET_CONFIGURATION)
    _limit_current(charger, None)


def after_start(session: ChargingSession) -> None:
    """Links the remote start that led to this session, and sends the limit that some wallboxes wait for."""
    if session.connector is None:
        return
    if session.id_tag and session.id_tag.kind == IdTag.Kind.VIRTUAL:  # nobody carries that one in a pocket
        _link(session, session.connector)
    if session.charger.is_configured_after_boot:
        _limit_current(session.charger, session)


def _link(session: ChargingSession, connector: Connector) -> None:
    begun = connector.commands.filter(
        action=Action.REMOTE_START,
        requested_by=session.user,
        session=None,
        payload__id_tag=session.id_tag_text,
        created_at__gt=timezone.now() - START_WINDOW,
    ).first()
    if begun:
        begun.session = session
        begun.save(update_fields=["session"])
        _publish(begun)


def _limit_current(charger: Charger, session: ChargingSession | None) -> None:
    """The owner's wish after a boot, and for some wallboxes a limit before they charge: never above that wish."""
    limits = []
    if vendors.needs_current_limit(charger):
        connector = session.connector if session else charger.connectors.order_by("connector_id").first()
        limits.append(vendors.current_limit_a(connector))
    if charger.limit_w is not None and (limits or session is None):
        limits.append(vendors.amperes(charger.limit_w))
    if not limits:
        return
    limit_a = min(limits)
    waiting = charger.commands.waiting(timezone.now()).filter(action=Action.SET_CHARGING_PROFILE)
    if not waiting.filter(payload__limit_a=limit_a).exists():
        payload = {"limit_a": limit_a, "phases": vendors.PHASES}
        request(charger, Action.SET_CHARGING_PROFILE, payload=payload, session=session)


# ------------------------------------------------------------------------------------------------ carrying out


def claim_next(charger_id: int, *, mark: str, is_accepted: bool) -> Command | None:
    """The oldest command that waits for this charger, marked as sent before it is: at most once means this order.

    Only for the connection that serves the charger now: what an older socket sends may never arrive.

    A charger whose boot is not accepted may be configured but not used; a rejected one is left alone (OCPP 1.6 §4.2).
    """
    with transaction.atomic():
        now = timezone.now()
        rows = Command.objects.select_for_update(no_key=True, of=("self",), skip_locked=True)
        rows = rows.filter(charger_id=charger_id, charger__connection_mark=mark)
        waiting = rows.waiting(now).exclude(charger__registration=Charger.Registration.REJECTED)
        command = (waiting if is_accepted else waiting.filter(action__in=SETUP)).first()
        if command is None:
            return None
        command.sent_at = now
        command.message_id = uuid.uuid4().hex
        command.save(update_fields=["sent_at", "message_id"])
        _publish(command)
        return command


def finish(command_id: int, *, result: dict[str, Any] | None = None, error: str = "") -> None:
    """The charger answered, or it is certain that it will not. The first word stays."""
    with transaction.atomic():
        command = Command.objects.select_for_update(no_key=True).get(pk=command_id)
        if command.answered_at is not None:
            return
        command.answered_at = timezone.now()
        command.result = result
        command.error = error[:200]
        if command.payload.get("key") == AUTHORIZATION_KEY:
            command.payload = {"key": AUTHORIZATION_KEY}  # it was said; nobody needs to read the password here
        command.save(update_fields=["answered_at", "result", "error", "payload"])
        metrics.COMMANDS_FINISHED.labels(command.action, command.status).inc()
        seconds = (command.answered_at - command.created_at).total_seconds()
        metrics.COMMAND_SECONDS.labels(command.action).observe(seconds)
        if result is not None and command.action == Action.GET_CONFIGURATION:
            _keep_configuration(command.charger_id, result)
        _publish(command)


def connections_lost(charger_ids: Collection[int]) -> None:
    """Sockets closed under what was sent: what may be repeated waits again, of the rest nobody knows the end."""
    sent = Command.objects.open().filter(charger__in=charger_ids).exclude(sent_at=None)
    for command in sent:
        if command.action in Command.REPEATABLE:
            Command.objects.filter(pk=command.pk).update(sent_at=None)
        else:
            finish(command.pk, error="connection_lost")


def timed_out(command: Command) -> None:
    """No answer within the time: a remote stop is tried until it expires, the rest ends here."""
    if command.action == Action.REMOTE_STOP:
        Command.objects.filter(pk=command.pk, answered_at=None).update(sent_at=None)
    else:
        finish(command.pk, error="no_answer")


def expire(now: datetime) -> int:
    """Ends what nobody will send or answer any more. Returns how many.

    What was sent so long ago has lost its socket without anybody noticing: if it may be repeated it waits again.
    """
    lost = Command.objects.open().filter(sent_at__lt=now - timedelta(seconds=2 * settings.CALL_TIMEOUT_SECONDS))
    lost.filter(expires_at__gt=now, action__in=Command.REPEATABLE).update(sent_at=None)
    due = list(Command.objects.open().filter(expires_at__lte=now).values_list("pk", "sent_at")[:1000])
    for key, sent_at in due:
        if sent_at is None:
            finish(key, error="expired")
        elif sent_at < now - timedelta(seconds=2 * settings.CALL_TIMEOUT_SECONDS):
            finish(key, error="no_answer")
    return len(due)


def chargers_waiting(charger_ids: list[int]) -> list[int]:
    """Which of these chargers have a command to be sent. For gateways, in case a wake-up call was lost."""
    waiting = Command.objects.waiting(timezone.now()).filter(charger_id__in=charger_ids)
    return list(waiting.values_list("charger_id", flat=True).distinct())


def told_configuration(result: dict[str, Any]) -> list[dict[str, Any]]:
    """What a charger told of its settings, as `key`, `value` and `readonly`; the password is not among it."""
    return [
        {"key": str(item.get("key"))[:50], "value": item.get("value"), "readonly": bool(item.get("readonly"))}
        for item in result.get("configurationKey") or []
        if isinstance(item, dict) and str(item.get("key")).casefold() != AUTHORIZATION_KEY.casefold()
    ]


def _keep_configuration(charger_id: int, result: dict[str, Any]) -> None:
    configuration = {item.pop("key"): item for item in told_configuration(result)}
    Charger.objects.filter(pk=charger_id).update(configuration=configuration)


def _publish(command: Command) -> None:
    live.publish_command(command.pk, user_id=command.requested_by_id, charger_id=command.charger_id)
