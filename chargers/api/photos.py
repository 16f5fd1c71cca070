"""Photos of chargers: added, described and deleted by owners and operators. The pictures are in `views.photos`."""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_view
from rest_framework import mixins
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from accounts import credentials
from accounts.rest.parsers import FileParser
from chargers import photos, pictures
from chargers.api.chargers import OfCharger
from chargers.models import Photo
from chargers.serializers import photos as serializers


class PhotoParser(FileParser):
    limit_bytes = pictures.MOST_BYTES


@extend_schema(tags=["chargers"])
@extend_schema_view(retrieve=extend_schema(operation_id="chargers_photos_retrieve"))
class PhotosOfCharger(mixins.RetrieveModelMixin, OfCharger):
    """Photos of a charger, for its owner and operators. Others find them at the charger."""

    serializer_class = serializers.OwnPhotoSerializer

    def get_parsers(self) -> list[Any]:
        """The framework asks before it has chosen the action."""
        return [PhotoParser()] if "create" in (self.action_map or {}).values() else super().get_parsers()

    def rows(self) -> QuerySet[Photo]:
        return self.charger().photos.select_related("charger")

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """One photo."""
        return super().retrieve(request, *args, **kwargs)

    @extend_schema(
        operation_id="chargers_photos_create",
        request={"multipart/form-data": serializers.NewPhotoSerializer},
        responses={201: serializers.OwnPhotoSerializer},
    )
    def create(self, request: Request, charger: str) -> Response:
        """Adds a photo. JPEG, PNG or WebP of at most 10 MB; nothing of the file is kept but its pixels."""
        place = self.charger()
        asked = serializers.NewPhotoSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        file = asked.validated_data.pop("file")
        credentials.limit(request._request, "add_photo", user=self.person)
        photo = photos.add(place, file.read(), **asked.validated_data)
        location = reverse("api:charger-photos-detail", [place.pk, photo.pk], request=request)
        return Response(self.get_serializer(photo).data, status=201, headers={"Location": location})

    @extend_schema(operation_id="chargers_photos_update", request=serializers.OwnPhotoSerializer)
    def partial_update(self, request: Request, charger: str, pk: str) -> Response:
        """Changes who sees a photo, and its description. Another audience gives it another address."""
        photo: Photo = self.get_object()
        asked = serializers.OwnPhotoSerializer(photo, data=request.data, partial=True)
        asked.is_valid(raise_exception=True)
        told = {"audience": photo.audience, "description": photo.description, **asked.validated_data}
        photos.change(photo, **told)
        return Response(self.get_serializer(photo).data)

    @extend_schema(operation_id="chargers_photos_first", request=None)
    @action(detail=True, methods=["post"])
    def first(self, request: Request, charger: str, pk: str) -> Response:
        """Makes it the title photo. The others keep their order."""
        photo: Photo = self.get_object()
        photos.put_first(photo)
        return Response(self.get_serializer(photo).data)

    @extend_schema(operation_id="chargers_photos_destroy", responses={204: OpenApiResponse(description="It is gone.")})
    def destroy(self, request: Request, charger: str, pk: str) -> Response:
        """Deletes a photo for good."""
        photos.delete(self.get_object())
        return Response(status=204)
