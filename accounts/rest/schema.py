"""The OpenAPI schema: every operation tells which ways of saying no it knows."""

from typing import Any

from drf_spectacular.contrib.rest_framework_simplejwt import SimpleJWTScheme
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiResponse

from accounts.rest.errors import Error

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


class Schema(AutoSchema):
    def _get_response_bodies(self, direction: Any = "response") -> Any:
        """What the view documents itself, and the errors that its kind can answer."""
        bodies = super()._get_response_bodies(direction)
        for status in self._errors():
            if str(status) not in bodies:
                documented = OpenApiResponse(Error, description=MEANINGS[status])
                bodies[str(status)] = self._get_response_for_code(documented, str(status), direction=direction)
        return dict(sorted(bodies.items()))

    def get_summary(self) -> str | None:
        """The first sentence of the docstring."""
        first, _dot, _rest = " ".join(self.get_description().split()).partition(". ")
        return first.removesuffix(".") or None

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
