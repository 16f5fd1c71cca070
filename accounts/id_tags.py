"""Cards: issue, claim, switch, delete and find. A tag's number is compared case-insensitively everywhere."""

import re
import secrets
from datetime import datetime

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import IdTag, User
from sharecharge.errors import Refused
from sharecharge.prepared import Prepared

# People copy "04:C5:A2:F7" or "04 c5 a2 f7" from a card; readers send "04C5A2F7".
SEPARATORS = re.compile(r"[\s:-]")
VIRTUAL_ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
UID_MIN_LENGTH = 4
UID_MAX_LENGTH = 20


def clean_uid(text: str) -> str:
    """The number as a reader would send it.

    Refused: empty, under 4 or over 20 characters (OCPP CiString20), anything but letters and digits.
    """
    uid = SEPARATORS.sub("", text)
    if not uid:
        raise Refused("uid_missing", _("Type the number of the card."), status=400, field="uid")
    if len(uid) > UID_MAX_LENGTH:
        raise Refused("uid_too_long", _("A card number has at most 20 characters."), status=400, field="uid")
    if not (uid.isascii() and uid.isalnum()):
        raise Refused("uid_characters", _("A card number consists of letters and digits."), status=400, field="uid")
    if len(uid) < UID_MIN_LENGTH:
        raise Refused("uid_too_short", _("A card number has at least 4 characters."), status=400, field="uid")
    return uid.upper()


def issue(*, user: User, uid: str, name: str = "", expires_at: datetime | None = None) -> IdTag:
    """A new RFID card of `user`. Refused when the number belongs to a living card, their own or somebody else's."""
    uid = clean_uid(uid)
    try:
        with transaction.atomic():
            return IdTag.objects.create(user=user, uid=uid, name=name.strip(), expires_at=expires_at)
    except IntegrityError:
        if IdTag.objects.cards_of(user).filter(uid=uid).exists():
            raise Refused("card_yours", _("This card is yours already."), field="uid") from None
        # Whose else it is stays untold.
        raise Refused(
            "uid_taken", _("This card is already registered. Ask the operator if it is yours."), field="uid"
        ) from None


def virtual_tag(user: User) -> IdTag:
    """The tag that stands for `user` when a session is started from the phone. Made on first use."""
    tag = IdTag.objects.live().filter(user=user, kind=IdTag.Kind.VIRTUAL).first()
    if tag:
        return tag
    uid = "PHONE" + "".join(secrets.choice(VIRTUAL_ALPHABET) for _i in range(15))
    try:
        with transaction.atomic():
            return IdTag.objects.create(user=user, uid=uid, kind=IdTag.Kind.VIRTUAL)
    except IntegrityError:  # another request of the same user was quicker
        return IdTag.objects.live().get(user=user, kind=IdTag.Kind.VIRTUAL)


def set_enabled(tag: IdTag, *, enabled: bool) -> None:
    """The holder's own switch. A deleted card stays off."""
    if tag.deleted_at is not None:
        raise Refused("card_deleted", _("This card was deleted. Add it again to use it."))
    tag.is_enabled = enabled
    tag.save(update_fields=["is_enabled"])


def rename(tag: IdTag, *, name: str) -> None:
    """Empty: the card is called by the end of its number again."""
    tag.name = name.strip()
    tag.save(update_fields=["name"])


def change(tag: IdTag, *, name: str | None = None, is_enabled: bool | None = None) -> None:
    """Both or nothing; None: stays as it is."""
    with transaction.atomic():
        if is_enabled is not None:
            set_enabled(tag, enabled=is_enabled)
        if name is not None:
            rename(tag, name=name)


def delete(tag: IdTag) -> None:
    """Soft delete: the number becomes free, the history keeps the card."""
    tag.is_enabled = False
    tag.deleted_at = tag.deleted_at or timezone.now()
    tag.save(update_fields=["is_enabled", "deleted_at"])


_with_uid = IdTag.objects.select_related("user", "parent").defer("user__password", "user__last_login").with_uid
_living = Prepared(lambda uid: _with_uid(uid).live(), uid="")
_locked = Prepared(lambda uid: _with_uid(uid).live().select_for_update(no_key=True, of=("self",)), uid="")
_deleted = Prepared(lambda uid: _with_uid(uid).order_by("-deleted_at")[:1], uid="")


def find(uid: str, *, lock: bool = False) -> IdTag | None:
    """The living card with this number, else the one that was deleted last, else None. The user comes along.

    `lock` lets the transactions that decide about this card wait for each other.
    """
    living = _locked if lock else _living
    return living.first(uid=uid.strip().upper()) or _deleted.first(uid=uid.strip().upper())
