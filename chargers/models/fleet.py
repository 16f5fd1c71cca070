"""Chargers and their connectors: what can be shared, and what it says about itself."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db import models
from django.db.models import OuterRef, Q, Subquery, Value
from django.db.models.functions import Length, Replace, Substr, Upper
from django.db.models.lookups import Exact, In, IsNull
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from billing.models import Tariff
from chargers.hours import OF_WEEK, Week, mark_at

# A charger that has said nothing for this many heartbeat intervals is taken for gone.
SILENT_HEARTBEATS = 2.5


def silence_limit(now: datetime | None = None) -> datetime:
    """Chargers last heard before this moment are offline, whatever their socket says."""
    return (now or timezone.now()) - timedelta(seconds=settings.HEARTBEAT_INTERVAL_SECONDS * SILENT_HEARTBEATS + 30)


def is_listed() -> Q:
    """As one condition of a row: a join with DISTINCT would sort a whole box of the map, EXISTS may read all plugs."""
    plug = Subquery(Connector.objects.filter(charger=OuterRef("pk")).order_by().values("pk")[:1])
    return Q(IsNull(plug, False), is_public(), is_enabled=True, is_sharing=True)


def is_public() -> Q:
    """Offered to anyone, by an owner who may still take part: else nobody could start or be paid there."""
    return Q(access=Charger.Access.PUBLIC, owner__is_active=True)


def has_plug(plugs: Q) -> Q:
    """A charger with at least one enabled plug like this; see `is_listed` for why it is written so."""
    rows = Connector.objects.filter(plugs, charger=OuterRef("pk"), is_enabled=True).order_by()
    return Q(IsNull(Subquery(rows.values("pk")[:1]), False))


def is_open(now: datetime | None = None) -> Q:
    """Within its weekly hours, as `Charger.is_open_at` tells it of one."""
    mark = Substr("hours", mark_at(in_local_time(now or timezone.now())) + 1, 1)
    return Q(hours="") | Q(Exact(mark, Value("1")))


def in_local_time(at: datetime) -> datetime:
    """In the zone of weekly hours: the platform's, whatever zone an answer is told in."""
    return timezone.localtime(at, timezone.get_default_timezone())


class ChargerQuerySet(models.QuerySet["Charger"]):
    def live(self) -> ChargerQuerySet:
        return self.filter(deleted_at=None)

    def with_identity(self, identity: str) -> ChargerQuerySet:
        if "\0" in identity:  # no charger has it, and PostgreSQL takes none
            return self.none()
        return self.alias(upper_identity=Upper("identity")).filter(upper_identity=identity.upper())

    def owned_by(self, user: User) -> ChargerQuerySet:
        return self.live().filter(owner=user)

    def listed(self) -> ChargerQuerySet:
        """What the public map shows: shared with anyone and complete enough to be used."""
        return self.live().filter(is_listed())

    def visible_to(self, user: User | None) -> ChargerQuerySet:
        """The listed ones and one's own; an operator sees all that live."""
        if user is None:
            return self.listed()
        return self.live() if user.is_staff else self.live().filter(is_listed() | Q(owner=user))

    def openable_by(self, user: User | None) -> ChargerQuerySet:
        """Those whose page opens, as `visibility.may_open` tells it of one."""
        public = is_public()
        if user is None:
            return self.live().filter(public)
        return self.live() if user.is_staff else self.live().filter(public | Q(owner=user))

    def charged_at_by(self, user: User) -> ChargerQuerySet:
        """Where this person has charged, also those that were deleted since."""
        return self.filter(pk__in=user.sessions.order_by().values("charger"))

    def with_plug(
        self,
        *,
        type: str = "",
        current: str = "",
        power_from_w: int | None = None,
        power_to_w: int | None = None,
        price_to: int | None = None,
        is_free: bool = False,
    ) -> ChargerQuerySet:
        """At least one plug is all of this; what is empty does not matter. W, and minor units for a kWh."""
        like = {
            "type": type or None,
            "current": current or None,
            "max_power_w__gte": power_from_w,
            "max_power_w__lte": power_to_w,
            "tariff__price_per_kwh__lte": price_to,
            "status__in": Connector.FREE_STATUSES if is_free else None,
        }
        wanted = {lookup: value for lookup, value in like.items() if value is not None}
        found = self.filter(has_plug(Q(**wanted))) if wanted else self
        return found.heard().filter(is_open()) if is_free else found

    def in_box(self, south: float, west: float, north: float, east: float) -> ChargerQuerySet:
        """By the public (blurred) position, in degrees."""
        return self.filter(
            public_latitude__gte=south, public_latitude__lte=north,
            public_longitude__gte=west, public_longitude__lte=east,
        )  # fmt: skip

    def heard(self) -> ChargerQuerySet:
        """Connected, and heard of lately."""
        return self.exclude(connection_mark="").filter(last_seen_at__gte=silence_limit())

    def unheard(self) -> ChargerQuerySet:
        """All others."""
        return self.filter(Q(connection_mark="") | Q(last_seen_at=None) | Q(last_seen_at__lt=silence_limit()))


