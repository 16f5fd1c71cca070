"""In which language a browser is spoken to: that which was chosen in it, else that of whoever logs in there.

The latter is lent: on a device that several people share it goes with the person. A second cookie beside Django's
own remembers that.
"""

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse

LENT = "language_lent"


def is_chosen(request: HttpRequest) -> bool:
    """Somebody has used the switch in this browser."""
    return bool(request.COOKIES.get(settings.LANGUAGE_COOKIE_NAME)) and not is_lent(request)


def is_lent(request: HttpRequest) -> bool:
    """The language of now is that of somebody who was logged in here before."""
    return bool(request.COOKIES.get(LENT))


def lend(response: HttpResponse, language: str) -> None:
    """Until it is taken back, or another language is chosen."""
    options: dict[str, Any] = {
        "max_age": settings.LANGUAGE_COOKIE_AGE,
        "secure": settings.LANGUAGE_COOKIE_SECURE,
        "samesite": settings.LANGUAGE_COOKIE_SAMESITE,
    }
    response.set_cookie(settings.LANGUAGE_COOKIE_NAME, language, **options)
    response.set_cookie(LENT, "1", **options)


def keep(response: HttpResponse) -> None:
    """What was just chosen stays in this browser, whoever logs in or out."""
    response.delete_cookie(LENT)


def take_back(request: HttpRequest, response: HttpResponse) -> None:
    """Of whoever was logged in; what was chosen stays."""
    if is_lent(request):
        response.delete_cookie(settings.LANGUAGE_COOKIE_NAME)
        response.delete_cookie(LENT)
