"""Sessions: a car charges, is measured and billed."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import F, Func, Min, Q
from django.db.models.functions import Coalesce
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from accounts.models import IdTag, User
from billing import pricing
from chargers import clock
from chargers.models.fleet import Charger, Connector

# OCPP's words for a car, or a charger, that wants nothing at the moment.
SUSPENDED = frozenset({"SuspendedEV", "SuspendedEVSE"})
# What runs and seems to have begun longer before we were told, began by a clock that was not set yet.
LATEST_DELIVERY = timedelta(days=1)
IS_HELD = Q(reviewed_at=None) & ~Q(review_reasons=[])
IS_UNSETTLED = Q(status="ended") | Q(status="settled", stop_received_at__gt=F("settled_at"))


class SessionQuerySet(models.QuerySet["ChargingSession"]):
    def running(self) -> SessionQuerySet:
        return self.filter(status=ChargingSession.Status.RUNNING)

    def begun(self) -> SessionQuerySet:
        """Those that were let in: a refused tap at a reader is a row, too, but no charge."""
        return self.exclude(status=ChargingSession.Status.REFUSED)

    def open(self) -> SessionQuerySet:
        """Not billed yet, or to be billed again: something of them is still to come."""
        return self.filter(status__in=["running", "ended"])

    def unsettled(self) -> SessionQuerySet:
        """Ended, or stopped after they were billed, and nobody has to look at them first."""
        return self.filter(IS_UNSETTLED).exclude(IS_HELD)

    def for_review(self) -> SessionQuerySet:
        return self.filter(IS_HELD)

    def in_state(self, state: str) -> SessionQuerySet:
        """Those whose `state` is this."""
        if state in ("charging", "paused"):
            paused = Q(connector__status__in=SUSPENDED)
            running = self.running()
            return running.filter(paused) if state == "paused" else running.exclude(paused)
        return self.for_review() if state == "checking" else self.filter(status=state).exclude(IS_HELD)

    def to_be_thinned(self, *, before: datetime) -> SessionQuerySet:
        """Billed before that, nothing about them is open, and all of their samples are still there."""
        settled = ChargingSession.Status.SETTLED
        return self.filter(~IS_HELD, status=settled, settled_at__lt=before, thinned_at=None)

    def billed_since(self, moment: datetime) -> SessionQuerySet:
        """Of late: what is thinned is long ago, and leaving it out leads through the index of what is not."""
        return self.filter(status=ChargingSession.Status.SETTLED, settled_at__gte=moment, thinned_at=None)

    def of_driver(self, user: User) -> SessionQuerySet:
        return self.filter(user=user)

    def hosted_by(self, user: User) -> SessionQuerySet:
        return self.filter(owner=user)

    def visible_to(self, user: User) -> SessionQuerySet:
        """A session belongs to its driver and to the owner of its charger; an operator sees all."""
        return self if user.is_staff else self.of_person(user)

    def of_person(self, user: User) -> SessionQuerySet:
        """Their own and those at their chargers."""
        return self.filter(Q(user=user) | Q(owner=user))

    def with_all(self) -> SessionQuerySet:
        return self.select_related("charger", "connector", "user", "owner", "id_tag")


class ChargingSession(models.Model):
    """One charge, from the start that a charger reported to its bill. Its primary key is OCPP 1.6's transactionId.

    States only move forward: running → ended → settled. A refused start stays refused. A session that ended with
    doubtful readings has `review_reasons` and waits for `reviewed_at` before money moves.
    """

    class Status(models.TextChoices):
        RUNNING = "running", _("charging")
        ENDED = "ended", _("ended, not billed yet")
        SETTLED = "settled", _("billed")
        REFUSED = "refused", _("refused")

    class ClosedBy(models.TextChoices):
        STOP = "stop", _("the charger's stop")
        SILENCE = "silence", _("silence of the charger")
        NEXT_START = "next_start", _("the next start on the connector")
        OPERATOR = "operator", _("an operator")

    # Each of these keys is looked up through an index that begins with it (Meta); one more would only cost.
    charger = models.ForeignKey(Charger, on_delete=models.PROTECT, related_name="sessions", db_index=False)
    connector = models.ForeignKey(
        Connector, on_delete=models.PROTECT, related_name="sessions", null=True, blank=True, db_index=False
    )
    id_tag = models.ForeignKey(
        IdTag, on_delete=models.PROTECT, related_name="sessions", null=True, blank=True, db_index=False
    )
    id_tag_text = models.CharField(_("card as read"), max_length=64, blank=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="sessions", null=True, blank=True,
        verbose_name=_("driver"), db_index=False,
    )  # fmt: skip
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="hosted_sessions", verbose_name=_("owner"),
        db_index=False,
    )  # fmt: skip
    station_transaction_id = models.CharField(max_length=36, blank=True, editable=False)

    status = models.CharField(_("status"), max_length=10, choices=Status.choices, default=Status.RUNNING)
    refusal = models.CharField(_("refused because"), max_length=40, blank=True)
    closed_by = models.CharField(_("closed by"), max_length=12, choices=ClosedBy.choices, blank=True)
    stop_reason = models.CharField(_("stop reason"), max_length=30, blank=True)

    started_at = models.DateTimeField(_("started"))
    start_text = models.CharField(max_length=40, blank=True, editable=False)
    start_received_at = models.DateTimeField(_("start received"))
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True)
    stop_received_at = models.DateTimeField(_("stop received"), null=True, blank=True)
    is_clock_doubtful = models.BooleanField(_("clock doubtful"), default=False)

    meter_start_wh = models.BigIntegerField(_("register at start (Wh)"), null=True, blank=True)
    meter_stop_wh = models.BigIntegerField(_("register at stop (Wh)"), null=True, blank=True)
    energy_wh = models.BigIntegerField(_("energy (Wh)"), null=True, blank=True)

    rated_power_w = models.PositiveIntegerField(_("rated power (W)"), default=22_000)
    tariff = models.JSONField(_("tariff"), default=dict)
    fee_basis_points = models.PositiveSmallIntegerField(_("fee (1/100 %)"), default=0)
    cost = models.BigIntegerField(_("cost"), null=True, blank=True)
    fee = models.BigIntegerField(_("platform fee"), null=True, blank=True)
    settled_at = models.DateTimeField(_("billed"), null=True, blank=True)
    corrections = models.PositiveSmallIntegerField(_("corrections"), default=0)
    warned_at = models.DateTimeField(_("driver warned"), null=True, blank=True)

    review_reasons = models.JSONField(_("to be checked"), default=list, blank=True)
    reviewed_at = models.DateTimeField(_("checked"), null=True, blank=True)
    reviewed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", null=True, blank=True, db_index=False
    )

    thinned_at = models.DateTimeField(_("meter values thinned"), null=True, blank=True, editable=False)

    objects = SessionQuerySet.as_manager()

    class Meta:
        verbose_name = _("session")
        verbose_name_plural = _("sessions")
        ordering = ("-pk",)
        indexes = (
            models.Index(fields=["user", "-id"], name="session_by_driver"),
            models.Index(fields=["owner", "-id"], name="session_by_owner"),
            # For what an owner earned in a span of time, and for what happened in one at all.
            models.Index(fields=["owner", "start_received_at"], name="session_by_owner_and_time"),
            models.Index(fields=["start_received_at"], name="session_by_time"),
            models.Index(fields=["charger", "-id"], name="session_by_charger"),
            models.Index(fields=["charger", "start_text"], name="session_twins"),
            models.Index(fields=["status"], condition=Q(status__in=["running", "ended"]), name="session_open"),
            models.Index(fields=["id_tag"], condition=Q(status="running"), name="session_running_by_tag"),
            models.Index(fields=["-id"], condition=IS_HELD, name="session_held"),
            models.Index(fields=["id"], condition=IS_UNSETTLED, name="session_unsettled"),
            # The few among all refused ones whose charger may go on charging, see settlement.stop_refused.
            models.Index(
                fields=["start_received_at"],
                condition=Q(status="refused", stop_received_at=None),
                name="session_refused_and_not_over",
            ),
            models.Index(
                fields=["settled_at"], condition=Q(status="settled", thinned_at=None), name="session_to_be_thinned"
            ),
        )
        constraints = (
            models.UniqueConstraint(
                fields=["connector"], condition=Q(status="running"), name="session_one_running_per_connector"
            ),
            models.CheckConstraint(
                condition=Q(energy_wh=None) | Q(energy_wh__gte=0), name="session_energy_not_negative"
            ),
            models.CheckConstraint(
                condition=~Q(status="settled")
                | Q(cost__gte=0, fee__gte=0, fee__lte=F("cost"), energy_wh__isnull=False),
                name="session_settled_has_its_bill",
            ),
            models.CheckConstraint(condition=~Q(status="refused") | Q(cost=None), name="session_refused_costs_nothing"),
            models.CheckConstraint(
                condition=Q(status__in=["refused"]) | Q(user__isnull=False), name="session_has_its_driver"
            ),
        )

    def __str__(self) -> str:
        return f"#{self.pk}"

    def get_absolute_url(self) -> str:
        return reverse("session", args=[self.pk])

    @property
    def reference(self) -> str:
        """The name of this session in the ledger and at the wallet's holds."""
        return f"session:{self.pk}"

    @property
    def is_running(self) -> bool:
        return self.status == self.Status.RUNNING

    @property
    def began_at(self) -> datetime:
        """As people are told: by the charger's clock, which knows what happened offline, but no later than by ours."""
        return self.start_received_at if self.is_by_our_clock else min(self.started_at, self.start_received_at)

    @property
    def is_by_our_clock(self) -> bool:
        """While it runs it lasts until our now, so its times are ours, unless we were only told late that it began."""
        is_early = self.start_received_at - self.started_at > clock.TOLERANCE
        return self.is_running and is_early and not (self.may_be_late and self.is_clock_right)

    @property
    def may_be_late(self) -> bool:
        """It runs, and its start came late, or the charger's clock is slow: `is_clock_right` decides."""
        return self.is_running and clock.TOLERANCE < self.start_received_at - self.started_at <= LATEST_DELIVERY

    @cached_property
    def is_clock_right(self) -> bool:
        """The charger's, by its latest sample. For a list `MeterValue.objects.compare_clocks` finds it out at once."""
        latest = self.meter_values.order_by("pk").last()
        return latest is not None and clock.agree(latest.measured_at, latest.received_at)

    @property
    def finished_at(self) -> datetime | None:
        """The end in the same way; None while it runs."""
        if self.ended_at is None or self.stop_received_at is None:
            return self.ended_at
        return min(self.ended_at, self.stop_received_at)

    @property
    def is_held(self) -> bool:
        """Its readings are doubtful and nobody has looked yet. Nothing moves."""
        return bool(self.review_reasons) and self.reviewed_at is None

    @property
    def state(self) -> str:
        """What people are told: `charging`, `paused`, `ended`, `checking`, `settled` or `refused`."""
        if self.is_running:
            paused = self.connector is not None and self.connector.status in SUSPENDED
            return "paused" if paused else "charging"
        return "checking" if self.is_held else str(self.status)

    def energy_up_to(self, register_wh: int | None) -> int:
        """In Wh, by the highest register alone. One that restarts per session (ABB) is below that of the start."""
        if register_wh is None or self.meter_start_wh is None:
            return 0
        return register_wh - self.meter_start_wh if register_wh >= self.meter_start_wh else register_wh

    @property
    def price(self) -> pricing.Tariff:
        return pricing.Tariff.from_dict(self.tariff)

    @property
    def price_per_kwh(self) -> int | None:
        """In minor units; None: it was refused before there was a price."""
        return self.price.price_per_kwh if self.tariff else None

    @property
    def owner_share(self) -> int | None:
        return None if self.cost is None or self.fee is None else self.cost - self.fee


