"""What chargers say: the messages of a session, ready to be sent, and what a right answer looks like. No I/O.

A script is a generator: it yields a message and is sent the payload of its answer. Meters and clocks are plausible
(one simulated minute and 3 kW between two samples), so that the server bills every session.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson

WH_PER_MINUTE = 50
CABLE_IS_PLUGGED_FOR = timedelta(seconds=20)

Payload = Any
Check = Callable[[Payload], bool]


@dataclass(frozen=True, slots=True)
class Message:
    """A CALL without its id: `body` is `"Action",{payload}]`."""

    action: str
    body: bytes
    is_right: Check


Script = Generator[Message, Payload, None]


@dataclass(slots=True)
class Transaction:
    """A session as the charger's journal has it: what was acknowledged, and nothing else."""

    id: int
    meter_start_wh: int
    values: int = 0
    meter_stop_wh: int | None = None


class Box:
    """A wallbox with one plug: clock, register, journal. `is_leaving`: the car goes before the next sample."""

    def __init__(self, *, id_tag: str, clock: datetime, register_wh: int = 1_000_000) -> None:
        self.id_tag, self.clock, self.register_wh = id_tag, clock, register_wh
        self.journal: list[Transaction] = []
        self.status = ""
        self.is_leaving = False

    def now(self) -> bytes:
        return self.clock.strftime("%Y-%m-%dT%H:%M:%S.000Z").encode()

    def pass_minute(self, *, is_charging: bool) -> None:
        self.clock += timedelta(minutes=1)
        self.register_wh += WH_PER_MINUTE * is_charging


# ------------------------------------------------------------------------------------------------ messages


def sampled(value: str, measurand: str, unit: str, phase: str = "") -> dict[str, str]:
    place = {"phase": phase} if phase else {}
    return {"value": value, "context": "Sample.Periodic", "measurand": measurand, **place, "unit": unit}


TEN_VALUES = [
    sampled("REGISTER", "Energy.Active.Import.Register", "Wh"),
    sampled("3000", "Power.Active.Import", "W"),
    *(sampled("4.35", "Current.Import", "A", phase) for phase in ("L1", "L2", "L3")),
    *(sampled("230.1", "Voltage", "V", phase) for phase in ("L1-N", "L2-N", "L3-N")),
    sampled("54", "SoC", "Percent", ""),
    sampled("31.5", "Temperature", "Celsius", ""),
]
METER_VALUES = b'"MeterValues",{"connectorId":1,"transactionId":%d,"meterValue":[{"timestamp":"%s","sampledValue":' + (
    orjson.dumps(TEN_VALUES).replace(b"REGISTER", b"%d") + b"}]}]"
)
BOOT = (
    b'"BootNotification",{"chargePointVendor":"Bench","chargePointModel":"One","chargePointSerialNumber":"1",'
    b'"firmwareVersion":"1.0"}]'
)
AUTHORIZE = b'"Authorize",{"idTag":"%s"}]'
START = b'"StartTransaction",{"connectorId":1,"idTag":"%s","meterStart":%d,"timestamp":"%s"}]'
STATUS = b'"StatusNotification",{"connectorId":1,"errorCode":"NoError","status":"%s","timestamp":"%s"}]'
STOP = b'"StopTransaction",{"transactionId":%d,"idTag":"%s","meterStop":%d,"timestamp":"%s","reason":"Local"}]'


def has_time(payload: Payload) -> bool:
    return isinstance(payload.get("currentTime"), str) and payload["currentTime"].endswith("Z")


def is_booted(payload: Payload) -> bool:
    return payload.get("status") == "Accepted" and payload.get("interval", 0) > 0 and has_time(payload)


def is_admitted(payload: Payload) -> bool:
    info = payload.get("idTagInfo")
    return isinstance(info, dict) and info.get("status") == "Accepted"


def is_started(payload: Payload) -> bool:
    number = payload.get("transactionId")
    return type(number) is int and number > 0 and is_admitted(payload)


