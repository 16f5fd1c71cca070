"""People: what they become. Nobody is ever deleted."""

from django.http import HttpRequest

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
