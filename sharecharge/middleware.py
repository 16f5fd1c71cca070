"""Small wrappers around every web request: an id with one log line, and what cannot be answered shown as such."""

import logging
import time
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.cache import patch_vary_headers

from accounts import zones
from chargers import database
from sharecharge import metrics, trace, views
from sharecharge.errors import Refused

logger = logging.getLogger(__name__)

type_of_view = Callable[[HttpRequest], HttpResponse]
QUIET_PATHS = ("/healthz", "/readyz", "/metrics", "/static/")


def request_log(get_response: type_of_view) -> type_of_view:
    """Gives the request an id (the proxy's X-Request-ID, if it is a sane one), logs one line and counts the answer."""

    def middleware(request: HttpRequest) -> HttpResponse:
        with trace.begun(request.headers.get("X-Request-ID", "")) as name:
            begin = time.perf_counter()
            response = get_response(request)
            response["X-Request-ID"] = name
            seconds = time.perf_counter() - begin
            metrics.count(request, response, seconds)
            if not request.path.startswith(QUIET_PATHS):
                logger.info("%s %s %s %.0f ms", request.method, request.path, response.status_code, seconds * 1000)
            return response

    return middleware


def visitors_zone(get_response: type_of_view) -> type_of_view:
    """Pages tell times in the zone that the browser's cookie names, without one in the platform's. Not the API."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if views.is_for_programs(request):
            return get_response(request)
        with timezone.override(zones.named(request.COOKIES.get(zones.COOKIE, ""))):
            response = get_response(request)
        if response.get("Content-Type", "").startswith("text/html"):
            patch_vary_headers(response, ["Cookie"])
        return response

    return middleware


class RefusalPages:
    """What views do not handle: a `Refused` becomes a page with its sentence and its status, and while the database
    does not answer everybody is asked to come back (503)."""

    def __init__(self, get_response: type_of_view) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if isinstance(exception, Refused):
            return render(request, "refused.html", {"refusal": exception}, status=exception.status)
        if database.does_not_answer(exception):
            logger.error("%s %s: the database does not answer: %s", request.method, request.path, exception)
            return views.unavailable(request)
        return None


refusals = RefusalPages
