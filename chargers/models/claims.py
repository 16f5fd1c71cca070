"""People who add a card by holding it to a charger."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import IdTag
from chargers.models.fleet import Charger


class CardClaimQuerySet(models.QuerySet["CardClaim"]):
    def waiting(self, now: datetime) -> CardClaimQuerySet:
        return self.filter(id_tag=None, expires_at__gt=now)


class CardClaim(models.Model):
    """Somebody stands at a charger with a card that nobody has. One at a time: the next one replaces it."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, primary_key=True, related_name="card_claim",
        verbose_name=_("user"),
    )  # fmt: skip
    charger = models.ForeignKey(
        Charger, on_delete=models.PROTECT, related_name="card_claims", verbose_name=_("charger")
    )
    expires_at = models.DateTimeField(_("expires"))
    id_tag = models.ForeignKey(
        IdTag, on_delete=models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("card")
    )

    objects = CardClaimQuerySet.as_manager()

    class Meta:
        verbose_name = _("card claim")
        verbose_name_plural = _("card claims")
        ordering = ("-expires_at",)

    def __str__(self) -> str:
        return f"{self.user} · {self.charger}"

    @property
    def seconds_left(self) -> int:
        return max(0, round((self.expires_at - timezone.now()).total_seconds()))

    @property
    def state(self) -> str:
        """`taken` (a card was added), `waiting`, or `over`."""
        if self.id_tag_id is not None:
            return "taken"
        return "waiting" if self.expires_at > timezone.now() else "over"
