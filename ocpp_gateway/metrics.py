"""What Prometheus may read of the gateway. docs/operations.md says what each name means.

`action` is one of OCPP's own or "other": chargers can send any word. Labels are looked up once and kept by who counts.
"""

from functools import cache

from prometheus_client import Counter, Gauge, Histogram

from chargers.metrics import LATENCIES
from ocpp_gateway import schemas

OTHER = "other"

SOCKETS = Gauge("sharecharge_gateway_sockets", "Sockets of chargers that this process holds.")
# outcome: as ConnectionAttempt.Outcome has it
HANDSHAKES = Counter("sharecharge_gateway_handshakes", "Chargers that knocked, by what they were told.", ["outcome"])
# result: answered, refused (a CALLERROR that the charger has earned), failed (one that we have), unreadable (no answer)
MESSAGES = Counter("sharecharge_gateway_messages", "Frames of chargers.", ["action", "result"])
MESSAGE_SECONDS = Histogram(
    "sharecharge_gateway_message_seconds", "From the arrival of a CALL to its answer.", ["action"], buckets=LATENCIES
)
DECISIONS_WAITING = Gauge("sharecharge_gateway_decisions_waiting", "Pieces of work that wait for a worker.")
SOCKETS_PAUSED = Gauge("sharecharge_gateway_sockets_paused", "Sockets that are not read because they are far ahead.")
# result: answered, error (a CALLERROR), timed_out, lost (the socket closed)
CALLS = Counter("sharecharge_gateway_calls", "Calls of ours to chargers, by how they ended.", ["action", "result"])


@cache
def message(action: str, result: str) -> Counter:
    """The counter of frames of this kind: finding it among its labels costs more than counting."""
    return MESSAGES.labels(action_label(action) if action else "", result)


@cache
def message_seconds(action: str) -> Histogram:
    return MESSAGE_SECONDS.labels(action_label(action))


def action_label(action: str, version: str = "v16") -> str:
    """The action if OCPP knows it."""
    return action if action in schemas.actions(version) else OTHER
