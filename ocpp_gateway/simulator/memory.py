"""What a simulated charge point keeps whatever happens to its connection: clock, journal, queue, transactions."""

import asyncio
import json
import random
import time
import uuid
from collections import deque
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TextIO

from ocpp.v16 import call

from ocpp_gateway.simulator.vehicles import Car, Register

READ_ONLY, CHANGEABLE = True, False


@dataclass
class Clock:
    """The charge point's clock. It runs `speed` times as fast as ours, from `origin` (UTC)."""

    speed: float = 1.0
    origin: datetime = field(default_factory=lambda: datetime.now(UTC))
    started: float = field(default_factory=time.monotonic)

    def now(self) -> datetime:
        return self.origin + timedelta(seconds=(time.monotonic() - self.started) * self.speed)

    def set(self, moment: datetime) -> None:
        """What a charge point does when the server tells the time."""
        self.origin, self.started = moment, time.monotonic()

    def text(self) -> str:
        return utc_text(self.now())

    def real(self, seconds: float) -> float:
        """How many of our seconds are `seconds` of this clock."""
        return seconds / self.speed

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(self.real(seconds))


@dataclass
class Backoff:
    """How long to wait before the next attempt to connect: doubling, up to a limit, with full jitter. Our seconds."""

    rng: random.Random
    first: float = 0.5
    limit: float = 30.0
    attempts: int = 0

    def next(self) -> float:
        ceiling = min(self.limit, self.first * 2**self.attempts)
        self.attempts = min(self.attempts + 1, 32)
        return self.rng.uniform(ceiling / 4, ceiling)

    def reset(self) -> None:
        self.attempts = 0


def utc_text(moment: datetime) -> str:
    """As OCPP wants it: UTC, milliseconds, Z."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True)
class Acknowledged:
    """A message of ours that the server has answered: payload and answer as they went over the wire."""

    at: datetime
    identity: str
    message_id: str
    action: str
    payload: dict[str, Any]
    answer: dict[str, Any]

    def as_line(self) -> str:
        return json.dumps({**asdict(self), "at": self.at.isoformat(timespec="milliseconds")}, ensure_ascii=False)


class Journal:
    """Every acknowledged message, in order; each also as a JSON line to `file`, if there is one."""

    def __init__(self, file: TextIO | None = None) -> None:
        self.entries: list[Acknowledged] = []
        self.file = file

    def add(self, entry: Acknowledged) -> None:
        self.entries.append(entry)
        if self.file:
            print(entry.as_line(), file=self.file, flush=True)

    def of(self, action: str, **payload: Any) -> list[Acknowledged]:
        """The messages with this action whose payload has these values, such as `transactionId=7`."""
        return [
            entry
            for entry in self.entries
            if entry.action == action and all(entry.payload.get(key) == value for key, value in payload.items())
        ]


@dataclass(eq=False)
class Transaction:
    """One charge as its charge point sees it. `transaction_id` is the server's, known once the start is answered."""

    connector_id: int
    id_tag: str
    started_at: datetime
    meter_start_wh: int
    transaction_id: int | None = None
    meter_stop_wh: int | None = None
    stop_reason: str = ""
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    stopped: asyncio.Event = field(default_factory=asyncio.Event)
    idle: asyncio.Event = field(default_factory=asyncio.Event)
    settled: asyncio.Event = field(default_factory=asyncio.Event)

    def stop(self, reason: str) -> None:
        """The first reason counts."""
        self.stop_reason = self.stop_reason or reason
        self.stopping.set()


@dataclass(eq=False)
class Queued:
    """A transaction message that waits for its answer. Its id and its contents stay the same at every attempt."""

    message: Any
    transaction: Transaction
    message_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    errors: int = 0

    def request(self) -> Any:
        """The message with the transaction id that the server has given meanwhile (-1: it never gave one)."""
        if isinstance(self.message, call.StartTransaction):
            return self.message
        known = self.transaction.transaction_id
        if isinstance(self.message, call.StopTransaction):
            return replace(self.message, transaction_id=-1 if known is None else known)
        return replace(self.message, transaction_id=known)


class OfflineQueue:
    """Transaction messages in their order. Only the first is ever on its way."""

    def __init__(self) -> None:
        self.waiting: deque[Queued] = deque()
        self._filled = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()

    def __len__(self) -> int:
        return len(self.waiting)

    def append(self, queued: Queued) -> None:
        self.waiting.append(queued)
        self._filled.set()
        self._empty.clear()

    async def first(self) -> Queued:
        await self._filled.wait()
        return self.waiting[0]

    def done(self) -> None:
        """The first one needs no further attempt."""
        self.waiting.popleft()
        if not self.waiting:
            self._filled.clear()
            self._empty.set()

    async def emptied(self) -> None:
        await self._empty.wait()


@dataclass(eq=False)
class Outlet:
    """A connector: its cable, its car, its meter."""

    number: int
    register: Register
    status: str = "Available"
    car: Car | None = None
    plugged: asyncio.Event = field(default_factory=asyncio.Event)
    transaction: Transaction | None = None
    is_available: bool = True
    remote_tag: str | None = None


def configuration(*, sample_seconds: int, connectors: int) -> dict[str, tuple[bool, str]]:
    """Key -> (read-only, value): what OCPP 1.6 §9 requires of the Core and Smart Charging profiles."""
    return {
        "AllowOfflineTxForUnknownId": (CHANGEABLE, "false"),
        "AuthorizeRemoteTxRequests": (CHANGEABLE, "false"),
        "ClockAlignedDataInterval": (CHANGEABLE, "0"),
        "ConnectionTimeOut": (CHANGEABLE, "120"),
        "ConnectorPhaseRotation": (CHANGEABLE, "0.RST"),
        "GetConfigurationMaxKeys": (READ_ONLY, "50"),
        "HeartbeatInterval": (CHANGEABLE, "300"),
        "LocalAuthorizeOffline": (CHANGEABLE, "true"),
        "LocalPreAuthorize": (CHANGEABLE, "false"),
        "MeterValuesAlignedData": (CHANGEABLE, "Energy.Active.Import.Register"),
        "MeterValuesSampledData": (
            CHANGEABLE,
            "Energy.Active.Import.Register,Power.Active.Import,Current.Import,Voltage,SoC,Temperature",
        ),
        "MeterValueSampleInterval": (CHANGEABLE, str(sample_seconds)),
        "NumberOfConnectors": (READ_ONLY, str(connectors)),
        "ResetRetries": (CHANGEABLE, "1"),
        "StopTransactionOnEVSideDisconnect": (READ_ONLY, "true"),
        "StopTransactionOnInvalidId": (CHANGEABLE, "true"),
        "StopTxnAlignedData": (CHANGEABLE, ""),
        "StopTxnSampledData": (CHANGEABLE, ""),
        "SupportedFeatureProfiles": (READ_ONLY, "Core,RemoteTrigger,SmartCharging"),
        "TransactionMessageAttempts": (CHANGEABLE, "5"),
        "TransactionMessageRetryInterval": (CHANGEABLE, "10"),
        "UnlockConnectorOnEVSideDisconnect": (READ_ONLY, "true"),
        "WebSocketPingInterval": (CHANGEABLE, "30"),
        "ChargeProfileMaxStackLevel": (READ_ONLY, "8"),
        "ChargingScheduleAllowedChargingRateUnit": (READ_ONLY, "Current,Power"),
        "ChargingScheduleMaxPeriods": (READ_ONLY, "24"),
        "MaxChargingProfilesInstalled": (READ_ONLY, "16"),
    }
