"""Sends a recorded conversation through a real websocket, in order, and checks every answer.

A trace is JSON lines as described in fixtures/README.md. The charger's own timestamps stay as they were recorded;
transaction ids become those that this server gives.
"""

import asyncio
import json
import time
import uuid
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ocpp.messages import MessageType, get_validator
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from ocpp_gateway.simulator.connection import ANSWER_SECONDS, Credentials, dial, refusal
from ocpp_gateway.simulator.memory import Acknowledged, Journal

FROM_CHARGER, FROM_SERVER = "cp->cs", "cs->cp"
# What a charger without a recorded answer says; everything else is Rejected.
DEFAULT_RESULTS: dict[str, dict[str, Any]] = {
    "ChangeAvailability": {"status": "Accepted"},
    "DataTransfer": {"status": "UnknownVendorId"},
    "GetConfiguration": {"configurationKey": []},
    "TriggerMessage": {"status": "Accepted"},
    "UnlockConnector": {"status": "NotSupported"},
}
LINGER_SECONDS = 0.3

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Row:
    """One recorded message; `at` is when it went over the wire then."""

    number: int
    at: datetime
    is_from_charger: bool
    action: str
    payload: dict[str, Any]
    result: dict[str, Any]


@dataclass
class Report:
    """What came out: `mismatches` are sentences, empty when every answer was as it must be."""

    rows: int
    sent: int = 0
    server_calls: list[str] = field(default_factory=list)
    transaction_ids: dict[int, int] = field(default_factory=dict)
    mismatches: list[str] = field(default_factory=list)
    seconds: float = 0.0


def read_trace(paths: Iterable[Path]) -> list[Row]:
    """The rows of one trace after the other. ValueError names the line that cannot be used."""
    rows: list[Row] = []
    for path in paths:
        for number, line in enumerate(path.read_text().splitlines(), start=1):
            if line.strip():
                try:
                    rows.append(_row(len(rows) + 1, json.loads(line)))
                except (ValueError, KeyError, TypeError) as error:
                    raise ValueError(f"{path.name}, line {number}: {type(error).__name__} {error}") from None
    if not any(row.is_from_charger for row in rows):
        raise ValueError("the trace has no message of a charger")
    return rows


def _row(number: int, data: dict[str, Any]) -> Row:
    if data["dir"] not in (FROM_CHARGER, FROM_SERVER):
        raise ValueError(f"dir is {data['dir']!r}")
    return Row(
        number=number,
        at=datetime.fromisoformat(data["t"]),
        is_from_charger=data["dir"] == FROM_CHARGER,
        action=data["action"],
        payload=data["payload"] or {},
        result=data["result"] or {},
    )


async def replay(
    rows: Sequence[Row],
    *,
    url: str,
    credentials: Credentials,
    speed: float = 0.0,
    journal: Journal | None = None,
    progress: Progress | None = None,
) -> Report:
    """Sends the charger's rows, with the recorded gaps divided by `speed` (0: at once). ServerRefused at the door."""
    report = Report(rows=sum(row.is_from_charger for row in rows))
    started = time.monotonic()
    try:
        async with dial(url, identity=credentials.identity, password=credentials.password) as socket:
            player = _Player(socket, rows, credentials=credentials, report=report, journal=journal or Journal())
            await player.play(speed=speed, progress=progress)
    except InvalidHandshake as error:
        raise refusal(error, identity=credentials.identity) from None
    except ConnectionClosed as error:
        report.mismatches.append(f"after {report.sent} messages the server closed the connection: {error}")
    report.seconds = time.monotonic() - started
    return report


