"""For machines that watch us: is the process alive, and can it do its work?"""

from django.conf import settings
from django.db import Error, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views import defaults
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from redis import Redis, RedisError

from accounts.rest import errors
from chargers import metrics

RETRY_SECONDS = 5


@never_cache
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """The process is alive. Asks nobody else, so that a broken database restarts nothing."""
    return HttpResponse("ok", content_type="text/plain")


@never_cache
@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """200 when requests can be served; 503 names what is wrong."""
    checks = {"database": database_is_ready()}
    if settings.REDIS_URL:
        checks["redis"] = redis_is_ready()
    ready = all(answer == "ok" for answer in checks.values())
    return JsonResponse({"status": "ok" if ready else "unavailable", **checks}, status=200 if ready else 503)


def database_is_ready() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Error as error:
        return type(error).__name__
    return "ok"


def redis_is_ready() -> str:
    """Asks Redis itself: the cache is forgiving and would hide that it is away."""
    try:
        with Redis.from_url(settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=2) as client:
            client.ping()
    except (RedisError, OSError) as error:
        return type(error).__name__
    return "ok"


@require_safe
def prometheus(request: HttpRequest) -> HttpResponse:
    """The metrics of this process and of the database, for whoever has the token."""
    status, headers, body = metrics.answer(request.headers.get("Authorization", ""))
    return HttpResponse(body, status=status, headers=headers)


def wallbox_address(request: HttpRequest) -> HttpResponse:
    """Somebody opened the wallboxes' address in a browser."""
    text = _("This is the address for wallboxes: they connect to it by OCPP 1.6 over a websocket.")
    return HttpResponse(text, status=426, content_type="text/plain; charset=utf-8", headers={"Upgrade": "websocket"})


def is_for_programs(request: HttpRequest) -> bool:
    return request.path.startswith("/api/")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    if is_for_programs(request):
        return JsonResponse(errors.body("not_found", _("There is no such address.")), status=404)
    return defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    if is_for_programs(request):
        return JsonResponse(errors.body("server_error", _("This is our fault. It was recorded.")), status=500)
    return defaults.server_error(request)


def unavailable(request: HttpRequest) -> HttpResponse:
    """503: what it takes to answer is away for the moment."""
    if is_for_programs(request):
        sentence = _("We cannot answer at the moment. Try again in a few seconds.")
        response: HttpResponse = JsonResponse(errors.body("unavailable", sentence), status=503)
    else:
        response = render(request, "503.html", status=503)
    response["Retry-After"] = str(RETRY_SECONDS)
    return response
