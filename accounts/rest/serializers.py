"""Serializers that read only what they know (a misspelt or forbidden field is refused, never ignored) and tell UTC."""

from collections.abc import Iterable, Mapping
from datetime import UTC
from typing import Any, TypeVar

from django.db.models import Model
from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework import serializers

from accounts.models import User

Row = TypeVar("Row", bound=Model)


def viewer_of(context: Mapping[str, Any]) -> User | None:
    """Whom an answer is for: what is told of a thing depends on it. Sockets and webhooks say so; else who asks does."""
    user = context["viewer"] if "viewer" in context else context["request"].user
    return user if isinstance(user, User) else None


class Plain:
    """Also refuses what may only be read: role, balance, owner and identity are not their subject's to write."""

    fields: Any
    context: Any

    @property
    def viewer(self) -> User | None:
        return viewer_of(self.context)

    def to_internal_value(self, data: Any) -> Any:
        faults = self._unknown(data) if isinstance(data, Mapping) else {}
        try:
            value = super().to_internal_value(data)  # type: ignore[misc]
        except serializers.ValidationError as error:
            known: Any = error.detail
            raise serializers.ValidationError({**known, **faults}) from None
        if faults:
            raise serializers.ValidationError(faults)
        return value

    def _unknown(self, data: Mapping[str, Any]) -> dict[str, list[serializers.ErrorDetail]]:
        names = [name for name in data if name not in self.fields or self.fields[name].read_only]
        sentence = _("There is no such field, or it is not to be set here.")
        return {name: [serializers.ErrorDetail(sentence, "unknown_field")] for name in names}

    def to_representation(self, instance: Any) -> Any:
        """Programs get UTC, whatever zone people read in."""
        with timezone.override(UTC):
            return super().to_representation(instance)  # type: ignore[misc]


class Serializer(Plain, serializers.Serializer[Any]):
    """Of input or output that is no row."""


class ChoiceField(serializers.ChoiceField):
    """Says what may be chosen when something else was sent."""

    def to_internal_value(self, data: Any) -> Any:
        try:
            return super().to_internal_value(data)
        except serializers.ValidationError:  # the one reason of this field
            raise serializers.ValidationError(one_of(map(str, self.choices)), code="invalid_choice") from None


def one_of(choices: Iterable[str]) -> str:
    return _("Send one of these: %(choices)s.") % {"choices": ", ".join(choice for choice in choices if choice)}


class ModelSerializer(Plain, serializers.ModelSerializer[Row]):
    """Of a row."""

    serializer_choice_field = ChoiceField
