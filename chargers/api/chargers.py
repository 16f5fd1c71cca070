"""Chargers: the public list, what owners do with theirs, and what their wallboxes said.

Who asks for a charger that is somebody else's gets 404, as if it did not exist; where its page is public, reading shows
the public shape and everything else is 403.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.utils.cache import get_conditional_response, patch_cache_control, patch_vary_headers
from django.utils.decorators import method_decorator
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django_filters.rest_framework import CharFilter, DjangoFilterBackend, NumberFilter
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema, extend_schema_view
from rest_framework import mixins
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from accounts.models import User
from accounts.rest.filters import ChoiceFilter, Filters, KeyFilter, SwitchFilter, WholeFilter, document
from accounts.rest.ordering import Ordering
from accounts.rest.permissions import IsOwner, IsPerson, IsPersonOrReads
from accounts.rest.views import Resource
from chargers import authorization, commands, pins, registry, shapes, visibility
from chargers.models import Charger, ConnectionAttempt, Connector, Message
from chargers.models.fleet import ChargerQuerySet, is_open
from chargers.registry import POWER_LIMIT_W
from chargers.serializers import chargers as serializers
from sharecharge.errors import Refused

HIGHEST_PRICE = 10_000


class ChargerFilters(Filters):
    """A charger is found when one of its plugs fulfils all that is asked of plugs."""

    bbox = CharFilter(method="in_box", help_text="`south,west,north,east` in degrees, by the public position.")
    code = CharFilter(method="with_code", help_text="The public code, as on the sticker.")
    connector_type = ChoiceFilter(choices=Connector.Type.choices, method="of_plug")
    current = ChoiceFilter(choices=Connector.Current.choices, method="of_plug")
    min_power_w = WholeFilter(high=POWER_LIMIT_W, method="of_plug", help_text="W.")
    max_power_w = WholeFilter(high=POWER_LIMIT_W, method="of_plug", help_text="W.")
    max_price_per_kwh = document(
        NumberFilter(min_value=0, max_value=HIGHEST_PRICE, max_digits=7, decimal_places=2, method="of_plug"),
        {
            "type": "number", "minimum": 0, "maximum": HIGHEST_PRICE,
            "description": "In whole units of the currency, with at most two decimal places: 5.50.",
        },
    )  # fmt: skip
    free_now = SwitchFilter(method="of_plug", help_text="A plug that a car can take at once, within the hours.")
    open_now = SwitchFilter(method="by_hours", help_text="Within its weekly hours.")
    usable_by_me = SwitchFilter(method="usable", help_text="Where the rules would let you start now. Log in first.")
    mine = SwitchFilter(method="of_mine", help_text="Your own, in full. Log in first.")
    online = SwitchFilter(method="heard", help_text="Connected to the platform.")
    owner = KeyFilter(method="of_owner", help_text="For operators.")
    deleted = SwitchFilter(method="gone", help_text="For operators: those that were deleted, instead of all others.")

    def filter_queryset(self, queryset: QuerySet[Charger]) -> QuerySet[Charger]:
        found, asked = super().filter_queryset(queryset), self.form.cleaned_data
        price = asked["max_price_per_kwh"]
        found = found.with_plug(
            type=asked["connector_type"],
            current=asked["current"],
            power_from_w=asked["min_power_w"],
            power_to_w=asked["max_power_w"],
            price_to=None if price is None else int(price * 100),
            is_free=asked["free_now"] is True,
        )
        return found if asked["deleted"] else found.live()

    def of_plug(self, chargers: ChargerQuerySet, name: str, value: Any) -> ChargerQuerySet:
        """Gathered into one condition by `filter_queryset`, since one plug has to be all of it; here is only the no."""
        if name == "free_now" and value is False:
            return chargers.exclude(pk__in=Charger.objects.with_plug(is_free=True).order_by().values("pk"))
        return chargers

    def in_box(self, chargers: ChargerQuerySet, name: str, value: str) -> ChargerQuerySet:
        try:
            return chargers.in_box(*pins.parse_box(value))
        except ValueError:
            raise ValidationError({name: [_("box must be south,west,north,east in degrees")]}) from None

    def with_code(self, chargers: ChargerQuerySet, name: str, value: str) -> ChargerQuerySet:
        return chargers.filter(code=registry.code_of(value))

    def usable(self, chargers: ChargerQuerySet, name: str, value: bool) -> ChargerQuerySet:
        person = self.require_person()
        if value:
            return authorization.usable_by(person, chargers)
        usable = authorization.usable_by(person, Charger.objects.all())
        return chargers.exclude(pk__in=usable.order_by().values("pk"))

    def of_mine(self, chargers: ChargerQuerySet, name: str, value: bool) -> ChargerQuerySet:
        person = self.require_person()
        return chargers.filter(owner=person) if value else chargers.exclude(owner=person)

    def heard(self, chargers: ChargerQuerySet, name: str, value: bool) -> ChargerQuerySet:
        return chargers.heard() if value else chargers.exclude(pk__in=Charger.objects.heard().values("pk"))

    def by_hours(self, chargers: ChargerQuerySet, name: str, value: bool) -> ChargerQuerySet:
        return chargers.filter(is_open()) if value else chargers.exclude(is_open())

    def of_owner(self, chargers: ChargerQuerySet, name: str, value: int) -> ChargerQuerySet:
        self.require_operator()
        return chargers.filter(owner=value)

    def gone(self, chargers: ChargerQuerySet, name: str, value: bool) -> ChargerQuerySet:
        self.require_operator()
        return chargers.exclude(deleted_at=None) if value else chargers


def visitor(request: Request) -> User | None:
    return request.user if isinstance(request.user, User) else None


NEW = OpenApiExample(
    "A wallbox at home",
    request_only=True,
    value={"name": "Garage", "city": "Litomyšl", "latitude": 49.8686, "longitude": 16.3127, "access": "public"},
)
EVENING = {"day": "friday", "from": "17:00", "to": "07:00"}
WEEKEND = {"day": "saturday", "from": "00:00", "to": "24:00"}
HOURS = OpenApiExample("Share it on two days", request_only=True, value={"hours": [EVENING, WEEKEND]})
SHARE = OpenApiExample("Stop sharing for now", request_only=True, value={"is_sharing": False})


OF_PAGE = [
    OpenApiParameter("ETag", str, OpenApiParameter.HEADER, response=[200], description="For `If-None-Match`."),
    OpenApiParameter("If-None-Match", str, OpenApiParameter.HEADER, description="The ETag of the last answer."),
]
PAGE = {200: serializers.EITHER, 304: OpenApiResponse(description="The page is as it was when it had this ETag.")}


@extend_schema(tags=["chargers"])
@extend_schema_view(
    list=extend_schema(operation_id="chargers_list", parameters=OF_PAGE, responses=PAGE),
    retrieve=extend_schema(operation_id="chargers_retrieve", responses=serializers.EITHER_DETAIL),
)
class ChargerResource(mixins.RetrieveModelMixin, Resource):
    """Everybody reads what is shared; owners register and change their own; operators see and change all."""

    scope: ClassVar[str | None] = "chargers"
    serializer_class = serializers.ChargerSerializer
    filter_backends = (DjangoFilterBackend, Ordering)
    filterset_class = ChargerFilters
    ordering = ("code",)
    ordering_fields = ("code", "-code", "id", "-id")

    def get_permissions(self) -> list[BasePermission]:
        if self.action in ("list", "retrieve"):
            return [IsPersonOrReads()]
        return [IsOwner() if self.action == "create" else IsPerson()]

    def rows(self) -> QuerySet[Charger]:
        """An operator may read those that were deleted, too."""
        user, reads = visitor(self.request), self.action in ("list", "retrieve")
        if user and user.is_staff and reads:
            return shapes.with_plugs(Charger.objects.all())
        seen = Charger.objects.visible_to if self.action == "list" else Charger.objects.openable_by
        return shapes.with_plugs(seen(user))

    def own(self) -> Charger:
        """The charger, to do something with it that is not for everybody."""
        charger: Charger = self.get_object()
        visibility.require_manager(charger, self.person)
        return charger

    def list(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """What is shared, and one's own. Asked again with its ETag it answers 304 as long as nothing has changed."""
        rows = self.paginate_queryset(self.filter_queryset(self.get_queryset())) or []
        pages: Any = self.paginator
        links = (pages.get_next_link(), pages.get_previous_link())
        etag = f'W/"{serializers.version(rows, visitor(request), *links)}"'
        response = get_conditional_response(request._request, etag=etag) or self.page_of(rows)
        response["ETag"] = etag
        patch_cache_control(response, private=True, no_cache=True)
        patch_vary_headers(response, ["Authorization", "Cookie", "Accept-Language"])
        return response

    def page_of(self, rows: Sequence[Charger]) -> HttpResponseBase:
        return self.get_paginated_response(self.get_serializer(rows, many=True).data)

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """One charger, in the shape that you may see."""
        shape = serializers.ChargerDetailSerializer(self.get_object(), context=self.get_serializer_context())
        return Response(shape.data)

    @extend_schema(
        operation_id="chargers_create",
        request=serializers.NewChargerSerializer,
        responses={201: serializers.RegisteredSerializer},
        examples=[NEW],
    )
    @method_decorator(never_cache)
    def create(self, request: Request) -> Response:
        """Registers a charger. Its password is in this answer and nowhere else."""
        asked = serializers.NewChargerSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        owner = asked.validated_data.pop("owner", self.person)
        if owner != self.person and not self.person.is_staff:
            raise Refused("operators_only", _("Only operators can do that."), status=403, field="owner")
        registered = registry.register(owner=owner, **asked.validated_data)
        context = {**self.get_serializer_context(), "password": registered.password}
        answer = serializers.RegisteredSerializer(self.fresh(registered.charger), context=context)
        location = reverse("api:charger-detail", [registered.charger.pk], request=request)
        return Response(answer.data, status=201, headers={"Location": location})

    @extend_schema(
        operation_id="chargers_update",
        request=serializers.OwnChargerSerializer,
        responses=serializers.OwnChargerSerializer,
        examples=[SHARE, HOURS],
    )
    def partial_update(self, request: Request, pk: str) -> Response:
        """Changes what is given: name, place, who may use it and when; `is_enabled` is for operators."""
        charger = self.own()
        asked = serializers.OwnChargerSerializer(charger, data=request.data, partial=True)
        asked.is_valid(raise_exception=True)
        registry.change(charger, asked.validated_data, by=self.person)
        return Response(serializers.OwnChargerSerializer(self.fresh(charger)).data)

    def fresh(self, charger: Charger) -> Charger:
        return shapes.with_plugs(Charger.objects.filter(pk=charger.pk)).get()

    @extend_schema(operation_id="chargers_destroy", responses={204: OpenApiResponse(description="It is gone.")})
    def destroy(self, request: Request, pk: str) -> Response:
        """Deletes a charger: it may not connect or be found any more. Its sessions and its money stay.

        Refused while a car charges.
        """
        registry.delete(self.own())
        return Response(status=204)

    @extend_schema(
        operation_id="chargers_password", request=None, responses=serializers.CredentialsSerializer, filters=False
    )
    @method_decorator(never_cache)
    @action(detail=True, methods=["post"])
    def password(self, request: Request, pk: str) -> Response:
        """Makes a new password, shown this once. The old one works until the new one was used."""
        charger = self.own()
        password = commands.rotate_password(charger, by=self.person)
        return Response(serializers.CredentialsSerializer(charger, context={"password": password}).data)

    @extend_schema(operation_id="chargers_connection", responses=serializers.ConnectionSerializer, filters=False)
    @method_decorator(never_cache)
    @action(detail=True)
    def connection(self, request: Request, pk: str) -> Response:
        """What to type into the wallbox; never the password."""
        return Response(serializers.ConnectionSerializer(self.own()).data)