def is_object(payload: Payload) -> bool:
    """MeterValues and StatusNotification are answered with nothing (§5.7, §5.16); any object will do."""
    return True


boot = Message("BootNotification", BOOT, is_booted)
heartbeat = Message("Heartbeat", b'"Heartbeat",{}]', has_time)


def status(box: Box, name: str) -> Script:
    box.clock += CABLE_IS_PLUGGED_FOR
    yield Message("StatusNotification", STATUS % (name.encode(), box.now()), is_object)
    box.status = name


def authorize(box: Box) -> Script:
    yield Message("Authorize", AUTHORIZE % box.id_tag.encode(), is_admitted)


def start(box: Box) -> Generator[Message, Payload, Transaction]:
    box.pass_minute(is_charging=False)
    register_wh = box.register_wh
    body = START % (box.id_tag.encode(), register_wh, box.now())
    answer = yield Message("StartTransaction", body, is_started)
    transaction = Transaction(answer["transactionId"], register_wh)
    box.journal.append(transaction)
    return transaction


def meter_values(box: Box, transaction: Transaction) -> Script:
    box.pass_minute(is_charging=True)
    yield Message("MeterValues", METER_VALUES % (transaction.id, box.now(), box.register_wh), is_object)
    transaction.values += 1


def stop(box: Box, transaction: Transaction) -> Script:
    body = STOP % (transaction.id, box.id_tag.encode(), box.register_wh, box.now())
    yield Message("StopTransaction", body, is_admitted)
    transaction.meter_stop_wh = box.register_wh


# ------------------------------------------------------------------------------------------------ sessions


def stress(box: Box, values: int = 10) -> Script:
    """15 messages: little happens between start and stop, as at an unruly charger. `values`: MeterValues."""
    yield from authorize(box)
    transaction = yield from start(box)
    yield from status(box, "Charging")
    for _number in range(values):
        if box.is_leaving:
            break
        yield from meter_values(box, transaction)
    yield from stop(box, transaction)
    yield from status(box, "Available")


def day(box: Box, values: int = 60) -> Script:
    """71 messages: an hour at the plug, with a sample each minute and a heartbeat each quarter."""
    yield from status(box, "Preparing")
    yield from authorize(box)
    transaction = yield from start(box)
    yield from status(box, "Charging")
    for number in range(values):
        if box.is_leaving:
            break
        if number % 15 == 0:
            yield heartbeat
        yield from meter_values(box, transaction)
    yield from status(box, "Finishing")
    yield from stop(box, transaction)
    yield from status(box, "Available")


MIXES: dict[str, Callable[[Box, int], Script]] = {"stress": stress, "day": day}
# MeterValues of a whole session. The first session of each charger is cut, so that not all of them start at once.
VALUES = {"stress": 10, "day": 60}


def sessions(box: Box, mix: str, *, first_values: int) -> Script:
    """One session after the other, until the car is leaving. The first one has only `first_values` MeterValues."""
    values = first_values
    while not box.is_leaving:
        yield from MIXES[mix](box, values)
        values = VALUES[mix]


# ------------------------------------------------------------------------------------------------ the other direction

# What the server may ask, and what a charger that has nothing to tell answers.
ANSWERS: dict[str, bytes] = {
    "GetConfiguration": b'{"configurationKey":[],"unknownKey":[]}',
    "ChangeConfiguration": b'{"status":"Accepted"}',
    "SetChargingProfile": b'{"status":"Accepted"}',
    "TriggerMessage": b'{"status":"Rejected"}',
    "RemoteStartTransaction": b'{"status":"Rejected"}',
    "RemoteStopTransaction": b'{"status":"Rejected"}',
}


def answer(message_id: str, action: str) -> bytes:
    """The frame for a CALL of the server's."""
    quoted = orjson.dumps(message_id)
    if action in ANSWERS:
        return b"[3,%s,%s]" % (quoted, ANSWERS[action])
    return b'[4,%s,"NotSupported","",{}]' % quoted