class Charger(models.Model):
    """A wallbox that its owner shares. `identity` and password are between the wallbox, its owner and us."""

    class Access(models.TextChoices):
        PRIVATE = "private", _("only me")
        PUBLIC = "public", _("anyone")

    class Registration(models.TextChoices):
        """What a BootNotification is answered with (OCPP 1.6 §4.2)."""

        ACCEPTED = "accepted", _("accepted")
        PENDING = "pending", _("pending")
        REJECTED = "rejected", _("rejected")

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="chargers", verbose_name=_("owner")
    )
    name = models.CharField(_("name"), max_length=100)
    code = models.CharField(_("public code"), max_length=12, unique=True, editable=False)
    identity = models.CharField(_("charge point identity"), max_length=48, editable=False)
    password_hmac = models.CharField(max_length=64, editable=False)
    next_password_hmac = models.CharField(max_length=64, blank=True, editable=False)

    street = models.CharField(_("street"), max_length=100, blank=True)
    house_number = models.CharField(_("house number"), max_length=20, blank=True)
    city = models.CharField(_("town"), max_length=100, blank=True)
    postal_code = models.CharField(_("postal code"), max_length=20, blank=True)
    region = models.CharField(_("region"), max_length=100, blank=True)
    latitude = models.FloatField(_("latitude"))
    longitude = models.FloatField(_("longitude"))
    public_latitude = models.FloatField(editable=False)
    public_longitude = models.FloatField(editable=False)
    # What was thrown for the exact position, while the public one is the exact one itself; see registry.show_position.
    blurred_latitude = models.FloatField(null=True, editable=False)
    blurred_longitude = models.FloatField(null=True, editable=False)
    is_position_public = models.BooleanField(
        _("everybody sees the exact place"), default=False, db_default=False, editable=False
    )

    access = models.CharField(_("who may use it"), max_length=10, choices=Access.choices, default=Access.PRIVATE)
    is_sharing = models.BooleanField(
        _("shared"), default=True, help_text=_("Off: nobody but the owner can start. A running session goes on.")
    )
    # See chargers/hours.py.
    hours = models.CharField(max_length=OF_WEEK, blank=True, default="", db_default="", editable=False)
    is_enabled = models.BooleanField(
        _("enabled"), default=True, help_text=_("Off: the charger may not connect. For operators.")
    )
    deleted_at = models.DateTimeField(_("deleted"), null=True, blank=True, editable=False)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    allows_no_subprotocol = models.BooleanField(
        _("may connect without a subprotocol"), default=False, help_text=_("For EVduty and Grizzl-E.")
    )
    is_configured_after_boot = models.BooleanField(
        _("is configured after boot"),
        default=True,
        help_text=_("Off: after a boot we ask for nothing and set nothing."),
    )
    limit_w = models.PositiveIntegerField(
        _("power limit (W)"),
        null=True,
        blank=True,
        help_text=_("What its owner asked for. It is sent again after each boot."),
    )
    registration = models.CharField(
        _("boot answer"), max_length=10, choices=Registration.choices, default=Registration.ACCEPTED
    )

    # A key of the catalogue, by its owner; what it says itself is below. Empty: not chosen yet.
    chosen_model = models.CharField(_("model by its owner"), max_length=30, blank=True, default="", db_default="")
    vendor = models.CharField(_("vendor"), max_length=50, blank=True)
    model = models.CharField(_("model"), max_length=50, blank=True)
    serial_number = models.CharField(_("serial number"), max_length=50, blank=True)
    firmware_version = models.CharField(_("firmware"), max_length=50, blank=True)
    iccid = models.CharField(max_length=20, blank=True)
    imsi = models.CharField(max_length=20, blank=True)
    meter_type = models.CharField(_("meter"), max_length=25, blank=True)
    meter_serial_number = models.CharField(_("meter's serial number"), max_length=25, blank=True)
    configuration = models.JSONField(_("configuration"), default=dict, blank=True)
    status = models.CharField(_("status"), max_length=20, blank=True)
    error_code = models.CharField(_("error"), max_length=50, blank=True)
    firmware_status = models.CharField(_("firmware update"), max_length=50, blank=True)
    diagnostics_status = models.CharField(_("diagnostics upload"), max_length=50, blank=True)

    booted_at = models.DateTimeField(_("first accepted boot"), null=True, blank=True, editable=False)
    last_boot_at = models.DateTimeField(_("last boot"), null=True, blank=True, editable=False)
    connected_at = models.DateTimeField(_("connected"), null=True, blank=True, editable=False)
    disconnected_at = models.DateTimeField(_("disconnected"), null=True, blank=True, editable=False)
    last_seen_at = models.DateTimeField(_("last heard"), null=True, blank=True, editable=False)
    connection_mark = models.CharField(max_length=32, blank=True, editable=False)
    # Whoever wants to know was told that it is gone; None: it is there, or not gone for long enough.
    absence_told_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = ChargerQuerySet.as_manager()

    class Meta:
        verbose_name = _("charger")
        verbose_name_plural = _("chargers")
        ordering = ("name", "pk")
        indexes = (
            models.Index(fields=["public_latitude", "public_longitude"], name="charger_by_position"),
            models.Index(fields=["last_seen_at"], condition=~Q(connection_mark=""), name="charger_connected_by_seen"),
            models.Index(
                fields=["disconnected_at"],
                condition=Q(absence_told_at=None, disconnected_at__isnull=False),
                name="charger_gone_and_not_told",
            ),
            models.Index(fields=["id"], condition=Q(absence_told_at__isnull=False), name="charger_told_to_be_gone"),
            models.Index(fields=["id"], condition=Q(connection_mark="", deleted_at=None), name="charger_that_waits"),
        )
        constraints = (
            models.UniqueConstraint(Upper("identity"), name="charger_identity_case_insensitive"),
            models.CheckConstraint(
                condition=Q(latitude__gte=-90, latitude__lte=90, longitude__gte=-180, longitude__lte=180),
                name="charger_position_on_earth",
            ),
            models.CheckConstraint(
                condition=Q(
                    In(Length("hours"), (0, OF_WEEK)),
                    Exact(Replace(Replace("hours", Value("0")), Value("1")), Value("")),
                ),
                name="charger_hours_are_a_week",
            ),
        )

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("charger", args=[self.code])

    @property
    def is_online(self) -> bool:
        """The socket is open and something came over it lately."""
        return bool(self.connection_mark and self.last_seen_at and self.last_seen_at >= silence_limit())

    @property
    def online_since(self) -> datetime | None:
        """When its socket was opened; None while it is offline."""
        return self.connected_at if self.is_online else None

    @property
    def offline_since(self) -> datetime | None:
        """When it was heard last; None while it is online, or when it never was."""
        return None if self.is_online else self.last_seen_at

    @property
    def week(self) -> Week:
        """When it is open to others than its owner."""
        return Week(self.hours)

    def is_open_at(self, at: datetime) -> bool:
        # Most are open at any time, and maps ask this of very many.
        return not self.hours or self.week.is_open(in_local_time(at))

    @property
    def is_open(self) -> bool:
        return self.is_open_at(timezone.now())

    @property
    def hours_change_at(self) -> datetime | None:
        """When it opens or closes next by its hours, in local time; None: never."""
        return self.week.changes_at(in_local_time(timezone.now())) if self.hours else None

    @property
    def opens_at(self) -> datetime | None:
        """None: it is open, or never opens."""
        return None if self.is_open else self.hours_change_at

    @property
    def is_accepted(self) -> bool:
        """It has introduced itself once and was let in; before that it may say nothing else (OCPP 1.6 §4.2)."""
        return self.booted_at is not None and self.registration == self.Registration.ACCEPTED

    @property
    def address(self) -> str:
        """One line; only for those who may know it."""
        street = f"{self.street} {self.house_number}".strip()
        town = f"{self.postal_code} {self.city}".strip()
        return ", ".join(part for part in (street, town, self.region) if part)


