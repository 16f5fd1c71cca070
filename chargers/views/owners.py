"""What owners manage: their chargers, plugs, prices and passwords."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from accounts import keyset
from accounts.pages import post_or_back_to
from accounts.people import PersonRequest
from chargers import commands, gazetteer, hosts, onboarding, opening, receipts, registry, timeline
from chargers.forms import AccessForm, ConnectorForm, HoursForm, LimitForm, PlaceForm
from chargers.models import Charger, ChargingSession, ProblemReport
from chargers.views.places import tiles
from sharecharge.errors import Refused

LATEST_SESSIONS = 5
LATEST_LINES = 8
PAGE_SIZE = 30
LOG_PAGE_SIZE = 60
PLACE_FIELDS = (
    "name", "street", "house_number", "city", "postal_code", "latitude", "longitude", "is_position_public",
)  # fmt: skip


def own_charger(request: PersonRequest, pk: int) -> Charger:
    """404 for a charger of somebody else."""
    return get_object_or_404(Charger.objects.owned_by(request.user), pk=pk)


def place_of(charger: Charger) -> dict[str, Any]:
    return {name: getattr(charger, name) for name in PLACE_FIELDS}


@login_required
@require_safe
def my_chargers(request: PersonRequest) -> HttpResponse:
    """An owner's first page: what is earned, who charges, what needs attention, and the chargers."""
    if not request.user.is_owner:
        return redirect("become_owner")
    is_sharing = Charger.objects.owned_by(request.user).filter(is_sharing=True).exists()
    context = {"shape": hosts.dashboard(request.user), "is_sharing": is_sharing}
    return render(request, "chargers/my_chargers.html", context)


@login_required
@post_or_back_to("my_chargers")
def sharing_of_all(request: PersonRequest) -> HttpResponse:
    """The big switch. No connection and no running session is cut."""
    sharing = request.POST.get("sharing") == "true"
    count = registry.set_sharing_of_all(request.user, sharing=sharing)
    if sharing:
        text = ngettext("%(count)s charger is shared again.", "%(count)s chargers are shared again.", count)
    else:
        text = ngettext(
            "Others cannot start at %(count)s charger for now. Running charging goes on.",
            "Others cannot start at %(count)s chargers for now. Running charging goes on.",
            count,
        )
    messages.success(request, text % {"count": count})
    return redirect("my_chargers")


@login_required
@require_safe
def hosted_sessions(request: PersonRequest) -> HttpResponse:
    """What people charged at one's chargers; `?charger=7` at one of them, also at one that was deleted since."""
    hosted, charger = ChargingSession.objects.with_all().hosted_by(request.user), None
    if asked := request.GET.get("charger", ""):
        charger = get_object_or_404(Charger, owner=request.user, pk=asked if asked.isdecimal() else 0)
        hosted = hosted.filter(charger=charger)
    page = keyset.page(hosted, asked=request.GET, size=PAGE_SIZE)
    context = {"page": page, "charger": charger, "sessions": receipts.lines(page.rows, for_owner=True)}
    return render(request, "chargers/hosted_sessions.html", context)


@login_required
@require_safe
def charger_manage(request: PersonRequest, pk: int) -> HttpResponse:
    """What it does now, what it was asked, what it said, and who charged."""
    charger = own_charger(request, pk)
    shape = hosts.charger(charger)
    context = {
        "charger": charger,
        "shape": shape,
        "following": onboarding.following(charger, seen=shape["ticks"]),
        "plugs": charger.connectors.order_by("connector_id"),
        "limit_form": LimitForm(),
        "lines": timeline.latest(charger)[:LATEST_LINES],
        "sessions": receipts.lines(charger.sessions.with_all()[:LATEST_SESSIONS], for_owner=True),
        "problems": ProblemReport.objects.with_all().filter(charger=charger).open()[:LATEST_SESSIONS],
        "sharing_text": hosts.sharing_text(charger),
        "hours_text": opening.in_short(charger),
    }
    return render(request, "chargers/charger_manage.html", context)


@login_required
@require_safe
def charger_log(request: PersonRequest, pk: int) -> HttpResponse:
    """What the charger said, in plain words; the frames themselves on demand, with masked cards."""
    charger = own_charger(request, pk)
    page = keyset.page(charger.messages.all(), asked=request.GET, size=LOG_PAGE_SIZE)
    context = {"charger": charger, "page": page, "lines": timeline.lines(page.rows)}
    return render(request, "chargers/charger_log.html", context)


@login_required
@never_cache
@require_safe
def charger_settings(request: PersonRequest, pk: int) -> HttpResponse:
    return settings_page(request, own_charger(request, pk))


