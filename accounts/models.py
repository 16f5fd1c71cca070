"""Who: people, the cards that they hold at a charger, and what their programs log in with."""

from datetime import datetime
from typing import Any, ClassVar, Self, TypeVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models
from django.db.models.functions import Lower, Upper
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts import events

# Of the addresses of those who have left: nobody can have one there.
FORGOTTEN_DOMAIN = "deleted.invalid"

Row = TypeVar("Row", bound=models.Model)


class UserManager(BaseUserManager["User"]):
    @classmethod
    def normalize_email(cls, email: str | None) -> str:
        """All small letters, as django-allauth looks addresses up."""
        return super().normalize_email(email).lower()

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        user = self.model(email=self.normalize_email(email), **fields)
        user.set_password(password)
        user.save()
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        return self.create_user(email, password, **{"role": User.Role.ADMIN, **fields})

    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(email__iexact=username)


class User(AbstractBaseUser):
    """A person who logs in by e-mail. Never deleted: `is_active` is switched off, and history stays."""

    class Role(models.TextChoices):
        USER = "user", _("driver")
        OWNER = "owner", _("owner")
        ADMIN = "admin", _("operator")

    email = models.EmailField(_("e-mail"), unique=True)
    name = models.CharField(_("name"), max_length=100)
    role = models.CharField(_("role"), max_length=10, choices=Role.choices, default=Role.USER)
    is_active = models.BooleanField(
        _("active"), default=True, help_text=_("Switch off instead of deleting: cards and logins stop at once.")
    )
    # Of what we write to this person; empty: the platform's first one.
    language = models.CharField(_("language"), max_length=5, blank=True, default="", db_default="")
    mails_receipts = models.BooleanField(_("receipts by e-mail"), default=True, db_default=True)
    mails_offline = models.BooleanField(_("e-mails about chargers that are offline"), default=True, db_default=True)
    mails_answers = models.BooleanField(_("e-mails about answers to reports"), default=True, db_default=True)
    mails_low_balance = models.BooleanField(_("e-mails about money that runs out"), default=True, db_default=True)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    objects = UserManager()

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["name"]

    class Meta:
        verbose_name = _("user")
        verbose_name_plural = _("users")
        constraints = (
            models.UniqueConstraint(Lower("email"), name="user_email_case_insensitive"),
            models.CheckConstraint(condition=models.Q(role__in=["user", "owner", "admin"]), name="user_role_known"),
        )

    def __str__(self) -> str:
        return self.name or self.email

    @property
    def is_forgotten(self) -> bool:
        """Closed for good, see people.forget: whatever reaches this account now reaches nobody."""
        return not self.is_active and self.email.endswith(f"@{FORGOTTEN_DOMAIN}")

    @property
    def is_owner(self) -> bool:
        """May this person list chargers? An operator may do what an owner may."""
        return self.role in (self.Role.OWNER, self.Role.ADMIN)

    @property
    def is_staff(self) -> bool:
        """The Django admin asks this: operators only."""
        return self.role == self.Role.ADMIN

    def has_perm(self, perm: str, obj: object | None = None) -> bool:
        return self.is_active and self.is_staff

    def has_module_perms(self, app_label: str) -> bool:
        return self.is_active and self.is_staff


class IdTagQuerySet(models.QuerySet["IdTag"]):
    def live(self) -> "IdTagQuerySet":
        return self.filter(deleted_at=None)

    def with_uid(self, uid: str) -> "IdTagQuerySet":
        """OCPP 1.6 §7.15: an idToken is compared case-insensitively."""
        return self.alias(upper_uid=Upper("uid")).filter(upper_uid=uid.strip().upper())

    def cards_of(self, user: User) -> "IdTagQuerySet":
        return self.live().filter(user=user, kind=IdTag.Kind.RFID)

    def visible_to(self, user: User) -> "IdTagQuerySet":
        """Cards, the deleted ones too: one's own, or all for an operator. The phone's tag is nobody's business."""
        cards = self.filter(kind=IdTag.Kind.RFID)
        return cards if user.is_staff else cards.filter(user=user)


