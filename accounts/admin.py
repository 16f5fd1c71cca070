"""People and cards for operators. Nothing is ever deleted here: history needs it."""

from collections.abc import Iterable
from typing import Any, ClassVar, NamedTuple
from urllib.parse import quote

from django import forms
from django.apps import apps
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.views.main import ChangeList
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.forms import AdminUserCreationForm, UserChangeForm
from django.contrib.auth.models import Group
from django.core.paginator import Paginator
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext_lazy

from accounts import id_tags, keyset, logins, people, service_keys, tokens, webhooks
from accounts.models import ApiToken, Delivery, IdTag, Letter, Login, ServiceKey, User, Webhook
from sharecharge.errors import Refused

# A search by people, cards or chargers goes on with so many of them.
MATCHES = 100

# Our roles are on the user; groups have no meaning here.
admin.site.unregister(Group)


def name_fields(model: type[Model], **names: Any) -> None:
    """What operators read above columns of fields that their model does not name.

    Here and not in the model, where each name would be a migration that changes nothing in the database.
    """
    for field, name in names.items():
        model._meta.get_field(field).verbose_name = name  # type: ignore[union-attr]


DONE = ngettext_lazy("Done for %(done)s row.", "Done for %(done)s rows.", "done")


class KeptAdmin(admin.ModelAdmin):
    """Rows that may be changed but never deleted."""

    list_per_page = 50
    show_full_result_count = False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def for_each(self, request: HttpRequest, rows: QuerySet[Any], action: Any, *, told: Any = DONE) -> None:
        """One domain call per row; what is refused is told with its reason, what is done stands in the row's history.

        `told` says of how many rows that it was done: words that count `done`.
        """
        done = 0
        for row in rows:
            try:
                action(row)
                self.note(request, row)
                done += 1
            except Refused as refusal:
                self.message_user(request, f"{row}: {refusal}", messages.ERROR)
        if done:
            self.message_user(request, told % {"done": done})

    def note(self, request: HttpRequest, row: Model) -> None:
        """In the row's history: who used which action."""
        name = dict(self.get_action_choices(request, [])).get(request.POST.get("action", ""), "")
        self.log_change(request, row, str(name))

    def unless_sure(
        self, request: HttpRequest, rows: QuerySet[Any], *, title: str, consequence: str
    ) -> TemplateResponse | None:
        """The question before what cannot be undone: which rows, and what becomes of them. None: it was answered."""
        if "sure" in request.POST:
            return None
        context = {
            **self.admin_site.each_context(request),
            "title": title,
            "consequence": consequence,
            "rows": rows,
            "action": request.POST.get("action", ""),
            "checkbox": ACTION_CHECKBOX_NAME,
            "opts": self.opts,
            "list_url": reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist"),
        }
        return TemplateResponse(request, "admin/sure.html", context)


