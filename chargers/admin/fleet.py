"""Chargers and their plugs."""

from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.admin import (
    KeptAdmin,
    LivingFilter,
    links,
)
from chargers import (
    control,
    glossary,
    live,
    opening,
    registry,
)
from chargers.admin.base import ASKED, OF_A_CHARGER, TO_CHARGER, operator, worded
from chargers.models import (
    Charger,
    Connector,
)
from sharecharge.errors import Refused

# What `registry.change` knows.
THEIR_OWNERS_TOO = frozenset({
    "name", "street", "house_number", "city", "postal_code", "region", "latitude", "longitude", "access", "is_sharing",
    "is_enabled",
})  # fmt: skip


STATE, FAULT = worded("status", glossary.STATES, _("status")), worded("error_code", glossary.FAULTS, _("error"))
UPDATE = worded("firmware_status", glossary.UPDATES, _("firmware update"))
UPLOAD = worded("diagnostics_status", glossary.UPLOADS, _("diagnostics upload"))


class OnlineFilter(admin.SimpleListFilter):
    title = _("connection")
    parameter_name = "connection"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            ("online", _("online")),
            ("offline", _("offline for more than an hour")),
            ("never", _("never connected")),
        ]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if self.value() == "online":
            return queryset.heard()
        if self.value() == "offline":
            return queryset.filter(last_seen_at__lt=timezone.now() - timedelta(hours=1))
        return queryset.filter(last_seen_at=None) if self.value() == "never" else queryset


class ConnectorInline(admin.TabularInline):
    model = Connector
    extra = 0
    can_delete = False
    fields = ("connector_id", "type", "current", "max_power_w", "tariff", "is_enabled", STATE, FAULT)
    readonly_fields = ("connector_id", "tariff", STATE, FAULT)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Connector]:
        return super().get_queryset(request).select_related("charger", "tariff")

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """The heads of columns name nothing for a screen reader."""
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None:
            field.widget.attrs["aria-label"] = db_field.verbose_name
        return field

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Charger)
class ChargerAdmin(KeptAdmin):
    """Chargers are added by their owners, because the password is shown once, to them."""

    list_display = ("name", "identity", "owner", "city", "online", "access", "is_sharing", "is_enabled", "last_seen_at")
    list_filter = (OnlineFilter, "access", "is_sharing", "is_enabled", LivingFilter, "vendor")
    search_fields = ("name", "identity", "code", "serial_number", "owner__email", "owner__name", "city")
    list_select_related = ("owner",)
    date_hierarchy = "created_at"
    inlines = (ConnectorInline,)
    actions = ("read_configuration", "refresh", "restart", "delete_softly")
    fieldsets = (
        (None, {"fields": (
            "name", "owner", "identity", "code", "access", "is_sharing", "weekly_hours", "is_enabled", "lists",
        )}),
        (_("Place"), {"fields": (
            "street", "house_number", "city", "postal_code", "region", "latitude", "longitude",
            "is_position_public",
        )}),
        (_("Connection"), {"fields": (
            "registration", "allows_no_subprotocol", "is_configured_after_boot", "limit_w", "online", "connected_at",
            "disconnected_at", "last_seen_at", "booted_at", "last_boot_at",
        )}),
        (_("Hardware"), {"fields": (
            "vendor", "model", "serial_number", "firmware_version", "iccid", "imsi", "meter_type",
            "meter_serial_number", STATE, FAULT, UPDATE, UPLOAD, "configuration",
        )}),
        (_("Times"), {"fields": ("created_at", "deleted_at")}),
    )  # fmt: skip
    readonly_fields = (
        "lists", "owner", "identity", "code", "online", "connected_at", "disconnected_at", "last_seen_at", "booted_at",
        "last_boot_at", "vendor", "model", "serial_number", "firmware_version", "iccid", "imsi", "meter_type",
        "meter_serial_number", STATE, FAULT, UPDATE, UPLOAD, "configuration",
        "created_at", "deleted_at", "weekly_hours", "is_position_public",
    )  # fmt: skip

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    @admin.display(description=_("online"), boolean=True)
    def online(self, charger: Charger) -> bool:
        return charger.is_online

    @admin.display(description=_("weekly hours"))
    def weekly_hours(self, charger: Charger) -> str:
        return opening.in_short(charger)

    @admin.display(description=_("its lists"))
    def lists(self, charger: Charger) -> str:
        return links(charger.pk, OF_A_CHARGER)

    def save_model(self, request: HttpRequest, obj: Charger, form: Any, change: bool) -> None:
        """What owners change, too, goes their way, so that all the same follows from it."""
        changes = {name: form.cleaned_data[name] for name in form.changed_data if name in THEIR_OWNERS_TOO}
        obj.save(update_fields=[name for name in form.changed_data if name not in changes])
        registry.change(Charger.objects.get(pk=obj.pk), changes, by=operator(request))

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Plugs are part of what maps show of it."""
        super().save_related(request, form, formsets, change)
        live.publish_charger(form.instance)

    @admin.action(description=_("Read the configuration"))
    def read_configuration(self, request: HttpRequest, chargers: QuerySet[Charger]) -> None:
        by = operator(request)
        self.for_each(request, chargers, lambda it: control.read_configuration(it, by=by), told=ASKED)

    @admin.action(description=_("Ask for the state"))
    def refresh(self, request: HttpRequest, chargers: QuerySet[Charger]) -> None:
        by = operator(request)
        self.for_each(request, chargers, lambda it: control.refresh(it, by=by), told=ASKED)

    @admin.action(description=_("Restart (not where a car charges)"))
    def restart(self, request: HttpRequest, chargers: QuerySet[Charger]) -> None:
        by = operator(request)
        self.for_each(request, chargers, lambda it: control.reset(it, by=by), told=ASKED)

    @admin.action(description=_("Delete (history and money stay)"))
    def delete_softly(self, request: HttpRequest, chargers: QuerySet[Charger]) -> TemplateResponse | None:
        consequence = gettext(
            "They may not connect any more, and nobody finds them. Their photos go; sessions and money stay. This"
            " cannot be undone."
        )
        title = gettext("Delete these chargers?")
        if question := self.unless_sure(request, chargers, title=title, consequence=consequence):
            return question

        def act(charger: Charger) -> None:
            if charger.deleted_at is not None:
                raise Refused("charger_deleted", _("It is deleted already."))
            registry.delete(charger)

        self.for_each(request, chargers, act)
        return None


class StateFilter(admin.SimpleListFilter):
    title = _("status")
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(told, glossary.both(glossary.STATES, told)) for told in glossary.STATES]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.filter(status=self.value()) if self.value() else queryset


@admin.register(Connector)
class ConnectorAdmin(KeptAdmin):
    list_display = ("connector_id", TO_CHARGER, "type", "current", "max_power_w", "tariff", STATE, "status_at")
    list_filter = (StateFilter, "type", "current", "is_enabled")
    search_fields = ("charger__name", "charger__identity")
    list_select_related = ("charger", "tariff")
    fields = (
        "charger", "connector_id", "type", "current", "max_power_w", "tariff", "is_enabled", STATE, FAULT, "info",
        "status_at",
    )  # fmt: skip
    readonly_fields = ("charger", "connector_id", "tariff", STATE, FAULT, "info", "status_at")

    def save_model(self, request: HttpRequest, obj: Connector, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        live.publish_charger(obj.charger)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False
