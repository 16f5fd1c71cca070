"""How the API says no: `code` for programs, `detail` for people, `field` for the input that is at fault.

    {"code": "invalid", "detail": "…", "field": "uid", "errors": [{"code": "…", "detail": "…", "field": "uid"}]}

`errors` lists every fault of the input, the first of them stands above, too. `field` is null when no single field is
at fault; parts of nested input are joined by dots (`payload.limit_w`).
"""

from collections.abc import Iterator
from typing import Any

from django.core.exceptions import RequestDataTooBig, ValidationError
from rest_framework import exceptions, serializers
from rest_framework.response import Response
from rest_framework.views import exception_handler

from accounts.rest.parsers import TooLarge
from sharecharge.errors import Refused

NO_FIELD = "non_field_errors"


class Fault(serializers.Serializer[Any]):
    code = serializers.CharField(help_text="Stable, for programs.")
    detail = serializers.CharField(help_text="A sentence for people, in the language of `Accept-Language`.")
    field = serializers.CharField(allow_null=True, help_text="The input that is at fault, or null.")


class Error(Fault):
    """Every answer of 400 and above has this shape."""

    errors = Fault(  # type: ignore[assignment]  # a field, whose name is also a property of serializers
        many=True, help_text="All faults of the input; empty when something else is wrong."
    )


def body(code: str, detail: object, *, field: str | None = None, errors: list[dict[str, Any]] | None = None) -> Any:
    """The JSON of an answer that says no."""
    return {"code": code, "detail": str(detail), "field": field, "errors": errors or []}


def answer(exception: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's exception handler. None: a bug, which is raised on."""
    if isinstance(exception, Refused):
        return Response(refusal(exception), status=exception.status)
    if isinstance(exception, RequestDataTooBig):
        exception = TooLarge()
    if isinstance(exception, ValidationError):
        exception = exceptions.ValidationError(serializers.as_serializer_error(exception))
    response = exception_handler(exception, context)
    if response is None:
        return None
    if isinstance(exception, exceptions.ValidationError):
        faults = list(_faults(exception.detail))
        response.data = {**faults[0], "errors": faults}
    else:
        response.data = body(*_word(exception))
    return response


def refusal(refused: Refused) -> Any:
    faults = [{"code": refused.code, "detail": str(refused), "field": refused.field}] if refused.field else []
    return body(refused.code, refused, field=refused.field, errors=faults)


def _word(exception: Exception) -> tuple[str, object]:
    """Code and sentence of an answer that no single input is to blame for."""
    if not isinstance(exception, exceptions.APIException):  # Http404 or PermissionDenied of Django
        is_missing = type(exception).__name__ == "Http404"
        standard = exceptions.NotFound() if is_missing else exceptions.PermissionDenied()
        return _word(standard)
    detail: Any = exception.detail
    if isinstance(detail, dict):  # simplejwt packs a code beside its sentence
        return str(detail.get("code", exception.default_code)), detail.get("detail", exception.default_detail)
    return detail.code or exception.default_code, detail


def _faults(detail: Any, field: str = "") -> Iterator[dict[str, Any]]:
    if isinstance(detail, dict):
        for name, inner in detail.items():
            path = [field] if name == NO_FIELD else [field, str(name)]
            yield from _faults(inner, ".".join(filter(None, path)))
    elif isinstance(detail, list):
        for index, inner in enumerate(detail):
            is_row = isinstance(inner, dict) and len(detail) > 1
            yield from _faults(inner, f"{field}.{index}" if is_row else field)
    else:
        yield {"code": detail.code or "invalid", "detail": str(detail), "field": field or None}
