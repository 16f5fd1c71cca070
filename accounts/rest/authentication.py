"""Who asks: `Authorization: Bearer` carries the token of a login (JWT) or a personal one (`sc_…`)."""

from typing import Any

from django.utils.translation import gettext as _
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.tokens import AccessToken, Token

from accounts import logins, tokens
from accounts.models import ApiToken, User
from sharecharge.errors import Refused


def reader_with(text: str, *, area: str) -> User | None:
    """Whoever a bearer token of either kind speaks for, if it may read in this area. For sockets."""
    if text.startswith(tokens.MARK):
        token = tokens.find(text)
        return token.user if token and tokens.allows(token, area, to_write=False) else None
    try:
        return logins.of(AccessToken(text)).user  # type: ignore[arg-type]  # it takes the token's text
    except (TokenError, Refused):
        return None


class LoginAuthentication(JWTAuthentication):
    """An access token counts for as long as its login does, see logins.py."""

    def get_user(self, validated_token: Token) -> User:  # type: ignore[override]
        try:
            return logins.of(validated_token).user
        except Refused as refusal:
            raise AuthenticationFailed(str(refusal), refusal.code) from None


class TokenAuthentication(BaseAuthentication):
    """Personal tokens. Their scope is checked here, before any view can forget to: no scope, no entry."""

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        scheme, _space, text = get_authorization_header(request).decode("latin-1").partition(" ")
        if scheme.lower() != "bearer" or not text.startswith(tokens.MARK):
            return None
        token = tokens.find(text)
        if token is None:
            raise AuthenticationFailed(_("This token is not valid any more."), "token_not_valid")
        view = request.parser_context["view"]
        area = None if request.method in getattr(view, "only_logged_in", ()) else getattr(view, "scope", None)
        if not tokens.allows(token, area, to_write=request.method not in SAFE_METHODS):
            raise PermissionDenied(_("This token is not for that: its scopes do not include it."), "scope_missing")
        return token.user, token

    def authenticate_header(self, request: Any) -> str:
        return 'Bearer realm="api"'
