"""Photos as programs see them."""

from rest_framework import serializers

from accounts.rest.serializers import ModelSerializer, Serializer
from chargers import pictures
from chargers.models import Photo
from chargers.models.photos import DESCRIPTION_LIMIT


class PhotoSerializer(ModelSerializer[Photo]):
    """A picture of a charger, a JPEG. Its address cannot be guessed and is not for ever: ask the charger again."""

    url = serializers.CharField(read_only=True, help_text="The path of the picture, at most 1600 pixels wide and high.")
    small_url = serializers.CharField(read_only=True, help_text="The same, at most 480 pixels.")
    alt = serializers.CharField(source="description", read_only=True, help_text="What is to be seen, in words.")

    class Meta:
        model = Photo
        fields = ("url", "small_url", "width", "height", "alt")
        read_only_fields = fields


class OwnPhotoSerializer(PhotoSerializer):
    """The same for its owner and operators, who may change it."""

    alt = serializers.CharField(
        source="description", max_length=DESCRIPTION_LIMIT, help_text="What is to be seen, in words."
    )

    class Meta(PhotoSerializer.Meta):
        fields = ("id", *PhotoSerializer.Meta.fields, "audience", "created_at")  # type: ignore[assignment]  # three more
        read_only_fields = ("url", "small_url", "width", "height", "created_at")


class NewPhotoSerializer(Serializer):
    file = serializers.FileField(
        max_length=255, help_text=f"JPEG, PNG or WebP, at most {pictures.MOST_BYTES // 1024**2} MB."
    )
    alt = serializers.CharField(
        source="description", max_length=DESCRIPTION_LIMIT, help_text="What is to be seen, in words."
    )
    audience = serializers.ChoiceField(
        choices=Photo.Audience.choices, help_text="`admitted`: whoever may know the exact address, too."
    )