def settings_page(
    request: PersonRequest,
    charger: Charger,
    *,
    password: str = "",
    place_form: PlaceForm | None = None,
    connector_form: ConnectorForm | None = None,
    hours_form: HoursForm | None = None,
    status: int = 200,
) -> HttpResponse:
    """What its owner may change. A new `password` is in this one answer and nowhere else."""
    connectors = charger.connectors.select_related("tariff").order_by("connector_id")
    forms = {form.prefix: form for form in map(ConnectorForm.of, connectors)}
    if connector_form is not None:
        forms[connector_form.prefix] = connector_form
    context = {
        "charger": charger,
        "password": password,
        "typing": onboarding.typing(charger, password=password),
        "connectors": [(row, forms[f"connector{row.connector_id}"]) for row in connectors],
        "place_form": place_form or PlaceForm(initial=place_of(charger)),
        "access_form": AccessForm(initial={"access": charger.access}),
        "hours_form": hours_form or HoursForm(charger.week),
        "can_search": gazetteer.is_on(),
        **tiles(),
    }
    return render(request, "chargers/charger_settings.html", context, status=status)


@login_required
@require_safe
def charger_label(request: PersonRequest, pk: int) -> HttpResponse:
    """What the owner prints and fixes to the wallbox."""
    charger = own_charger(request, pk)
    address = settings.SITE_URL + charger.get_absolute_url()
    return render(request, "chargers/charger_label.html", {"charger": charger, "address": address})


@login_required
@post_or_back_to("charger_settings", "pk")
def charger_edit(request: PersonRequest, pk: int) -> HttpResponse:
    charger = own_charger(request, pk)
    form = PlaceForm(request.POST)
    if not form.is_valid():
        return settings_page(request, charger, place_form=form, status=400)
    registry.change(charger, form.cleaned_data, by=request.user)
    messages.success(request, _("Saved."))
    return redirect("charger_settings", pk)


@login_required
@post_or_back_to("charger_settings", "pk")
def connector_edit(request: PersonRequest, pk: int, number: int) -> HttpResponse:
    charger = own_charger(request, pk)
    connector = get_object_or_404(charger.connectors, connector_id=number)
    form = ConnectorForm.of(connector, request.POST)
    if not form.is_valid():
        return settings_page(request, charger, connector_form=form, status=400)
    registry.complete(connector, **form.cleaned_data)
    messages.success(request, _("Saved. A running session keeps its price."))
    return redirect("charger_settings", pk)


@login_required
@post_or_back_to("charger_manage", "pk")
def charger_sharing(request: PersonRequest, pk: int) -> HttpResponse:
    charger = own_charger(request, pk)
    registry.set_sharing(charger, sharing=request.POST.get("sharing") == "true")
    if charger.is_sharing:
        messages.success(request, _("Others can use the charger again."))
    else:
        messages.success(request, _("Others cannot start here for now. A running session goes on."))
    return redirect("charger_manage", pk)


@login_required
@post_or_back_to("charger_settings", "pk")
def charger_access(request: PersonRequest, pk: int) -> HttpResponse:
    charger = own_charger(request, pk)
    form = AccessForm(request.POST)
    if not form.is_valid():
        raise Refused("access_unknown", _("Choose who may use the charger."), status=400, field="access")
    registry.set_access(charger, Charger.Access(form.cleaned_data["access"]))
    messages.success(request, _("Saved."))
    return redirect("charger_settings", pk)


@login_required
@post_or_back_to("charger_settings", "pk")
def charger_hours(request: PersonRequest, pk: int) -> HttpResponse:
    charger = own_charger(request, pk)
    form = HoursForm(charger.week, request.POST)
    if form.is_valid():
        try:
            registry.set_hours(charger, form.cleaned_data["week"])
        except Refused as refusal:
            form.add_error("when", str(refusal))
        else:
            messages.success(request, _("Saved. A charge that runs when the hours end goes on."))
            return redirect("charger_settings", pk)
    return settings_page(request, charger, hours_form=form, status=400)


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def charger_password(request: PersonRequest, pk: int) -> HttpResponse:
    """Asks first; the new password is shown in the answer, once."""
    charger = own_charger(request, pk)
    if request.method != "POST":
        return render(request, "chargers/charger_password.html", {"charger": charger})
    return settings_page(request, charger, password=commands.rotate_password(charger, by=request.user))


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def charger_delete(request: PersonRequest, pk: int) -> HttpResponse:
    charger = own_charger(request, pk)
    if request.method != "POST":
        running, held = charger.sessions.running().first(), charger.sessions.for_review()
        context = {"charger": charger, "running": running, "has_held": held.exists()}
        return render(request, "chargers/charger_delete.html", context)
    try:
        registry.delete(charger)
    except Refused as refusal:
        messages.error(request, str(refusal))
        return redirect("charger_manage", pk)
    messages.success(request, _("The charger %(charger)s was deleted.") % {"charger": charger})
    return redirect("my_chargers")
