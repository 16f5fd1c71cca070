"""What chargers tell that nobody has to decide about: samples, statuses, comings and goings, and the log. Pure values.

Facts are many and dumb. The recorder stores them in batches, together with those of all other sockets of the process.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

MESSAGE_TEXT_LIMIT = 16_384


@dataclass(slots=True)
class Sample:
    """What a charger measured at one moment. `session_id` is the transactionId as sent, None if none was.

    `raw` holds the sampled values that no field has room for, as they were sent.
    """

    connector_id: int
    session_id: int | None
    measured_at: datetime
    context: str
    raw: list[Any]
    digest: int
    energy_wh: int | None = None
    power_w: int | None = None
    current_ma: int | None = None
    voltage_mv: int | None = None
    soc_percent: int | None = None
    temperature_mc: int | None = None
    phases: dict[str, Any] | None = None


@dataclass(slots=True)
class ConnectorStatus:
    """`connector_id` 0 is the charger itself."""

    connector_id: int
    status: str
    error_code: str
    info: str
    at: datetime


@dataclass(slots=True)
class Exchange:
    """One CALL and its answer, for the message log. `direction` is one of `Message.Direction`."""

    direction: str
    message_id: str
    action: str
    request: str
    response: str
    is_error: bool
    note: str = ""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A socket that was let in: `mark` names it, `replaced_mark` the one that served its charger before ("": none)."""

    mark: str
    replaced_mark: str
    path: str
    remote_address: str
    subprotocols: str


@dataclass(slots=True)
class Facts:
    """What one frame tells, or the opening or the end of a socket. Any frame proves that the charger is alive.

    `left` is the mark of a connection that ended.
    """

    charger_id: int
    received_at: datetime
    samples: tuple[Sample, ...] = ()
    status: ConnectorStatus | None = None
    exchange: Exchange | None = None
    arrival: Arrival | None = None
    left: str = ""
