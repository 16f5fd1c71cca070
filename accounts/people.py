"""People: what they become. No row is ever deleted: the books point to it. A name can be forgotten."""

from collections.abc import Callable

from allauth.account.models import EmailAddress
from django.http import HttpRequest
from django.utils.translation import gettext as _

from accounts.models import FORGOTTEN_DOMAIN, User
from sharecharge.errors import Refused

# What other rooms tell once somebody was switched off or on; they add it when they are loaded.
SWITCHED: list[Callable[[User], None]] = []


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
    tell_switched(user)


def tell_switched(user: User) -> None:
    for tell in SWITCHED:
        tell(user)


def rename(user: User, *, name: str) -> None:
    user.name = name.strip()
    user.save(update_fields=["name"])


def set_language(user: User, language: str) -> None:
    """What we write to this person in, from now on."""
    User.objects.filter(pk=user.pk).exclude(language=language).update(language=language)


def choose_mails(user: User, *, receipts: bool, offline: bool, low_balance: bool, answers: bool) -> None:
    """Which of the e-mails that are not necessary this person wants."""
    user.mails_receipts, user.mails_offline = receipts, offline
    user.mails_low_balance, user.mails_answers = low_balance, answers
    user.save(update_fields=["mails_receipts", "mails_offline", "mails_low_balance", "mails_answers"])


def forget(user: User) -> None:
    """For good: no login, no name, no address. Sessions and transfers of this row stay, and tell of nobody."""
    EmailAddress.objects.filter(user=user).delete()
    user.email = f"deleted-{user.pk}@{FORGOTTEN_DOMAIN}"
    user.name = _("Deleted account")
    user.is_active = False
    user.set_unusable_password()
    user.save(update_fields=["email", "name", "is_active", "password"])


def change(user: User, *, by: User, name: str = "", role: str = "", is_active: bool | None = None) -> None:
    """What an operator changes of somebody; empty or None: stays. Refused: the own role, or to switch off oneself."""
    if user == by and (role not in ("", user.role) or is_active is False):
        raise Refused("own_account", _("Another operator has to do that: it is your own account."))
    given = {"name": name.strip(), "role": role, "is_active": "" if is_active is None else is_active}
    changed = {field: value for field, value in given.items() if value != ""}
    # Nothing else: what another operator has changed meanwhile stays.
    User.objects.filter(pk=user.pk).update(**changed)
    user.refresh_from_db()
    if "is_active" in changed:
        tell_switched(user)
