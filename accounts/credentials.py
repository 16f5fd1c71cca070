"""E-mail and password for programs: the forms, limits, keys and mails are django-allauth's, the same as on the pages.

What the input lacks is told as a ValidationError by the names that programs know; who tries too often is Throttled,
counted together with the attempts on the pages.
"""

from typing import Any

from allauth.account import signals
from allauth.account.adapter import get_adapter
from allauth.account.forms import ChangePasswordForm, ResetPasswordForm, UserTokenForm
from allauth.account.internal.flows.password_reset import finalize_password_reset
from allauth.account.models import EmailAddress, get_emailconfirmation_model
from allauth.core import ratelimit
from django.contrib.auth import SESSION_KEY, update_session_auth_hash
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import Throttled

from accounts.forms import AddressForm, ResetPasswordKeyForm, SignupForm
from accounts.models import User
from sharecharge.errors import Refused

# All limits of allauth that count here are over after so long, or let one more try through.
WAIT_SECONDS = 60
NAMES = {"oldpassword": "old_password", "password1": "password", "password2": "password", "__all__": "password"}


def authenticate(request: HttpRequest, *, email: str, password: str) -> User:
    """Whose address and password these are. Refused (401) in the same words whatever is wrong with them."""
    try:
        user = get_adapter().authenticate(request, email=email, password=password)
    except ValidationError:  # the one reason that allauth has: too many failed attempts
        raise too_many() from None
    if user is None or not user.is_active:
        raise Refused("wrong_credentials", _("E-mail address and password do not fit together."), status=401)
    return user


def prove(request: HttpRequest, user: User, *, password: str) -> None:
    """Who asks knows the password of `user`. Refused (400) if not; attempts are limited like those to log in."""
    try:
        proven = get_adapter().authenticate(request, email=user.email, password=password)
    except ValidationError:
        raise too_many() from None
    if proven is None or proven.pk != user.pk:
        raise Refused("wrong_password", _("This is not your password."), status=400, field="password")


def sign_up(request: HttpRequest, *, name: str, email: str, password: str) -> User:
    """A new driver, to whom the confirmation mail is on its way. ValidationError: also if the address is taken."""
    form = SignupForm({"name": name, "email": email, "password1": password, "password2": password})
    _check(form)
    user: User = form.save(request)
    signals.user_signed_up.send(sender=User, request=request, user=user)
    EmailAddress.objects.get_for_user(user, user.email).send_confirmation(request, signup=True)
    return user


def confirm_email(request: HttpRequest, *, key: str) -> None:
    """Refused: (400) the key of the mail's link is wrong, too old or used, (409) somebody else has the address by now.

    Only who reads the mails of an address has its key, and may know that it is taken.
    """
    confirmation = get_emailconfirmation_model().from_key(key)
    if confirmation is None:
        raise _wrong_key()
    if confirmation.confirm(request) is None:
        sentence = _("Somebody else has this address by now, so nothing was changed. Name another one.")
        raise Refused("email_taken", sentence)


def resend_confirmation(request: HttpRequest, user: User) -> None:
    """Sends the mail again that asks to confirm the address. Refused (409): it is confirmed."""
    limit(request, "confirm_email", key=user.email)
    address, _is_new = EmailAddress.objects.get_or_create(user=user, email=user.email, defaults={"primary": True})
    if address.verified:
        raise Refused("email_confirmed", _("This address is confirmed already."))
    address.send_confirmation(request)


def change_email(request: HttpRequest, user: User, *, email: str, password: str) -> None:
    """Sends a mail to the new address, which replaces the old one once its link was used.

    ValidationError: it is no address, or is this person's already. If it is somebody else's, that person gets a mail
    without a link, and nobody else is told.
    """
    prove(request, user, password=password)
    limit(request, "manage_email", user=user)
    form = AddressForm(user=user, data={"email": email})
    _check(form)
    form.save(request)


def request_password_reset(request: HttpRequest, *, email: str) -> None:
    """Sends a mail: with a link where there is such an account, else with the news that there is none."""
    form = ResetPasswordForm({"email": email})
    _check(form)
    limit(request, "reset_password", key=form.cleaned_data["email"].lower())
    form.save(request)


def reset_password(request: HttpRequest, *, key: str, password: str) -> None:
    """Sets a new password by the key of the mail's link (`…/key/<key>/`), and ends all personal tokens.

    Refused (400): the key is no good.
    """
    number, _dash, secret = key.partition("-")
    found = UserTokenForm({"uidb36": number, "key": secret})
    if not found.is_valid() or not found.reset_user.is_active:
        raise _wrong_key()
    form = ResetPasswordKeyForm({"password1": password, "password2": password}, user=found.reset_user, temp_key=secret)
    _check(form)
    form.save()
    finalize_password_reset(request, found.reset_user)


def change_password(request: HttpRequest, user: User, *, old_password: str, password: str) -> None:
    """Ends all logins of programs, and all other sessions of browsers. Personal tokens stay."""
    limit(request, "change_password", user=user)
    form = ChangePasswordForm(user, {"oldpassword": old_password, "password1": password, "password2": password})
    _check(form)
    form.save()
    if request.session.get(SESSION_KEY) == str(user.pk):
        update_session_auth_hash(request, user)
    get_adapter().send_notification_mail("account/email/password_changed", user)
    signals.password_changed.send(sender=User, request=request, user=user)


def limit(request: HttpRequest, action: str, **counted: Any) -> None:
    """Counts one more try of an action of allauth's list. Throttled: they were too many."""
    if not ratelimit.consume(request, action=action, **counted):
        raise too_many()


def too_many() -> Throttled:
    return Throttled(wait=WAIT_SECONDS)


def _check(form: Any) -> None:
    if form.is_valid():
        return
    faults: dict[str, dict[str, ValidationError]] = {}
    for field, errors in form.errors.as_data().items():
        faults.setdefault(NAMES.get(field, field), {}).update({str(error): error for error in errors})
    raise ValidationError({field: list(errors.values()) for field, errors in faults.items()})


def _wrong_key() -> Refused:
    return Refused("wrong_key", _("This link is wrong, too old, or was used before."), status=400, field="key")
