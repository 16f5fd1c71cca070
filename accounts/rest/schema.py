"""The OpenAPI schema: every operation tells which ways of saying no it knows."""

from typing import Any

from drf_spectacular.contrib.rest_framework_simplejwt import SimpleJWTScheme
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import get_lib_doc_excludes
from drf_spectacular.utils import OpenApiResponse
from rest_framework.permissions import SAFE_METHODS

from accounts.rest import serializers, views
from accounts.rest.errors import Error
from accounts.rest.permissions import IsPersonOrReads

MEANINGS = {
    400: "The input is wrong: `errors` names each field.",
    401: "Nobody is logged in, or the token is not valid any more.",
    403: "This person or token may not do that.",
    404: "There is no such thing, or it is somebody else's.",
    409: "The rules say no, as things stand.",
    413: "The body is too large.",
    415: "The body is neither JSON nor a form.",
    429: "Too many requests: `Retry-After` says when to go on.",
    503: "The database is away. Try again.",
}

LOCATION = {
    "Location": {"schema": {"type": "string"}, "required": True, "description": "Where it is from now on."},
}
HEADERS: dict[str, dict[str, Any]] = {
    "201": LOCATION,
    "202": LOCATION,
    "429": {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds."}},
}


class Schema(AutoSchema):
    def _get_response_bodies(self, direction: Any = "response") -> Any:
        """What the view documents itself, and the errors that its kind can answer."""
        bodies = super()._get_response_bodies(direction)
        for number in self._errors():
            if str(number) not in bodies:
                documented = OpenApiResponse(Error, description=MEANINGS[number])
                bodies[str(number)] = self._get_response_for_code(documented, str(number), direction=direction)
        for status, headers in HEADERS.items():
            if "content" in bodies.get(status, {}):
                bodies[status].setdefault("headers", {}).update(headers)
        return dict(sorted(bodies.items()))

    def _get_request_body(self, direction: Any = "request") -> Any:
        """The framework knows no DELETE with a body; ours that closes an account reads a password."""
        if self.method != "DELETE":
            return super()._get_request_body(direction)
        if self.get_request_serializer() is None:
            return None
        self.method = "POST"
        try:
            return super()._get_request_body(direction)
        finally:
            self.method = "DELETE"

    def get_request_serializer(self) -> Any:
        """Of DELETE only what the view declares."""
        return None if self.method == "DELETE" else super().get_request_serializer()

    def get_auth(self) -> list[Any]:
        """`{}` where nobody has to be logged in."""
        required = self.view.get_permissions()
        reads = self.method in SAFE_METHODS and any(isinstance(rule, IsPersonOrReads) for rule in required)
        return [*super().get_auth(), *([{}] if reads or not required else [])]

    def get_summary(self) -> str | None:
        """The first sentence of the docstring. Readers show it as it is: unlike the rest it knows no Markdown."""
        first, _dot, _rest = " ".join(self.get_description().split()).partition(". ")
        return first.removesuffix(".").replace("`", "") or None

    def _errors(self) -> list[int]:
        statuses = [400, 429, 503]
        if self.is_guarded():
            statuses += [401, 403]
        if "{" in self.path:
            statuses.append(404)
        if self.method in {"POST", "PUT", "PATCH", "DELETE"}:
            statuses += [409, 413, 415]
        return statuses

    def is_guarded(self) -> bool:
        """A wrong token is refused everywhere that reads tokens, also where nobody needs one."""
        return bool(self.view.get_authenticators())


def silent() -> list[type]:
    """Whose docstrings are for us, not for readers of the schema."""
    ours = [serializers.Plain, serializers.Serializer, serializers.ModelSerializer, views.Door, views.Resource]
    return [*get_lib_doc_excludes(), *ours]


class LoginScheme(SimpleJWTScheme):
    target_class = "accounts.rest.authentication.LoginAuthentication"


class TokenScheme(OpenApiAuthenticationExtension):
    target_class = "accounts.rest.authentication.TokenAuthentication"
    name = "personalToken"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "A personal token (`sc_…`) of `POST /api/v1/tokens`. What it may do its scopes say.",
        }
