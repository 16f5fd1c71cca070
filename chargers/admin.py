"""The fleet for operators: what is there, what happened, and the safe things to do about it."""

import re
from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils import formats, timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.admin import KeptAdmin, LivingFilter, ReadOnlyAdmin, name_fields
from accounts.models import User
from billing import units
from billing.admin import money_column
from chargers import commands, live, registry, sessions, settlement, shapes
from chargers.models import (
    Charger,
    ChargingSession,
    Command,
    ConnectionAttempt,
    Connector,
    Message,
    MeterValue,
    UnmatchedStop,
)

for model in (Connector, ChargingSession, MeterValue, UnmatchedStop, Command, ConnectionAttempt, Message):
    name_fields(model, charger=_("charger"))
name_fields(ChargingSession, connector=_("connector"), id_tag=_("card"), reviewed_by=_("checked by"))
name_fields(MeterValue, session=_("session"))
name_fields(Command, connector=_("connector"), session=_("session"), requested_by=_("requested by"))


def operator(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user


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
    fields = ("connector_id", "type", "current", "max_power_w", "tariff", "is_enabled", "status", "error_code")
    readonly_fields = ("connector_id", "tariff", "status", "error_code")

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
    actions = ("read_configuration", "delete_softly")
    fieldsets = (
        (None, {"fields": ("name", "owner", "identity", "code", "access", "is_sharing", "is_enabled")}),
        (_("Place"), {"fields": (
            "street", "house_number", "city", "postal_code", "region", "latitude", "longitude",
        )}),
        (_("Connection"), {"fields": (
            "registration", "allows_no_subprotocol", "is_configured_after_boot", "online", "connected_at",
            "disconnected_at", "last_seen_at", "booted_at", "last_boot_at",
        )}),
        (_("Hardware"), {"fields": (
            "vendor", "model", "serial_number", "firmware_version", "iccid", "imsi", "meter_type",
            "meter_serial_number", "status", "error_code", "firmware_status", "diagnostics_status", "configuration",
        )}),
        (_("Times"), {"fields": ("created_at", "deleted_at")}),
    )  # fmt: skip
    readonly_fields = (
        "owner", "identity", "code", "online", "connected_at", "disconnected_at", "last_seen_at", "booted_at",
        "last_boot_at", "vendor", "model", "serial_number", "firmware_version", "iccid", "imsi", "meter_type",
        "meter_serial_number", "status", "error_code", "firmware_status", "diagnostics_status", "configuration",
        "created_at", "deleted_at",
    )  # fmt: skip

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    @admin.display(description=_("online"), boolean=True)
    def online(self, charger: Charger) -> bool:
        return charger.is_online

    def save_model(self, request: HttpRequest, obj: Charger, form: Any, change: bool) -> None:
        """A new position is blurred anew."""
        latitude, longitude = obj.latitude, obj.longitude
        before = Charger.objects.get(pk=obj.pk)
        obj.latitude, obj.longitude = before.latitude, before.longitude
        obj.save(update_fields=form.changed_data)
        registry.move(obj, latitude=latitude, longitude=longitude)
        live.publish_charger(obj)

    @admin.action(description=_("Read the configuration"))
    def read_configuration(self, request: HttpRequest, chargers: QuerySet[Charger]) -> None:
        by = operator(request)
        self.for_each(request, chargers, lambda it: commands.request(it, Command.Action.GET_CONFIGURATION, by=by))

    @admin.action(description=_("Delete (history and money stay)"))
    def delete_softly(self, request: HttpRequest, chargers: QuerySet[Charger]) -> None:
        self.for_each(request, chargers, registry.delete)


@admin.register(Connector)
class ConnectorAdmin(KeptAdmin):
    list_display = ("charger", "connector_id", "type", "current", "max_power_w", "tariff", "status", "status_at")
    list_filter = ("status", "type", "current", "is_enabled")
    search_fields = ("charger__name", "charger__identity")
    list_select_related = ("charger", "tariff")
    fields = (
        "charger", "connector_id", "type", "current", "max_power_w", "tariff", "is_enabled", "status", "error_code",
        "info", "status_at",
    )  # fmt: skip
    readonly_fields = ("charger", "connector_id", "tariff", "status", "error_code", "info", "status_at")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False


class AttentionFilter(admin.SimpleListFilter):
    title = _("needs attention")
    parameter_name = "attention"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            ("held", _("held for review")),
            ("long", _("running for more than 24 hours")),
            ("unbilled", _("not billed")),
        ]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if self.value() == "held":
            return queryset.for_review()
        if self.value() == "long":
            return queryset.running().filter(start_received_at__lt=timezone.now() - timedelta(hours=24))
        return queryset.unsettled() if self.value() == "unbilled" else queryset


