"""OCPP-J frames: parse, dump, and the one call that may be outstanding. Pure: no Django, no clock, no sockets.

A frame is a JSON array: [2, id, action, payload] asks, [3, id, payload] answers, [4, id, code, description, details]
refuses (OCPP-J 1.6 §4.2). Nothing that arrives raises: what cannot be read comes back as `Unreadable`.
"""

from dataclasses import dataclass, field
from typing import Any

import orjson

CALL, CALL_RESULT, CALL_ERROR = 2, 3, 4
# The specification allows 36 characters. Longer ones are answered too: refusing helps nobody.
MESSAGE_ID_LIMIT = 255
ACTION_LIMIT = 64


@dataclass(slots=True)
class Call:
    """`message_id` keeps the type in which it came (some stations send a number): it is echoed exactly.

    `text` is the payload as JSON, for the log.
    """

    message_id: str | int
    action: str
    payload: dict[str, Any]
    text: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class CallResult:
    message_id: str | int
    payload: Any


@dataclass(frozen=True, slots=True)
class CallError:
    message_id: str | int
    code: str
    description: str


@dataclass(frozen=True, slots=True)
class Unreadable:
    """`message_id` is set when it was a CALL whose id could be read: it deserves a CALLERROR."""

    reason: str
    message_id: str | int | None = None


class WireError(Exception):
    """A CALL that is answered with a CALLERROR of this code (OCPP-J 1.6 §4.2.3)."""

    def __init__(self, code: str, description: str = "") -> None:
        super().__init__(code, description)
        self.code = code
        self.description = description


Frame = Call | CallResult | CallError | Unreadable


def parse(data: str | bytes) -> Frame:
    frame = _read(data)
    if isinstance(frame, Unreadable):
        return frame
    message_id: Any = frame[1] if len(frame) > 1 else None
    if not _is_message_id(message_id):
        return Unreadable("no message id")
    try:
        # What cannot be written again (it is nested hundreds deep) is not worth reading: no log could hold it.
        text = dump_payload(frame[2:])
    except orjson.JSONEncodeError:
        return Unreadable("nested too deep", message_id if frame[0] == CALL else None)
    if frame[0] == CALL:
        return _parse_call(message_id, frame, text)
    if frame[0] == CALL_RESULT:
        return CallResult(message_id, frame[2] if len(frame) > 2 else None)
    code, description = (part if isinstance(part, str) else "" for part in (*frame[2:4], "", "")[:2])
    return CallError(message_id, code[:64], description[:255])


def _read(data: str | bytes) -> list[Any] | Unreadable:
    try:
        frame = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        return Unreadable(f"not JSON: {error}")
    if not isinstance(frame, list) or not frame or frame[0] not in (CALL, CALL_RESULT, CALL_ERROR):
        return Unreadable("not an OCPP frame")
    # No database stores a NUL as text.
    has_nul = "\\u0000" in data if isinstance(data, str) else b"\\u0000" in data
    return _without_nul(frame) if has_nul else frame


def _parse_call(message_id: str | int, frame: list[Any], text: str) -> Call | Unreadable:
    """`text` is what follows the id, as JSON: `["Action",{…}]`."""
    match frame:
        case [_, _, str(action), dict() as payload] if 0 < len(action) <= ACTION_LIMIT:
            return Call(message_id, action, payload, text[len(dump_payload(action)) + 2 : -1])
        case [_, _, str(action), None] if 0 < len(action) <= ACTION_LIMIT:
            return Call(message_id, action, {}, "{}")
        case _:
            return Unreadable("a CALL is [2, id, action, payload]", message_id)


def _is_message_id(value: Any) -> bool:
    if isinstance(value, str):
        return 0 < len(value) <= MESSAGE_ID_LIMIT
    return isinstance(value, int) and not isinstance(value, bool)


def _without_nul(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\0", "\N{SYMBOL FOR NULL}")
    if isinstance(value, list):
        return [_without_nul(item) for item in value]
    if isinstance(value, dict):
        return {_without_nul(key): _without_nul(item) for key, item in value.items()}
    return value


def dump_call(message_id: str, action: str, payload: dict[str, Any]) -> str:
    return orjson.dumps([CALL, message_id, action, payload]).decode()


def dump_payload(payload: Any) -> str:
    return orjson.dumps(payload).decode()


def dump_result(message_id: str | int, payload: dict[str, Any]) -> str:
    return orjson.dumps([CALL_RESULT, message_id, payload]).decode()


def dump_error(message_id: str | int, error: WireError) -> str:
    """Always five elements; the details are an empty object."""
    return orjson.dumps([CALL_ERROR, message_id, error.code, error.description[:255], {}]).decode()


@dataclass(frozen=True, slots=True)
class Asked:
    """A call of ours that waits for its answer."""

    message_id: str
    action: str
    command_id: int
    frame: str


class Outbox:
    """Our calls to one charger: one at a time (OCPP-J 1.6 §4.1.1)."""

    __slots__ = ("asked",)

    def __init__(self) -> None:
        self.asked: Asked | None = None

    def ask(self, message_id: str, action: str, payload: dict[str, Any], *, command_id: int) -> Asked:
        assert self.asked is None, "one call at a time"
        self.asked = Asked(message_id, action, command_id, dump_call(message_id, action, payload))
        return self.asked

    def answered(self, message_id: str | int) -> Asked | None:
        """The call that this id answers. None: late, foreign or never asked; the caller drops it."""
        asked = self.asked
        if asked is None or asked.message_id != message_id:
            return None
        self.asked = None
        return asked
