"""Logins of programs: a short access token, and a refresh token that is good once.

Both name their `Login`, so that all of them end with it: on log-out, when a refresh token comes a second time, and with
the person's password or account.
"""

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.tokens import RefreshToken, Token
from rest_framework_simplejwt.utils import datetime_from_epoch, get_md5_hash_password

from accounts.models import Login, User
from sharecharge.errors import Refused

CLAIM = "login"
FORGOTTEN_AT_ONCE = 5_000


@dataclass(frozen=True, slots=True)
class Tokens:
    """As text; `expires_in` is the access token's life in seconds."""

    access_token: str
    refresh_token: str
    expires_in: int
    token_type: str = "bearer"  # noqa: S105 - a kind, not a secret


def begin(user: User) -> Tokens:
    """The tokens of somebody who has just proved who they are."""
    token = RefreshToken.for_user(user)
    login = Login.objects.create(user=user, token_id=token["jti"], expires_at=datetime_from_epoch(token["exp"]))
    return _tokens(token, login)


def refresh(text: str) -> Tokens:
    """New tokens for a refresh token, which is used up by it. Refused (401): it is no good, or was used before."""
    old = _read(text)
    login = of(old)
    new = RefreshToken.for_user(login.user)
    with transaction.atomic():
        rotated = Login.objects.filter(pk=login.pk, token_id=old["jti"], ended_at=None).update(
            token_id=new["jti"], expires_at=datetime_from_epoch(new["exp"])
        )
    if not rotated:
        close(login)
        raise _no_good()
    return _tokens(new, login)


def end(text: str) -> None:
    """Logs out. Refused (401): this is no refresh token of a login that goes on."""
    close(of(_read(text)))


def close(login: Login) -> None:
    """Ends a login with all its tokens."""
    Login.objects.filter(pk=login.pk, ended_at=None).update(ended_at=timezone.now())


def of(token: Token) -> Login:
    """The login that a token of ours belongs to, with its user. Refused (401): it ended, or its user may not log in."""
    login = Login.objects.select_related("user").filter(pk=token.get(CLAIM), ended_at=None).first()
    if login is None or not login.user.is_active or _stamp(token) != (str(login.user_id), _password_mark(login.user)):
        raise _no_good()
    return login


def forget(now: datetime) -> int:
    """Deletes logins whose last token has expired: nobody can bring one any more. Returns how many."""
    with transaction.atomic():
        due = Login.objects.filter(expires_at__lte=now).order_by("expires_at").select_for_update(skip_locked=True)
        keys = list(due.values_list("pk", flat=True)[:FORGOTTEN_AT_ONCE])
        Login.objects.filter(pk__in=keys).delete()
    return len(keys)


def _read(text: str) -> RefreshToken:
    try:
        return RefreshToken(text)  # type: ignore[arg-type]  # it takes the token's text
    except TokenError:
        raise _no_good() from None


def _tokens(token: RefreshToken, login: Login) -> Tokens:
    token[CLAIM] = login.pk
    lifetime = settings.SIMPLE_JWT["ACCESS_TOKEN_LIFETIME"]
    return Tokens(str(token.access_token), str(token), int(lifetime.total_seconds()))


def _stamp(token: Token) -> tuple[object, object]:
    return token.get("user_id"), token.get("hash_password")


def _password_mark(user: User) -> str:
    """Changes with the password, so that older tokens end."""
    return get_md5_hash_password(user.password)


def _no_good() -> Refused:
    return Refused("token_not_valid", _("This token is not valid any more. Log in again."), status=401)
