"""Who may know what about a charger. The exact address of a home is not for everybody."""

from accounts import id_tags
from accounts.models import User
from chargers import authorization
from chargers.models import Charger, ChargingSession


def may_open(charger: Charger, user: User | None) -> bool:
    """Its page opens for its owner and operators, and for everybody while its owner offers it to anyone.

    A public charger that is not shared at the moment still opens and says so: people keep links and stickers.
    """
    if user is not None and (user.is_staff or charger.owner_id == user.pk):
        return True
    return charger.access == Charger.Access.PUBLIC


def may_see_address(charger: Charger, user: User | None) -> bool:
    """Its owner, operators, whoever charged there, and whoever the rules admit to charge there now."""
    if user is None:
        return False
    if user.is_staff or charger.owner_id == user.pk:
        return True
    has_charged = charger.sessions.filter(user=user).exclude(status=ChargingSession.Status.REFUSED).exists()
    return has_charged or authorization.check(charger, id_tags.virtual_tag(user).uid).is_accepted
