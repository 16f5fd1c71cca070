"""What every template may ask."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest

from billing import audit


def money(request: HttpRequest) -> dict[str, Any]:
    """`is_halted`: is the ledger broken, so that no bills are made? Asked only where it is used."""
    return {"is_halted": audit.is_halted}


def site(request: HttpRequest) -> dict[str, Any]:
    """`site_url`: what links that leave this page begin with, as in a preview of it elsewhere."""
    return {"site_url": settings.SITE_URL}
