"""What Prometheus may read of the domain, and the door at which it asks. docs/operations.md says what each name means.

Counters and histograms live in the process that counts; figures.py adds what the database knows. Labels have few
values: nothing that a charger or a person can make up gets into one.
"""

import threading
from collections.abc import Callable, Iterable
from http import HTTPStatus
from secrets import compare_digest
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

from django.conf import settings
from django.db import close_old_connections
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)

from chargers import figures

disable_created_metrics()  # a second series for each counter, which nobody asked for

LATENCIES = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

# ------------------------------------------------------------------------------------------------ the sweep

SWEEP_SECONDS = Histogram(
    "sharecharge_sweep_step_seconds", "How long a step of the sweep took.", ["step"], buckets=(*LATENCIES, 30, 60)
)
SWEEP_ROWS = Counter("sharecharge_sweep_rows", "Rows that a step of the sweep did something about.", ["step"])
SWEEP_FAILURES = Counter("sharecharge_sweep_failures", "Steps of the sweep that failed.", ["step"])
SWEEP_ROUND_AT = Gauge("sharecharge_sweep_last_round_timestamp_seconds", "When this process ended its last round.")

# ------------------------------------------------------------------------------------------------ the recorder of facts

RECORDER_BATCH_FACTS = Histogram(
    "sharecharge_recorder_batch_facts", "Facts in one commit.", buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500)
)
RECORDER_COMMIT_SECONDS = Histogram(
    "sharecharge_recorder_commit_seconds", "How long a commit of facts took.", buckets=LATENCIES
)
RECORDER_WAITING_FACTS = Gauge("sharecharge_recorder_waiting_facts", "Facts that wait for the next commit.")
RECORDER_REFUSED_FACTS = Counter("sharecharge_recorder_refused_facts", "Facts turned away because too many waited.")
RECORDER_SINGLE_FACTS = Counter(
    "sharecharge_recorder_single_facts", "Facts written one by one because their batch failed."
)

# ------------------------------------------------------------------------------------------------ commands

# result: accepted, rejected, failed or expired, as Command.status says at the end
COMMANDS_FINISHED = Counter("sharecharge_commands_finished", "Commands that came to an end.", ["action", "result"])
COMMAND_SECONDS = Histogram(
    "sharecharge_command_seconds", "From the request of a command to its answer.", ["action"],
    buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300),
)  # fmt: skip

REGISTRY.register(figures.Figures())


# ------------------------------------------------------------------------------------------------ the door


def answer(authorization: str) -> tuple[HTTPStatus, dict[str, str], bytes]:
    """For whoever asks with this Authorization header: all figures, 401, or 404 while no METRICS_TOKEN is set."""
    if not settings.METRICS_TOKEN:
        return HTTPStatus.NOT_FOUND, {}, b""
    if not compare_digest(authorization.encode(), f"Bearer {settings.METRICS_TOKEN}".encode()):
        return HTTPStatus.UNAUTHORIZED, {"WWW-Authenticate": "Bearer"}, b""
    return HTTPStatus.OK, {"Content-Type": CONTENT_TYPE_LATEST, "Cache-Control": "no-store"}, generate_latest(REGISTRY)


def application(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    """The same for a process without a web server, such as `manage.py sweep`."""
    status, headers, body = HTTPStatus.NOT_FOUND, dict[str, str](), b""
    if environ["PATH_INFO"] == "/metrics":
        close_old_connections()
        status, headers, body = answer(environ.get("HTTP_AUTHORIZATION", ""))
    start_response(f"{status.value} {status.phrase}", [*headers.items(), ("Content-Length", str(len(body)))])
    return [body]


class SilentHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Not a line on stderr for every scrape."""


def serve(host: str, port: int) -> None:
    """Answers at http://host:port/metrics from a thread of its own. OSError when the port is taken."""
    server = make_server(host, port, application, handler_class=SilentHandler)
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
