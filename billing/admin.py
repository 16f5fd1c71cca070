"""The ledger for operators: read-only. The one thing to do is a reversal, which is a further transfer."""

from functools import partial
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db import IntegrityError
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from accounts.admin import EndlessAdmin, ReadOnlyAdmin, UserAdmin, Way, key_in, links, name_fields, people_called
from accounts.models import User
from billing import audit, bills, ledger, payouts, providers, units
from billing.models import Account, Checkpoint, Entry, Hold, LedgerCheck, Payout, Tariff, TopUp, Transfer


def money_column(field: str, label: Any) -> Any:
    @admin.display(description=label, ordering=field)
    def column(row: Any) -> str:
        return units.money(getattr(row, field))

    return column


name_fields(Account, user=gettext_lazy("user"))
name_fields(Transfer, entry_count=gettext_lazy("entries"), created_by=gettext_lazy("created by"))
name_fields(Entry, transfer=gettext_lazy("transfer"), account=gettext_lazy("account"))
name_fields(Hold, account=gettext_lazy("account"))
name_fields(TopUp, user=gettext_lazy("user"), idempotency_key=gettext_lazy("idempotency key"))
name_fields(Tariff, owner=gettext_lazy("owner"))
name_fields(Payout, user=gettext_lazy("user"), decided_by=gettext_lazy("decided by"))
name_fields(Checkpoint, account=gettext_lazy("account"))
name_fields(LedgerCheck, cleared_by=gettext_lazy("cleared by"))

UserAdmin.ways += [Way(f"billing.{name}", "user__id__exact={}") for name in ("account", "topup", "payout")]
OF_AN_ACCOUNT = tuple(Way(f"billing.{name}", "account__id__exact={}") for name in ("entry", "hold"))
BALANCE, HELD = money_column("balance", gettext_lazy("balance")), money_column("held", gettext_lazy("on hold"))


class MoneyPage:
    """Its page tells amounts as its list does. Before the admin's own class; nobody changes these rows."""

    amounts: ClassVar[dict[str, Any]] = {"amount": money_column("amount", gettext_lazy("amount"))}

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        names = super().get_fields(request, obj)  # type: ignore[misc]
        return [self.amounts.get(name, name) for name in names]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        return [*super().get_readonly_fields(request, obj), *self.amounts.values()]  # type: ignore[misc]


def accounts_of(text: str) -> list[int]:
    """Accounts of some people whose name or address has this in it."""
    return list(Account.objects.filter(user__in=people_called(text)).values_list("pk", flat=True))


class ReasonForm(forms.Form):
    reason = forms.CharField(label=gettext_lazy("Reason"), max_length=200)


class AccountStateFilter(admin.SimpleListFilter):
    title = gettext_lazy("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            ("owes", gettext_lazy("owes money")),
            ("held", gettext_lazy("has money on hold")),
            ("nobody", gettext_lazy("has money of a deleted account")),
        ]

    def queryset(self, request: HttpRequest, queryset: Any) -> QuerySet[Account]:
        if self.value() == "nobody":
            return queryset.of_nobody()
        conditions = {"owes": Q(kind=Account.Kind.RECEIVABLE, balance__lt=0), "held": Q(held__gt=0)}
        return queryset.filter(conditions.get(self.value() or "", Q()))


@admin.register(Account)
class AccountAdmin(ReadOnlyAdmin):
    list_display = ("kind", "user", BALANCE, HELD)
    list_filter = ("kind", AccountStateFilter)
    search_fields = ("user__email", "user__name")
    list_select_related = ("user",)
    fields = ("kind", "user", BALANCE, HELD, "lists")
    readonly_fields = (BALANCE, HELD, "lists")

    @admin.display(description=gettext_lazy("its lists"))
    def lists(self, account: Account) -> str:
        return links(account.pk, OF_AN_ACCOUNT)


class EntryInline(admin.TabularInline):
    model = Entry
    extra = 0
    can_delete = False
    fields = readonly_fields = ("account", "amount_text")
    amount_text = staticmethod(money_column("amount", gettext_lazy("amount")))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Entry]:
        return super().get_queryset(request).select_related("account__user")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Transfer)