class IdTag(models.Model):
    """What a charger reads and sends as idTag: an RFID card, or the virtual tag that a start by phone uses."""

    class Kind(models.TextChoices):
        RFID = "rfid", _("RFID card")
        VIRTUAL = "virtual", _("phone")

    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="id_tags", verbose_name=_("user"))
    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices, default=Kind.RFID)
    uid = models.CharField(_("number"), max_length=20, help_text=_("As the charger reads it, at most 20 characters."))
    name = models.CharField(_("name"), max_length=60, blank=True)
    parent = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="members", verbose_name=_("group tag")
    )
    is_enabled = models.BooleanField(_("enabled"), default=True, help_text=_("The holder's own switch."))
    expires_at = models.DateTimeField(_("expires"), null=True, blank=True)
    deleted_at = models.DateTimeField(_("deleted"), null=True, blank=True, editable=False)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    objects = IdTagQuerySet.as_manager()

    class Meta:
        verbose_name = _("card")
        verbose_name_plural = _("cards")
        ordering = ("-created_at",)
        constraints = (
            models.UniqueConstraint(
                Upper("uid"), condition=models.Q(deleted_at=None), name="id_tag_uid_unique_among_live"
            ),
            models.UniqueConstraint(
                fields=["user"],
                condition=models.Q(kind="virtual", deleted_at=None),
                name="id_tag_one_virtual_per_user",
            ),
            models.CheckConstraint(condition=~models.Q(uid=""), name="id_tag_uid_not_empty"),
            # Deleted implies disabled, so that no query can forget one of the two.
            models.CheckConstraint(
                condition=models.Q(deleted_at=None) | models.Q(is_enabled=False), name="id_tag_deleted_is_disabled"
            ),
        )

    def __str__(self) -> str:
        return self.name or self.masked_uid

    @property
    def masked_uid(self) -> str:
        """The number as other people may see it: the last four characters."""
        return f"…{self.uid[-4:]}"

    @property
    def is_expired(self) -> bool:
        return self.expires_at is not None and self.expires_at <= timezone.now()


class ServiceKeyQuerySet(models.QuerySet["ServiceKey"]):
    def living(self) -> "ServiceKeyQuerySet":
        return self.filter(revoked_at=None)


class ServiceKey(models.Model):
    """What a trusted service shows at the internal API; it may have several, for a change of keys. None is kept."""

    name = models.CharField(_("service"), max_length=24)
    key_hmac = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    last_used_at = models.DateTimeField(_("last used"), null=True, blank=True, editable=False)
    revoked_at = models.DateTimeField(_("revoked"), null=True, blank=True, editable=False)

    objects = ServiceKeyQuerySet.as_manager()

    class Meta:
        verbose_name = _("service key")
        verbose_name_plural = _("service keys")
        ordering = ("name", "-pk")

    def __str__(self) -> str:
        return self.name


class WebhookQuerySet(models.QuerySet["Webhook"]):
    def live(self) -> "WebhookQuerySet":
        return self.filter(deleted_at=None)

    def listening(self) -> "WebhookQuerySet":
        """Those that are told something: their people may still own chargers, or operate."""
        roles = [User.Role.OWNER, User.Role.ADMIN]
        return self.live().filter(is_enabled=True, user__is_active=True, user__role__in=roles)


class Webhook(models.Model):
    """An address of an owner's or operator's program that is told what happens."""

    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="webhooks", verbose_name=_("user"))
    url = models.URLField(_("address"), max_length=500)
    events = models.JSONField(_("events"), default=list)
    # Not a hash: with it every message is signed. It is shown once, and in no list.
    secret = models.CharField(max_length=64, editable=False)
    is_enabled = models.BooleanField(_("enabled"), default=True)
    failing_since = models.DateTimeField(_("failing since"), null=True, blank=True, editable=False)
    # What it did not take keeps all that comes after it waiting, so that a dead address costs little.
    resting_until = models.DateTimeField(_("resting until"), null=True, blank=True, editable=False)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    deleted_at = models.DateTimeField(_("deleted"), null=True, blank=True, editable=False)

    objects = WebhookQuerySet.as_manager()

    class Meta:
        verbose_name = _("webhook")
        verbose_name_plural = _("webhooks")
        ordering = ("-pk",)

    def __str__(self) -> str:
        return self.url


class OutgoingQuerySet(models.QuerySet[Row]):
    def due(self, now: datetime) -> Self:
        """What is to be sent now, the oldest first."""
        return self.filter(next_attempt_at__lte=now).order_by("next_attempt_at", "pk")

    def waiting(self) -> Self:
        return self.filter(next_attempt_at__isnull=False)


class Outgoing(models.Model):
    """What is kept with the change that it tells of, and sent afterwards until it is taken or given up."""

    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    next_attempt_at = models.DateTimeField(_("next attempt"), null=True, blank=True)
    error = models.CharField(_("error"), max_length=200, blank=True)

    class Meta:
        abstract = True

    def claim(self, *, until: datetime) -> bool:
        """Of all processes that look, one sends. One that dies over it leaves it to the others after `until`."""
        mine = type(self)._default_manager.filter(pk=self.pk, next_attempt_at=self.next_attempt_at)
        return mine.update(next_attempt_at=until) == 1


class DeliveryQuerySet(OutgoingQuerySet["Delivery"]):
    def readable_by(self, user: User) -> "DeliveryQuerySet":
        """Of one's own webhooks. Somebody who was an operator was told of others' chargers, and is one no more."""
        own = self.filter(webhook__user=user, webhook__deleted_at=None)
        return own if user.is_staff else own.filter(owner=user)


