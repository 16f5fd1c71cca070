from typing import Any

from allauth.account import forms as allauth
from allauth.account.internal.flows.email_verification import send_verification_email_to_address
from allauth.account.internal.flows.manage_email import sync_user_email_address
from allauth.account.models import EmailAddress
from django import forms
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from accounts import id_tags, tokens
from accounts.models import User
from sharecharge.errors import Refused


class SignupForm(allauth.SignupForm):
    name = forms.CharField(label=_("Your name"), max_length=100, help_text=_("Owners see it at your sessions."))
    field_order = ("name", "email", "password1", "password2")


class AddressForm(allauth.AddEmailForm):
    """Another address. Whether somebody else has it is told to that person only, see adapter.py."""

    def save(self, request: HttpRequest) -> EmailAddress:
        """Allauth's own way would take the old address away at once where it was never confirmed."""
        sync_user_email_address(self.user)  # it is written to when it is replaced
        EmailAddress.objects.filter(user=self.user, verified=False).exclude(email__iexact=self.user.email).delete()
        address: EmailAddress = EmailAddress.objects.create(user=self.user, email=self.cleaned_data["email"])
        send_verification_email_to_address(request, address)
        return address


class ProfileForm(forms.Form):
    name = forms.CharField(label=_("Your name"), max_length=100, help_text=_("Owners see it at your sessions."))


class MailsForm(forms.Form):
    """The e-mails that are not necessary."""

    receipts = forms.BooleanField(label=_("Receipts of my charging"), required=False)
    low_balance = forms.BooleanField(label=_("My money for a charging runs out"), required=False)
    answers = forms.BooleanField(label=_("Answers to my reports"), required=False)
    offline = forms.BooleanField(label=_("A charger of mine is offline"), required=False)

    @classmethod
    def of(cls, user: User) -> "MailsForm":
        return cls(initial={name: getattr(user, f"mails_{name}") for name in cls.base_fields})


class PasswordForm(forms.Form):
    """Whoever sits here is the person whose account it is."""

    password = forms.CharField(
        label=_("Your password"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user

    def clean_password(self) -> str:
        password: str = self.cleaned_data["password"]
        if not self.user.check_password(password):
            raise forms.ValidationError(_("This is not your password."))
        return password


class ChangeEmailForm(PasswordForm, AddressForm):
    """Of the page: whoever has the address has the account, so an open laptop is not enough."""


class CardNameForm(forms.Form):
    name = forms.CharField(label=_("Name of the card"), max_length=60, required=False)


class CardForm(forms.Form):
    uid = forms.CharField(
        label=_("Card number"),
        max_length=60,
        help_text=_("As it is printed on the card or shown by the charger, for example 04:A1:B2:C3."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "characters", "spellcheck": "false"}),
    )
    name = forms.CharField(
        label=_("Name of the card"), max_length=60, required=False, help_text=_("So that you know which one it is.")
    )

    def clean_uid(self) -> str:
        try:
            return id_tags.clean_uid(self.cleaned_data["uid"])
        except Refused as refusal:
            raise forms.ValidationError(str(refusal)) from None


class ResetPasswordKeyForm(allauth.ResetPasswordKeyForm):
    """Of pages and programs."""

    def save(self) -> None:
        super().save()
        tokens.revoke_all(self.user)