class TransferAdmin(EndlessAdmin):
    list_display = ("id", "kind", "reference", "description", "created_at", "created_by")
    list_filter = ("kind", "created_at")
    search_help_text = gettext_lazy("The beginning of a reference, or a person")
    list_select_related = ("created_by",)
    inlines = (EntryInline,)
    actions = ("reverse",)

    def find(self, text: str) -> Q:
        entries = Entry.objects.filter(account__in=accounts_of(text)).order_by()
        return Q(reference__startswith=text) | Q(pk__in=entries.values("transfer"))

    @admin.action(description=gettext_lazy("Reverse by a further transfer"))
    def reverse(self, request: HttpRequest, transfers: QuerySet[Transfer]) -> TemplateResponse | None:
        form = ReasonForm(request.POST if "reason" in request.POST else None)
        if not form.is_valid():
            context = {
                **self.admin_site.each_context(request),
                "title": _("Reverse transfers"),
                "transfers": transfers.prefetch_related("entries__account__user"),
                "form": form,
                "checkbox": ACTION_CHECKBOX_NAME,
                "opts": self.opts,
            }
            return TemplateResponse(request, "admin/reverse_transfers.html", context)
        assert isinstance(request.user, User)
        for transfer in transfers:
            self._reverse(request, transfer, reason=form.cleaned_data["reason"], by=request.user)
        return None

    def _reverse(self, request: HttpRequest, transfer: Transfer, *, reason: str, by: User) -> None:
        if Transfer.objects.filter(reference=f"{bills.REVERSAL}{transfer.pk}").exists():
            self.message_user(
                request, _("%(transfer)s was already reversed.") % {"transfer": transfer}, messages.WARNING
            )
            return
        try:
            reversal = ledger.reverse(transfer, reason=reason, by=by)
        except IntegrityError:
            self.message_user(
                request,
                _("%(transfer)s was not reversed: somebody's wallet no longer covers it.") % {"transfer": transfer},
                messages.ERROR,
            )
        else:
            self.note(request, transfer)
            self.message_user(
                request, _("%(transfer)s is reversed by %(reversal)s.") % {"transfer": transfer, "reversal": reversal}
            )


@admin.register(Entry)
class EntryAdmin(MoneyPage, EndlessAdmin):
    list_display = ("id", "transfer", "account", money_column("amount", gettext_lazy("amount")))
    list_filter = ("account__kind", "transfer__kind")
    search_help_text = gettext_lazy("The whole reference of a transfer, or a person")
    list_select_related = ("transfer", "account__user")

    def find(self, text: str) -> Q:
        transfer = Transfer.objects.filter(reference=text).order_by().values_list("pk", flat=True)
        return Q(transfer__in=list(transfer)) | Q(account__in=accounts_of(text))


class ActiveHoldFilter(admin.SimpleListFilter):
    title = gettext_lazy("active")
    parameter_name = "active"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("yes", gettext_lazy("yes")), ("no", gettext_lazy("no"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Hold]) -> QuerySet[Hold]:
        wanted = {"yes": True, "no": False}.get(self.value() or "")
        return queryset if wanted is None else queryset.filter(released_at__isnull=wanted)


@admin.register(Hold)
class HoldAdmin(MoneyPage, EndlessAdmin):
    list_display = (
        "reference",
        "account",
        money_column("amount", gettext_lazy("amount")),
        "created_at",
        "expires_at",
        "released_at",
    )
    list_filter = (ActiveHoldFilter,)
    search_help_text = gettext_lazy("The whole reference, or a person")
    list_select_related = ("account__user",)

    def find(self, text: str) -> Q:
        return Q(reference=text) | Q(account__in=accounts_of(text))


class ProviderFilter(admin.SimpleListFilter):
    title = gettext_lazy("provider")
    parameter_name = "provider"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(name, name) for name in providers.PROVIDERS]

    def queryset(self, request: HttpRequest, queryset: QuerySet[TopUp]) -> QuerySet[TopUp]:
        return queryset.filter(provider=self.value()) if self.value() else queryset


@admin.register(TopUp)
class TopUpAdmin(MoneyPage, EndlessAdmin):
    list_display = (
        "id",
        "user",
        money_column("amount", gettext_lazy("amount")),
        "status",
        "provider",
        "created_at",
        "sent_at",
        "finished_at",
    )
    list_filter = ("status", ProviderFilter)
    search_help_text = gettext_lazy("A number, a person, or the provider's whole reference")
    list_select_related = ("user",)

    def find(self, text: str) -> Q:
        paid = Q(provider__in=providers.PROVIDERS, provider_reference=text)
        return paid | Q(pk=key_in(text)) | Q(user__in=people_called(text))


@admin.register(Tariff)
class TariffAdmin(MoneyPage, ReadOnlyAdmin):
    amounts: ClassVar[dict[str, Any]] = {"price_per_kwh": money_column("price_per_kwh", gettext_lazy("price per kWh"))}
    list_display = ("id", "owner", money_column("price_per_kwh", gettext_lazy("price per kWh")), "created_at")
    search_fields = ("owner__email", "owner__name")
    date_hierarchy = "created_at"
    list_select_related = ("owner",)


