"""Photos of chargers: who may add them, who sees which, and that they go with their charger."""

from collections.abc import Iterable

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from chargers import live, pictures, visibility
from chargers.models import Charger, Photo
from chargers.models.photos import new_key
from sharecharge.errors import Refused

Audience = Photo.Audience

MOST = 4


def add(charger: Charger, data: bytes, *, audience: Audience, description: str) -> Photo:
    """A photo from a file as somebody sent it, the last in order.

    Refused: what `pictures.make` refuses, there are MOST already, or the charger was deleted meanwhile.
    """
    made = pictures.make(data)
    with transaction.atomic():
        locked = Charger.objects.live().select_for_update(no_key=True).filter(pk=charger.pk).first()
        if locked is None:
            raise Refused("no_charger", _("There is no such charger."), status=404)
        positions = list(locked.photos.values_list("position", flat=True))
        if len(positions) >= MOST:
            text = _("A charger has at most %(most)s photos. Delete one first.")
            raise Refused("too_many_photos", text % {"most": MOST})
        photo = Photo.objects.create(
            charger=locked,
            audience=audience,
            description=description,
            position=max(positions, default=0) + 1,
            width=made.width,
            height=made.height,
            large=made.large,
            small=made.small,
        )
        live.publish_charger(charger)
    return photo


def change(photo: Photo, *, audience: Audience, description: str) -> None:
    """Another audience is another address: what was kept of the old one leads nowhere.

    Refused: it was deleted meanwhile.
    """
    with transaction.atomic():
        charger = _lock(photo)
        if audience != photo.audience:
            photo.audience, photo.key = audience, new_key()
        photo.description = description
        photo.save(update_fields=["audience", "key", "description"])
        live.publish_charger(charger)


def put_first(photo: Photo) -> None:
    """It becomes the title photo; the others keep their order. Refused: it was deleted meanwhile."""
    with transaction.atomic():
        charger = _lock(photo)
        others = charger.photos.exclude(pk=photo.pk)
        for position, each in enumerate([photo, *others], start=1):
            each.position = position
            each.save(update_fields=["position"])
        live.publish_charger(charger)


def delete(photo: Photo) -> None:
    """For good. Refused: it was deleted meanwhile."""
    with transaction.atomic():
        live.publish_charger(_lock(photo))
        photo.delete()


def no_photo() -> Refused:
    return Refused("no_photo", _("This photo is not there any more."), status=404)


def _lock(photo: Photo) -> Charger:
    """The row of its charger, which all photos of it are changed under; `photo` becomes what it is by then."""
    charger = Charger.objects.select_for_update(no_key=True).get(pk=photo.charger_id)
    try:
        photo.refresh_from_db()
    except Photo.DoesNotExist:
        raise no_photo() from None
    return charger


# ------------------------------------------------------------------------------------------------ who sees what


def is_public(photo: Photo) -> bool:
    """Whoever asks may have it: no need to know who."""
    charger = photo.charger
    return photo.is_for_everybody and charger.deleted_at is None and visibility.is_public(charger)


def may_see(photo: Photo, user: User | None) -> bool:
    """Where the page of the charger opens; what is not for everybody, whoever may know the exact address."""
    if not visibility.may_open(photo.charger, user):
        return False
    return photo.is_for_everybody or visibility.is_admitted(photo.charger, user)


def shown(found: Iterable[Photo], *, is_admitted: bool) -> list[Photo]:
    """Those of a charger's photos that somebody sees who may open its page."""
    return [photo for photo in found if is_admitted or photo.is_for_everybody]
