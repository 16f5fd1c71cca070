"""What chargers and we told each other: connections, messages, commands."""

from typing import Any

from django.contrib import admin
from django.db.models import Q
from django.http import HttpRequest
from django.utils.text import Truncator
from django.utils.translation import gettext_lazy as _

from accounts.admin import (
    LatestValuesFilter,
    people_called,
    seconds_column,
)
from chargers import glossary, shapes
from chargers.admin.base import TO_CHARGER, ChargersFactsAdmin
from chargers.models import (
    Command,
    ConnectionAttempt,
    Message,
)


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
        "reply",
        "error",
    )
    readonly_fields = ("state", "reply")
    list_filter = (CommandStateFilter, "action")
    search_help_text = _("A charger, or the person who asked")
    list_select_related = ("charger", "requested_by")

    def find(self, text: str) -> Q:
        return super().find(text) | Q(requested_by__in=people_called(text))

    @admin.display(description=_("state"))
    def state(self, command: Command) -> str:
        return str(shapes.OUTCOMES[command.status])

    @admin.display(description=_("answer"))
    def reply(self, command: Command) -> str:
        return glossary.both(glossary.ANSWERS, (command.result or {}).get("status"))


class RefusedFilter(admin.SimpleListFilter):
    title = _("result")
    parameter_name = "result"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("refused", _("refused"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.exclude(outcome=ConnectionAttempt.Outcome.ACCEPTED) if self.value() else queryset


@admin.register(ConnectionAttempt)
class ConnectionAttemptAdmin(ChargersFactsAdmin):
    list_display = (
        seconds_column("last_at", _("last")),
        "outcome",
        "path",
        TO_CHARGER,
        "remote_address",
        "subprotocols",
        "count",
    )
    list_filter = (RefusedFilter, "outcome")
    search_help_text = _("A charger, or the whole address that somebody came from")
    list_select_related = ("charger",)

    def find(self, text: str) -> Q:
        return super().find(text) | Q(remote_address=text)


class ActionFilter(LatestValuesFilter):
    title = _("action")
    parameter_name = "action"


@admin.register(Message)
class MessageAdmin(ChargersFactsAdmin):
    list_display = (seconds_column("at", _("time")), TO_CHARGER, "direction", "action", "failure", "short", "reply")
    list_filter = ("at", "direction", "is_error", ActionFilter)
    list_select_related = ("charger",)

    @admin.display(description=_("request"))
    def short(self, message: Message) -> str:
        return Truncator(message.request).chars(80)

    @admin.display(description=_("response"))
    def reply(self, message: Message) -> str:
        return Truncator(message.response).chars(60)

    @admin.display(description=_("error"))
    def failure(self, message: Message) -> str:
        """Django's icon for "no" is a red cross, which would stand beside every message that went well."""
        return "⚠" if message.is_error else ""
