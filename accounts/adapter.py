"""How django-allauth creates and greets our users."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.models import EmailAddress
from allauth.core.context import request_context
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.core.validators import EmailValidator
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.utils import translation
from django.utils.translation import get_language

from accounts import languages, people
from accounts.models import FORGOTTEN_DOMAIN, User


class AccountAdapter(DefaultAccountAdapter):
    def clean_email(self, email: str) -> str:
        """What deleted accounts are called is nobody's address."""
        if email.lower().endswith(f"@{FORGOTTEN_DOMAIN}"):
            raise ValidationError(EmailValidator.message, code="invalid")
        return str(super().clean_email(email))

    def save_user(self, request: HttpRequest, user: User, form: Any, commit: bool = True) -> User:
        user.name = form.cleaned_data["name"].strip()
        user.language = get_language() or ""
        return super().save_user(request, user, form, commit)

    def post_login(self, request: HttpRequest, user: User, **options: Any) -> HttpResponse:
        """Pages speak as letters do, until another language is chosen on this device. Whoever has none yet (an account
        that somebody else has made) is written to in that of this browser from now on.
        """
        if not user.language and not languages.is_lent(request):
            people.set_language(user, get_language() or "")
        if languages.is_chosen(request):
            return super().post_login(request, user, **options)
        if user.language:
            translation.activate(user.language)
        response = super().post_login(request, user, **options)
        if user.language:
            languages.lend(response, user.language)
        else:
            languages.take_back(request, response)
        return response

    def confirm_email(self, request: HttpRequest, email_address: EmailAddress) -> bool:
        """False: somebody else has taken the address since it was named. Nothing is changed then."""
        try:
            with transaction.atomic():
                return bool(super().confirm_email(request, email_address))
        except IntegrityError:
            told = {"email": email_address.email}
            self.add_message(request, messages.ERROR, "account/messages/email_confirmation_failed.txt", told)
            return False

    def send_confirmation_mail(self, request: HttpRequest, emailconfirmation: Any, signup: bool) -> None:
        """Whose address is somebody else's gets no link and is not told: its holder is."""
        address: EmailAddress = emailconfirmation.email_address
        holder = User.objects.filter(email__iexact=address.email).exclude(pk=address.user_id).first()
        if holder is None:
            super().send_confirmation_mail(request, emailconfirmation, signup)
            return
        with translation.override(_language_of(holder)):
            self.send_mail("account/email/account_already_exists", holder.email, {"user": holder})

    def send_notification_mail(
        self, template_prefix: str, user: User, context: dict[str, Any] | None = None, email: str | None = None
    ) -> None:
        """In the language of its reader, when what it tells is committed."""

        def send() -> None:
            with translation.override(_language_of(user)), request_context(self.request):
                super(AccountAdapter, self).send_notification_mail(
                    template_prefix, user, {"user": user, **(context or {})}, email
                )

        transaction.on_commit(send)

    # Programs have no session, and shall not get one.

    def add_message(self, request: HttpRequest, *arguments: Any, **options: Any) -> None:
        if not _is_program(request):
            super().add_message(request, *arguments, **options)

    def unstash_verified_email(self, request: HttpRequest) -> str | None:
        return None if _is_program(request) else super().unstash_verified_email(request)


def _is_program(request: HttpRequest) -> bool:
    return request.path.startswith("/api/")


def _language_of(user: User) -> str:
    return user.language or settings.LANGUAGE_CODE
