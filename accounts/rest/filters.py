"""Typed filters of lists. What is no value of its type is refused, where django-filter would ignore some of it."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import django_filters.rest_framework as base
from django import forms
from django.core.exceptions import ValidationError
from django.utils.functional import lazy
from django.utils.translation import gettext_lazy as _
from django_filters.fields import IsoDateTimeField
from drf_spectacular.drainage import set_override
from rest_framework.exceptions import NotAuthenticated, PermissionDenied

from accounts.models import User
from accounts.rest.serializers import one_of

# The largest key that a table can have.
MOST = 2**63 - 1
EARLIEST, LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


class Filters(base.FilterSet):
    """The filters of one list."""

    @property
    def visitor(self) -> User | None:
        user = self.request.user
        return user if isinstance(user, User) else None

    def require_person(self) -> User:
        if self.visitor is None:
            raise NotAuthenticated
        return self.visitor

    def require_operator(self) -> None:
        if not self.require_person().is_staff:
            raise PermissionDenied(_("Only operators can ask for that."))


class WholeFilter(base.NumberFilter):
    """A whole number from `low` to `high`."""

    field_class = forms.IntegerField

    def __init__(self, *args: Any, low: int = 0, high: int = MOST, **options: Any) -> None:
        super().__init__(*args, min_value=low, max_value=high, **options)
        document(self, {"type": "integer", "minimum": low, "maximum": high})

    def get_max_validator(self) -> None:
        """`high` is the limit."""
        return


class KeyFilter(WholeFilter):
    """The id of a row."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, low=1, **options)


def document(found: base.Filter, schema: dict[str, Any]) -> base.Filter:
    """For the API's schema, whose generator cannot look into these."""
    text = found.extra.get("help_text")
    set_override(found, "field", schema | ({"description": text} if text else {}))
    return found


def _is_true(text: str) -> bool:
    return text == "true"


class ChoiceFilter(base.ChoiceFilter):
    """Says what may be chosen when something else was sent."""

    def __init__(self, *args: Any, choices: Sequence[tuple[str, Any]], **options: Any) -> None:
        named = [name for name, _label in choices]
        sentence = lazy(one_of, str)(named)
        super().__init__(*args, choices=choices, error_messages={"invalid_choice": sentence}, **options)


class SwitchFilter(base.TypedChoiceFilter):
    """`true` or `false`."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, choices=[("true", "true"), ("false", "false")], coerce=_is_true, **options)
        document(self, {"type": "boolean"})


class MomentField(IsoDateTimeField):
    """A moment of our time: others overflow somewhere on the way to the database."""

    def clean(self, value: Any) -> Any:
        moment = super().clean(value)
        if moment is not None and not EARLIEST <= moment <= LATEST:
            raise ValidationError(_("This cannot be right."))
        return moment


class MomentFilter(base.IsoDateTimeFilter):
    """ISO 8601; without a zone it is one of the platform's."""

    field_class = MomentField
