"""People, their cards, tokens and webhooks, as programs see them."""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts import events, id_tags, tokens
from accounts.models import ApiToken, Delivery, IdTag, User, Webhook
from accounts.rest.serializers import ChoiceField, ModelSerializer, Serializer


def password_field(**options: Any) -> serializers.CharField:
    """Kept as it was typed. The limit is that of the forms of pages: hashing is costly."""
    return serializers.CharField(
        write_only=True, trim_whitespace=False, max_length=1024, style={"input_type": "password"}, **options
    )


# ------------------------------------------------------------------------------------------------ login


class LoginSerializer(Serializer):
    """The password form of OAuth 2; what else that form may carry is read and not needed."""

    username = serializers.CharField(write_only=True, max_length=254, help_text="The e-mail address.")
    password = password_field()
    grant_type = ChoiceField(["password"], required=False, write_only=True)
    scope = serializers.CharField(required=False, allow_blank=True, write_only=True)
    client_id = serializers.CharField(required=False, allow_blank=True, write_only=True)
    client_secret = serializers.CharField(required=False, allow_blank=True, write_only=True)


class TokensSerializer(Serializer):
    access_token = serializers.CharField(read_only=True, help_text="For `Authorization: Bearer …`.")
    refresh_token = serializers.CharField(read_only=True, help_text="Good once, for `POST /login/refresh`.")
    token_type = serializers.CharField(read_only=True)
    expires_in = serializers.IntegerField(read_only=True, help_text="Seconds that the access token lives.")


class RefreshSerializer(Serializer):
    refresh_token = serializers.CharField(write_only=True, max_length=4096)


# ------------------------------------------------------------------------------------------------ people


class UserSerializer(ModelSerializer[User]):
    """Only the name is its subject's to write."""

    class Meta:
        model = User
        fields = ("id", "email", "name", "role", "is_active", "created_at")
        read_only_fields = ("email", "role", "is_active", "created_at")


class OperatedUserSerializer(UserSerializer):
    """What an operator may write."""

    class Meta(UserSerializer.Meta):
        read_only_fields = ("email", "created_at")  # type: ignore[assignment]
        extra_kwargs: ClassVar[dict[str, Any]] = {"name": {"required": False}}


class SignUpSerializer(Serializer):
    name = serializers.CharField(max_length=100, write_only=True)
    email = serializers.EmailField(max_length=254, write_only=True)
    password = password_field()


class PasswordSerializer(Serializer):
    password = password_field(help_text="The password of today, so that an open computer is not enough.")


class PasswordChangeSerializer(Serializer):
    old_password = password_field()
    password = password_field(help_text="The new one.")


class PasswordResetSerializer(Serializer):
    email = serializers.EmailField(max_length=254, write_only=True)


class PasswordResetConfirmSerializer(Serializer):
    key = serializers.CharField(max_length=200, write_only=True, help_text="The last part of the link in the mail.")
    password = password_field(help_text="The new one.")


class EmailChangeSerializer(Serializer):
    email = serializers.EmailField(max_length=254, write_only=True, help_text="The new one.")
    password = password_field(help_text="Of this account.")


class EmailConfirmSerializer(Serializer):
    key = serializers.CharField(max_length=200, write_only=True, help_text="The last part of the link in the mail.")


# ------------------------------------------------------------------------------------------------ cards


class IdTagSerializer(ModelSerializer[IdTag]):
    user = serializers.PrimaryKeyRelatedField[User](read_only=True, help_text="Whose card it is.")

    class Meta:
        model = IdTag
        fields = ("id", "uid", "name", "user", "is_enabled", "expires_at", "created_at", "deleted_at")
        read_only_fields = ("uid", "expires_at", "created_at", "deleted_at")


class NewIdTagSerializer(Serializer):
    uid = serializers.CharField(max_length=60, help_text="As printed on the card, separators may stay: 04:A1:B2:C3.")
    name = serializers.CharField(max_length=60, required=False, allow_blank=True)

    def validate_uid(self, text: str) -> str:
        return id_tags.clean_uid(text)


class OperatedNewIdTagSerializer(NewIdTagSerializer):
    user = serializers.PrimaryKeyRelatedField[User](
        queryset=User.objects.all(), required=False, help_text="The holder, whom only an operator may choose."
    )


# ------------------------------------------------------------------------------------------------ tokens


class ApiTokenSerializer(ModelSerializer[ApiToken]):
    scopes = serializers.ListField(child=ChoiceField(tokens.SCOPES), allow_empty=False)

    class Meta:
        model = ApiToken
        fields = ("id", "name", "prefix", "scopes", "created_at", "expires_at", "last_used_at")
        read_only_fields = ("prefix", "created_at", "last_used_at")


class IssuedTokenSerializer(ApiTokenSerializer):
    token = serializers.CharField(read_only=True, help_text="Shown this once; only its digest is kept.")

    class Meta(ApiTokenSerializer.Meta):
        fields = (*ApiTokenSerializer.Meta.fields, "token")  # type: ignore[assignment]


# ------------------------------------------------------------------------------------------------ webhooks


class WebhookSerializer(ModelSerializer[Webhook]):
    events = serializers.ListField(
        child=ChoiceField(events.OFFERED), min_length=1, help_text="What the address is told of."
    )
    failing_since = serializers.DateTimeField(
        read_only=True,
        allow_null=True,
        help_text="Since when it has taken nothing; after five days it is switched off. Null: all is well.",
    )

    resting_until = serializers.DateTimeField(
        read_only=True, allow_null=True, help_text="It is told nothing before; a ping or a replay ends the rest."
    )

    class Meta:
        model = Webhook
        fields = ("id", "url", "events", "is_enabled", "failing_since", "resting_until", "created_at")
        read_only_fields = ("id", "created_at")
        extra_kwargs: ClassVar[dict[str, Any]] = {
            "url": {"help_text": "https, on the public internet."},
            "is_enabled": {"required": False, "default": True},
        }


class NewWebhookSerializer(WebhookSerializer):
    """With the secret: this is the only answer that has it."""

    secret = serializers.CharField(read_only=True, help_text="Signs every message (Standard Webhooks, `whsec_…`).")

    class Meta(WebhookSerializer.Meta):
        fields = (*WebhookSerializer.Meta.fields, "secret")  # type: ignore[assignment]


class SecretSerializer(Serializer):
    secret = serializers.CharField(read_only=True)


class DeliverySerializer(ModelSerializer[Delivery]):
    status = serializers.ChoiceField(("waiting", "delivered", "failed"), read_only=True)
    payload = serializers.SerializerMethodField(help_text="What is sent: `type`, `timestamp` and `data`.")

    class Meta:
        model = Delivery
        fields = (
            "id", "event", "status", "created_at", "attempts", "next_attempt_at", "delivered_at", "response_status",
            "error", "payload",
        )  # fmt: skip
        read_only_fields = fields

    @extend_schema_field({"type": "object", "additionalProperties": {}})
    def get_payload(self, delivery: Delivery) -> Any:
        return delivery.payload