@admin.register(ChargingSession)
class ChargingSessionAdmin(ReadOnlyAdmin):
    list_display = ("id", "place", "driver", "state", "began", "energy", money_column("cost", _("cost")))
    list_filter = (AttentionFilter, "status", "closed_by", "refusal", "is_clock_doubtful")
    search_fields = ("=id", "charger__name", "charger__identity", "user__email", "user__name", "id_tag_text")
    list_select_related = ("charger", "user")
    date_hierarchy = "start_received_at"
    actions = ("release", "stop_remotely", "close")

    @admin.display(description=_("energy"), ordering="energy_wh")
    def energy(self, session: ChargingSession) -> str:
        return units.kwh(session.energy_wh)

    # Not the fields themselves: Django breaks no lines in them, and the list becomes wider than a screen.
    @admin.display(description=_("charger"), ordering="charger__name")
    def place(self, session: ChargingSession) -> str:
        return session.charger.name

    @admin.display(description=_("driver"), ordering="user__name")
    def driver(self, session: ChargingSession) -> str:
        return str(session.user or units.NOTHING)

    @admin.display(description=_("status"), ordering="status")
    def state(self, session: ChargingSession) -> str:
        return gettext("held for review") if session.is_held else session.get_status_display()

    @admin.display(description=_("started"), ordering="start_received_at")
    def began(self, session: ChargingSession) -> str:
        return formats.date_format(timezone.localtime(session.start_received_at), "SHORT_DATETIME_FORMAT")

    @admin.action(description=_("Release the held ones and bill what was measured"))
    def release(self, request: HttpRequest, rows: QuerySet[ChargingSession]) -> TemplateResponse | None:
        """Asks first; what is billed then is what was shown."""
        by = operator(request)
        held = rows.for_review().with_all()  # type: ignore[attr-defined]
        if "sure" not in request.POST and held:
            context = {
                **self.admin_site.each_context(request),
                "title": gettext("Bill these sessions?"),
                "offers": [shapes.release_offer(session) for session in held],
                "checkbox": ACTION_CHECKBOX_NAME,
                "opts": self.opts,
            }
            return TemplateResponse(request, "admin/release_sessions.html", context)

        def shown(session: ChargingSession) -> int | None:
            typed = request.POST.get(f"energy_wh_{session.pk}", "")
            return int(typed) if re.fullmatch(r"\d{1,12}", typed, re.ASCII) else None

        self.for_each(request, rows, lambda session: settlement.release(session, by=by, energy_wh=shown(session)))
        return None

    @admin.action(description=_("Stop charging (asks the charger)"))
    def stop_remotely(self, request: HttpRequest, rows: QuerySet[ChargingSession]) -> None:
        by = operator(request)
        self.for_each(request, rows, lambda session: commands.request_remote_stop(session, user=by))

    @admin.action(description=_("Close without the charger and bill the last reading"))
    def close(self, request: HttpRequest, rows: QuerySet[ChargingSession]) -> None:
        by = operator(request)
        self.for_each(request, rows, lambda session: sessions.close(session, by=by))


@admin.register(MeterValue)
class MeterValueAdmin(ReadOnlyAdmin):
    list_display = ("id", "charger", "connector_id", "session", "received_at", "energy_wh", "power_w", "soc_percent")
    list_filter = ("context",)
    search_fields = ("=session__id", "charger__name", "charger__identity")
    list_select_related = ("charger", "session")
    date_hierarchy = "received_at"
    exclude = ("digest",)


@admin.register(UnmatchedStop)
class UnmatchedStopAdmin(ReadOnlyAdmin):
    list_display = ("id", "charger", "transaction_id", "id_tag_text", "meter_stop_wh", "stop_reason", "received_at")
    search_fields = ("charger__name", "charger__identity", "transaction_id", "id_tag_text")
    list_select_related = ("charger",)
    date_hierarchy = "received_at"


class CommandStateFilter(admin.SimpleListFilter):
    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("open", _("not answered")), ("failed", _("failed"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if self.value() == "open":
            return queryset.open()
        return queryset.exclude(error="") if self.value() == "failed" else queryset


@admin.register(Command)
class CommandAdmin(ReadOnlyAdmin):
    list_display = ("id", "charger", "action", "state", "requested_by", "created_at", "sent_at", "answered_at", "error")
    list_filter = (CommandStateFilter, "action")
    search_fields = ("charger__name", "charger__identity", "requested_by__email")
    list_select_related = ("charger", "requested_by")
    date_hierarchy = "created_at"

    @admin.display(description=_("state"))
    def state(self, command: Command) -> str:
        return command.status


@admin.register(ConnectionAttempt)
class ConnectionAttemptAdmin(ReadOnlyAdmin):
    list_display = ("last_at", "outcome", "path", "charger", "remote_address", "subprotocols", "count")
    list_filter = ("outcome",)
    search_fields = ("path", "remote_address", "charger__name")
    list_select_related = ("charger",)
    date_hierarchy = "last_at"


@admin.register(Message)
class MessageAdmin(ReadOnlyAdmin):
    list_display = ("at", "charger", "direction", "action", "is_error")
    list_filter = ("direction", "is_error", "action")
    search_fields = ("charger__name", "charger__identity", "message_id")
    list_select_related = ("charger",)
    date_hierarchy = "at"
