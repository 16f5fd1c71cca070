"""Logging in and out with e-mail and password, for programs."""

from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle

from accounts import credentials, logins
from accounts.rest.errors import Error
from accounts.rest.parsers import FormParser, JSONParser
from accounts.rest.throttles import Entrances, Logins
from accounts.rest.views import Door
from accounts.serializers import LoginSerializer, RefreshSerializer, TokensSerializer

TOKENS = OpenApiExample(
    "tokens",
    {"access_token": "eyJhbGciOi…", "refresh_token": "eyJhbGciOi…", "token_type": "bearer", "expires_in": 900},
    response_only=True,
)
WRONG_CREDENTIALS = OpenApiResponse(Error, description="The address and the password do not fit together.")
WRONG_TOKEN = OpenApiResponse(Error, description="The refresh token is wrong, too old, or was used before.")


@method_decorator(never_cache, name="dispatch")
class Entrance(Door):
    """Whoever stands here has no token yet, or has it in the body."""

    authentication_classes = ()
    permission_classes = ()
    throttle_classes: tuple[type[BaseThrottle], ...] = (Entrances,)


class LoginView(Entrance):
    parser_classes = (JSONParser, FormParser)
    throttle_classes = (Entrances, Logins)

    @extend_schema(
        operation_id="login",
        tags=["login"],
        request=LoginSerializer,
        responses={200: TokensSerializer, 401: WRONG_CREDENTIALS},
        examples=[
            TOKENS,
            OpenApiExample("in", {"username": "a@example.com", "password": "correct horse"}, request_only=True),
        ],
    )
    def post(self, request: Request) -> Response:
        """Log in: the password form of OAuth 2, or the same fields as JSON."""
        asked = LoginSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        person = credentials.authenticate(
            request._request, email=asked.validated_data["username"], password=asked.validated_data["password"]
        )
        return Response(TokensSerializer(logins.begin(person)).data)


class RefreshView(Entrance):
    @extend_schema(
        operation_id="login_refresh",
        tags=["login"],
        request=RefreshSerializer,
        responses={200: TokensSerializer, 401: WRONG_TOKEN},
        examples=[TOKENS],
    )
    def post(self, request: Request) -> Response:
        """New tokens for a refresh token, which is good once: if it comes a second time, the whole login ends."""
        asked = RefreshSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        return Response(TokensSerializer(logins.refresh(asked.validated_data["refresh_token"])).data)


class LogoutView(Entrance):
    @extend_schema(
        operation_id="logout",
        tags=["login"],
        request=RefreshSerializer,
        responses={204: OpenApiResponse(description="All tokens of this login are void."), 401: WRONG_TOKEN},
    )
    def post(self, request: Request) -> Response:
        """Log out: all access and refresh tokens of this login end at once."""
        asked = RefreshSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        logins.end(asked.validated_data["refresh_token"])
        return Response(status=204)