class ReadOnlyAdmin(KeptAdmin):
    """Facts: nobody writes them here."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


def linked(field: str, label: Any) -> Any:
    """A column that leads to the row which this field points to. The list has to select it."""

    @admin.display(description=label)
    def column(row: Any) -> str:
        target = getattr(row, field)
        if target is None:
            return "–"
        page = f"admin:{target._meta.app_label}_{target._meta.model_name}_change"
        return format_html('<a href="{}">{}</a>', reverse(page, args=[target.pk]), target)

    return column


class Way(NamedTuple):
    """From a row to one of the lists of what belongs to it: a model, as "billing.topup", and the query in which {}
    stands for what is looked for. Without a label the list is called as the model is."""

    model: str
    query: str
    label: Any = ""


def links(value: Any, ways: Iterable[Way]) -> str:
    """Where to look for what belongs to a row whose key, name or reference this is."""
    found = []
    for way in ways:
        meta = apps.get_model(way.model)._meta
        page = reverse(f"admin:{meta.app_label}_{meta.model_name}_changelist")
        found.append((page, way.query.format(quote(str(value))), way.label or meta.verbose_name_plural))
    return format_html_join(" · ", '<a href="{}?{}">{}</a>', found)


def seconds_column(field: str, label: Any) -> Any:
    """A time where the order of what happened matters."""

    @admin.display(description=label, ordering=field)
    def column(row: Any) -> str:
        if (at := getattr(row, field)) is None:
            return "–"
        text = f"{date_format(localtime(at), 'SHORT_DATE_FORMAT')} {localtime(at):%H:%M:%S}"
        return text.replace(" ", "\N{NO-BREAK SPACE}")

    return column


class KeysetList(ChangeList):
    """Newest first, by key (see accounts/keyset.py): nothing is counted, and no page is further away than the first."""

    def get_filters_params(self, params: Any = None) -> dict[str, Any]:
        asked = super().get_filters_params(params)
        return {name: value for name, value in asked.items() if name not in keyset.PARAMETERS}

    def get_query_string(self, new_params: Any = None, remove: Any = None) -> str:
        """A changed filter begins with the newest again."""
        return super().get_query_string(new_params, [*(remove or ()), *keyset.PARAMETERS])

    def get_results(self, request: HttpRequest) -> None:
        self.page = keyset.page(self.queryset, asked=request.GET, size=self.list_per_page)
        self.result_list = self.page.rows
        self.result_count = self.full_result_count = len(self.page.rows)
        self.paginator = Paginator(self.page.rows, self.list_per_page)
        self.can_show_all = self.multi_page = self.show_full_result_count = False
        self.show_admin_actions = True


class EndlessAdmin(ReadOnlyAdmin):
    """Facts whose number only grows. Every way to look at them has to lead through an index."""

    change_list_template = "admin/endless_change_list.html"
    search_fields = ("pk",)  # that there is a search; `find` is how
    sortable_by = ()
    show_facets = admin.ShowFacets.NEVER

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return KeysetList

    def find(self, text: str) -> Q:
        """What an operator means who types this. The rows that an index does not lead to are looked up before."""
        raise NotImplementedError

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        text = search_term.strip()
        return (queryset.filter(self.find(text)) if text else queryset), False


class LatestValuesFilter(admin.SimpleListFilter):
    """What stood in a column of late: DISTINCT would read the whole table for its list."""

    latest = 1000

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        newest = model_admin.model.objects.order_by("-pk").values_list(self.parameter_name, flat=True)[: self.latest]
        return [(value, value) for value in sorted(set(newest)) if value]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        assert self.parameter_name is not None
        return queryset.filter(**{self.parameter_name: self.value()}) if self.value() else queryset


def people_called(text: str) -> list[int]:
    """Keys of some people whose name or address has this in it."""
    found = User.objects.filter(Q(email__icontains=text) | Q(name__icontains=text)).order_by()
    return list(found.values_list("pk", flat=True)[:MATCHES])


def key_in(text: str) -> int:
    """The number that somebody types for a row, `#12` or `12`; 0, which is no row's, for anything else."""
    digits = text.removeprefix("#")
    return int(digits) if digits.isdecimal() else 0


class UserAddForm(AdminUserCreationForm):
    def clean_email(self) -> str:
        return User.objects.normalize_email(self.cleaned_data["email"])

    class Meta:
        model = User
        fields = ("email", "name", "role")


class UserEditForm(UserChangeForm):
    def clean_email(self) -> str:
        return User.objects.normalize_email(self.cleaned_data["email"])

    class Meta:
        model = User
        fields = ("email", "name", "role", "is_active", "password")


