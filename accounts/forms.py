from allauth.account.forms import SignupForm as AllauthSignupForm
from django import forms
from django.utils.translation import gettext_lazy as _


class SignupForm(AllauthSignupForm):
    name = forms.CharField(label=_("Name"), max_length=100, help_text=_("Owners see it at your sessions."))
    field_order = ("name", "email", "password1", "password2")
