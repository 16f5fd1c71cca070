"""What Prometheus may read of the web. docs/operations.md says what each name means."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from prometheus_client import Counter, Histogram

from chargers.metrics import LATENCIES

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

REQUESTS = Counter("sharecharge_http_requests", "Web requests by view and answer.", ["view", "method", "status"])
SECONDS = Histogram("sharecharge_http_request_seconds", "How long they took.", ["view", "method"], buckets=LATENCIES)


def count(request: HttpRequest, response: HttpResponse, seconds: float) -> None:
    """One request was answered. A view is known by its name; addresses, which visitors make up, are in no label."""
    view, method = _view(request), request.method if request.method in METHODS else "other"
    REQUESTS.labels(view, method, response.status_code).inc()
    SECONDS.labels(view, method).observe(seconds)


def _view(request: HttpRequest) -> str:
    if request.resolver_match:
        return request.resolver_match.view_name or "unnamed"
    return "static" if request.path.startswith(settings.STATIC_URL) else "none"
