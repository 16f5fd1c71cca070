"""Pages of a list, by key: `?limit=`, and a `next` that is followed as it stands."""

from typing import Any

from django.core import signing
from django.utils.translation import gettext as _
from rest_framework.exceptions import ValidationError
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.request import Request
from rest_framework.utils.urls import replace_query_param

from accounts import keyset

LIMIT = 50
MOST = 100


class Pages(CursorPagination):
    """A page costs the same however far back it lies. `ordering` of a view must be something that an index gives."""

    page_size = LIMIT
    max_page_size = MOST
    page_size_query_param = "limit"
    page_size_query_description = "Rows of a page."
    cursor_query_description = "Where the page begins: comes from `next` and `previous`."
    ordering = "-pk"
    request: Request
    base_url: str

    def get_page_size(self, request: Request) -> int:
        return limit_of(request)

    # Signed, for this list in this order: a made-up position would reach the database as a value of the wrong type.
    def _salt(self) -> str:
        return f"{self.request.path} {self.ordering}"

    def encode_cursor(self, cursor: Cursor) -> str:
        return self._link_to(list(cursor))

    def _link_to(self, position: Any) -> str:
        # Without a time in it: a page that has not changed has the same links, and with them the same ETag.
        text = signing.Signer(salt=self._salt()).sign_object(position)
        return replace_query_param(self.base_url, self.cursor_query_param, text)

    def decode_cursor(self, request: Request) -> Cursor | None:
        position = self._position(request)
        return None if position is None else Cursor(*position)

    def _position(self, request: Request) -> Any:
        text = request.query_params.get(self.cursor_query_param)
        if text is None:
            return None
        try:
            return signing.Signer(salt=self._salt()).unsign_object(text)
        except signing.BadSignature:
            raise ValidationError({"cursor": [_("Follow `next` or `previous` of a page of this list.")]}) from None

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        bounds = {"type": "integer", "minimum": 1, "maximum": MOST, "default": LIMIT}
        parameters = super().get_schema_operation_parameters(view)
        return [{**found, "schema": bounds} if found["name"] == "limit" else found for found in parameters]

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        link = {"type": ["string", "null"], "format": "uri"}
        return {
            "type": "object",
            "required": ["next", "previous", "results"],
            "properties": {
                "next": {**link, "description": "The next page, or null at the end."},
                "previous": {**link, "description": "The page before, or null."},
                "results": schema,
            },
        }


class MergedPages(Pages):
    """Several lists as one, newest first: each is read through its own index (see keyset.py)."""

    page: keyset.Page[Any]  # type: ignore[assignment]

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        """The page of several querysets."""
        self.request, self.base_url = request, request.build_absolute_uri()
        self.page = keyset.page(*queryset, asked=self._asked(), size=self.get_page_size(request))
        return self.page.rows

    def get_next_link(self) -> str | None:
        return self._link(before=self.page.older)

    def get_previous_link(self) -> str | None:
        return self._link(after=self.page.newer)

    def _link(self, **place: int | None) -> str | None:
        [(name, key)] = place.items()
        return None if key is None else self._link_to({name: str(key)})

    def _asked(self) -> dict[str, str]:
        return self._position(self.request) or {}


def limit_of(request: Request) -> int:
    """How many rows a page shall have. ValidationError: no number from 1 to `MOST`."""
    text = request.query_params.get("limit", str(LIMIT))
    if not (text.isascii() and text.isdecimal() and len(text) < 6 and 1 <= int(text) <= MOST):
        raise ValidationError({"limit": [_("Write a number from 1 to %(most)s.") % {"most": MOST}]})
    return int(text)
