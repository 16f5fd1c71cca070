"""What people report about chargers."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from chargers.models.fleet import Charger, Connector
from chargers.models.sessions import ChargingSession

TEXT_LIMIT = 2000


class ProblemReportQuerySet(models.QuerySet["ProblemReport"]):
    def visible_to(self, user: User) -> ProblemReportQuerySet:
        """Whoever reported it, and the owner of the charger; an operator sees all."""
        return self if user.is_staff else self.filter(Q(reporter=user) | Q(owner=user))

    def with_all(self) -> ProblemReportQuerySet:
        return self.select_related("charger", "connector", "reporter", "owner", "answered_by")

    def open(self) -> ProblemReportQuerySet:
        return self.filter(answered_at=None, closed_at=None)

    def answered(self) -> ProblemReportQuerySet:
        return self.filter(closed_at=None).exclude(answered_at=None)

    def closed(self) -> ProblemReportQuerySet:
        return self.exclude(closed_at=None)


class ProblemReport(models.Model):
    """Somebody says what is wrong with a charger. Its status is derived from what has happened since."""

    class Kind(models.TextChoices):
        START = "start", _("charging does not start")
        STOP = "stop", _("charging does not stop")
        PLUG = "plug", _("plug or cable is damaged")
        PLACE = "place", _("the place is blocked or cannot be found")
        BILL = "bill", _("the bill is wrong")
        OTHER = "other", _("something else")

    class Status(models.TextChoices):
        OPEN = "open", _("open")
        ANSWERED = "answered", _("answered")
        CLOSED = "closed", _("closed")

    charger = models.ForeignKey(Charger, on_delete=models.PROTECT, related_name="problems", verbose_name=_("charger"))
    connector = models.ForeignKey(Connector, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    session = models.ForeignKey(
        ChargingSession, on_delete=models.PROTECT, null=True, blank=True, related_name="problems",
        verbose_name=_("session"),
    )  # fmt: skip
    # Each of the two is looked up through an index that begins with it (Meta).
    reporter = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="problems", verbose_name=_("reported by"),
        db_index=False,
    )  # fmt: skip
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", verbose_name=_("owner"), db_index=False
    )
    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices)
    text = models.TextField(_("what happened"), max_length=TEXT_LIMIT)
    created_at = models.DateTimeField(_("reported"), default=timezone.now, editable=False)
    answer = models.TextField(_("answer"), max_length=TEXT_LIMIT, blank=True)
    answered_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+",
        verbose_name=_("answered by"), db_index=False,
    )  # fmt: skip
    answered_at = models.DateTimeField(_("answered"), null=True, blank=True, editable=False)
    closed_at = models.DateTimeField(_("closed"), null=True, blank=True, editable=False)

    objects = ProblemReportQuerySet.as_manager()

    class Meta:
        verbose_name = _("problem report")
        verbose_name_plural = _("problem reports")
        ordering = ("-pk",)
        indexes = (
            models.Index(fields=["reporter", "-id"], name="problem_by_reporter"),
            models.Index(fields=["owner", "-id"], name="problem_by_owner"),
            models.Index(fields=["-id"], condition=Q(answered_at=None, closed_at=None), name="problem_open"),
        )
        constraints = (
            models.CheckConstraint(
                condition=Q(answered_at=None, answered_by=None, answer="")
                | (Q(answered_at__isnull=False, answered_by__isnull=False) & ~Q(answer="")),
                name="problem_answer_is_whole",
            ),
        )

    def __str__(self) -> str:
        return f"#{self.pk} {self.get_kind_display()}"

    @property
    def answerer(self) -> str:
        """`owner` or `operator`; empty while nobody has answered."""
        if self.answered_by_id is None:
            return ""
        return "owner" if self.answered_by_id == self.owner_id else "operator"

    @property
    def edition(self) -> int:
        """Which answer it has: a later one replaces an earlier one. 0: none so far."""
        return int(self.answered_at.timestamp()) if self.answered_at else 0

    @property
    def status(self) -> ProblemReport.Status:
        if self.closed_at is not None:
            return self.Status.CLOSED
        return self.Status.OPEN if self.answered_at is None else self.Status.ANSWERED
