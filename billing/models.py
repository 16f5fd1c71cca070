"""Money: double-entry accounts. Amounts are integers in minor units (haléř, cent) of `settings.CURRENCY`.

An account's balance is the sum of its entries; the entries of a transfer sum to zero. So a wallet is positive when the
platform owes its user money, a receivable is negative when its user owes the platform, and the outside world is
negative by what people have paid in. `ledger.post` is the only writer; triggers refuse everybody else.
"""

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import FORGOTTEN_DOMAIN, User
from billing import pricing, units


class AccountQuerySet(models.QuerySet["Account"]):
    def of_nobody(self) -> "AccountQuerySet":
        """Wallets with money in them that nobody can use any more: it came after their person had left."""
        people = User.objects.filter(is_active=False, email__endswith=f"@{FORGOTTEN_DOMAIN}")
        return self.filter(kind=Account.Kind.WALLET, balance__gt=0, user__in=people)


class Account(models.Model):
    class Kind(models.TextChoices):
        WALLET = "wallet", _("wallet")
        RECEIVABLE = "receivable", _("unpaid")
        PLATFORM = "platform", _("platform")
        OUTSIDE = "outside", _("outside world")

    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="accounts"
    )
    balance = models.BigIntegerField(_("balance"), default=0)
    held = models.BigIntegerField(_("on hold"), default=0)

    objects = AccountQuerySet.as_manager()

    class Meta:
        verbose_name = _("account")
        verbose_name_plural = _("accounts")
        constraints = (
            models.UniqueConstraint(fields=["user", "kind"], name="account_one_of_a_kind_per_user"),
            models.UniqueConstraint(fields=["kind"], condition=Q(user=None), name="account_one_of_a_kind_without_user"),
            models.CheckConstraint(
                condition=Q(kind__in=["wallet", "receivable"], user__isnull=False)
                | Q(kind__in=["platform", "outside"], user__isnull=True),
                name="account_kind_has_its_owner",
            ),
            models.CheckConstraint(condition=~Q(kind="wallet") | Q(balance__gte=0), name="wallet_never_below_zero"),
            models.CheckConstraint(
                condition=~Q(kind="receivable") | Q(balance__lte=0), name="receivable_is_what_is_owed"
            ),
            models.CheckConstraint(
                condition=Q(held=0) | Q(kind="wallet", held__gt=0, held__lte=F("balance")), name="hold_is_covered"
            ),
        )

    def __str__(self) -> str:
        return f"{self.get_kind_display()} · {self.user}" if self.user else self.get_kind_display()

    @property
    def available(self) -> int:
        return self.balance - self.held


class Transfer(models.Model):
    """One movement of money. Append-only; a correction is a further transfer."""

    class Kind(models.TextChoices):
        TOP_UP = "top_up", _("top-up")
        SESSION = "session", _("charging")
        CORRECTION = "correction", _("correction")
        REFUND = "refund", _("refund")
        PAYOUT = "payout", _("payout")
        REVERSAL = "reversal", _("reversal")

    kind = models.CharField(_("kind"), max_length=12, choices=Kind.choices)
    reference = models.CharField(
        _("reference"), max_length=80, unique=True, help_text=_("The reason, once: the idempotency key.")
    )
    description = models.CharField(_("description"), max_length=200, blank=True)
    entry_count = models.PositiveSmallIntegerField()
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False, db_index=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )

    class Meta:
        verbose_name = _("transfer")
        verbose_name_plural = _("transfers")
        ordering = ("-pk",)
        indexes = (models.Index(fields=["id"], condition=Q(kind="reversal"), name="transfer_reversals"),)
        constraints = (models.CheckConstraint(condition=Q(entry_count__gte=2), name="transfer_has_two_sides"),)

    def __str__(self) -> str:
        return self.reference


class EntryQuerySet(models.QuerySet["Entry"]):
    def statements_of(self, user: User) -> "list[EntryQuerySet]":
        """What a person's wallet and debts went through: a list for each, since an index leads through one account."""
        accounts = Account.objects.filter(user=user)
        return [self.filter(account=account).select_related("transfer", "account") for account in accounts]


