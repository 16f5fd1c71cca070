"""Two small wrappers around every web request: an id with one log line, and an expected "no" shown as a page."""

import logging
import re
import secrets
import time
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from sharecharge.errors import Refused
from sharecharge.logs import request_id

logger = logging.getLogger(__name__)

type_of_view = Callable[[HttpRequest], HttpResponse]
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
QUIET_PATHS = ("/healthz", "/readyz", "/static/")


def request_log(get_response: type_of_view) -> type_of_view:
    """Gives the request an id (the proxy's X-Request-ID, if it is a sane one) and logs one line when it is answered."""

    def middleware(request: HttpRequest) -> HttpResponse:
        given = request.headers.get("X-Request-ID", "")
        token = request_id.set(given if REQUEST_ID.fullmatch(given) else secrets.token_hex(6))
        begin = time.perf_counter()
        try:
            response = get_response(request)
            response["X-Request-ID"] = request_id.get()
            if not request.path.startswith(QUIET_PATHS):
                milliseconds = (time.perf_counter() - begin) * 1000
                logger.info("%s %s %s %.0f ms", request.method, request.path, response.status_code, milliseconds)
            return response
        finally:
            request_id.reset(token)

    return middleware


class RefusalPages:
    """Shows a `Refused` that a view did not handle as a page with its sentence and its status."""

    def __init__(self, get_response: type_of_view) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, Refused):
            return None
        return render(request, "refused.html", {"refusal": exception}, status=exception.status)


refusals = RefusalPages
