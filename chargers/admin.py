"""The fleet for operators: what is there, what happened, and the safe things to do about it."""

import re
from datetime import timedelta
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import formats, timezone
from django.utils.html import format_html, format_html_join
from django.utils.text import Truncator
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.admin import (
    MATCHES,
    EndlessAdmin,
    KeptAdmin,
    LatestValuesFilter,
    LivingFilter,
    key_in,
    linked,
    name_fields,
    people_called,
)
from accounts.models import IdTag, User
from billing import units
from billing.admin import money_column
from chargers import (
    authorization,
    commands,
    control,
    live,
    opening,
    photos,
    problems,
    registry,
    sessions,
    settlement,
    shapes,
)
from chargers.models import (
    CardClaim,
    Charger,
    ChargingSession,
    Command,
    ConnectionAttempt,
    Connector,
    Message,
    MeterValue,
    Photo,
    ProblemReport,
    UnmatchedStop,
)

for model in (Connector, ChargingSession, MeterValue, UnmatchedStop, Command, ConnectionAttempt, Message):
    name_fields(model, charger=_("charger"))
name_fields(ChargingSession, connector=_("connector"), id_tag=_("card"), reviewed_by=_("checked by"))
name_fields(MeterValue, session=_("session"))
name_fields(ProblemReport, connector=_("connector"))
name_fields(Command, connector=_("connector"), session=_("session"), requested_by=_("requested by"))


def operator(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user


def chargers_called(text: str) -> list[int]:
    """Keys of some chargers whose name or identity has this in it."""
    found = Charger.objects.filter(Q(name__icontains=text) | Q(identity__icontains=text)).order_by()
    return list(found.values_list("pk", flat=True)[:MATCHES])


TO_CHARGER, TO_SESSION = linked("charger", _("charger")), linked("session", _("session"))

# The lists of a charger's own rows, by the name of their model.
LISTS = ("chargingsession", "message", "connectionattempt", "command", "metervalue", "problemreport", "photo")


class ChargersFactsAdmin(EndlessAdmin):
    """What chargers said and did. A search finds chargers."""

    search_help_text = _("The name or the identity of a charger")

    def find(self, text: str) -> Q:
        return Q(charger__in=chargers_called(text))


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

    def get_queryset(self, request: HttpRequest) -> QuerySet[Connector]:
        return super().get_queryset(request).select_related("charger", "tariff")

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
            "meter_serial_number", "status", "error_code", "firmware_status", "diagnostics_status", "configuration",
        )}),
        (_("Times"), {"fields": ("created_at", "deleted_at")}),
    )  # fmt: skip
    readonly_fields = (
        "lists", "owner", "identity", "code", "online", "connected_at", "disconnected_at", "last_seen_at", "booted_at",
        "last_boot_at", "vendor", "model", "serial_number", "firmware_version", "iccid", "imsi", "meter_type",
        "meter_serial_number", "status", "error_code", "firmware_status", "diagnostics_status", "configuration",
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
        links = [
            (reverse(f"admin:chargers_{name}_changelist"), charger.pk, apps.get_model("chargers", name)._meta)
            for name in LISTS
        ]
        named = ((url, key, meta.verbose_name_plural) for url, key, meta in links)
        return format_html_join(" · ", '<a href="{}?charger__id__exact={}">{}</a>', named)

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
        self.for_each(request, chargers, lambda it: control.read_configuration(it, by=by))

    @admin.action(description=_("Ask for the state"))
    def refresh(self, request: HttpRequest, chargers: QuerySet[Charger]) -> None:
        by = operator(request)
        self.for_each(request, chargers, lambda it: control.refresh(it, by=by))

    @admin.action(description=_("Restart (not where a car charges)"))
    def restart(self, request: HttpRequest, chargers: QuerySet[Charger]) -> None:
        by = operator(request)
        self.for_each(request, chargers, lambda it: control.reset(it, by=by))

    @admin.action(description=_("Delete (history and money stay)"))
    def delete_softly(self, request: HttpRequest, chargers: QuerySet[Charger]) -> None:
        self.for_each(request, chargers, registry.delete)


@admin.register(Connector)
class ConnectorAdmin(KeptAdmin):
    list_display = ("connector_id", TO_CHARGER, "type", "current", "max_power_w", "tariff", "status", "status_at")
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


class RefusalFilter(admin.SimpleListFilter):
    title = _("refused because")
    parameter_name = "refusal"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(reason.value, sentence) for reason, sentence in authorization.SENTENCES.items()]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.filter(status="refused", refusal=self.value()) if self.value() else queryset