class OfCharger(Resource):
    """What belongs to one charger, for its owner and operators."""

    scope: ClassVar[str | None] = "chargers"

    def charger(self) -> Charger:
        """An operator may read what belongs to a deleted one, too."""
        user, reads = self.person, self.request.method in SAFE_METHODS
        seen = Charger.objects.all() if user.is_staff and reads else Charger.objects.openable_by(user)
        charger = get_object_or_404(seen, pk=self.kwargs["charger"])
        visibility.require_manager(charger, user)
        return charger


@extend_schema(tags=["chargers"])
@extend_schema_view(list=extend_schema(operation_id="chargers_attempts"))
class AttemptResource(mixins.ListModelMixin, OfCharger):
    """How its wallbox knocked lately, and why it was refused."""

    serializer_class = serializers.ConnectionAttemptSerializer
    filter_backends = (Ordering,)
    ordering = ("-last_at",)
    ordering_fields = ("-last_at",)

    def rows(self) -> QuerySet[ConnectionAttempt]:
        return self.charger().connection_attempts.all()


class MessageFilters(Filters):
    action = CharFilter(max_length=64, help_text="OCPP's action, such as `MeterValues`.")
    direction = ChoiceFilter(choices=Message.Direction.choices)
    errors = SwitchFilter(field_name="is_error", help_text="true: only what failed.")


@extend_schema(tags=["chargers"])
@extend_schema_view(list=extend_schema(operation_id="chargers_messages"))
class MessageResource(mixins.ListModelMixin, OfCharger):
    """What its wallbox and the platform told each other, newest first."""

    serializer_class = serializers.MessageSerializer
    filterset_class = MessageFilters

    def rows(self) -> QuerySet[Message]:
        return self.charger().messages.all()
