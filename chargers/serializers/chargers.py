"""Chargers as programs see them: one shape for everybody, one for whoever owns or operates them."""

import hashlib
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any, ClassVar

from django.conf import settings
from drf_spectacular.utils import PolymorphicProxySerializer, extend_schema_field
from rest_framework import serializers

from accounts.models import User
from accounts.rest.serializers import ModelSerializer, Serializer, viewer_of
from chargers import message_log, photos, shapes, slips, visibility
from chargers.models import Charger, ConnectionAttempt, Connector, Message
from chargers.serializers.connectors import STATES, ConnectorSerializer
from chargers.serializers.hours import HoursField
from chargers.serializers.people import PersonSerializer
from chargers.serializers.photos import OwnPhotoSerializer, PhotoSerializer

# For owners; it is no editable field of the admin's forms, so it has to be told that it may be written.
PUBLIC_POSITION = partial(
    serializers.BooleanField, required=False, help_text="Everybody sees the exact position and the address."
)
PLACE = ("name", "street", "house_number", "city", "postal_code", "region", "latitude", "longitude")


class ChargerRowSerializer(ModelSerializer[Charger]):
    """What both shapes have. The rows come from `with_plugs`."""

    state = serializers.SerializerMethodField(help_text="The best that one of its plugs offers.")
    # What is online was heard just now: told exactly, no list would ever stay the same.
    seen_at = serializers.DateTimeField(
        source="offline_since",
        read_only=True,
        allow_null=True,
        help_text="When it was heard last; null while it is online.",
    )
    url = serializers.CharField(source="get_absolute_url", read_only=True, help_text="The path of its page for people.")
    is_open_now = serializers.BooleanField(source="is_open", read_only=True, help_text="Within its hours.")
    hours_change_at = serializers.DateTimeField(
        read_only=True, allow_null=True, help_text="When it opens or closes next by its hours; null: never."
    )

    @extend_schema_field({"type": "string", "enum": list(STATES)})
    def get_state(self, charger: Charger) -> str:
        return shapes.state_of(charger)


class PublicChargerSerializer(ChargerRowSerializer):
    """What everybody may see. The position is blurred by 150 to 400 m, unless `is_position_public`."""

    view = serializers.SerializerMethodField(help_text="Which of the shapes this is.")
    latitude = serializers.FloatField(source="public_latitude", read_only=True)
    longitude = serializers.FloatField(source="public_longitude", read_only=True)
    hours = HoursField(read_only=True, help_text="When it may be used, in the platform's local time; null: always.")
    connectors = ConnectorSerializer(source="listed_connectors", many=True, read_only=True)
    photos = serializers.SerializerMethodField(help_text="Those that you may see, the title photo first.")

    class Meta:
        model = Charger
        fields = (
            "view", "id", "code", "name", "city", "latitude", "longitude", "is_position_public", "url", "is_sharing",
            "hours", "is_open_now", "hours_change_at", "state", "seen_at", "connectors",
            "photos",
        )  # fmt: skip
        read_only_fields = fields

    @extend_schema_field({"const": "public"})
    def get_view(self, charger: Charger) -> str:
        return "public"

    @extend_schema_field(PhotoSerializer(many=True))
    def get_photos(self, charger: Charger) -> Any:
        is_admitted = getattr(charger, "is_admitted", False)
        return PhotoSerializer(photos.shown(charger.all_photos, is_admitted=is_admitted), many=True).data  # type: ignore[attr-defined]


class PositionSerializer(Serializer):
    latitude = serializers.FloatField(read_only=True)
    longitude = serializers.FloatField(read_only=True)


