"""Cards, for programs: one's own, and for operators all. The tag that stands for a phone is never among them."""

from typing import Any, ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_view
from rest_framework import mixins
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from accounts import id_tags
from accounts.models import IdTag
from accounts.rest.filters import Filters, KeyFilter, SwitchFilter
from accounts.rest.permissions import IsOperator
from accounts.rest.views import Door, Resource
from accounts.serializers import IdTagSerializer, NewIdTagSerializer, OperatedNewIdTagSerializer

NEW = OpenApiExample("new", {"uid": "04:A1:B2:C3", "name": "Company card"}, request_only=True)


class IdTagFilter(Filters):
    user = KeyFilter(field_name="user_id")
    is_enabled = SwitchFilter()
    is_deleted = SwitchFilter(
        field_name="deleted_at", lookup_expr="isnull", exclude=True, help_text="Both kinds when it is not given."
    )


@extend_schema(tags=["id-tags"])
@extend_schema_view(
    list=extend_schema(summary="One's cards, newest first; for operators all"),
    retrieve=extend_schema(summary="One card"),
)
class IdTags(mixins.ListModelMixin, mixins.RetrieveModelMixin, Resource):
    scope: ClassVar[str | None] = "cards"
    serializer_class = IdTagSerializer
    filterset_class = IdTagFilter

    def rows(self) -> QuerySet[IdTag]:
        return IdTag.objects.visible_to(self.person)

    @extend_schema(request=OperatedNewIdTagSerializer, responses={201: IdTagSerializer}, examples=[NEW])
    def create(self, request: Request) -> Response:
        """Add a card. An operator may add it for somebody else."""
        serializer = OperatedNewIdTagSerializer if self.person.is_staff else NewIdTagSerializer
        asked = serializer(data=request.data)
        asked.is_valid(raise_exception=True)
        tag = id_tags.issue(**{"user": self.person, **asked.validated_data})
        where = {"Location": reverse("api:id-tag-detail", args=[tag.pk])}
        return Response(IdTagSerializer(tag).data, status=201, headers=where)

    @extend_schema(request=IdTagSerializer, responses=IdTagSerializer)
    def partial_update(self, request: Request, **address: Any) -> Response:
        """Rename a card, switch it on or off. A deleted card stays off."""
        tag = self.get_object()
        asked = IdTagSerializer(tag, data=request.data, partial=True)
        asked.is_valid(raise_exception=True)
        id_tags.change(tag, **asked.validated_data)
        return Response(IdTagSerializer(tag).data)

    def destroy(self, request: Request, **address: Any) -> Response:
        """Delete a card: its number becomes free, the history keeps it."""
        id_tags.delete(self.get_object())
        return Response(status=204)


class IdTagLookup(Door):
    permission_classes = (IsOperator,)
    scope: ClassVar[str | None] = "cards"

    @extend_schema(operation_id="id_tags_lookup", tags=["id-tags"], responses=IdTagSerializer)
    def get(self, request: Request, uid: str) -> Response:
        """The card with this number, the living one before a deleted one. For operators."""
        tag = id_tags.find(uid)
        if tag is None or tag.kind != IdTag.Kind.RFID:
            raise NotFound
        return Response(IdTagSerializer(tag).data)
