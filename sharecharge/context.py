"""What every template may ask."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest

from accounts import zones
from accounts.models import User
from billing import audit
from chargers.models import ChargingSession


def money(request: HttpRequest) -> dict[str, Any]:
    """`is_halted`: is the ledger broken, so that no bills are made? Asked only where it is used."""
    return {"is_halted": audit.is_halted}


def site(request: HttpRequest) -> dict[str, Any]:
    """`site_url`: what links that leave this page begin with, as in a preview of it elsewhere. `operator_contact`:
    where the operator is reached; empty: it was not set.
    """
    return {"site_url": settings.SITE_URL, "operator_contact": settings.OPERATOR_CONTACT}


def zone(request: HttpRequest) -> dict[str, Any]:
    """`is_elsewhere`: does the visitor's clock show another time than that of `platforms_zone`?"""
    return {"is_elsewhere": zones.is_elsewhere, "platforms_zone": zones.platforms_name()}


def charging(request: HttpRequest) -> dict[str, Any]:
    """`now_charging`: the address of whoever's running charge, on whatever device it was started. Or None."""

    def address() -> str | None:
        if not isinstance(request.user, User):
            return None
        running = ChargingSession.objects.running().of_driver(request.user).order_by("-pk").first()
        return running.get_absolute_url() if running else None

    return {"now_charging": address}
