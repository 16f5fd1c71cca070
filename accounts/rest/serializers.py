"""Serializers that read only what they know (a misspelt or forbidden field is refused, never ignored) and tell UTC."""

from collections.abc import Mapping
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


class ModelSerializer(Plain, serializers.ModelSerializer[Row]):
    """Of a row."""
