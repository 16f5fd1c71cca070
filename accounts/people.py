"""People: what they become. No row is ever deleted: the books point to it. A name can be forgotten."""

from allauth.account.models import EmailAddress
from django.http import HttpRequest
from django.utils.translation import gettext as _

from accounts.models import User


class PersonRequest(HttpRequest):
    """A request behind `login_required`, for the type checker: its user is one of ours."""

    user: User


def become_owner(user: User) -> None:
    """A driver may list chargers from now on. Owners and operators stay what they are."""
    User.objects.filter(pk=user.pk, role=User.Role.USER).update(role=User.Role.OWNER)
    user.refresh_from_db(fields=["role"])


def set_active(user: User, *, active: bool) -> None:
    """Off: logins, open browser sessions and cards stop at once; the history stays."""
    user.is_active = active
    user.save(update_fields=["is_active"])


def rename(user: User, *, name: str) -> None:
    user.name = name.strip()
    user.save(update_fields=["name"])


def forget(user: User) -> None:
    """For good: no login, no name, no address. Sessions and transfers of this row stay, and tell of nobody."""
    EmailAddress.objects.filter(user=user).delete()
    user.email = f"deleted-{user.pk}@deleted.invalid"
    user.name = _("Deleted account")
    user.is_active = False
    user.set_unusable_password()
    user.save(update_fields=["email", "name", "is_active", "password"])
