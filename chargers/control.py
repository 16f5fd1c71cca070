"""What owners and operators ask of their chargers from afar. Who may, and when it would do harm, is decided here.

Refused everywhere: the charger is somebody else's, deleted, or offline. Asked twice, the command that is under way is
given again.
"""

from typing import Any

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from chargers import commands, vendors, visibility
from chargers.models import Charger, Command, Connector
from chargers.models.fleet import MOST_POWER_W
from sharecharge.errors import Refused

Action = Command.Action

LIMITS_W = (vendors.SMALLEST_A * vendors.VOLTS * vendors.PHASES, max(MOST_POWER_W.values()))


def unlock(charger: Charger, connector: Connector, *, by: User, force: bool = False) -> Command:
    """Lets the cable go. Where a car charges this ends its session (OCPP 1.6 §5.18), so it has to be forced there."""
    with transaction.atomic():
        charger = _locked(charger, by)
        if connector.charger_id != charger.pk:
            raise Refused("no_connector", _("This charger has no such connector."), status=404, field="connector")
        if connector.sessions.running().exists() and not force:
            raise Refused("session_running", _("A car is charging here. Stop the session first, or force it."))
        payload = {"connector_id": connector.connector_id}
        return _once(charger, Action.UNLOCK, payload, by=by, connector=connector)


def reset(charger: Charger, *, by: User, is_hard: bool = False, force: bool = False) -> Command:
    """Restarts the charger; `is_hard`: as if the power had been cut. Either ends what runs, so it has to be forced."""
    with transaction.atomic():
        charger = _locked(charger, by)
        if charger.sessions.running().exists() and not force:
            raise Refused("session_running", _("A car is charging here. Stop the session first, or force it."))
        return _once(charger, Action.RESET, {"is_hard": is_hard}, by=by)


def refresh(charger: Charger, *, by: User) -> Command:
    """Asks what its plugs are at, and what the meters say where cars charge. Returns the first of these commands."""
    with transaction.atomic():
        charger = _locked(charger, by)
        command = _once(charger, Action.REFRESH, {"what": "state"}, by=by)
        for session in charger.sessions.running().select_related("connector").order_by("pk"):
            if session.connector:
                payload = {"what": "meter", "connector_id": session.connector.connector_id}
                _once(charger, Action.REFRESH, payload, by=by, connector=session.connector)
        return command


def limit_power(charger: Charger, *, limit_w: int, by: User) -> Command:
    """The whole charger takes at most this much, until it is told otherwise (three lines of 230 V).

    The wish is kept: a restarted charger has forgotten it, and is told again.
    """
    lowest, most = LIMITS_W
    if not lowest <= limit_w <= most:
        raise Refused(
            "limit_range",
            _("Write a power from %(lowest)s to %(most)s W: cars take nothing below 6 A.")
            % {"lowest": lowest, "most": most},
            status=400,
            field="limit_w",
        )
    with transaction.atomic():
        charger = _locked(charger, by)
        charger.limit_w = limit_w
        charger.save(update_fields=["limit_w"])
        payload = {"limit_a": vendors.amperes(limit_w), "phases": vendors.PHASES}
        return _once(charger, Action.SET_CHARGING_PROFILE, payload, by=by)


def read_configuration(charger: Charger, *, by: User, keys: list[str] | None = None) -> Command:
    """For operators. Without `keys` the charger tells all of them."""
    with transaction.atomic():
        charger = _locked(charger, by, operators_only=True)
        return _once(charger, Action.GET_CONFIGURATION, {"keys": keys} if keys else {}, by=by)


def change_configuration(charger: Charger, *, key: str, value: str, by: User) -> Command:
    """For operators. Not for the password: `commands.rotate_password` keeps the charger from being locked out."""
    if key.casefold() == commands.AUTHORIZATION_KEY.casefold():
        raise Refused("use_rotation", _("Make a new password instead."), status=400, field="key")
    with transaction.atomic():
        charger = _locked(charger, by, operators_only=True)
        return _once(charger, Action.CHANGE_CONFIGURATION, {"key": key, "value": value}, by=by)


def _locked(charger: Charger, by: User, *, operators_only: bool = False) -> Charger:
    """The charger under lock, so that two who ask at once find each other's command."""
    locked = Charger.objects.live().select_for_update(no_key=True).filter(pk=charger.pk).first()
    if locked is None:
        raise Refused("no_charger", _("There is no such charger."), status=404)
    visibility.require_manager(locked, by)
    if operators_only and not by.is_staff:
        raise Refused("operators_only", _("Only operators can do that."), status=403)
    if not locked.is_online:
        raise Refused("charger_offline", _("This charger is offline. Try another one, or later."))
    return locked


def _once(
    charger: Charger, action: Action, payload: dict[str, Any], *, by: User, connector: Connector | None = None
) -> Command:
    """The same command that is still on its way, or a new one."""
    for command in charger.commands.open().filter(action=action, connector=connector).order_by("-pk"):
        if command.payload == payload and command.status in {"waiting", "sent"}:
            return command
    return commands.request(charger, action, payload=payload, by=by, connector=connector)