class Delivery(Outgoing):
    """One message to one webhook."""

    webhook = models.ForeignKey(
        Webhook, on_delete=models.PROTECT, related_name="deliveries", db_index=False, verbose_name=_("webhook")
    )
    owner = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", db_index=False, verbose_name=_("owner"))
    event = models.CharField(_("event"), max_length=30, choices=[(name, name) for name in events.ALL])
    payload = models.JSONField(_("content"))
    delivered_at = models.DateTimeField(_("delivered"), null=True, blank=True)
    response_status = models.PositiveSmallIntegerField(_("answer"), null=True, blank=True)

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        verbose_name = _("webhook delivery")
        verbose_name_plural = _("webhook deliveries")
        ordering = ("-pk",)
        indexes = (
            models.Index(fields=["webhook", "-id"], name="delivery_by_webhook"),
            models.Index(
                fields=["next_attempt_at"], condition=models.Q(next_attempt_at__isnull=False), name="delivery_due"
            ),
            models.Index(fields=["created_at"], name="delivery_by_time"),
        )

    def __str__(self) -> str:
        return f"{self.event} → {self.webhook}"

    @property
    def status(self) -> str:
        """`waiting`, `delivered` or `failed`."""
        if self.delivered_at is not None:
            return "delivered"
        return "waiting" if self.next_attempt_at is not None else "failed"


class Login(models.Model):
    """A program's log-in by password: it goes on from one refresh token to the next until it ends.

    `token_id` is the `jti` of the one refresh token that is still good. Whoever brings an older one of this login has
    stolen it, or was robbed, so the login ends.
    """

    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="logins")
    token_id = models.CharField(max_length=32)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    expires_at = models.DateTimeField(_("expires"), db_index=True)
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True)

    class Meta:
        verbose_name = _("login of a program")
        verbose_name_plural = _("logins of programs")
        ordering = ("-pk",)

    def __str__(self) -> str:
        return f"{self.user}: {timezone.localtime(self.created_at):%Y-%m-%d %H:%M}"


class ApiTokenQuerySet(models.QuerySet["ApiToken"]):
    def living(self) -> "ApiTokenQuerySet":
        """Neither revoked nor expired."""
        unexpired = models.Q(expires_at=None) | models.Q(expires_at__gt=timezone.now())
        return self.filter(unexpired, revoked_at=None)


class ApiToken(models.Model):
    """A personal token for a program that shall not know the password. Only its digest is kept, see tokens.py."""

    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="api_tokens", verbose_name=_("user"))
    name = models.CharField(_("name"), max_length=60, help_text=_("What the token is for."))
    prefix = models.CharField(_("begins with"), max_length=12)
    digest = models.CharField(max_length=64, unique=True)
    scopes = models.JSONField(_("scopes"), default=list)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    expires_at = models.DateTimeField(_("expires"), null=True, blank=True)
    last_used_at = models.DateTimeField(_("last used"), null=True, blank=True)
    revoked_at = models.DateTimeField(_("revoked"), null=True, blank=True)

    objects = ApiTokenQuerySet.as_manager()

    class Meta:
        verbose_name = _("API token")
        verbose_name_plural = _("API tokens")
        ordering = ("-pk",)

    def __str__(self) -> str:
        return self.name


class Letter(Outgoing):
    """An e-mail that is to be written, see letters.py. Its text is made when it is sent, so it says what is true."""

    class Kind(models.TextChoices):
        RECEIPT = "receipt", _("receipt of a session")
        CHARGER_OFFLINE = "charger_offline", _("charger offline")
        LOW_BALANCE = "low_balance", _("money nearly used up")
        ANSWER = "answer", _("answer to a report")

    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="letters", verbose_name=_("user"))
    kind = models.CharField(_("kind"), max_length=20, choices=Kind.choices)
    # What it is about: the key of a session, a charger or a report, and which time it happens to it.
    subject_key = models.BigIntegerField()
    number = models.BigIntegerField(default=0)
    sent_at = models.DateTimeField(_("sent"), null=True, blank=True)

    objects = OutgoingQuerySet.as_manager()

    class Meta:
        verbose_name = _("e-mail")
        verbose_name_plural = _("e-mails")
        ordering = ("-pk",)
        indexes = (
            models.Index(
                fields=["next_attempt_at"], condition=models.Q(next_attempt_at__isnull=False), name="letter_due"
            ),
            models.Index(fields=["created_at"], name="letter_by_time"),
        )
        constraints = (
            models.UniqueConstraint(fields=["kind", "subject_key", "number"], name="letter_once_for_each_event"),
        )

    def __str__(self) -> str:
        return f"{self.get_kind_display()} → {self.user_id}"
