"""What goes over the wire: commands, attempts to connect, and the log of messages."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from chargers.models.fleet import Charger, Connector
from chargers.models.sessions import ChargingSession


class CommandQuerySet(models.QuerySet["Command"]):
    def visible_to(self, user: User) -> CommandQuerySet:
        """Whoever gave it and the owner of its charger; an operator sees all."""
        return self if user.is_staff else self.filter(Q(requested_by=user) | Q(charger__owner=user))

    def open(self) -> CommandQuerySet:
        return self.filter(answered_at=None)

    def waiting(self, now: datetime) -> CommandQuerySet:
        """Neither sent nor expired, oldest first."""
        return self.open().filter(sent_at=None, expires_at__gt=now).order_by("pk")


class Command(models.Model):
    """What somebody asks of a charger. The row is the truth; its status is derived from what has happened."""

    class Action(models.TextChoices):
        REMOTE_START = "remote_start", _("start charging")
        REMOTE_STOP = "remote_stop", _("stop charging")
        GET_CONFIGURATION = "get_configuration", _("read the configuration")
        CHANGE_CONFIGURATION = "change_configuration", _("change the configuration")
        TRIGGER_MESSAGE = "trigger_message", _("ask for a message")
        SET_CHARGING_PROFILE = "set_charging_profile", _("limit the power")
        UNLOCK = "unlock", _("unlock the plug")
        RESET = "reset", _("restart")
        REFRESH = "refresh", _("ask for its state")

    charger = models.ForeignKey(Charger, on_delete=models.PROTECT, related_name="commands")
    connector = models.ForeignKey(Connector, on_delete=models.PROTECT, null=True, blank=True, related_name="commands")
    session = models.ForeignKey(
        ChargingSession, on_delete=models.PROTECT, null=True, blank=True, related_name="commands"
    )
    action = models.CharField(_("command"), max_length=30, choices=Action.choices)
    payload = models.JSONField(_("details"), default=dict, blank=True)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="commands"
    )
    created_at = models.DateTimeField(_("requested"), default=timezone.now, editable=False)
    expires_at = models.DateTimeField(_("expires"))
    sent_at = models.DateTimeField(_("sent"), null=True, blank=True, editable=False)
    message_id = models.CharField(max_length=36, blank=True, editable=False)
    answered_at = models.DateTimeField(_("answered"), null=True, blank=True, editable=False)
    result = models.JSONField(_("answer"), null=True, blank=True, editable=False)
    error = models.CharField(_("error"), max_length=200, blank=True, editable=False)

    objects = CommandQuerySet.as_manager()

    # Sent again after a lost connection until it is answered or expires; the others are sent at most once.
    REPEATABLE = frozenset(
        {
            Action.REMOTE_STOP, Action.GET_CONFIGURATION, Action.CHANGE_CONFIGURATION, Action.SET_CHARGING_PROFILE,
            Action.TRIGGER_MESSAGE, Action.REFRESH,
        }
    )  # fmt: skip

    class Meta:
        verbose_name = _("command")
        verbose_name_plural = _("commands")
        ordering = ("-pk",)
        indexes = (
            models.Index(fields=["charger", "id"], condition=Q(answered_at=None), name="command_open"),
            models.Index(fields=["charger", "-id"], name="command_by_charger"),
        )

    def __str__(self) -> str:
        return f"{self.get_action_display()} · {self.charger}"

    @property
    def status(self) -> str:
        """`waiting`, `sent`, `accepted`, `rejected`, `failed` or `expired`."""
        if self.answered_at is None:
            if self.sent_at is None and self.expires_at <= timezone.now():
                return "expired"
            return "sent" if self.sent_at else "waiting"
        if self.error:
            return "expired" if self.error == "expired" else "failed"
        answer = (self.result or {}).get("status", "Accepted")
        return "accepted" if answer in {"Accepted", "RebootRequired", "Unlocked"} else "rejected"


class ConnectionAttempt(models.Model):
    """A wallbox knocked. Repeats within a minute are counted on one row, so that a loop cannot fill the table."""

    class Outcome(models.TextChoices):
        ACCEPTED = "accepted", _("connected")
        UNKNOWN_IDENTITY = "unknown_identity", _("unknown identity")
        WRONG_PASSWORD = "wrong_password", _("wrong password")
        NO_PASSWORD = "no_password", _("no password")
        WRONG_USERNAME = "wrong_username", _("user name is not the identity")
        NO_SUBPROTOCOL = "no_subprotocol", _("no subprotocol")
        UNKNOWN_SUBPROTOCOL = "unknown_subprotocol", _("unsupported subprotocol")
        DISABLED = "disabled", _("charger disabled")
        BAD_PATH = "bad_path", _("wrong address")

    charger = models.ForeignKey(
        Charger, on_delete=models.PROTECT, null=True, blank=True, related_name="connection_attempts", db_index=False
    )
    path = models.CharField(_("path"), max_length=300)
    remote_address = models.CharField(_("address"), max_length=45, blank=True)
    subprotocols = models.CharField(_("subprotocols"), max_length=200, blank=True)
    outcome = models.CharField(_("outcome"), max_length=20, choices=Outcome.choices)
    count = models.PositiveIntegerField(_("times"), default=1)
    first_at = models.DateTimeField(_("first"))
    last_at = models.DateTimeField(_("last"))

    class Meta:
        verbose_name = _("connection attempt")
        verbose_name_plural = _("connection attempts")
        ordering = ("-last_at",)
        indexes = (
            models.Index(fields=["charger", "-last_at"], name="attempt_by_charger"),
            models.Index(fields=["remote_address", "-last_at"], name="attempt_by_address"),
            models.Index(fields=["last_at"], name="attempt_by_time"),
        )

    def __str__(self) -> str:
        return f"{self.path}: {self.get_outcome_display()}"

    @property
    def is_slip(self) -> bool:
        """Its identity was nearly the charger's, see slips.py. From where it came is only for operators."""
        return self.charger_id is not None and self.outcome == self.Outcome.UNKNOWN_IDENTITY


class Message(models.Model):
    """The log: one CALL and its answer, or a frame that could not be read."""

    class Direction(models.TextChoices):
        IN = "in", _("from the charger")
        OUT = "out", _("to the charger")

    charger = models.ForeignKey(Charger, on_delete=models.PROTECT, related_name="messages", db_index=False)
    direction = models.CharField(_("direction"), max_length=3, choices=Direction.choices)
    message_id = models.CharField(_("message id"), max_length=64, blank=True)
    action = models.CharField(_("action"), max_length=64, blank=True)
    request = models.TextField(_("request"), blank=True)
    response = models.TextField(_("answer"), blank=True)
    is_error = models.BooleanField(_("error"), default=False)
    note = models.CharField(
        _("note"), max_length=255, blank=True, help_text=_("What breaks the schema and was read nevertheless.")
    )
    at = models.DateTimeField(_("time"))

    class Meta:
        verbose_name = _("message")
        verbose_name_plural = _("messages")
        ordering = ("-pk",)
        indexes = (
            models.Index(fields=["charger", "-id"], name="message_by_charger"),
            models.Index(fields=["at"], name="message_by_time"),
        )

    def __str__(self) -> str:
        return f"{timezone.localtime(self.at):%H:%M:%S} {self.action}"
