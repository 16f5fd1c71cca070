"""How often one may ask. The rates are settings, `API_RATES`; a rate of None is no limit."""

from typing import Any

from django.conf import settings
from rest_framework import throttling
from rest_framework.request import Request

from accounts import credentials
from accounts.models import User


class Rate(throttling.SimpleRateThrottle):
    """Counts what one person, or one address that is nobody, asks within the scope."""

    scope: str

    def get_rate(self) -> str | None:
        return settings.API_RATES[self.scope]

    def get_cache_key(self, request: Request, view: Any) -> str | None:
        who = request.user.pk if isinstance(request.user, User) else self.get_ident(request)
        return self.cache_format % {"scope": self.scope, "ident": who}


class Everybody(Rate):
    """Each request counts, those of nobody by their address."""

    scope = "person"

    def allow_request(self, request: Request, view: Any) -> bool:
        self.scope = "person" if isinstance(request.user, User) else "nobody"
        self.rate = self.get_rate()
        self.num_requests, self.duration = self.parse_rate(self.rate)
        return super().allow_request(request, view)


class Entrances(Rate):
    """Whoever logs in or goes on: counted apart, so that looking around from an address keeps nobody there out."""

    scope = "entrances"


class Commands(Rate):
    """What wakes a charger up."""

    scope = "commands"


class Shared(throttling.BaseThrottle):
    """Counts an address together with what it does on the pages: one of django-allauth's limits."""

    action: str

    def allow_request(self, request: Request, view: Any) -> bool:
        credentials.limit(request._request, self.action)
        return True


class Logins(Shared):
    action = "login"


class SignUps(Shared):
    action = "signup"


class Resets(Shared):
    action = "reset_password_from_key"