@admin.register(ChargingSession)
class ChargingSessionAdmin(ChargersFactsAdmin):
    list_display = ("id", TO_CHARGER, "driver", "state", "began", "energy", money_column("cost", _("cost")))
    list_filter = (
        AttentionFilter, "status", "closed_by", RefusalFilter, "is_clock_doubtful", "start_received_at"
    )  # fmt: skip
    search_help_text = _("The number of a session, a charger, a person, or a registered card")
    list_select_related = ("charger", "user")
    actions = ("release", "stop_remotely", "close")

    def find(self, text: str) -> Q:
        cards = IdTag.objects.filter(uid__icontains=text).order_by().values_list("pk", flat=True)[:MATCHES]
        found = super().find(text) | Q(user__in=people_called(text)) | Q(id_tag__in=list(cards))
        return found | Q(pk=key_in(text))

    @admin.display(description=_("energy"))
    def energy(self, session: ChargingSession) -> str:
        return units.kwh(session.energy_wh)

    # Not the field itself: Django breaks no lines in it, and the list becomes wider than a screen.
    @admin.display(description=_("driver"))
    def driver(self, session: ChargingSession) -> str:
        return str(session.user or units.NOTHING)

    @admin.display(description=_("status"))
    def state(self, session: ChargingSession) -> str:
        return gettext("held for review") if session.is_held else session.get_status_display()

    @admin.display(description=_("started"))
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


class ContextFilter(LatestValuesFilter):
    title = _("context")
    parameter_name = "context"


@admin.register(MeterValue)
class MeterValueAdmin(ChargersFactsAdmin):
    list_display = ("id", TO_CHARGER, "connector_id", TO_SESSION, "received_at", "energy_wh", "power_w", "soc_percent")
    list_filter = (ContextFilter,)
    search_help_text = _("The number of a session, or a charger")
    list_select_related = ("charger", "session")
    exclude = ("digest",)

    def find(self, text: str) -> Q:
        return super().find(text) | Q(session=key_in(text))


@admin.register(UnmatchedStop)
class UnmatchedStopAdmin(ChargersFactsAdmin):
    list_display = ("id", TO_CHARGER, "transaction_id", "id_tag_text", "meter_stop_wh", "stop_reason", "received_at")
    list_select_related = ("charger",)


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
class CommandAdmin(ChargersFactsAdmin):
    list_display = (
        "id",
        TO_CHARGER,
        "action",
        "state",
        "requested_by",
        "created_at",
        "sent_at",
        "answered_at",
        "error",
    )
    list_filter = (CommandStateFilter, "action")
    search_help_text = _("A charger, or the person who asked")
    list_select_related = ("charger", "requested_by")

    def find(self, text: str) -> Q:
        return super().find(text) | Q(requested_by__in=people_called(text))

    @admin.display(description=_("state"))
    def state(self, command: Command) -> str:
        return command.status