@admin.register(Payout)
class PayoutAdmin(MoneyPage, ReadOnlyAdmin):
    list_display = (
        "id",
        "user",
        money_column("amount", gettext_lazy("amount")),
        "bank_account",
        "status",
        "created_at",
        "finished_at",
        "decided_by",
    )
    list_filter = ("status",)
    search_fields = ("user__email", "user__name", "bank_account")
    date_hierarchy = "created_at"
    list_select_related = ("user", "decided_by")
    actions = ("pay", "refuse")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        return ["state" if name == "status" else name for name in super().get_fields(request, obj)]

    @admin.display(description=gettext_lazy("status"))
    def state(self, payout: Payout) -> str:
        is_back = payout.status == Payout.Status.PAID and bills.taken_back([payout.reference])
        return _("sent, then reversed") if is_back else payout.get_status_display()

    @admin.action(description=gettext_lazy("The money was sent"))
    def pay(self, request: HttpRequest, chosen: QuerySet[Payout]) -> TemplateResponse | None:
        assert isinstance(request.user, User)
        consequence = _("The amounts leave the wallets for good. Do this when the bank has sent the money.")
        if question := self.unless_sure(request, chosen, title=_("Was the money sent?"), consequence=consequence):
            return question
        self.for_each(request, chosen, partial(payouts.pay, by=request.user))
        return None

    @admin.action(description=gettext_lazy("Refuse, and give the money back to the wallet"))
    def refuse(self, request: HttpRequest, chosen: QuerySet[Payout]) -> TemplateResponse | None:
        """Those that are decided are refused with their reason before an operator writes one."""
        if not chosen.filter(status=Payout.Status.REQUESTED).exists():
            self.for_each(request, chosen, payouts.check_open)
            return None
        form = ReasonForm(request.POST if "reason" in request.POST else None)
        if not form.is_valid():
            context = {
                **self.admin_site.each_context(request),
                "title": _("Refuse payouts"),
                "payouts": chosen.select_related("user"),
                "form": form,
                "checkbox": ACTION_CHECKBOX_NAME,
                "opts": self.opts,
            }
            return TemplateResponse(request, "admin/refuse_payouts.html", context)
        assert isinstance(request.user, User)
        reason = form.cleaned_data["reason"]
        self.for_each(request, chosen, partial(payouts.refuse, by=request.user, reason=reason))
        return None


class SoundFilter(admin.SimpleListFilter):
    title = gettext_lazy("result")
    parameter_name = "result"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("standing", gettext_lazy("breaches that stand"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.standing() if self.value() == "standing" else queryset


@admin.register(LedgerCheck)
class LedgerCheckAdmin(EndlessAdmin):
    list_display = ("__str__", "is_full", "finished_at", "result", "cleared_at", "cleared_by")
    list_filter = (SoundFilter,)
    list_select_related = ("cleared_by",)
    fields = ("is_full", "started_at", "finished_at", "last_entry", "found", "cleared_at", "cleared_by")
    readonly_fields = ("found",)
    actions = ("check_and_clear",)
    search_help_text = gettext_lazy("A number")

    def find(self, text: str) -> Q:
        return Q(pk=key_in(text))

    @admin.display(description=gettext_lazy("result"))
    def result(self, made: LedgerCheck) -> str:
        if made.finished_at is None:
            return _("not finished")
        count = len(made.breaches)
        return ngettext("%(count)s breach", "%(count)s breaches", count) % {"count": count} if count else _("sound")

    @admin.display(description=gettext_lazy("breaches"))
    def found(self, made: LedgerCheck) -> str:
        return "\n".join(made.breaches) or units.NOTHING

    @admin.action(description=gettext_lazy("Check everything again, and clear what stands if all is well"))
    def check_and_clear(self, request: HttpRequest, checks: QuerySet[LedgerCheck]) -> None:
        assert isinstance(request.user, User)
        made = audit.clear(by=request.user)
        self.note(request, made)
        for breach in made.breaches:
            self.message_user(request, breach, messages.ERROR)
        if made.breaches:
            self.message_user(request, _("The ledger is not sound. Bills stay stopped."), messages.ERROR)
        else:
            self.message_user(request, _("The ledger is sound. Bills are made again."), messages.SUCCESS)


@admin.register(Checkpoint)
class CheckpointAdmin(MoneyPage, EndlessAdmin):
    amounts: ClassVar[dict[str, Any]] = {"total": money_column("total", gettext_lazy("sum"))}
    list_display = ("account", money_column("total", gettext_lazy("sum")), "last_entry")
    search_help_text = gettext_lazy("A person")
    list_select_related = ("account__user",)

    def find(self, text: str) -> Q:
        return Q(pk__in=accounts_of(text))
