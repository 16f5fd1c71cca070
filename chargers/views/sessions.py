"""Sessions: the list, the live page with its stop button, the receipt, and the release of a held one."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from accounts import keyset
from accounts.pages import post_or_back_to
from accounts.people import PersonRequest
from chargers import commands, courses, documents, receipts, settlement, shapes, spreadsheets, visibility
from chargers.forms import HistoryForm, ReleaseForm
from chargers.models import ChargingSession
from chargers.models.sessions import SessionQuerySet
from sharecharge.errors import Refused

PAGE_SIZE = 20


def visible_session(request: PersonRequest, pk: int) -> ChargingSession:
    """404 for a session of other people: that it exists is not told."""
    return get_object_or_404(ChargingSession.objects.with_all().visible_to(request.user), pk=pk)


def asked_sessions(request: PersonRequest) -> tuple[HistoryForm, SessionQuerySet]:
    """One's own sessions, by the filters of the address; nonsense in them finds nothing and is told."""
    form = HistoryForm(request.GET, user=request.user)
    mine = ChargingSession.objects.with_all().of_driver(request.user)
    return form, form.chosen(mine) if form.is_valid() else mine.none()


@login_required
@require_safe
def session_list(request: PersonRequest) -> HttpResponse:
    form, mine = asked_sessions(request)
    page = keyset.page(mine, asked=request.GET, size=PAGE_SIZE)
    context = {"form": form, "page": page, "rows": receipts.lines(page.rows)}
    return render(request, "chargers/sessions.html", context)


@login_required
@require_safe
def session_export(request: PersonRequest) -> StreamingHttpResponse:
    """The same list as a table for a spreadsheet, newest first."""
    _form, mine = asked_sessions(request)
    return spreadsheets.for_people(mine, spreadsheets.DRIVERS_IN_WORDS, name="sharecharge.csv")


@login_required
@require_safe
def session_page(request: PersonRequest, pk: int) -> HttpResponse:
    session = visible_session(request, pk)
    is_host = session.owner_id == request.user.pk or request.user.is_staff
    context = {
        "session": session,
        "shape": shapes.session(session, viewer=request.user),
        "receipt": receipts.paper(session, viewer=request.user),
        "is_host": is_host,
        "leads_to_charger": visibility.may_open(session.charger, request.user),
        "is_driver": session.user_id == request.user.pk,
        "reasons": shapes.doubt_texts(session),
        "release_form": ReleaseForm.of(session, request.user) if is_host and session.is_held else None,
    }
    return render(request, "chargers/session.html", context)


@login_required
@require_safe
def session_receipt(request: PersonRequest, pk: int) -> HttpResponse:
    """The receipt as PDF, for whom the page shows it to. Refused while nothing is billed."""
    session = visible_session(request, pk)
    return documents.answer(documents.receipt(session, viewer=request.user), name=f"sharecharge-{pk}.pdf")


@login_required
@require_safe
def session_course(request: PersonRequest, pk: int) -> JsonResponse:
    """The points of the session's chart, see `courses.of`; the page adds what comes over its socket."""
    return JsonResponse({"points": courses.of(visible_session(request, pk))})


@login_required
@post_or_back_to("session", "pk")
def session_stop(request: PersonRequest, pk: int) -> HttpResponse:
    """A driver's one tap. Whoever stops somebody else's charging is asked first."""
    session = visible_session(request, pk)
    if session.is_running and session.user_id != request.user.pk and "sure" not in request.POST:
        return render(request, "chargers/session_stop.html", {"session": session})
    try:
        commands.request_remote_stop(session, user=request.user)
    except Refused as refusal:
        messages.error(request, str(refusal))
    return redirect(session)


@login_required
@post_or_back_to("session", "pk")
def session_release(request: PersonRequest, pk: int) -> HttpResponse:
    """For the charger's owner and operators. Asks first: the driver is billed at once."""
    session = visible_session(request, pk)
    if session.owner_id != request.user.pk and not request.user.is_staff:
        raise Http404
    form = ReleaseForm.of(session, request.user, request.POST)
    if not form.is_valid():
        messages.error(request, " ".join(map(str, form.errors["energy_wh"])))
        return redirect(session)
    energy_wh = form.cleaned_data["energy_wh"]
    if session.is_held and "sure" not in request.POST:
        offer = shapes.release_offer(session, energy_wh=energy_wh)
        typed = form.fields["energy_wh"].prepare_value(energy_wh)
        return render(request, "chargers/session_release.html", {**offer, "typed": typed})
    try:
        settlement.release(session, by=request.user, energy_wh=energy_wh)
    except Refused as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, _("The session was released and is being billed."))
    return redirect(session)