class Entry(models.Model):
    # Both are the beginning of an index below; one of their own would only have to be written, too.
    transfer = models.ForeignKey(Transfer, on_delete=models.PROTECT, related_name="entries", db_index=False)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="entries", db_index=False)
    amount = models.BigIntegerField(_("amount"))

    objects = EntryQuerySet.as_manager()

    class Meta:
        verbose_name = _("entry")
        verbose_name_plural = _("entries")
        ordering = ("-pk",)
        indexes = (models.Index(fields=["account", "-id"], name="entry_by_account"),)
        constraints = (
            models.UniqueConstraint(fields=["transfer", "account"], name="entry_once_per_account"),
            models.CheckConstraint(condition=~Q(amount=0), name="entry_moves_something"),
        )

    def __str__(self) -> str:
        return f"{self.account}: {units.money(self.amount)}"


class Checkpoint(models.Model):
    """What an account's entries summed up to at the last check of the ledger, up to and including `last_entry`."""

    account = models.OneToOneField(Account, on_delete=models.PROTECT, primary_key=True, related_name="checkpoint")
    total = models.BigIntegerField(_("sum"))
    last_entry = models.BigIntegerField(_("last entry"))

    class Meta:
        verbose_name = _("checkpoint")
        verbose_name_plural = _("checkpoints")

    def __str__(self) -> str:
        return f"{self.account}: {units.money(self.total)}"


STANDS = Q(cleared_at=None) & ~Q(breaches=[])


class LedgerCheckQuerySet(models.QuerySet["LedgerCheck"]):
    def standing(self) -> "LedgerCheckQuerySet":
        """With breaches that nobody has mended and cleared: while there is one, no bills are made."""
        return self.filter(STANDS)


class LedgerCheck(models.Model):
    """One look at whether the ledger contradicts itself, see audit.py."""

    # The hour whose check this is, so that of many processes one makes it; None: somebody asked for it.
    turn = models.CharField(max_length=13, unique=True, null=True, editable=False)  # noqa: DJ001 - many are None
    is_full = models.BooleanField(_("of everything"))
    started_at = models.DateTimeField(_("started"), default=timezone.now)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)
    last_entry = models.BigIntegerField(_("last entry"), default=0)
    breaches = models.JSONField(_("breaches"), default=list, blank=True)
    cleared_at = models.DateTimeField(_("cleared"), null=True, blank=True)
    cleared_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )

    objects = LedgerCheckQuerySet.as_manager()

    class Meta:
        verbose_name = _("check of the ledger")
        verbose_name_plural = _("checks of the ledger")
        ordering = ("-pk",)
        indexes = (models.Index(fields=["-id"], condition=STANDS, name="ledger_check_standing"),)

    def __str__(self) -> str:
        return f"{timezone.localtime(self.started_at):%Y-%m-%d %H:%M}"


class HoldQuerySet(models.QuerySet["Hold"]):
    def active(self) -> "HoldQuerySet":
        return self.filter(released_at=None)


class Hold(models.Model):
    """Money of a wallet that is reserved for one purpose, such as a running session."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="holds")
    reference = models.CharField(_("reference"), max_length=80, unique=True)
    amount = models.BigIntegerField(_("amount"))
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    expires_at = models.DateTimeField(_("expires"), null=True, blank=True)
    released_at = models.DateTimeField(_("released"), null=True, blank=True)

    objects = HoldQuerySet.as_manager()

    class Meta:
        verbose_name = _("hold")
        verbose_name_plural = _("holds")
        ordering = ("-pk",)
        indexes = (
            models.Index(fields=["expires_at"], condition=Q(released_at=None), name="hold_active_by_expiry"),
            models.Index(fields=["account"], condition=Q(released_at=None), name="hold_active_by_account"),
        )
        constraints = (models.CheckConstraint(condition=Q(amount__gt=0), name="hold_reserves_something"),)

    @property
    def is_for_payout(self) -> bool:
        return self.reference.startswith("payout:")

    def __str__(self) -> str:
        return f"{self.reference}: {units.money(self.amount)}"


class Tariff(models.Model):
    """What charging costs. A tariff that was used is never edited: a new price is a new row."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="tariffs")
    price_per_kwh = models.BigIntegerField(_("price per kWh"), help_text=_("In minor units; 0 is free."))
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("tariff")
        verbose_name_plural = _("tariffs")
        constraints = (
            models.UniqueConstraint(fields=["owner", "price_per_kwh"], name="tariff_once_per_owner"),
            models.CheckConstraint(
                condition=Q(price_per_kwh__gte=0, price_per_kwh__lte=pricing.PRICE_PER_KWH_LIMIT),
                name="tariff_price_within_reason",
            ),
        )

    def __str__(self) -> str:
        return f"{units.decimal(self.price_per_kwh)} {settings.CURRENCY}/kWh"

    def snapshot(self) -> dict[str, Any]:
        """What a session keeps: later changes of the tariff cannot reach it."""
        return pricing.Tariff(currency=settings.CURRENCY, price_per_kwh=self.price_per_kwh).as_dict()


