"""Reports of problems: one's own with their answers, and for owners those about their chargers."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from accounts import keyset
from accounts.people import PersonRequest
from chargers import problems, visibility
from chargers.forms import AnswerForm
from chargers.models import ProblemReport
from sharecharge.errors import Refused

PAGE_SIZE = 30


@login_required
@require_safe
def my_reports(request: PersonRequest) -> HttpResponse:
    """What one has reported oneself, newest first."""
    mine = ProblemReport.objects.with_all().filter(reporter=request.user)
    context = {"page": keyset.page(mine, asked=request.GET, size=PAGE_SIZE), "is_owners": False}
    return render(request, "chargers/reports.html", context)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def report(request: PersonRequest, pk: int) -> HttpResponse:
    """One of them with its answer; a POST closes it."""
    rows = ProblemReport.objects.with_all().select_related("session")
    found = get_object_or_404(rows, pk=pk, reporter=request.user)
    if request.method == "POST":
        problems.close(found, by=request.user)
        messages.success(request, _("The report is closed."))
        return redirect("report", pk)
    is_open = visibility.may_open(found.charger, request.user)
    return render(request, "chargers/my_report.html", {"report": found, "is_open": is_open})


@login_required
@require_safe
def problems_here(request: PersonRequest) -> HttpResponse:
    """What people reported about one's chargers, also about those that were deleted since."""
    told = ProblemReport.objects.with_all().filter(owner=request.user)
    context = {"page": keyset.page(told, asked=request.GET, size=PAGE_SIZE), "is_owners": True}
    return render(request, "chargers/reports.html", context)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def problem(request: PersonRequest, pk: int) -> HttpResponse:
    """One of them: read it, answer it, or close it."""
    rows = ProblemReport.objects.with_all().select_related("session")
    report = get_object_or_404(rows, pk=pk, owner=request.user)
    form = AnswerForm(request.POST or None, initial={"text": report.answer})
    try:
        if "close" in request.POST:
            problems.close(report, by=request.user)
            messages.success(request, _("The report is closed."))
            return redirect("problems")
        if form.is_valid():
            problems.answer(report, by=request.user, text=form.cleaned_data["text"])
            messages.success(request, _("Your answer is saved. Whoever reported it can read it."))
            return redirect("problem", pk)
    except Refused as refusal:
        form.add_error(None, str(refusal))
        report.refresh_from_db(fields=["answer", "answered_by", "answered_at", "closed_at"])
    may_answer = report.closed_at is None and problems.may_change(report, request.user)
    context = {"report": report, "form": form, "may_answer": may_answer}
    return render(request, "chargers/problem.html", context, status=400 if form.is_bound else 200)
