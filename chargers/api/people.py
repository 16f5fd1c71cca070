"""Oneself, for programs, where chargers, sessions and money have to be looked at, too."""

from typing import ClassVar

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from accounts import credentials
from accounts.api import users
from accounts.rest.errors import Error
from accounts.rest.views import Door
from accounts.serializers import PasswordSerializer
from chargers import claims, departures
from chargers.models import CardClaim
from chargers.serializers.claims import ClaimSerializer, NewClaimSerializer


class Me(users.Me):
    only_logged_in = frozenset({"DELETE"})

    @extend_schema(
        operation_id="me_destroy",
        tags=["users"],
        request=PasswordSerializer,
        responses={204: OpenApiResponse(description="The account is closed, name and address are erased.")},
    )
    def delete(self, request: Request) -> Response:
        """Close one's account for good. Nothing may be open: sessions, chargers, money in the wallet, owed or coming.

        The password is asked for, and personal tokens cannot do it.
        """
        asked = PasswordSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        credentials.prove(request._request, self.person, **asked.validated_data)
        departures.leave(self.person)
        return Response(status=204)


@extend_schema(tags=["id-tags"])
class Claim(Door):
    """One's card on its way; a new claim takes the place of an older one."""

    scope: ClassVar[str | None] = "cards"

    @extend_schema(operation_id="id_tags_claim_retrieve", responses={200: ClaimSerializer, 404: Error})
    def get(self, request: Request) -> Response:
        """What became of the claim. 404: there is none."""
        found = get_object_or_404(CardClaim.objects.select_related("charger"), user=self.person)
        return Response(ClaimSerializer(found).data)

    @extend_schema(
        operation_id="id_tags_claim_create",
        request=NewClaimSerializer,
        responses={201: ClaimSerializer, 404: Error},
        examples=[OpenApiExample("At a charger", {"code": "abcd2345"}, request_only=True)],
    )
    def post(self, request: Request) -> Response:
        """For two minutes the next unknown card that is held to the charger becomes one's own."""
        asked = NewClaimSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        claim = claims.begin_at(asked.validated_data["code"], user=self.person)
        return Response(ClaimSerializer(claim).data, status=201, headers={"Location": reverse("api:claim")})
