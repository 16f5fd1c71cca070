from allauth.account.forms import SignupForm as AllauthSignupForm
from django import forms
from django.utils.translation import gettext_lazy as _

from accounts import id_tags
from sharecharge.errors import Refused


class SignupForm(AllauthSignupForm):
    name = forms.CharField(label=_("Your name"), max_length=100, help_text=_("Owners see it at your sessions."))
    field_order = ("name", "email", "password1", "password2")


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
