"""What a person may start at a charger from its page, plug by plug, and if not, why."""

from collections.abc import Iterable

from django.conf import settings
from django.utils.translation import gettext as _

from accounts import id_tags
from accounts.models import IdTag, User
from billing.wallets import Wallet
from chargers import authorization
from chargers.authorization import Reason, Verdict
from chargers.models import Charger, ChargingSession, Connector
from chargers.shapes import Shape

# With these a plug can take a start: it is free, or a car is plugged in and waits.
STARTABLE = Connector.FREE_STATUSES | {"Preparing", "Finishing"}


def of(charger: Charger, plugs: Iterable[Connector], user: User, wallet: Wallet) -> list[Shape]:
    """One offer per plug. `hold` is what will be reserved."""
    return [_offer(charger, plug, user, wallet, verdict) for plug, verdict in _verdicts(charger, plugs, user)]


def _verdicts(charger: Charger, plugs: Iterable[Connector], user: User) -> Iterable[tuple[Connector, Verdict]]:
    """The verdict of `authorization.check_start` on each plug. Plugs that are alike in all it looks at share one."""
    tag = id_tags.virtual_tag(user)
    charging_at = _plugs_in_use(tag)
    known: dict[tuple[bool, ...], Verdict] = {}
    for plug in plugs:
        is_free = authorization.is_free_for(charger, plug, user)
        kind = (plug.is_enabled, plug.tariff is None, is_free, plug.pk in charging_at)
        if kind not in known:
            known[kind] = authorization.check_start(charger, tag, plug)
        yield plug, known[kind]


def _plugs_in_use(tag: IdTag) -> set[int | None]:
    return set(ChargingSession.objects.running().filter(id_tag=tag).values_list("connector_id", flat=True))


def _offer(charger: Charger, plug: Connector, user: User, wallet: Wallet, verdict: Verdict) -> Shape:
    is_free = authorization.is_free_for(charger, plug, user)
    return {
        "number": plug.connector_id,
        "obstacle": _obstacle(charger, plug, verdict),
        "needs_money": verdict.reason in (Reason.BALANCE_TOO_LOW, Reason.PAYMENT_DUE),
        "is_free": is_free,
        "hold": 0 if is_free else min(settings.SESSION_HOLD, wallet.available),
    }


def _obstacle(charger: Charger, plug: Connector, verdict: Verdict) -> str:
    if verdict.reason is not None:
        return verdict.sentence
    if not charger.is_online:
        return _("The charger is offline. It cannot be started from here now.")
    if plug.status in STARTABLE:
        return ""
    if plug.status in Connector.BUSY_STATUSES:
        return _("This plug is in use. This page says it by itself when it is free.")
    return _("This plug is out of order. This page says it by itself when it works again.")


def takes_a_start(plugs: Iterable[Connector]) -> bool:
    """For who is not logged in yet: one of the plugs could be started now."""
    return any(plug.offered in ("free", "busy") and plug.status in STARTABLE for plug in plugs)
