"""Places by their names, to look at the chargers there."""

from typing import ClassVar

from django.utils.translation import get_language
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.rest.errors import Error
from accounts.rest.permissions import IsPersonOrReads
from accounts.rest.views import Door
from chargers import gazetteer
from chargers.serializers.places import PlacesSerializer

NAME = OpenApiParameter("q", str, required=True, description=f"The name, {gazetteer.QUERY_LIMIT} characters at most.")


@extend_schema(tags=["places"])
class Places(Door):
    scope: ClassVar[str | None] = "chargers"
    parameters = frozenset({"q"})
    permission_classes = (IsPersonOrReads,)

    @extend_schema(operation_id="places_list", parameters=[NAME], responses={200: PlacesSerializer, 404: Error})
    def get(self, request: Request) -> Response:
        """The best few places of this name. 404: there is no search on this platform."""
        spots = gazetteer.find(request.query_params.get("q", ""), language=get_language() or "")
        return Response(PlacesSerializer({"results": spots}).data)
