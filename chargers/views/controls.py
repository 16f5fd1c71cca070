"""What owners ask of their chargers."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts.pages import post_or_back_to
from accounts.people import PersonRequest
from chargers import control
from chargers.forms import LimitForm
from chargers.models import Charger, Connector
from chargers.views.owners import own_charger
from sharecharge.errors import Refused


def asked(request: PersonRequest, charger: Charger) -> HttpResponse:
    messages.info(request, _("The charger was asked. What it answers appears here."))
    return redirect("charger_manage", charger.pk)


def turned_down(request: PersonRequest, charger: Charger, refusal: Refused) -> HttpResponse:
    messages.error(request, str(refusal))
    return redirect("charger_manage", charger.pk)


@login_required
@post_or_back_to("charger_manage", "pk")
def charger_refresh(request: PersonRequest, pk: int) -> HttpResponse:
    charger = own_charger(request, pk)
    try:
        control.refresh(charger, by=request.user)
    except Refused as refusal:
        return turned_down(request, charger, refusal)
    return asked(request, charger)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def charger_restart(request: PersonRequest, pk: int) -> HttpResponse:
    """Asks first: for some minutes nobody can charge, and whoever charges now is cut off."""
    charger = own_charger(request, pk)
    running = charger.sessions.running().select_related("user").order_by("pk")
    if request.method != "POST":
        return render(request, "chargers/charger_restart.html", {"charger": charger, "running": running})
    try:
        control.reset(charger, by=request.user, force="sure" in request.POST)
    except Refused as refusal:
        return turned_down(request, charger, refusal)
    return asked(request, charger)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def charger_unlock(request: PersonRequest, pk: int, number: int) -> HttpResponse:
    """Asks first: where a car charges this ends its session."""
    charger = own_charger(request, pk)
    plug: Connector = get_object_or_404(charger.connectors, connector_id=number)
    if request.method != "POST":
        running = plug.sessions.running().select_related("user").order_by("pk")
        context = {"charger": charger, "plug": plug, "running": running}
        return render(request, "chargers/charger_unlock.html", context)
    try:
        control.unlock(charger, plug, by=request.user, force="sure" in request.POST)
    except Refused as refusal:
        return turned_down(request, charger, refusal)
    return asked(request, charger)


@login_required
@post_or_back_to("charger_manage", "pk")
def charger_limit(request: PersonRequest, pk: int) -> HttpResponse:
    charger = own_charger(request, pk)
    form = LimitForm(request.POST)
    if not form.is_valid():
        messages.error(request, " ".join(map(str, form.errors["limit_w"])))
        return redirect("charger_manage", pk)
    try:
        control.limit_power(charger, limit_w=form.cleaned_data["limit_w"], by=request.user)
    except Refused as refusal:
        return turned_down(request, charger, refusal)
    return asked(request, charger)
