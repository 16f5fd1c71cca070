"""Personal API tokens: made by a person for a program, shown once, limited to scopes, revoked at any time."""

import hashlib
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import ApiToken, User
from sharecharge.errors import Refused

# What all tokens begin with, so that scanners find the ones that were published by mistake.
MARK = "sc_"
PREFIX_LENGTH = len(MARK) + 6
# Living tokens of one person.
MOST = 20
# `last_used_at` is written at most so often.
USE_IS_NOTED_AFTER = timedelta(minutes=1)
AREAS = (
    "account", "cards", "chargers", "commands", "reports", "sessions", "stats", "users", "wallet", "webhooks",
)  # fmt: skip
SCOPES = tuple(f"{area}:{right}" for area in AREAS for right in ("read", "write"))


def issue(user: User, *, name: str, scopes: Sequence[str], expires_at: datetime | None = None) -> tuple[ApiToken, str]:
    """A new token, and its text, which nobody can find out again.

    Refused: an expiry that is over, more than MOST living tokens.
    """
    if expires_at is not None and expires_at <= timezone.now():
        raise Refused("expires_in_the_past", _("Choose a time that is still to come."), status=400, field="expires_at")
    text = MARK + secrets.token_urlsafe(32)
    with transaction.atomic():
        User.objects.select_for_update(no_key=True).get(pk=user.pk)  # or two at once would be one too many
        if ApiToken.objects.living().filter(user=user).count() >= MOST:
            raise Refused("too_many_tokens", _("You have as many tokens as one can have. Revoke one first."))
        token = ApiToken.objects.create(
            user=user,
            name=name.strip(),
            prefix=text[:PREFIX_LENGTH],
            digest=digest(text),
            scopes=sorted(set(scopes)),
            expires_at=expires_at,
        )
    return token, text


def find(text: str) -> ApiToken | None:
    """The living token with this text, with its user, who may log in. Its use is noted."""
    living = ApiToken.objects.living().select_related("user")
    token = living.filter(digest=digest(text), user__is_active=True).first()
    if token is not None:
        _note_use(token)
    return token


def revoke(token: ApiToken) -> None:
    ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=timezone.now())


def revoke_all(user: User) -> None:
    """A new password is set because somebody may know the old one, and may have made some."""
    ApiToken.objects.filter(user=user, revoked_at=None).update(revoked_at=timezone.now())


def forget_all(user: User) -> None:
    """With the names that they were given."""
    ApiToken.objects.filter(user=user).delete()


def allows(token: ApiToken, area: str | None, *, to_write: bool) -> bool:
    """May this token read, or write, in the area? Where there is none, tokens are not let in."""
    return area is not None and f"{area}:{'write' if to_write else 'read'}" in token.scopes


def digest(text: str) -> str:
    """32 random bytes cannot be guessed, so one fast round is enough."""
    return hashlib.sha256(text.encode()).hexdigest()


def _note_use(token: ApiToken) -> None:
    now = timezone.now()
    if token.last_used_at is None or token.last_used_at < now - USE_IS_NOTED_AFTER:
        ApiToken.objects.filter(pk=token.pk).update(last_used_at=now)
