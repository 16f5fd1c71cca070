"""Personal API tokens."""

from typing import Any, ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_view
from rest_framework import mixins
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from accounts import tokens
from accounts.models import ApiToken
from accounts.rest.views import Resource
from accounts.serializers import ApiTokenSerializer, IssuedTokenSerializer

NEW = OpenApiExample(
    "new",
    {"name": "Home automation", "scopes": ["sessions:read", "commands:write"], "expires_at": "2027-12-31T00:00:00Z"},
    request_only=True,
)


@extend_schema(tags=["tokens"])
@extend_schema_view(
    list=extend_schema(summary="One's living tokens, newest first"),
    retrieve=extend_schema(summary="One of one's living tokens"),
)
class Tokens(mixins.ListModelMixin, mixins.RetrieveModelMixin, Resource):
    """They are made by somebody who is logged in, never by another token."""

    scope: ClassVar[str | None] = None
    serializer_class = ApiTokenSerializer

    def rows(self) -> QuerySet[ApiToken]:
        return ApiToken.objects.living().filter(user=self.person)

    @extend_schema(request=ApiTokenSerializer, responses={201: IssuedTokenSerializer}, examples=[NEW])
    def create(self, request: Request) -> Response:
        """Make a token for a program. It is shown in this answer and never again."""
        asked = self.get_serializer(data=request.data)
        asked.is_valid(raise_exception=True)
        made, text = tokens.issue(self.person, **asked.validated_data)
        made.token = text  # type: ignore[attr-defined]  # only for this answer
        where = {"Location": reverse("api:token-detail", args=[made.pk]), "Cache-Control": "no-store"}
        return Response(IssuedTokenSerializer(made).data, status=201, headers=where)

    def destroy(self, request: Request, **address: Any) -> Response:
        """Revoke a token: it ends at once."""
        tokens.revoke(self.get_object())
        return Response(status=204)