class Span(Func):
    """Which of the spans of `seconds` since 1970 a moment lies in, as a number."""

    output_field = models.BigIntegerField()

    def __init__(self, moment: str, *, seconds: int) -> None:
        super().__init__(F(moment), seconds=seconds)

    def as_postgresql(self, compiler: Any, connection: Any, **options: Any) -> Any:
        return self.as_sql(
            compiler, connection, template="FLOOR(EXTRACT(EPOCH FROM %(expressions)s) / %(seconds)d)", **options
        )

    def as_sqlite(self, compiler: Any, connection: Any, **options: Any) -> Any:
        return self.as_sql(compiler, connection, template="STRFTIME('%%%%s', %(expressions)s) / %(seconds)d", **options)


class MeterValueQuerySet(models.QuerySet["MeterValue"]):
    def registers(self) -> MeterValueQuerySet:
        """The samples that carry an energy register, in the order in which they came."""
        return self.exclude(energy_wh=None).order_by("pk")

    def highest_of(self, sessions: Iterable[ChargingSession]) -> dict[int, int]:
        """Session → the highest register of its samples, in Wh, in one query. Sessions without one are left out."""
        keys = [session.pk for session in sessions]
        found = self.filter(session__in=keys, energy_wh__isnull=False).order_by().values_list("session")
        return dict(found.annotate(models.Max("energy_wh"))) if keys else {}

    def compare_clocks(self, sessions: Iterable[ChargingSession]) -> None:
        """Sets `is_clock_right` where it decides which time is told: in one query for all, or in none."""
        doubtful = {row.pk: row for row in sessions if row.may_be_late}
        if not doubtful:
            return
        latest = self.filter(session__in=doubtful).order_by().values("session").annotate(latest=models.Max("pk"))
        found = self.filter(pk__in=latest.values("latest")).only("session", "measured_at", "received_at")
        right = {row.session_id for row in found if clock.agree(row.measured_at, row.received_at)}
        for key, session in doubtful.items():
            session.is_clock_right = key in right

    def one_in(self, every: timedelta) -> MeterValueQuerySet:
        """The first of each span of time by the charger's clock, if possible one with a register. Of one session."""
        spans = self.order_by().annotate(span=Span("measured_at", seconds=int(every.total_seconds()))).values("span")
        first = Coalesce(Min("pk", filter=Q(energy_wh__isnull=False)), Min("pk"))
        return self.filter(pk__in=spans.annotate(first=first).values("first"))