# W. Nobody's AC plug delivers more than 63 A on three lines, no car takes more than 400 kW.
MOST_POWER_W = {"AC": 43_500, "DC": 400_000}
USUAL_POWER_W = {"AC": 22_000, "DC": 350_000}


class ConnectorQuerySet(models.QuerySet["Connector"]):
    def listed(self) -> ConnectorQuerySet:
        return self.with_prices().filter(is_enabled=True)

    def visible_to(self, user: User | None) -> ConnectorQuerySet:
        """Where the charger's page opens, those that are switched on; all of one's own."""
        seen = self.filter(charger__in=Charger.objects.openable_by(user).order_by())
        if user is None:
            return seen.filter(is_enabled=True)
        return seen if user.is_staff else seen.filter(Q(is_enabled=True) | Q(charger__owner=user))

    def with_prices(self) -> ConnectorQuerySet:
        return self.select_related("tariff").order_by("connector_id")


class Connector(models.Model):
    """A plug or socket of a charger. Made by autodiscovery, completed by the owner."""

    class Type(models.TextChoices):
        TYPE1 = "Type1", "Type 1"
        TYPE2 = "Type2", "Type 2"
        CCS = "CCS", "CCS"
        CHADEMO = "CHAdeMO", "CHAdeMO"
        TESLA = "Tesla", "Tesla"
        SCHUKO = "Schuko", "Schuko"

    class Current(models.TextChoices):
        AC = "AC", "AC"
        DC = "DC", "DC"

    charger = models.ForeignKey(Charger, on_delete=models.PROTECT, related_name="connectors")
    evse_id = models.PositiveSmallIntegerField(null=True, blank=True, editable=False)
    connector_id = models.PositiveSmallIntegerField(_("number"))
    type = models.CharField(_("type"), max_length=10, choices=Type.choices, blank=True)
    current = models.CharField(_("current"), max_length=2, choices=Current.choices, default=Current.AC)
    max_power_w = models.PositiveIntegerField(_("power (W)"), null=True, blank=True)
    tariff = models.ForeignKey(Tariff, on_delete=models.PROTECT, null=True, blank=True, verbose_name=_("tariff"))
    is_enabled = models.BooleanField(_("enabled"), default=True)
    status = models.CharField(_("status"), max_length=20, blank=True)
    error_code = models.CharField(_("error"), max_length=50, blank=True)
    info = models.CharField(_("details"), max_length=120, blank=True)
    status_at = models.DateTimeField(_("status since"), null=True, blank=True)
    status_received_at = models.DateTimeField(_("status received"), null=True, blank=True, editable=False)

    objects = ConnectorQuerySet.as_manager()

    # What a receiver of public text may see of OCPP's nine statuses (OCPP 1.6 §7.7).
    FREE_STATUSES = frozenset({"Available"})
    BUSY_STATUSES = frozenset({"Preparing", "Charging", "SuspendedEV", "SuspendedEVSE", "Finishing", "Reserved"})

    class Meta:
        verbose_name = _("connector")
        verbose_name_plural = _("connectors")
        ordering = ("charger", "connector_id")
        constraints = (
            models.UniqueConstraint(fields=["charger", "connector_id"], name="connector_number_once_per_charger"),
            models.CheckConstraint(condition=Q(connector_id__gte=1), name="connector_zero_is_the_charger"),
        )

    def __str__(self) -> str:
        return f"{self.charger} · {self.connector_id}"

    @property
    def availability(self) -> str:
        """`free`, `busy`, `faulty` or `offline`."""
        if not self.charger.is_online or not self.status:
            return "offline"
        if self.status in self.FREE_STATUSES:
            return "free"
        return "busy" if self.status in self.BUSY_STATUSES else "faulty"

    @property
    def offered(self) -> str:
        """`availability` for others than its owner: outside the hours nothing is free, and `closed`."""
        state = self.availability
        return "closed" if state in ("free", "busy") and not self.charger.is_open else state

    @property
    def price_per_kwh(self) -> int | None:
        """In minor units; None: it has no price, and others cannot start."""
        return self.tariff.price_per_kwh if self.tariff else None

    @property
    def rated_power_w(self) -> int:
        """For plausibility: what the owner says, else what no connector of its kind exceeds."""
        most = MOST_POWER_W[self.current]
        return min(self.max_power_w or USUAL_POWER_W[self.current], most)
