"""What people did about chargers: claims of cards, reports of problems, photos."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from accounts.admin import (
    people_called,
)
from chargers import (
    photos,
    problems,
)
from chargers.admin.base import TO_CHARGER, ChargersFactsAdmin, operator
from chargers.models import (
    CardClaim,
    Photo,
    ProblemReport,
)


@admin.register(CardClaim)
class CardClaimAdmin(ChargersFactsAdmin):
    list_display = ("user", "charger", "expires_at", "id_tag")
    search_help_text = _("A charger, or the person who waits for a card")
    list_select_related = ("charger", "user", "id_tag")

    def find(self, text: str) -> Q:
        return super().find(text) | Q(user__in=people_called(text))


class ProblemStatusFilter(admin.SimpleListFilter):
    title = _("status")
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return list(ProblemReport.Status.choices)

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        status = self.value() or ""
        return getattr(queryset, status)() if status in ProblemReport.Status.values else queryset


class AnswerForm(forms.ModelForm):
    def clean(self) -> dict[str, Any] | None:
        """What was typed stays on the page. Whoever wants to close the report now waits until the answer is saved."""
        report = ProblemReport.objects.select_for_update(no_key=True).get(pk=self.instance.pk)
        if report.closed_at is not None:
            raise forms.ValidationError(problems.CLOSED, code="report_closed")
        return super().clean()


@admin.register(ProblemReport)
class ProblemReportAdmin(ChargersFactsAdmin):
    """What people say is wrong. To answer, open the report."""

    form = AnswerForm
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
        """An answer that comes too late is taken as far as the form, which says so."""
        is_answered = request.method == "POST" or (obj is not None and obj.closed_at is None)
        return [name for name in self.fields if name != "answer" or not is_answered]

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