class PublicDetailSerializer(PublicChargerSerializer):
    """The same by itself: whoever charged there, or could charge there now, also learns where exactly it is; everybody
    does where `is_position_public`.
    """

    address = serializers.SerializerMethodField(help_text="Null for who may not know it.")
    position = serializers.SerializerMethodField(help_text="The exact one. Null for who may not know it.")

    class Meta(PublicChargerSerializer.Meta):
        fields = (*PublicChargerSerializer.Meta.fields, "address", "position")  # type: ignore[assignment]  # two more
        read_only_fields = fields  # type: ignore[assignment]

    def to_representation(self, charger: Charger) -> Any:
        charger.is_admitted = visibility.is_admitted(charger, self.viewer)  # type: ignore[attr-defined]
        charger.is_entitled = charger.is_admitted or visibility.may_see_address(charger, None)  # type: ignore[attr-defined]
        return super().to_representation(charger)

    @extend_schema_field({"type": ["string", "null"]})
    def get_address(self, charger: Charger) -> str | None:
        return charger.address if charger.is_entitled else None  # type: ignore[attr-defined]

    @extend_schema_field(PositionSerializer(allow_null=True))
    def get_position(self, charger: Charger) -> Any:
        return PositionSerializer(charger).data if charger.is_entitled else None  # type: ignore[attr-defined]


class OwnChargerSerializer(ChargerRowSerializer):
    """What its owner and operators see, and may change. Latitude and longitude are exact."""

    view = serializers.SerializerMethodField(help_text="Which of the shapes this is.")
    latitude = serializers.FloatField(min_value=-90, max_value=90)
    longitude = serializers.FloatField(min_value=-180, max_value=180)
    is_position_public = PUBLIC_POSITION()
    hours = HoursField(required=False, help_text="When others may use it, in the platform's local time; null: always.")
    owner = PersonSerializer(read_only=True)
    is_online = serializers.BooleanField(read_only=True)
    online_since = serializers.DateTimeField(read_only=True, allow_null=True, help_text="Null while it is offline.")
    connectors = ConnectorSerializer(source="all_connectors", many=True, read_only=True)
    photos = OwnPhotoSerializer(source="all_photos", many=True, read_only=True)

    class Meta:
        model = Charger
        fields = (
            "view", "id", "code", *PLACE, "public_latitude", "public_longitude", "is_position_public", "url", "owner",
            "access", "is_sharing", "hours", "is_open_now", "hours_change_at", "is_enabled", "limit_w", "state",
            "is_online", "online_since", "seen_at", "booted_at", "vendor", "model", "serial_number",
            "firmware_version", "status", "error_code", "created_at", "deleted_at", "connectors",
            "photos",
        )  # fmt: skip
        read_only_fields = (
            "code", "public_latitude", "public_longitude", "limit_w", "booted_at", "vendor", "model", "serial_number",
            "firmware_version", "status", "error_code", "created_at", "deleted_at",
        )  # fmt: skip

    @extend_schema_field({"const": "owner"})
    def get_view(self, charger: Charger) -> str:
        return "owner"


class NewChargerSerializer(ModelSerializer[Charger]):
    """A charger to be registered. Whoever asks owns it; an operator may name another owner."""

    latitude = serializers.FloatField(min_value=-90, max_value=90)
    longitude = serializers.FloatField(min_value=-180, max_value=180)
    is_position_public = PUBLIC_POSITION()
    hours = HoursField(required=False, help_text="When others may use it, in the platform's local time; null: always.")
    owner = serializers.PrimaryKeyRelatedField(queryset=User.objects.filter(is_active=True), required=False)

    class Meta:
        model = Charger
        fields = (*PLACE, "is_position_public", "access", "hours", "owner")


class ConnectionSerializer(Serializer):
    """What is typed into the wallbox, in the spellings that wallboxes ask for."""

    identity = serializers.CharField(read_only=True, help_text="The charge point identity, and the user name.")
    server_url = serializers.SerializerMethodField(help_text="For wallboxes that append the identity themselves.")
    full_url = serializers.SerializerMethodField(help_text="For wallboxes that take one address.")

    def get_server_url(self, charger: Charger) -> str:
        return settings.CHARGER_URL

    def get_full_url(self, charger: Charger) -> str:
        return f"{settings.CHARGER_URL}/{charger.identity}"


