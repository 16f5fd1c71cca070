"""Oneself, for programs, where chargers, sessions and money have to be looked at, too."""

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import credentials
from accounts.api import users
from accounts.serializers import PasswordSerializer
from chargers import departures


class Me(users.Me):
    only_logged_in = frozenset({"DELETE"})

    @extend_schema(
        operation_id="me_destroy",
        tags=["users"],
        request=PasswordSerializer,
        responses={204: OpenApiResponse(description="The account is closed, name and address are erased.")},
    )
    def delete(self, request: Request) -> Response:
        """Close one's account for good. Nothing may be open: sessions, chargers, money in the wallet or owed.

        The password is asked for, and personal tokens cannot do it.
        """
        asked = PasswordSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        credentials.prove(request._request, self.person, **asked.validated_data)
        departures.leave(self.person)
        return Response(status=204)
