"""The internal API's door: `X-API-Key`, and nothing at all as long as nobody has a key."""

from typing import Any

from django.http import Http404
from django.utils.translation import gettext as _
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import BasePermission
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request

from accounts import service_keys
from accounts.models import ServiceKey
from accounts.rest.views import Door


class ServiceKeyAuthentication(BaseAuthentication):
    """`request.auth` is the ServiceKey. There is no person."""

    def authenticate(self, request: Request) -> tuple[None, ServiceKey]:
        key = service_keys.recognise(request.headers.get("X-API-Key", ""))
        if key is not None:
            return None, key
        if not ServiceKey.objects.living().exists():
            raise Http404
        raise AuthenticationFailed(_("Send a valid key as X-API-Key."), code="invalid_api_key")

    def authenticate_header(self, request: Request) -> str:
        return "X-API-Key"


class IsService(BasePermission):
    def has_permission(self, request: Request, view: Any) -> bool:
        return isinstance(request.auth, ServiceKey)


class ServiceDoor(Door):
    """An address for trusted services only. It is in no public schema, and no limit slows a fleet down."""

    authentication_classes = (ServiceKeyAuthentication,)
    permission_classes = (IsService,)
    renderer_classes = (JSONRenderer,)
    throttle_classes = ()
    schema = None

    @property
    def service(self) -> str:
        assert isinstance(self.request.auth, ServiceKey)
        return self.request.auth.name
