"""Pages about a person for which chargers, sessions and money have to be looked at, too."""

from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts.forms import PasswordForm
from accounts.people import PersonRequest
from chargers import claims, departures
from chargers.forms import ClaimForm
from chargers.models import CardClaim
from sharecharge.errors import Refused


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def leave(request: PersonRequest) -> HttpResponse:
    """Asks first, and for the password: an open laptop is not enough to erase somebody."""
    form = PasswordForm(request.POST or None, user=request.user)
    if form.is_valid():
        try:
            departures.leave(request.user)
        except Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            logout(request)
            messages.success(request, _("Your account was deleted. Thank you for charging with us."))
            return redirect("map")
    context = {"form": form, "obstacles": departures.obstacles(request.user)}
    return render(request, "accounts/close.html", context, status=400 if form.is_bound else 200)


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def card_claim(request: PersonRequest) -> HttpResponse:
    """Choose a charger, then hold the card to it; the page sees it being read. `?at=abcd2345` fills the number in."""
    form = ClaimForm(request.POST or None, initial={"code": request.GET.get("at", "")})
    if form.is_valid():
        try:
            claims.begin_at(form.cleaned_data["code"], user=request.user)
        except Refused as refusal:
            form.add_error(refusal.field, str(refusal))
        else:
            return redirect("card_claim")
    claim = CardClaim.objects.filter(user=request.user).select_related("charger", "id_tag").first()
    if claim and claim.expires_at < timezone.now() - claims.WINDOW:
        claim = None  # long over: whoever comes now begins anew
    context = {"form": form, "claim": claim}
    return render(request, "accounts/card_claim.html", context, status=400 if form.is_bound else 200)
