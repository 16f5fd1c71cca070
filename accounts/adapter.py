"""How django-allauth creates and greets our users."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from django.http import HttpRequest
from django.utils.translation import get_language

from accounts.models import User


class AccountAdapter(DefaultAccountAdapter):
    def save_user(self, request: HttpRequest, user: User, form: Any, commit: bool = True) -> User:
        user.name = form.cleaned_data["name"].strip()
        user.language = get_language() or ""
        return super().save_user(request, user, form, commit)

    # Programs have no session, and shall not get one.

    def add_message(self, request: HttpRequest, *arguments: Any, **options: Any) -> None:
        if not _is_program(request):
            super().add_message(request, *arguments, **options)

    def unstash_verified_email(self, request: HttpRequest) -> str | None:
        return None if _is_program(request) else super().unstash_verified_email(request)


def _is_program(request: HttpRequest) -> bool:
    return request.path.startswith("/api/")
