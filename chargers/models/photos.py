"""Photos of chargers, with their bytes: a table of its own, so that no list of chargers touches them."""

from __future__ import annotations

import secrets

from django.db import models
from django.db.models import OuterRef, Q, Subquery
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from chargers.models.fleet import Charger

DESCRIPTION_LIMIT = 200


def new_key() -> str:
    """What nobody can guess: a photo is found by this alone."""
    return secrets.token_urlsafe(16)


class PhotoQuerySet(models.QuerySet["Photo"]):
    def for_everybody(self) -> PhotoQuerySet:
        return self.filter(audience=Photo.Audience.EVERYBODY)

    def with_file(self, size: str) -> PhotoQuerySet:
        """The one place where bytes are read."""
        return self.defer(None).defer(*(Photo.FILES - {size}))


class PhotoManager(models.Manager.from_queryset(PhotoQuerySet)):  # type: ignore[misc]  # a base made at run time
    """Lists never load the bytes."""

    def get_queryset(self) -> PhotoQuerySet:
        return PhotoQuerySet(self.model, using=self._db).defer(*Photo.FILES)


def first_key() -> Subquery:
    """Of the charger in the outer query: the key of its first photo that is for everybody."""
    shown = Photo.objects.for_everybody().filter(charger=OuterRef("pk")).order_by("position", "pk")
    return Subquery(shown.values("key")[:1])


class Photo(models.Model):
    """A picture of a charger in two sizes, both JPEG without any metadata. The first one is the title photo."""

    class Audience(models.TextChoices):
        EVERYBODY = "everybody", _("for everybody")
        ADMITTED = "admitted", _("only for who may charge here")

    class Size(models.TextChoices):
        LARGE = "large"
        SMALL = "small"

    FILES = frozenset(Size.values)

    charger = models.ForeignKey(
        Charger, on_delete=models.PROTECT, related_name="photos", verbose_name=_("charger"), db_index=False
    )
    # It stands in the address. A new one ends an address that others have kept.
    key = models.CharField(max_length=22, unique=True, default=new_key, editable=False)
    audience = models.CharField(_("who sees it"), max_length=10, choices=Audience.choices)
    description = models.CharField(_("description"), max_length=DESCRIPTION_LIMIT)
    position = models.PositiveSmallIntegerField(editable=False)
    width = models.PositiveSmallIntegerField(editable=False)
    height = models.PositiveSmallIntegerField(editable=False)
    large = models.BinaryField(editable=False)
    small = models.BinaryField(editable=False)
    created_at = models.DateTimeField(_("added"), default=timezone.now, editable=False)

    objects = PhotoManager()

    class Meta:
        verbose_name = _("photo")
        verbose_name_plural = _("photos")
        ordering = ("position", "pk")
        indexes = (models.Index(fields=["charger", "position", "id"], name="photo_by_charger"),)
        constraints = (
            models.CheckConstraint(condition=~Q(description=""), name="photo_is_described"),
            models.CheckConstraint(condition=Q(width__gt=0, height__gt=0), name="photo_has_a_size"),
        )

    def __str__(self) -> str:
        return self.description

    @property
    def is_for_everybody(self) -> bool:
        return self.audience == self.Audience.EVERYBODY

    @property
    def url(self) -> str:
        return address(self.key, self.Size.LARGE)

    @property
    def small_url(self) -> str:
        return address(self.key, self.Size.SMALL)


def address(key: str, size: str) -> str:
    """The path of a picture."""
    return reverse("photo", args=[key, size])
