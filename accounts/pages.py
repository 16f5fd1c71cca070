"""How an address that only takes a POST answers a GET: a reload, a log-in or a language switch leads there."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods

View = Callable[..., HttpResponse]


def post_or_back_to(page: str, *keep: str) -> Callable[[View], View]:
    """A GET does nothing and shows `page`, where the form is; `keep` are the parts of the address that it needs."""

    def decorate(view: View) -> View:
        @require_http_methods(["GET", "HEAD", "POST"])
        @wraps(view)
        def answer(request: Any, *arguments: Any, **parts: Any) -> HttpResponse:
            if request.method != "POST":
                return redirect(page, **{name: parts[name] for name in keep})
            return view(request, *arguments, **parts)

        return answer

    return decorate