class RefusedFilter(admin.SimpleListFilter):
    title = _("result")
    parameter_name = "result"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("refused", _("refused"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.exclude(outcome=ConnectionAttempt.Outcome.ACCEPTED) if self.value() else queryset


@admin.register(ConnectionAttempt)
class ConnectionAttemptAdmin(ChargersFactsAdmin):
    list_display = ("last_at", "outcome", "path", TO_CHARGER, "remote_address", "subprotocols", "count")
    list_filter = (RefusedFilter, "outcome")
    search_help_text = _("A charger, or the whole address that somebody came from")
    list_select_related = ("charger",)

    def find(self, text: str) -> Q:
        return super().find(text) | Q(remote_address=text)


@admin.register(CardClaim)
class CardClaimAdmin(ChargersFactsAdmin):
    list_display = ("user", "charger", "expires_at", "id_tag")
    search_help_text = _("A charger, or the person who waits for a card")
    list_select_related = ("charger", "user", "id_tag")

    def find(self, text: str) -> Q:
        return super().find(text) | Q(user__in=people_called(text))


class ActionFilter(LatestValuesFilter):
    title = _("action")
    parameter_name = "action"


@admin.register(Message)
class MessageAdmin(ChargersFactsAdmin):
    list_display = ("at", TO_CHARGER, "direction", "action", "failure", "short")
    list_filter = ("at", "direction", "is_error", ActionFilter)
    list_select_related = ("charger",)

    @admin.display(description=_("request"))
    def short(self, message: Message) -> str:
        return Truncator(message.request).chars(80)

    @admin.display(description=_("error"))
    def failure(self, message: Message) -> str:
        """Django's icon for "no" is a red cross, which would stand beside every message that went well."""
        return "⚠" if message.is_error else ""


class ProblemStatusFilter(admin.SimpleListFilter):
    title = _("status")
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return list(ProblemReport.Status.choices)

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        status = self.value() or ""
        return getattr(queryset, status)() if status in ProblemReport.Status.values else queryset


@admin.register(ProblemReport)
class ProblemReportAdmin(ChargersFactsAdmin):
    """What people say is wrong. To answer, open the report."""

    list_display = ("id", TO_CHARGER, "kind", "state", "reporter", "created_at", "answered_by")
    list_filter = (ProblemStatusFilter, "kind")
    list_select_related = ("charger", "reporter", "answered_by")
    search_help_text = _("A charger, or the person who reported")
    actions = ("close",)
    fields = (
        "charger", "connector", "session", "reporter", "owner", "kind", "text", "created_at", "answer", "answered_by",
        "answered_at", "closed_at",
    )  # fmt: skip

    def find(self, text: str) -> Q:
        return super().find(text) | Q(reporter__in=people_called(text))

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.is_staff

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        is_closed = obj is None or obj.closed_at is not None
        return [name for name in self.fields if name != "answer" or is_closed]

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change, **kwargs)
        for field in form.base_fields.values():  # the answer, unless the report is closed
            field.required = True
        return form

    def save_model(self, request: HttpRequest, obj: ProblemReport, form: Any, change: bool) -> None:
        problems.answer(obj, by=operator(request), text=obj.answer)

    @admin.display(description=_("status"))
    def state(self, problem: ProblemReport) -> str:
        return str(problem.status.label)

    @admin.action(description=_("Close"))
    def close(self, request: HttpRequest, rows: QuerySet[ProblemReport]) -> None:
        by = operator(request)
        self.for_each(request, rows, lambda problem: problems.close(problem, by=by))


@admin.register(Photo)
class PhotoAdmin(ChargersFactsAdmin):
    """What owners show. What must not be seen is deleted here, for good."""

    list_display = ("id", TO_CHARGER, "picture", "description", "audience", "created_at")
    list_filter = ("audience",)
    list_select_related = ("charger",)
    fields = ("charger", "picture", "description", "audience", "created_at")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.is_staff

    @admin.display(description=_("photo"))
    def picture(self, photo: Photo) -> str:
        small = '<a href="{}"><img src="{}" alt="{}" width="120"></a>'
        return format_html(small, photo.url, photo.small_url, photo.description)

    def delete_model(self, request: HttpRequest, obj: Photo) -> None:
        photos.delete(obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Photo]) -> None:
        for photo in queryset.select_related("charger"):
            photos.delete(photo)
