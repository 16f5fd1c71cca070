"""Sessions, what was measured in them, and stops that belong to none."""

import re
from datetime import timedelta
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils import formats, timezone
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.admin import (
    MATCHES,
    LatestValuesFilter,
    key_in,
    links,
    people_called,
)
from accounts.models import IdTag
from billing import units
from billing.admin import money_column
from chargers import (
    authorization,
    commands,
    glossary,
    receipts,
    sessions,
    settlement,
    shapes,
)
from chargers.admin.base import (
    ASKED,
    IN_THE_LEDGER,
    OF_A_SESSION,
    TO_CHARGER,
    TO_SESSION,
    ChargersFactsAdmin,
    operator,
    worded,
)
from chargers.models import (
    ChargingSession,
    MeterValue,
    UnmatchedStop,
)

END = worded("stop_reason", glossary.ENDS, _("stop reason"))


class EndedAdmin(ChargersFactsAdmin):
    """What has an end that a charger gave a reason for."""

    readonly_fields: ClassVar[tuple[Any, ...]] = (END,)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        return [name for name in super().get_fields(request, obj) if name != "stop_reason"]


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


COST, FEE = money_column("cost", _("cost")), money_column("fee", _("platform fee"))
SHARE = money_column("owner_share", _("owner's share"))


@admin.register(ChargingSession)
class ChargingSessionAdmin(EndedAdmin):
    list_display = ("id", TO_CHARGER, "driver", "state", "began", "energy", COST)
    list_filter = (
        AttentionFilter, "status", "closed_by", RefusalFilter, "is_clock_doubtful", "start_received_at"
    )  # fmt: skip
    search_help_text = _("The number of a session, a charger, a person, or a registered card")
    list_select_related = ("charger", "user")
    actions = ("release", "stop_remotely", "close")
    fieldsets = (
        (None, {"fields": (
            "charger", "connector", "user", "owner", "id_tag", "id_tag_text", "state", "refused_because", "closed_by",
            END, "lists",
        )}),
        (_("Times"), {"fields": (
            "started_at", "start_received_at", "ended_at", "stop_received_at", "is_clock_doubtful", "warned_at",
        )}),
        (_("Energy"), {"fields": ("register_at_start", "register_at_stop", "energy", "rated_power")}),
        (_("Bill"), {"fields": ("price", COST, "fee_part", FEE, SHARE, "settled_at", "corrections", "taken_back")}),
        (_("Check"), {"fields": ("doubts", "reviewed_at", "reviewed_by")}),
    )  # fmt: skip
    readonly_fields = (
        END, COST, FEE, SHARE, "state", "refused_because", "lists", "register_at_start", "register_at_stop", "energy",
        "rated_power", "price", "fee_part", "doubts",
        "taken_back",
    )  # fmt: skip

    def find(self, text: str) -> Q:
        cards = IdTag.objects.filter(uid__icontains=text).order_by().values_list("pk", flat=True)[:MATCHES]
        found = super().find(text) | Q(user__in=people_called(text)) | Q(id_tag__in=list(cards))
        return found | Q(pk=key_in(text))

    @admin.display(description=_("energy"))
    def energy(self, session: ChargingSession) -> str:
        return units.kwh(session.energy_wh)

    @admin.display(description=_("register at start"))
    def register_at_start(self, session: ChargingSession) -> str:
        return units.kwh(session.meter_start_wh)

    @admin.display(description=_("register at stop"))
    def register_at_stop(self, session: ChargingSession) -> str:
        return units.kwh(session.meter_stop_wh)

    @admin.display(description=_("rated power"))
    def rated_power(self, session: ChargingSession) -> str:
        return units.kw(session.rated_power_w)

    @admin.display(description=_("price per kWh"))
    def price(self, session: ChargingSession) -> str:
        return units.per_kwh(session.price_per_kwh)

    @admin.display(description=_("platform fee, part of the cost"))
    def fee_part(self, session: ChargingSession) -> str:
        return units.percent(session.fee_basis_points)

    @admin.display(description=_("taken back by reversals"))
    def taken_back(self, session: ChargingSession) -> str:
        bill = receipts.bills_of([session], with_debts=False).get(session.pk)
        return units.money(bill.taken_back) if bill and bill.is_reversed else units.NOTHING

    @admin.display(description=_("refused because"))
    def refused_because(self, session: ChargingSession) -> str:
        return shapes.refusal_text(session.refusal) or units.NOTHING

    @admin.display(description=_("to be checked"))
    def doubts(self, session: ChargingSession) -> str:
        return " ".join(shapes.doubt_texts(session)) or units.NOTHING

    @admin.display(description=_("its lists"))
    def lists(self, session: ChargingSession) -> str:
        ways = links(session.pk, OF_A_SESSION), links(session.reference, IN_THE_LEDGER)
        return format_html("{} · {}", *ways)

    # Not the field itself: Django breaks no lines in it, and the list becomes wider than a screen.
    @admin.display(description=_("driver"))
    def driver(self, session: ChargingSession) -> str:
        return str(session.user or units.NOTHING)

    @admin.display(description=_("status"))
    def state(self, session: ChargingSession) -> str:
        return gettext("held for review") if session.is_held else session.get_status_display()

    @admin.display(description=_("start received"))
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
        self.for_each(request, rows, lambda session: commands.request_remote_stop(session, user=by), told=ASKED)

    @admin.action(description=_("Close without the charger and bill the last reading"))
    def close(self, request: HttpRequest, rows: QuerySet[ChargingSession]) -> TemplateResponse | None:
        by = operator(request)
        consequence = gettext(
            "Their chargers are not asked, and may go on charging: what comes after the last reading is not paid."
        )
        if question := self.unless_sure(request, rows, title=gettext("Close these sessions?"), consequence=consequence):
            return question
        self.for_each(request, rows, lambda session: sessions.close(session, by=by))
        return None


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
class UnmatchedStopAdmin(EndedAdmin):
    list_display = ("id", TO_CHARGER, "transaction_id", "id_tag_text", "meter_stop_wh", END, "received_at")
    list_select_related = ("charger",)