class _Player:
    def __init__(
        self,
        socket: ClientConnection,
        rows: Sequence[Row],
        *,
        credentials: Credentials,
        report: Report,
        journal: Journal,
    ) -> None:
        self.socket = socket
        self.rows = rows
        self.credentials = credentials
        self.report = report
        self.journal = journal
        self.waiting: dict[str, asyncio.Future[list[Any]]] = {}
        self.recorded: dict[str, deque[dict[str, Any]]] = defaultdict(deque)
        for row in rows:
            if not row.is_from_charger:
                self.recorded[row.action].append(row.result)

    async def play(self, *, speed: float, progress: Progress | None) -> None:
        reading = asyncio.create_task(self._read())
        try:
            await self._send_rows(reading, speed=speed, progress=progress)
            await asyncio.wait({reading}, timeout=LINGER_SECONDS)  # calls of the server that are still on their way
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def _send_rows(self, reading: asyncio.Task[None], *, speed: float, progress: Progress | None) -> None:
        began, first = time.monotonic(), self.rows[0].at
        for row in self.rows:
            if not row.is_from_charger:
                continue
            if speed:
                await asyncio.sleep(began + (row.at - first).total_seconds() / speed - time.monotonic())
            await self._send(row, reading)
            if progress:
                progress(self.report.sent, self.report.rows, row.action)

    async def _send(self, row: Row, reading: asyncio.Task[None]) -> None:
        payload = self._payload(row)
        message_id = str(uuid.uuid4())
        answer = self.waiting[message_id] = asyncio.get_running_loop().create_future()
        await self.socket.send(json.dumps([MessageType.Call, message_id, row.action, payload], separators=(",", ":")))
        self.report.sent += 1
        done, _pending = await asyncio.wait(
            {answer, reading}, timeout=ANSWER_SECONDS, return_when=asyncio.FIRST_COMPLETED
        )
        del self.waiting[message_id]
        if answer not in done:
            if reading in done:
                reading.result()
            self.report.mismatches.append(f"{_name(row)}: no answer within {ANSWER_SECONDS:.0f} s")
            return
        self._take(row, payload, message_id=message_id, frame=answer.result())

    def _payload(self, row: Row) -> dict[str, Any]:
        """As recorded, but with the ids of here and now."""
        payload = dict(row.payload)
        if "idTag" in payload and self.credentials.id_tag:
            payload["idTag"] = self.credentials.id_tag
        if "transactionId" in payload:
            payload["transactionId"] = self.report.transaction_ids.get(
                payload["transactionId"], payload["transactionId"]
            )
        return payload

    def _take(self, row: Row, payload: dict[str, Any], *, message_id: str, frame: list[Any]) -> None:
        problems = check_answer(row, frame)
        self.report.mismatches += [f"{_name(row)}: {problem}" for problem in problems]
        if problems:
            return
        result = frame[2]
        if row.action == "StartTransaction":
            self.report.transaction_ids[row.result["transactionId"]] = result["transactionId"]
        self.journal.add(
            Acknowledged(datetime.now(UTC), self.credentials.identity, message_id, row.action, payload, result)
        )

    async def _read(self) -> None:
        """Hands answers over and answers what the server asks, until the connection ends."""
        while True:
            text = await self.socket.recv()
            try:
                kind, message_id, *rest = json.loads(text)
            except ValueError:
                self.report.mismatches.append(f"the server sent no OCPP frame: {str(text)[:200]}")
                continue
            if kind == MessageType.Call:
                await self._answer(message_id, *rest)
            elif message_id in self.waiting:
                self.waiting[message_id].set_result([kind, message_id, *rest])
            else:
                self.report.mismatches.append(f"the server answered a message that was not sent: {str(text)[:200]}")

    async def _answer(self, message_id: str, action: str, payload: dict[str, Any]) -> None:
        self.report.server_calls.append(action)
        result = recorded_result(self.recorded[action], action, payload)
        await self.socket.send(json.dumps([MessageType.CallResult, message_id, result], separators=(",", ":")))


def recorded_result(recorded: deque[dict[str, Any]], action: str, payload: dict[str, Any]) -> dict[str, Any]:
    """What the charger answered then, one answer after the other, the last one for ever; else a sensible default."""
    if not recorded:
        return DEFAULT_RESULTS.get(action, {"status": "Rejected"})
    result = recorded.popleft() if len(recorded) > 1 else recorded[0]
    wanted = payload.get("key")
    if action != "GetConfiguration" or not wanted:
        return result
    rows = [row for row in result["configurationKey"] if row["key"] in wanted]
    known = {row["key"] for row in rows}
    return {"configurationKey": rows, "unknownKey": [key for key in wanted if key not in known]}


def check_answer(row: Row, frame: list[Any]) -> list[str]:
    """What is wrong with an answer, in words: its kind, its schema, and the statuses that were recorded."""
    if frame[0] != MessageType.CallResult:
        return [f"answered with an error: {json.dumps(frame[2:])}"]
    if len(frame) != 3:
        return [f"a CALLRESULT has 3 elements, not {len(frame)}"]
    result = frame[2]
    validator = get_validator(MessageType.CallResult, row.action, "1.6")
    problems = [f"breaks the schema: {error.message}" for error in validator.iter_errors(result)]
    if problems:
        return problems
    if "currentTime" in result:
        problems += _check_time(result["currentTime"])
    for path in (("status",), ("idTagInfo", "status")):
        then, now = _dig(row.result, path), _dig(result, path)
        is_optional = row.action == "StopTransaction"
        if then is not None and then != now and not (is_optional and now is None):
            problems.append(f"{'.'.join(path)} is {now}, recorded was {then}")
    if row.action == "StartTransaction" and result["transactionId"] <= 0:
        problems.append(f"transactionId is {result['transactionId']}")
    return problems


def _check_time(text: str) -> list[str]:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return [f"currentTime is no time: {text!r}"]
    return [] if moment.tzinfo else [f"currentTime has no zone: {text!r}"]


def _dig(data: dict[str, Any], path: tuple[str, ...]) -> Any:
    value: Any = data
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _name(row: Row) -> str:
    return f"message {row.number} ({row.action})"