# Its provider knows of it, and has not decided it.
OPEN = Q(status="pending") & ~Q(provider_reference="")


class TopUpQuerySet(models.QuerySet["TopUp"]):
    def open(self) -> "TopUpQuerySet":
        """The payer was led to a provider, which may still say that it was paid."""
        return self.filter(OPEN)


class TopUp(models.Model):
    """Money on its way in through a payment provider. Credited when the provider says that it was paid."""

    class Status(models.TextChoices):
        PENDING = "pending", _("waiting for payment")
        PAID = "paid", _("paid")
        FAILED = "failed", _("failed")

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="top_ups")
    amount = models.BigIntegerField(_("amount"))
    status = models.CharField(_("status"), max_length=10, choices=Status.choices, default=Status.PENDING)
    provider = models.CharField(_("provider"), max_length=20)
    provider_reference = models.CharField(_("provider's reference"), max_length=255, blank=True)
    idempotency_key = models.CharField(max_length=64)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    # The payer has done his part at the provider, and a bank brings the money, in days or weeks.
    sent_at = models.DateTimeField(_("on its way since"), null=True, blank=True)
    asked_at = models.DateTimeField(_("last asked about"), null=True, blank=True)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)

    objects = TopUpQuerySet.as_manager()

    class Meta:
        verbose_name = _("top-up")
        verbose_name_plural = _("top-ups")
        ordering = ("-pk",)
        indexes = (
            models.Index(fields=["user", "-id"], name="top_up_by_user"),
            models.Index(fields=["asked_at"], condition=OPEN, name="top_up_to_be_asked_about"),
        )
        constraints = (
            models.UniqueConstraint(fields=["user", "idempotency_key"], name="top_up_once_per_key"),
            models.UniqueConstraint(
                fields=["provider", "provider_reference"],
                condition=~Q(provider_reference=""),
                name="top_up_once_per_payment",
            ),
            models.CheckConstraint(condition=Q(amount__gt=0), name="top_up_is_positive"),
        )

    def __str__(self) -> str:
        return f"{self.user}: {units.money(self.amount)}"


class Payout(models.Model):
    """Money that somebody asked to be sent to a bank account: on hold until an operator has decided, see payouts.py."""

    class Status(models.TextChoices):
        REQUESTED = "requested", _("requested")
        PAID = "paid", _("paid")
        REFUSED = "refused", _("refused")
        CANCELLED = "cancelled", _("cancelled")

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="payouts")
    amount = models.BigIntegerField(_("amount"))
    bank_account = models.CharField(_("bank account"), max_length=50)
    status = models.CharField(_("status"), max_length=10, choices=Status.choices, default=Status.REQUESTED)
    # None: from before there were keys.
    idempotency_key = models.CharField(max_length=64, null=True, editable=False)  # noqa: DJ001 - many are None
    reason = models.CharField(_("reason"), max_length=200, blank=True, db_default="", default="")
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)

    class Meta:
        verbose_name = _("payout")
        verbose_name_plural = _("payouts")
        ordering = ("-pk",)
        indexes = (
            models.Index(fields=["user", "-id"], name="payout_by_user"),
            models.Index(fields=["-id"], condition=Q(status="requested"), name="payout_to_be_decided"),
        )
        constraints = (
            models.CheckConstraint(condition=Q(amount__gt=0), name="payout_is_positive"),
            models.UniqueConstraint(fields=["user", "idempotency_key"], name="payout_once_per_key"),
        )

    def __str__(self) -> str:
        return f"{self.user}: {units.money(self.amount)}"

    @property
    def reference(self) -> str:
        """Of its hold and of its transfer."""
        return f"payout:{self.pk}"