class CredentialsSerializer(ConnectionSerializer):
    """The same with a new password, which is shown this once and is not kept."""

    password = serializers.SerializerMethodField()

    def get_password(self, charger: Charger) -> str:
        return str(self.context["password"])


class RegisteredSerializer(OwnChargerSerializer):
    """A new charger, and what it needs to connect."""

    connection = CredentialsSerializer(source="*", read_only=True)

    class Meta(OwnChargerSerializer.Meta):
        fields = (*OwnChargerSerializer.Meta.fields, "connection")  # type: ignore[assignment]  # one more


class ChargerSerializer(serializers.BaseSerializer[Charger]):
    """Each charger in the shape that whoever asks may see."""

    class Meta:
        model = Charger

    public: ClassVar[type[PublicChargerSerializer]] = PublicChargerSerializer

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._own = OwnChargerSerializer(context=self.context)
        self._public = self.public(context=self.context)

    def to_representation(self, charger: Charger) -> Any:
        is_own = visibility.may_manage(charger, viewer_of(self.context))
        return (self._own if is_own else self._public).to_representation(charger)


class ChargerDetailSerializer(ChargerSerializer):
    public = PublicDetailSerializer


# Counted up when the shapes tell something else: programs keep an old answer for as long as its version holds.
FORMAT = 2
UNTOLD = frozenset({"last_seen_at", "connection_mark"})


def version(chargers: Iterable[Charger], viewer: User | None, *links: str | None) -> str:
    """Changes whenever a page of these would tell this viewer something else. Costs a fraction of the page."""
    told = [
        (
            *_values(charger),
            charger.is_online or charger.last_seen_at,
            charger.hours_change_at,
            charger.owner.name,
            [(*_values(plug), plug.price_per_kwh) for plug in charger.all_connectors],  # type: ignore[attr-defined]
            [(photo.pk, photo.key, photo.description) for photo in charger.all_photos],  # type: ignore[attr-defined]
        )
        for charger in chargers
    ]
    who = viewer and (viewer.pk, viewer.is_staff)
    return hashlib.blake2b(repr((FORMAT, settings.CURRENCY, who, links, told)).encode(), digest_size=12).hexdigest()


def _values(row: Charger | Connector) -> Iterator[Any]:
    return (getattr(row, field.attname) for field in row._meta.concrete_fields if field.attname not in UNTOLD)


EITHER = PolymorphicProxySerializer(
    component_name="Charger",
    serializers={"public": PublicChargerSerializer, "owner": OwnChargerSerializer},
    resource_type_field_name="view",
)
EITHER_DETAIL = PolymorphicProxySerializer(
    component_name="ChargerDetail",
    serializers={"public": PublicDetailSerializer, "owner": OwnChargerSerializer},
    resource_type_field_name="view",
)


class ConnectionAttemptSerializer(ModelSerializer[ConnectionAttempt]):
    """A wallbox knocked; repeats within a minute are one row.

    With an unknown identity that was nearly the charger's, `path` is only that identity and `remote_address` empty.
    """

    class Meta:
        model = ConnectionAttempt
        fields = ("id", "outcome", "path", "remote_address", "subprotocols", "count", "first_at", "last_at")
        read_only_fields = fields

    def to_representation(self, attempt: ConnectionAttempt) -> Any:
        told = super().to_representation(attempt)
        return {**told, "remote_address": "", "path": slips.said(attempt.path)} if attempt.is_slip else told


class MessageSerializer(ModelSerializer[Message]):
    """A call and its answer as they went over the wire. Owners see only the end of drivers' card numbers."""

    class Meta:
        model = Message
        fields = ("id", "at", "direction", "message_id", "action", "request", "response", "is_error", "note")
        read_only_fields = fields

    def to_representation(self, message: Message) -> Any:
        told = super().to_representation(message)
        return told if self.viewer and self.viewer.is_staff else {**told, **message_log.masked(message)._asdict()}
