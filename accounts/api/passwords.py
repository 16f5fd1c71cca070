"""Passwords and the confirmation of e-mail addresses, for programs. Mails and their links are those of the pages."""

from typing import ClassVar

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import credentials
from accounts.api.login import Entrance
from accounts.rest.throttles import Everybody, Resets
from accounts.rest.views import Door
from accounts.serializers import (
    EmailChangeSerializer,
    EmailConfirmSerializer,
    PasswordChangeSerializer,
    PasswordResetConfirmSerializer,
    PasswordResetSerializer,
)

DONE = {204: OpenApiResponse(description="Done.")}


class PasswordResetView(Entrance):
    @extend_schema(
        operation_id="password_reset",
        tags=["login"],
        request=PasswordResetSerializer,
        responses={202: OpenApiResponse(description="A mail is on its way, whether there is such an account or not.")},
    )
    def post(self, request: Request) -> Response:
        """Ask for a mail with a link to set a new password."""
        asked = PasswordResetSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        credentials.request_password_reset(request._request, **asked.validated_data)
        return Response(status=202)


class PasswordResetConfirmView(Entrance):
    throttle_classes = (Everybody, Resets)

    @extend_schema(
        operation_id="password_reset_confirm", tags=["login"], request=PasswordResetConfirmSerializer, responses=DONE
    )
    def post(self, request: Request) -> Response:
        """Set a new password with the key of the mail's link, `/accounts/password/reset/key/<key>/`."""
        asked = PasswordResetConfirmSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        credentials.reset_password(request._request, **asked.validated_data)
        return Response(status=204)


class PasswordChangeView(Door):
    scope: ClassVar[str | None] = None  # whoever has a token does not know the password

    @extend_schema(operation_id="password_change", tags=["login"], request=PasswordChangeSerializer, responses=DONE)
    def post(self, request: Request) -> Response:
        """Change the password. All logins of programs end with the old one; personal tokens stay."""
        asked = PasswordChangeSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        credentials.change_password(request._request, self.person, **asked.validated_data)
        return Response(status=204)


class EmailConfirmView(Entrance):
    throttle_classes = (Everybody, Resets)

    @extend_schema(operation_id="email_confirm", tags=["login"], request=EmailConfirmSerializer, responses=DONE)
    def post(self, request: Request) -> Response:
        """Confirm an address with the key of the mail's link, `/accounts/confirm-email/<key>/`."""
        asked = EmailConfirmSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        credentials.confirm_email(request._request, **asked.validated_data)
        return Response(status=204)


class EmailChangeView(Door):
    scope: ClassVar[str | None] = None  # whoever has the address has the account

    @extend_schema(
        operation_id="email_change",
        tags=["login"],
        request=EmailChangeSerializer,
        responses={202: OpenApiResponse(description="A mail is on its way to the new address.")},
    )
    def post(self, request: Request) -> Response:
        """Ask for another address. It replaces the old one when the link of the mail was used."""
        asked = EmailChangeSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        credentials.change_email(request._request, self.person, **asked.validated_data)
        return Response(status=202)


class EmailResendView(Door):
    scope: ClassVar[str | None] = None

    @extend_schema(
        operation_id="email_resend",
        tags=["login"],
        request=None,
        responses={202: OpenApiResponse(description="The mail is on its way.")},
    )
    def post(self, request: Request) -> Response:
        """Ask for another mail to confirm one's address."""
        credentials.resend_confirmation(request._request, self.person)
        return Response(status=202)
