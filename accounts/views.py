"""Pages about a person: profile, cards, and becoming an owner."""

from typing import Any

from allauth.account.views import LogoutView
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods
from django.views.i18n import set_language

from accounts import id_tags, languages, people
from accounts.forms import CardForm, CardNameForm, MailsForm, ProfileForm
from accounts.models import IdTag, User
from accounts.pages import post_or_back_to
from accounts.people import PersonRequest
from sharecharge.errors import Refused


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def profile(request: PersonRequest) -> HttpResponse:
    form = ProfileForm(request.POST or None, initial={"name": request.user.name})
    if form.is_valid():
        people.rename(request.user, name=form.cleaned_data["name"])
        messages.success(request, _("Saved."))
        return redirect("profile")
    context = {"form": form, "mails_form": MailsForm.of(request.user)}
    return render(request, "accounts/profile.html", context, status=400 if form.is_bound else 200)


@login_required
@post_or_back_to("profile")
def mails(request: PersonRequest) -> HttpResponse:
    form = MailsForm(request.POST)
    if form.is_valid():
        people.choose_mails(request.user, **form.cleaned_data)
        messages.success(request, _("Saved."))
    return redirect("profile")


def switch_language(request: HttpRequest) -> HttpResponse:
    """Django's own switch; whoever is logged in is written to in this language, too."""
    answer = set_language(request)
    language = request.POST.get("language", "")
    if language in dict(settings.LANGUAGES):
        languages.keep(answer)
        if isinstance(request.user, User):
            people.set_language(request.user, language)
    return answer


class Logout(LogoutView):
    """With the person their language goes."""

    def post(self, *arguments: Any, **options: Any) -> HttpResponse:
        response: HttpResponse = super().post(*arguments, **options)
        languages.take_back(self.request, response)
        return response


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def cards(request: PersonRequest) -> HttpResponse:
    form = CardForm(request.POST or None)
    if form.is_valid():
        try:
            card = id_tags.issue(user=request.user, **form.cleaned_data)
        except Refused as refusal:
            if refusal.code == "card_yours":
                messages.info(request, str(refusal))
                return redirect(f"{reverse('cards')}#{form.cleaned_data['uid']}")
            form.add_error(refusal.field, str(refusal))
        else:
            messages.success(request, _("The card %(card)s can be used now.") % {"card": card})
            return redirect("cards")
    context = {"form": form, "cards": IdTag.objects.cards_of(request.user)}
    return render(request, "accounts/cards.html", context, status=400 if form.is_bound else 200)


@login_required
@post_or_back_to("cards")
def card_switch(request: PersonRequest, pk: int) -> HttpResponse:
    card = get_object_or_404(IdTag.objects.cards_of(request.user), pk=pk)
    id_tags.set_enabled(card, enabled=request.POST.get("enabled") == "true")
    if card.is_enabled:
        messages.success(request, _("The card %(card)s is switched on.") % {"card": card})
    else:
        messages.success(request, _("The card %(card)s is switched off.") % {"card": card})
    return redirect("cards")


@login_required
@post_or_back_to("cards")
def card_name(request: PersonRequest, pk: int) -> HttpResponse:
    card = get_object_or_404(IdTag.objects.cards_of(request.user), pk=pk)
    form = CardNameForm(request.POST)
    if form.is_valid():
        id_tags.rename(card, name=form.cleaned_data["name"])
        messages.success(request, _("Saved."))
    else:
        messages.error(request, " ".join(map(str, form.errors["name"])))
    return redirect("cards")


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def card_delete(request: PersonRequest, pk: int) -> HttpResponse:
    """Asks first; a deleted card comes back only by adding it again."""
    card = get_object_or_404(IdTag.objects.cards_of(request.user), pk=pk)
    if request.method != "POST":
        return render(request, "accounts/card_delete.html", {"card": card})
    id_tags.delete(card)
    messages.success(request, _("The card %(card)s was deleted.") % {"card": card})
    return redirect("cards")


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def become_owner(request: PersonRequest) -> HttpResponse:
    if request.method != "POST":
        return render(request, "accounts/become_owner.html", {"fee_basis_points": settings.PLATFORM_FEE_BASIS_POINTS})
    people.become_owner(request.user)
    messages.success(request, _("Welcome among the owners. Add your first charger."))
    return redirect("charger_add")