@admin.register(User)
class UserAdmin(KeptAdmin, DjangoUserAdmin):
    form = UserEditForm
    add_form = UserAddForm
    ordering = ("email",)
    list_display = ("email", "name", "role", "is_active", "created_at", "last_login")
    list_filter = ("role", "is_active", "created_at")
    search_fields = ("email", "name")
    date_hierarchy = "created_at"
    readonly_fields = ("created_at", "last_login", "lists")
    filter_horizontal = ()
    fieldsets = (
        (None, {"fields": ("email", "name", "role", "is_active", "password", "lists")}),
        (gettext_lazy("Times"), {"fields": ("created_at", "last_login")}),
    )
    add_fieldsets = ((None, {"fields": ("email", "name", "role", "usable_password", "password1", "password2")}),)
    actions = ("switch_off", "switch_on")
    # Of this room; those that build on it add their own.
    ways: ClassVar[list[Way]] = [
        Way(f"accounts.{name}", "user__id__exact={}") for name in ("idtag", "letter", "apitoken", "login", "webhook")
    ]

    @admin.display(description=gettext_lazy("its lists"))
    def lists(self, user: User) -> str:
        return links(user.pk, self.ways)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Nobody locks out oneself: the last operator could not be helped by anybody."""
        fields = super().get_readonly_fields(request, obj)
        return (*fields, "role", "is_active") if obj is not None and obj == request.user else fields

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if change and "is_active" in form.changed_data:
            people.tell_switched(obj)

    @admin.action(description=gettext_lazy("Switch off (instead of deleting)"))
    def switch_off(self, request: HttpRequest, users: QuerySet[User]) -> TemplateResponse | None:
        consequence = _("They are logged out, and their cards and chargers serve nobody until you switch them on.")
        if question := self.unless_sure(request, users, title=_("Switch off these people?"), consequence=consequence):
            return question

        def act(user: User) -> None:
            if user == request.user:
                raise Refused("yourself", _("You cannot switch off yourself."))
            people.set_active(user, active=False)

        self.for_each(request, users, act)
        return None

    @admin.action(description=gettext_lazy("Switch on"))
    def switch_on(self, request: HttpRequest, users: QuerySet[User]) -> None:
        self.for_each(request, users, lambda user: people.set_active(user, active=True))


class IdTagForm(forms.ModelForm):
    class Meta:
        model = IdTag
        fields = ("user", "uid", "name", "parent", "is_enabled", "expires_at")

    def clean_uid(self) -> str:
        try:
            uid = id_tags.clean_uid(self.cleaned_data["uid"])
        except Refused as refusal:
            raise forms.ValidationError(str(refusal)) from None
        if IdTag.objects.live().with_uid(uid).exclude(pk=self.instance.pk).exists():
            raise forms.ValidationError(_("Another living card has this number."))
        return uid


class LivingFilter(admin.SimpleListFilter):
    title = gettext_lazy("deleted")
    parameter_name = "deleted"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("no", gettext_lazy("no")), ("yes", gettext_lazy("yes"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        wanted = {"no": True, "yes": False}.get(self.value() or "")
        return queryset if wanted is None else queryset.filter(deleted_at__isnull=wanted)


@admin.register(IdTag)
class IdTagAdmin(KeptAdmin):
    form = IdTagForm
    list_display = ("uid", "name", "user", "kind", "is_enabled", "expires_at", "deleted_at")
    list_filter = ("kind", "is_enabled", LivingFilter)
    search_fields = ("uid", "name", "user__email", "user__name")
    list_select_related = ("user",)
    autocomplete_fields = ("user", "parent")
    readonly_fields = ("kind", "created_at", "deleted_at")
    date_hierarchy = "created_at"
    actions = ("delete_softly",)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and (obj is None or obj.deleted_at is None)

    @admin.action(description=gettext_lazy("Delete (the history keeps the card)"))
    def delete_softly(self, request: HttpRequest, tags: QuerySet[IdTag]) -> None:
        self.for_each(request, tags, id_tags.delete)


@admin.register(ServiceKey)
class ServiceKeyAdmin(ReadOnlyAdmin):
    """Given by adding one; the key is told once. While there is none, there is no internal API."""

    list_display = ("name", "created_at", "last_used_at", "revoked_at")
    fields = ("name",)
    actions = ("revoke",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("accounts.add_servicekey")

    def save_model(self, request: HttpRequest, obj: ServiceKey, form: Any, change: bool) -> None:
        key = service_keys.give(obj.name)
        obj.pk = ServiceKey.objects.filter(name=obj.name).latest("pk").pk
        told = _("The key of %(service)s, which is shown only now: %(key)s")
        self.message_user(request, told % {"service": obj.name, "key": key}, messages.WARNING)

    @admin.action(description=gettext_lazy("Revoke"))
    def revoke(self, request: HttpRequest, keys: QuerySet[ServiceKey]) -> None:
        self.for_each(request, keys, service_keys.revoke)


@admin.register(Webhook)
class WebhookAdmin(ReadOnlyAdmin):
    list_display = ("url", "user", "is_enabled", "failing_since", "resting_until", "created_at", "deleted_at")
    list_filter = ("is_enabled", LivingFilter)
    search_fields = ("url", "user__email", "user__name")
    list_select_related = ("user",)
    fields = ("user", "url", "events", "is_enabled", "failing_since", "created_at", "deleted_at")
    actions = ("switch_off",)

    @admin.action(description=gettext_lazy("Switch off"))
    def switch_off(self, request: HttpRequest, hooks: QuerySet[Webhook]) -> None:
        self.for_each(request, hooks, lambda hook: webhooks.change(hook, is_enabled=False))


@admin.register(Delivery)
class DeliveryAdmin(EndlessAdmin):
    list_display = ("pk", "created_at", "event", "webhook", "status", "attempts", "response_status", "error")
    list_select_related = ("webhook",)
    fields = (
        "webhook", "event", "payload", "created_at", "attempts", "next_attempt_at", "delivered_at", "response_status",
        "error",
    )  # fmt: skip
    actions = ("send_again",)

    def find(self, text: str) -> Q:
        hooks = Webhook.objects.filter(Q(url__icontains=text) | Q(user__in=people_called(text))).order_by()
        return Q(pk=key_in(text)) | Q(webhook__in=list(hooks.values_list("pk", flat=True)[:MATCHES]))

    @admin.action(description=gettext_lazy("Send again"))
    def send_again(self, request: HttpRequest, deliveries: QuerySet[Delivery]) -> None:
        self.for_each(request, deliveries, webhooks.replay)


@admin.register(ApiToken)
class ApiTokenAdmin(ReadOnlyAdmin):
    list_display = ("prefix", "name", "user", "scopes", "created_at", "last_used_at", "expires_at", "revoked_at")
    search_fields = ("prefix", "name", "user__email", "user__name")
    list_select_related = ("user",)
    exclude = ("digest",)
    actions = ("revoke",)

    @admin.action(description=gettext_lazy("Revoke"))
    def revoke(self, request: HttpRequest, chosen: QuerySet[ApiToken]) -> None:
        self.for_each(request, chosen, tokens.revoke)


@admin.register(Login)
class LoginAdmin(ReadOnlyAdmin):
    list_display = ("id", "user", "created_at", "expires_at", "ended_at")
    search_fields = ("user__email", "user__name")
    list_select_related = ("user",)
    exclude = ("token_id",)
    actions = ("end",)

    @admin.action(description=gettext_lazy("End: the program has to log in again"))
    def end(self, request: HttpRequest, chosen: QuerySet[Login]) -> None:
        self.for_each(request, chosen, logins.close)


name_fields(Login, user=gettext_lazy("user"))


@admin.register(Letter)
class LetterAdmin(EndlessAdmin):
    """What was, or is to be, written to people. Texts are not kept."""

    list_display = ("id", "user", "kind", "created_at", "sent_at", "attempts", "next_attempt_at", "error")
    list_filter = ("kind",)
    list_select_related = ("user",)
    search_help_text = gettext_lazy("The name or the e-mail address of a person")

    def find(self, text: str) -> Q:
        return Q(user__in=people_called(text))
