"""The wallet, how money comes in, and how it is paid out."""

import secrets
from datetime import timedelta

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts import keyset
from accounts.models import User
from accounts.pages import post_or_back_to
from accounts.people import PersonRequest
from billing import bills, payments, providers, units, wallets
from billing import payouts as sending
from billing.forms import PayoutForm, TopUpForm
from billing.models import Entry, Hold, Payout, TopUp
from sharecharge.errors import Refused

PAGE_SIZE = 30
USUAL_AMOUNTS = (200, 500, 1000)  # whole units of the currency
# A payment that was left alone for longer is not offered again.
OFFERED_FOR = timedelta(days=1)


def wallet_page(request: PersonRequest, form: TopUpForm, *, status: int = 200) -> HttpResponse:
    page = keyset.page(*Entry.objects.statements_of(request.user), asked=request.GET, size=PAGE_SIZE)
    context = {
        "form": form,
        "wallet": wallets.wallet_of(request.user),
        "page": page,
        "lines": bills.with_reversed(page.rows),
        "holds": Hold.objects.active().filter(account__user=request.user),
        "top_ups": _on_their_way(request.user)[:5],
        "amounts": [amount for amount in USUAL_AMOUNTS if amount * 100 <= settings.TOP_UP_LIMIT],
        "currency": units.symbol(),
        "can_pay": settings.PAYMENT_PROVIDER in providers.PROVIDERS,
    }
    return render(request, "billing/wallet.html", context, status=status)


def _on_their_way(user: User) -> QuerySet[TopUp]:
    """Payments that may be gone on with, and those that a bank brings, as long as anybody asks for them."""
    now = timezone.now()
    is_sent = Q(sent_at__isnull=False, created_at__gt=now - payments.ASKED_FOR)
    return TopUp.objects.filter(Q(created_at__gt=now - OFFERED_FOR) | is_sent, user=user, status=TopUp.Status.PENDING)


def new_key() -> str:
    """Makes a second click on the same form the same top-up."""
    return secrets.token_urlsafe(24)


@login_required
@require_safe
def wallet(request: PersonRequest) -> HttpResponse:
    return wallet_page(request, TopUpForm(initial={"key": new_key()}))


@login_required
@post_or_back_to("wallet")
def top_up(request: PersonRequest) -> HttpResponse:
    form = TopUpForm(request.POST)
    if not form.is_valid():
        return wallet_page(request, form, status=400)
    provider = providers.current()
    try:
        requested = wallets.request_top_up(
            request.user,
            amount=form.cleaned_data["amount"],
            idempotency_key=form.cleaned_data["key"],
            provider=provider,
        )
        return redirect(provider.start(requested))
    except Refused as refusal:
        form.add_error(refusal.field, str(refusal))
        form.data = {**request.POST.dict(), "key": new_key()}
        return wallet_page(request, form, status=refusal.status)


@require_http_methods(["GET", "HEAD", "POST"])
def top_up_page(request: HttpRequest, pk: int) -> HttpResponse:
    """Where the provider's page leads back to, and from where an open payment goes on.

    Whoever paid in an app, and is not logged in here, learns nothing but that it may be closed.
    """
    is_cancelled = providers.CANCELLED in request.GET
    if not request.user.is_authenticated:
        return render(request, "billing/paid_elsewhere.html", {"is_cancelled": is_cancelled})
    payment = get_object_or_404(TopUp, pk=pk, user=request.user)
    can_go_on = payment.provider == settings.PAYMENT_PROVIDER
    trouble = ""
    try:
        if request.method == "POST" and payment.status == TopUp.Status.PENDING and can_go_on:
            return redirect(providers.current().start(payment))
        payment = payments.look(payment)
    except Refused as refusal:
        trouble = str(refusal)
    if payment.status == TopUp.Status.PENDING:
        can_go_on = can_go_on and payment.sent_at is None
        context = {
            "top_up": payment,
            "can_go_on": can_go_on,
            "trouble": trouble,
            "is_cancelled": is_cancelled,
            "is_overdue": payment.sent_at is not None and payment.created_at <= timezone.now() - payments.ASKED_FOR,
        }
        return render(request, "billing/top_up.html", context)
    return _told(request, payment)


def _told(request: HttpRequest, payment: TopUp) -> HttpResponse:
    """How a payment ended, above the wallet."""
    if payment.status == TopUp.Status.PAID:
        messages.success(request, _("%(amount)s was added to your wallet.") % {"amount": units.money(payment.amount)})
    else:
        messages.warning(request, _("The payment was cancelled. Nothing was added."))
    return redirect("wallet")


@csrf_exempt
@require_POST
def stripe_event(request: HttpRequest) -> HttpResponse:
    """What Stripe tells us of payments. Its signature is what lets it in."""
    payments.hear_stripe(request.body, request.headers.get("Stripe-Signature", ""))
    return HttpResponse(status=204)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def fake_payment(request: PersonRequest, pk: int) -> HttpResponse:
    """The page of the fake provider: it exists only where that provider is the one in use."""
    if providers.FakeProvider.name != settings.PAYMENT_PROVIDER:
        raise Refused("payments_off", _("This page is for test payments, which are off here."), status=404)
    payment = get_object_or_404(TopUp, pk=pk, user=request.user, provider=providers.FakeProvider.name)
    if request.method != "POST" or payment.status == TopUp.Status.FAILED:
        status = 200 if request.method != "POST" else 409
        return render(request, "billing/fake_payment.html", {"top_up": payment}, status=status)
    payment = wallets.finish_top_up(
        payment, paid=request.POST.get("answer") == "pay", provider_reference=f"fake-{payment.pk}"
    )
    return _told(request, payment)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def payouts(request: PersonRequest) -> HttpResponse:
    """What of the wallet goes to a bank account. Sending the same form twice asks once."""
    wallet = wallets.wallet_of(request.user)
    latest = Payout.objects.filter(user=request.user).order_by("-pk").first()
    known = {"key": new_key(), "bank_account": latest.bank_account if latest else ""}
    form = PayoutForm(request.POST or None, available=wallet.available, initial=known)
    status = 400 if form.is_bound else 200
    if form.is_valid():
        answers = form.cleaned_data
        try:
            sending.request(
                request.user,
                amount=answers["amount"],
                bank_account=answers["bank_account"],
                idempotency_key=answers["key"],
            )
        except Refused as refusal:
            form.add_error(refusal.field if refusal.field in form.fields else None, str(refusal))
            status = refusal.status
        else:
            messages.success(request, _("The payout was asked for. An operator sends it soon."))
            return redirect("payouts")
    page = keyset.page(Payout.objects.filter(user=request.user), asked=request.GET, size=PAGE_SIZE)
    can_ask = wallet.available >= sending.LEAST or form.is_bound
    taken_back = bills.taken_back([payout.reference for payout in page.rows])
    context = {"form": form, "wallet": wallet, "page": page, "can_ask": can_ask, "taken_back": taken_back}
    return render(request, "billing/payouts.html", context, status=status)


@login_required
@post_or_back_to("payouts")
def payout_cancel(request: PersonRequest, pk: int) -> HttpResponse:
    payout = get_object_or_404(Payout, pk=pk, user=request.user)
    try:
        sending.cancel(payout)
    except Refused as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, _("The payout was taken back. The money is free again."))
    return redirect("payouts")
