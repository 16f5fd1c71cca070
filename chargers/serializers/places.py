"""Places by name, see gazetteer.py."""

from rest_framework import serializers

from accounts.rest.serializers import Serializer


class SpotSerializer(Serializer):
    name = serializers.CharField(read_only=True)
    latitude = serializers.FloatField(read_only=True)
    longitude = serializers.FloatField(read_only=True)


class PlacesSerializer(Serializer):
    results = SpotSerializer(many=True, read_only=True)