class MeterValue(models.Model):
    """One sample: everything that a charger measured at one moment. Never changed; retention.py thins what is old."""

    charger = models.ForeignKey(Charger, on_delete=models.PROTECT, related_name="+", db_index=False)
    connector_id = models.PositiveSmallIntegerField(_("connector"))
    session = models.ForeignKey(
        ChargingSession, on_delete=models.PROTECT, null=True, blank=True, related_name="meter_values", db_index=False
    )  # found through the unique index that begins with it
    measured_at = models.DateTimeField(_("measured"))
    received_at = models.DateTimeField(_("received"))
    context = models.CharField(_("context"), max_length=20, blank=True)
    energy_wh = models.BigIntegerField(_("register (Wh)"), null=True, blank=True)
    power_w = models.IntegerField(_("power (W)"), null=True, blank=True)
    current_ma = models.IntegerField(_("current (mA)"), null=True, blank=True)
    voltage_mv = models.IntegerField(_("voltage (mV)"), null=True, blank=True)
    soc_percent = models.SmallIntegerField(_("state of charge (%)"), null=True, blank=True)
    temperature_mc = models.IntegerField(_("temperature (1/1000 °C)"), null=True, blank=True)
    phases = models.JSONField(_("phases"), null=True, blank=True)
    raw = models.JSONField(_("as sent"))
    # A 63-bit hash of what was sent: a sample that is sent again finds itself.
    digest = models.BigIntegerField(editable=False)

    objects = MeterValueQuerySet.as_manager()

    class Meta:
        verbose_name = _("meter value")
        verbose_name_plural = _("meter values")
        ordering = ("pk",)
        indexes = (models.Index(fields=["received_at"], condition=Q(session=None), name="meter_value_loose_by_time"),)
        constraints = (
            models.UniqueConstraint(fields=["session", "digest"], name="meter_value_once_per_session"),
            models.UniqueConstraint(
                fields=["charger", "digest"], condition=Q(session=None), name="meter_value_once_without_session"
            ),
        )

    def __str__(self) -> str:
        return f"{timezone.localtime(self.measured_at):%H:%M:%S} {self.energy_wh} Wh"


class UnmatchedStop(models.Model):
    """A StopTransaction that names no session of its charger. Kept, so that nothing is lost."""

    charger = models.ForeignKey(Charger, on_delete=models.PROTECT, related_name="unmatched_stops")
    transaction_id = models.CharField(_("transaction id as sent"), max_length=40)
    id_tag_text = models.CharField(_("card as read"), max_length=64, blank=True)
    meter_stop_wh = models.BigIntegerField(_("register at stop (Wh)"), null=True, blank=True)
    stop_text = models.CharField(_("time as sent"), max_length=40, blank=True)
    stop_reason = models.CharField(_("stop reason"), max_length=30, blank=True)
    received_at = models.DateTimeField(_("received"))

    class Meta:
        verbose_name = _("unmatched stop")
        verbose_name_plural = _("unmatched stops")
        ordering = ("-pk",)
        constraints = (
            models.UniqueConstraint(
                fields=["charger", "transaction_id", "id_tag_text", "meter_stop_wh", "stop_text"],
                name="unmatched_stop_once",
            ),
        )

    def __str__(self) -> str:
        return f"{self.charger}: {self.transaction_id}"
