"""The map and a charger's page, for everybody; starting from the page, for who is logged in."""

from collections.abc import Sequence
from typing import Any

import orjson
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.cache import get_conditional_response, patch_cache_control
from django.utils.translation import gettext as _
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_safe

from accounts.models import User
from accounts.pages import post_or_back_to
from billing import wallets
from chargers import commands, offers, pins, shapes, visibility
from chargers.models import Charger, Command
from sharecharge.errors import Refused

LIST_LIMIT = 200


def visitor(request: HttpRequest) -> User | None:
    return request.user if isinstance(request.user, User) else None


def tiles() -> dict[str, str]:
    """Where the map's pictures come from; the templates hand it to the script."""
    return {"tile_url": settings.MAP_TILE_URL, "tile_attribution": settings.MAP_TILE_ATTRIBUTION}


@require_safe
def charger_map(request: HttpRequest) -> HttpResponse:
    chargers = pins.find(Charger.objects.visible_to(visitor(request)), limit=LIST_LIMIT)
    return render(request, "chargers/map.html", {"pins": pins.of(chargers), **tiles()})


@gzip_page
@require_safe
def map_data(request: HttpRequest) -> HttpResponse:
    """`?box=south,west,north,east` in degrees → the chargers in it, by their public positions.

    `more`: there are more than these. Asked again with its ETag it answers 304 as long as nothing has changed.
    """
    user = visitor(request)
    chargers = Charger.objects.visible_to(user)
    if "box" in request.GET:
        try:
            chargers = chargers.in_box(*pins.parse_box(request.GET["box"]))
        except ValueError:
            return JsonResponse({"error": _("box must be south,west,north,east in degrees")}, status=400)
    found = pins.find(chargers, limit=pins.BOX_LIMIT + 1)
    etag = f'W/"{pins.version(found)}"'
    response = get_conditional_response(request, etag=etag) or pins_response(found)
    response["ETag"] = etag
    patch_cache_control(response, no_cache=True, **({"private": True} if user else {}))
    return response


def pins_response(found: Sequence[Charger]) -> HttpResponse:
    data = {"chargers": pins.of(found[: pins.BOX_LIMIT]), "more": len(found) > pins.BOX_LIMIT}
    return HttpResponse(orjson.dumps(data), content_type="application/json")


def open_charger(code: str, user: User | None) -> Charger:
    chargers = shapes.with_connectors(Charger.objects.live().select_related("owner"))
    charger = get_object_or_404(chargers, code=code.lower())
    if not visibility.may_open(charger, user):
        raise Http404
    return charger


@require_safe
def charger_page(request: HttpRequest, code: str) -> HttpResponse:
    user = visitor(request)
    charger = open_charger(code, user)
    context: dict[str, Any] = {
        "charger": charger,
        "place": shapes.place(charger),
        "is_mine": user is not None and charger.owner_id == user.pk,
        "example_text": shapes.units.kwh(shapes.EXAMPLE_WH),
        "minimum": settings.MINIMUM_START_BALANCE,
        **tiles(),
    }
    if user is not None:
        wallet = wallets.wallet_of(user)
        context |= {
            "wallet": wallet,
            "address": charger.address if visibility.may_see_address(charger, user) else "",
            "starts": offers.of(charger, charger.listed_connectors, user, wallet),  # type: ignore[attr-defined]
        }
    return render(request, "chargers/charger.html", context)


@login_required
@post_or_back_to("charger", "code")
def charger_start(request: HttpRequest, code: str, number: int) -> HttpResponse:
    user = visitor(request)
    assert user is not None
    charger = open_charger(code, user)
    connector = get_object_or_404(charger.connectors.listed(), connector_id=number)
    try:
        command = commands.request_remote_start(charger, connector, user=user)
    except Refused as refusal:
        messages.error(request, str(refusal))
        return redirect(charger)
    return redirect("command", command.pk)


@login_required
@require_safe
def command_page(request: HttpRequest, pk: int) -> HttpResponse:
    """A start from the phone on its way, step by step."""
    commands_with_all = Command.objects.select_related("charger", "connector", "session")
    command = get_object_or_404(commands_with_all, pk=pk, action=Command.Action.REMOTE_START)
    user = visitor(request)
    if user is None or not shapes.may_see_command(command, user):
        raise Http404
    shape = shapes.command(command)
    if shape["session_url"]:
        return redirect(shape["session_url"])
    return render(request, "chargers/command.html", {"command": command, "shape": shape})
