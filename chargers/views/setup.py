"""The wizard that brings a wallbox online: place, model, what to type, price, tests, label. See onboarding.py."""

from typing import Any

import segno
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.safestring import SafeString, mark_safe
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from accounts.people import PersonRequest
from chargers import catalogue, commands, control, gazetteer, hosts, onboarding, opening, registry
from chargers.forms import AccessForm, ChargerForm, ConnectorForm
from chargers.models import Charger
from chargers.views.owners import own_charger, place_of
from chargers.views.places import tiles
from sharecharge.errors import Refused


def step_page(
    request: PersonRequest, charger: Charger | None, step: str, context: dict[str, Any], *, status: int = 200
) -> HttpResponse:
    """One step; how far its charger has come stands above it."""
    seen = context["shape"]["ticks"] if "shape" in context else None
    shown = {"charger": charger, "step": step, "steps": onboarding.steps(charger, here=step, seen=seen), **context}
    return render(request, f"chargers/setup_{step}.html", shown, status=status)


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def charger_add(request: PersonRequest) -> HttpResponse:
    """The first step makes the charger. Its password is made when it is shown, two steps later."""
    if not request.user.is_owner:
        return redirect("become_owner")
    form = ChargerForm(request.POST or None)
    if not form.is_valid():
        return place_page(request, None, form)
    charger = registry.register(owner=request.user, **form.cleaned_data).charger
    return redirect("setup_model", charger.pk)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def setup_place(request: PersonRequest, pk: int) -> HttpResponse:
    charger = own_charger(request, pk)
    form = ChargerForm(request.POST or None, initial={**place_of(charger), "access": charger.access})
    if not form.is_valid():
        return place_page(request, charger, form)
    registry.change(charger, form.cleaned_data, by=request.user)
    return redirect("setup", pk)


def place_page(request: PersonRequest, charger: Charger | None, form: ChargerForm) -> HttpResponse:
    context = {"form": form, "can_search": gazetteer.is_on(), **tiles()}
    return step_page(request, charger, "place", context, status=400 if form.is_bound else 200)


@login_required
@require_safe
def setup(request: PersonRequest, pk: int) -> HttpResponse:
    """Where its owner stopped."""
    charger = own_charger(request, pk)
    return redirect(f"setup_{onboarding.following(charger)}", pk)


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def setup_model(request: PersonRequest, pk: int) -> HttpResponse:
    """`?q=solax` looks for a model. The first choice is answered with what to type, the password included."""
    charger = own_charger(request, pk)
    if request.method == "POST":
        is_first = not charger.chosen_model
        registry.choose_model(charger, request.POST.get("model", ""))
        if is_first and charger.booted_at is None:
            return connect_page(request, charger, password=registry.rotate_password(charger))
        return redirect("setup_connect", pk)
    query = request.GET.get("q", "")
    context = {"models": catalogue.search(query), "query": query, "other": catalogue.OTHER}
    return step_page(request, charger, "model", context)


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def setup_connect(request: PersonRequest, pk: int) -> HttpResponse:
    """What to type, and every attempt live. A POST makes a new password, which is in this one answer only."""
    charger = own_charger(request, pk)
    password = commands.rotate_password(charger, by=request.user) if request.method == "POST" else ""
    return connect_page(request, charger, password=password)


def connect_page(request: PersonRequest, charger: Charger, *, password: str = "") -> HttpResponse:
    typing = onboarding.typing(charger, password=password)
    model = onboarding.model_of(charger)
    context = {
        "shape": hosts.charger(charger),
        "typing": typing,
        "qr": qr_of(typing["text"]),
        "password": password,
        "model": model,
        "needs_tls": catalogue.Quirk.NEEDS_TLS in model.quirks,
        "notes": onboarding.notes(charger),
        "is_encrypted": settings.CHARGER_URL.startswith("wss:"),
    }
    return step_page(request, charger, "connect", context)


def qr_of(text: str) -> SafeString:
    """As part of the page: a picture with a password must have no address of its own."""
    drawing = segno.make(text, error="m", micro=False).svg_inline(border=2, dark="#000", light="#fff", omitsize=True)
    return mark_safe(drawing)  # noqa: S308 - drawn by segno: nothing of the text is in it


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def setup_plugs(request: PersonRequest, pk: int) -> HttpResponse:
    """Power and price of all plugs, and who may use them, in one form."""
    charger = own_charger(request, pk)
    plugs = list(charger.connectors.select_related("tariff").order_by("connector_id"))
    data = request.POST if request.method == "POST" else None
    forms = [ConnectorForm.of(plug, data) for plug in plugs]
    access = AccessForm(data, initial={"access": charger.access})
    if data is not None and all([access.is_valid(), *(form.is_valid() for form in forms)]):
        for plug, form in zip(plugs, forms, strict=True):
            registry.complete(plug, **form.cleaned_data)
        registry.set_access(charger, Charger.Access(access.cleaned_data["access"]))
        return redirect("setup_test", pk)
    context = {
        "shape": hosts.charger(charger), "plugs": list(zip(plugs, forms, strict=True)), "access_form": access,
    }  # fmt: skip
    return step_page(request, charger, "plugs", context, status=200 if data is None else 400)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def setup_test(request: PersonRequest, pk: int) -> HttpResponse:
    """What was seen to work, live. A POST starts or stops a charge of the owner, or asks for the state."""
    charger = own_charger(request, pk)
    if request.method == "POST":
        try:
            try_out(charger, request.POST.get("what", ""), request)
        except Refused as refusal:
            messages.error(request, str(refusal))
        return redirect("setup_test", pk)
    return step_page(request, charger, "test", {"shape": hosts.charger(charger)})


def try_out(charger: Charger, what: str, request: PersonRequest) -> None:
    """Refused: offline, in use, or nothing to be stopped."""
    if what == "stop":
        for session in charger.sessions.running().filter(user=request.user):
            commands.request_remote_stop(session, user=request.user)
    elif what == "refresh":
        control.refresh(charger, by=request.user)
    elif plug := charger.connectors.filter(is_enabled=True, connector_id=what if what.isdecimal() else 0).first():
        commands.request_remote_start(charger, plug, user=request.user)


@login_required
@require_safe
def setup_label(request: PersonRequest, pk: int) -> HttpResponse:
    charger = own_charger(request, pk)
    is_complete = onboarding.following(charger) == "label"
    address = settings.SITE_URL + charger.get_absolute_url()
    context = {"is_complete": is_complete, "address": address, "hours_text": opening.in_short(charger)}
    return step_page(request, charger, "label", context)
