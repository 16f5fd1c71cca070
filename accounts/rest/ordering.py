"""In which order a list is given: only by what an index gives, and never by what was misspelt."""

from typing import Any

from django.utils.translation import gettext as _
from rest_framework.exceptions import ValidationError
from rest_framework.filters import OrderingFilter
from rest_framework.request import Request


class Ordering(OrderingFilter):
    """`?ordering=` is one of the view's `ordering_fields`, as they stand there (`-` for falling)."""

    def get_ordering(self, request: Request, queryset: Any, view: Any) -> Any:
        asked = request.query_params.get(self.ordering_param)
        if asked is None:
            return self.get_default_ordering(view)
        if asked not in view.ordering_fields:
            choices = ", ".join(view.ordering_fields)
            raise ValidationError({self.ordering_param: [_("Choose one of %(choices)s.") % {"choices": choices}]})
        return (asked,)

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        choices = list(view.ordering_fields)
        [default] = self.get_default_ordering(view) or [""]
        return [
            {
                "name": self.ordering_param,
                "required": False,
                "in": "query",
                "description": "The order of the rows.",
                "schema": {"type": "string", "enum": choices, "default": default},
            }
        ]
