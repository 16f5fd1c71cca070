"""What filters of lists have in common."""

from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from rest_framework.exceptions import ValidationError
from rest_framework.filters import OrderingFilter
from rest_framework.request import Request


class Ordering(OrderingFilter):
    """`?ordering=` one of the view's `ordering_fields`, with `-` before it the other way; anything else is refused."""

    ordering_description = "What the rows are ordered by; `-` before it turns the order round."

    def get_ordering(self, request: Request, queryset: QuerySet[Any], view: Any) -> Any:
        asked = request.query_params.get(self.ordering_param)
        if asked is not None and asked.removeprefix("-") not in view.ordering_fields:
            raise ValidationError({"ordering": [_("The rows cannot be ordered by that.")]})
        return super().get_ordering(request, queryset, view)

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        values = [f"{sign}{name}" for name in view.ordering_fields for sign in ("", "-")]
        return [
            {
                "name": self.ordering_param,
                "in": "query",
                "required": False,
                "description": self.ordering_description,
                "schema": {"type": "string", "enum": values},
            }
        ]
