"""The map and a charger's page, for everybody; starting from the page, for who is logged in."""

import io
from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

import orjson
import segno
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.cache import get_conditional_response, patch_cache_control
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_http_methods, require_safe

from accounts.models import User
from accounts.pages import post_or_back_to
from accounts.people import PersonRequest
from billing import wallets
from chargers import commands, gazetteer, offers, opening, photos, pins, problems, registry, shapes, visibility
from chargers.forms import FilterForm, ReportForm
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
    """The map with its list, which says the same without a script. `?q=Brno` lists what is near that place."""
    user = visitor(request)
    form = FilterForm(request.GET)
    chargers = Charger.objects.visible_to(user)
    spots, failure = searched(request)
    near = nearby(request) or ((spots[0].latitude, spots[0].longitude) if spots else None)
    chargers = form.chosen(chargers, user)
    if near is not None:
        chargers = pins.around(chargers, near)
    context = {
        "pins": pins.of(pins.find(chargers, limit=LIST_LIMIT), near=near),
        "filters": form,
        "near": near,
        "query": request.GET.get("q", ""),
        "spots": spots,
        "search_failure": failure,
        "can_search": gazetteer.is_on(),
        **tiles(),
    }
    return render(request, "chargers/map.html", context)


def searched(request: HttpRequest) -> tuple[list[gazetteer.Spot], str]:
    """The places that the address asks for, or why there are none."""
    query = request.GET.get("q", "").strip()
    if not query or not gazetteer.is_on():
        return [], ""
    try:
        spots = gazetteer.find(query, language=get_language() or "")
    except Refused as refusal:
        return [], str(refusal)
    return spots, "" if spots else _("No place of this name was found.")


def nearby(request: HttpRequest) -> pins.Point | None:
    """`?near=49.2,16.6`, or None for nonsense: the list then just has another order."""
    try:
        return pins.parse_point(request.GET.get("near", ""))
    except ValueError:
        return None


@require_safe
def map_search(request: HttpRequest) -> JsonResponse:
    """`?q=Brno` → up to five places. 429 and 503 say in words that there is no answer now."""
    try:
        spots = gazetteer.find(request.GET.get("q", ""), language=get_language() or "")
    except Refused as refusal:
        return JsonResponse({"error": str(refusal)}, status=refusal.status)
    return JsonResponse({"places": [spot.as_dict() for spot in spots]})


@gzip_page
@require_safe
def map_data(request: HttpRequest) -> HttpResponse:
    """`?box=south,west,north,east` in degrees → the chargers in it that the filters of the address leave over.

    `more`: there are more than these. `changes_at`: then one may open that the filters hide (null: never).
    `fault`: what of the filters cannot be used, in words.
    Asked again with its ETag it answers 304 as long as nothing has changed.
    """
    user = visitor(request)
    form = FilterForm(request.GET)
    chargers = Charger.objects.visible_to(user)
    if "box" in request.GET:
        try:
            chargers = chargers.in_box(*pins.parse_box(request.GET["box"]))
        except ValueError:
            return JsonResponse({"error": _("box must be south,west,north,east in degrees")}, status=400)
    found = pins.find(form.chosen(chargers, user), limit=pins.BOX_LIMIT + 1)
    near = nearby(request)
    changes_at = pins.next_change(chargers) if form.asks_for_now else None
    beside = {"more": len(found) > pins.BOX_LIMIT, "changes_at": changes_at, "fault": form.fault_text}
    etag = f'W/"{pins.version(found, near=near, beside=beside)}"'
    response = get_conditional_response(request, etag=etag) or pins_response(found, near, beside)
    response["ETag"] = etag
    patch_cache_control(response, no_cache=True, **({"private": True} if user else {}))
    return response


def pins_response(found: Sequence[Charger], near: pins.Point | None, beside: shapes.Shape) -> HttpResponse:
    data = {"chargers": pins.of(found[: pins.BOX_LIMIT], near=near), **beside}
    return HttpResponse(orjson.dumps(data), content_type="application/json")


def open_charger(code: str, user: User | None) -> Charger:
    chargers = shapes.with_connectors(Charger.objects.live().select_related("owner"))
    charger = get_object_or_404(chargers, code=registry.code_of(code))
    if not visibility.may_open(charger, user):
        raise Http404
    return charger


@require_safe
def charger_page(request: HttpRequest, code: str) -> HttpResponse:
    user = visitor(request)
    charger = open_charger(code, user)
    place = shapes.place(charger)
    is_admitted = visibility.is_admitted(charger, user)
    shown = photos.shown(charger.photos.all(), is_admitted=is_admitted)
    context: dict[str, Any] = {
        "charger": charger,
        "place": place,
        "photos": shown,
        "open_photo": next((photo for photo in shown if photo.is_for_everybody), None),
        "takes_a_start": offers.takes_a_start(charger.listed_connectors),  # type: ignore[attr-defined]
        "is_mine": user is not None and charger.owner_id == user.pk,
        "position": (charger.public_latitude, charger.public_longitude),
        "hours": opening.lines(charger),
        "starts": [],
        **tiles(),
    }
    if user is not None:
        wallet = wallets.wallet_of(user)
        context |= {
            "wallet": wallet,
            "starts": offers.of(charger, charger.listed_connectors, user, wallet),  # type: ignore[attr-defined]
        }
    if is_admitted or visibility.may_see_address(charger, None):
        context |= {"address": charger.address, "position": (charger.latitude, charger.longitude)}
    context["plugs"] = list(zip_longest(place["connectors"], context["starts"]))
    return render(request, "chargers/charger.html", context)


@require_safe
def charger_qr(request: HttpRequest, code: str) -> HttpResponse:
    """The QR code of a charger's page. Error correction Q: a sticker outdoors gets scratched."""
    charger = open_charger(code, visitor(request))
    picture = io.BytesIO()
    address = settings.SITE_URL + charger.get_absolute_url()
    segno.make(address, error="q", micro=False).save(picture, kind="svg", scale=8, border=2)
    return HttpResponse(picture.getvalue(), content_type="image/svg+xml")


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def charger_report(request: PersonRequest, code: str) -> HttpResponse:
    """`?session=7`: about that session of one's own. Who has charged here may also report once it is private."""
    charger = get_object_or_404(Charger, code=registry.code_of(code))
    if not problems.may_report(charger, request.user):
        raise Http404
    mine, asked = charger.sessions.of_person(request.user), request.GET.get("session", "")
    session = get_object_or_404(mine, pk=asked if asked.isdecimal() else 0) if asked else None
    form = ReportForm(request.POST or None, initial={"kind": problems.Kind.BILL} if session else None)
    if form.is_valid():
        try:
            made = problems.report(problems.Subject(charger, session=session), by=request.user, **form.cleaned_data)
        except Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, _("Thank you. The owner and the operator look at it. The answer comes here."))
            return redirect("report", made.pk)
    context = {"charger": charger, "session": session, "form": form}
    return render(request, "chargers/report.html", context, status=400 if form.is_bound else 200)


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
    shape = shapes.command(command, viewer=user)
    if shape["session_url"]:
        return redirect(shape["session_url"])
    return render(request, "chargers/command.html", {"command": command, "shape": shape})
