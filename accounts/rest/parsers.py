"""Request bodies, bounded: the framework's own parsers read whatever comes."""

from typing import Any

import orjson
from django.core.exceptions import TooManyFieldsSent, TooManyFilesSent
from django.http import QueryDict
from django.utils.translation import gettext as _
from rest_framework import parsers
from rest_framework.exceptions import APIException, ParseError

LIMIT_BYTES = 256 * 1024


class TooLarge(APIException):
    status_code = 413
    default_code = "too_large"

    def __init__(self) -> None:
        super().__init__(_("The request is too large."))


class JSONParser(parsers.JSONParser):
    """Strict: no NaN, no lone surrogates, no bottomless nesting; `\\0` fits into no text of the database."""

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        try:
            return orjson.loads(_read(stream))
        except orjson.JSONDecodeError as error:
            raise ParseError(_("This is not JSON: %(why)s") % {"why": error}) from None


class FormParser(parsers.FormParser):
    """For the OAuth2 password form."""

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        try:
            return QueryDict(_read(stream), encoding="utf-8")
        except TooManyFieldsSent:
            raise ParseError(_("These are too many fields.")) from None


class FileParser(parsers.MultiPartParser):
    """For a form with a file of at most `limit_bytes`. A body that does not say how long it is, is an empty one."""

    limit_bytes: int

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        told = (parser_context or {})["request"].META.get("CONTENT_LENGTH") or "0"
        if int(told) > self.limit_bytes + LIMIT_BYTES:
            raise TooLarge
        try:
            return super().parse(stream, media_type, parser_context)
        except (TooManyFieldsSent, TooManyFilesSent):
            raise ParseError(_("These are too many fields.")) from None


def _read(stream: Any) -> bytes:
    data: bytes = stream.read(LIMIT_BYTES + 1)
    if len(data) > LIMIT_BYTES:
        raise TooLarge
    return data
