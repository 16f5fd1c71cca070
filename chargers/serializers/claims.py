"""Adding a card by holding it to a charger, as programs see it."""

from rest_framework import serializers

from accounts.rest.serializers import ModelSerializer, Serializer
from chargers.models import CardClaim
from chargers.serializers.sessions import PlaceSerializer

STATES = ("waiting", "taken", "over")


class NewClaimSerializer(Serializer):
    code = serializers.CharField(max_length=30, help_text="The number on the charger, as people type it.")


class ClaimSerializer(ModelSerializer[CardClaim]):
    """Ask again until `state` is not `waiting`."""

    charger = PlaceSerializer(read_only=True)
    state = serializers.ChoiceField(choices=STATES, read_only=True)
    seconds_left = serializers.IntegerField(read_only=True)

    class Meta:
        model = CardClaim
        fields = ("charger", "state", "seconds_left", "expires_at", "id_tag")
        read_only_fields = fields
