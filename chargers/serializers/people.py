"""Other people as programs see them."""

from rest_framework import serializers

from accounts.rest.serializers import Serializer


class PersonSerializer(Serializer):
    """Somebody by name. E-mail addresses are between their holder and us."""

    id = serializers.IntegerField(read_only=True)
    name = serializers.CharField(read_only=True)
