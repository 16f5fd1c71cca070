"""Who may know what about a charger, and do what with it. The exact address of a home is not for everybody."""

from django.utils.translation import gettext_lazy as _

from accounts.models import User
from chargers import authorization
from chargers.models import Charger, ChargingSession
from sharecharge.errors import Refused


def may_open(charger: Charger, user: User | None) -> bool:
    """Its page opens for its owner and operators, and for everybody while its owner offers it to anyone; for nobody
    once it is deleted, and for nobody else while its owner is switched off.

    A public charger that is not shared at the moment still opens and says so: people keep links and stickers.
    """
    return charger.deleted_at is None and (may_manage(charger, user) or is_public(charger))


def is_public(charger: Charger) -> bool:
    """As `models.fleet.is_public` tells it of many."""
    return charger.access == Charger.Access.PUBLIC and charger.owner.is_active


def may_manage(charger: Charger, user: User | None) -> bool:
    """Its owner and operators: they see all of it, change it, and tell it what to do."""
    return user is not None and (user.is_staff or charger.owner_id == user.pk)


def require_manager(charger: Charger, user: User) -> None:
    """Refused: it is a charger of somebody else. Whoever may not even know of it is told that there is none."""
    if not may_manage(charger, user):
        is_known = may_open(charger, user)
        raise Refused("not_yours", _("This charger belongs to somebody else."), status=403 if is_known else 404)


def may_see_address(charger: Charger, user: User | None) -> bool:
    """Whoever is admitted; everybody where its owner wants that."""
    return (charger.is_position_public and is_public(charger)) or is_admitted(charger, user)


def is_admitted(charger: Charger, user: User | None) -> bool:
    """Its owner, operators, whoever charged there, and whoever the rules admit to charge there, now or when it opens:
    people leave home before that.
    """
    if user is None:
        return False
    if user.is_staff or charger.owner_id == user.pk:
        return True
    has_charged = charger.sessions.filter(user=user).exclude(status=ChargingSession.Status.REFUSED).exists()
    return has_charged or authorization.admits(charger, user)
