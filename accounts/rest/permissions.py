"""Who may knock at which door of the API. Which rows they find behind it is up to each model's scoped reads."""

from typing import Any

from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from accounts.models import User


class IsPerson(BasePermission):
    """Somebody who is logged in."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return isinstance(request.user, User)


class IsOwner(IsPerson):
    """Whoever may list chargers, operators included."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return isinstance(request.user, User) and request.user.is_owner


class IsOperator(IsPerson):
    def has_permission(self, request: Request, view: Any) -> bool:
        return isinstance(request.user, User) and request.user.is_staff


class IsPersonOrReads(IsPerson):
    """Everybody may read; to change something one has to be logged in."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return request.method in SAFE_METHODS or super().has_permission(request, view)
