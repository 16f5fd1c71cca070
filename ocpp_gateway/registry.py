"""How handlers and commands make themselves known: by a decorator that names the action. No list to edit elsewhere."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chargers.facts import ConnectorStatus, Sample
from chargers.models import Command

Payload = dict[str, Any]


@dataclass(slots=True)
class Incoming:
    """A CALL as a handler sees it. `received_at` is our clock, UTC."""

    charger_id: int
    payload: Payload
    received_at: datetime


@dataclass(slots=True)
class Report:
    """What a fact-lane handler makes of a CALL: the answer, and the facts to be stored before it is sent."""

    answer: Payload
    samples: tuple[Sample, ...] = ()
    status: ConnectorStatus | None = None


@dataclass(frozen=True, slots=True)
class Handler:
    """`decide` is a job for a worker, in a transaction of its own; `report` is pure. Exactly one of them is set.

    `is_lenient`: the energy behind the message cannot be undone, so a payload that breaks the schema is read too (R7).
    """

    decide: Callable[[Incoming], Payload] | None = None
    report: Callable[[Incoming], Report] | None = None
    is_lenient: bool = False


@dataclass(frozen=True, slots=True)
class Asker:
    """How a Command becomes a CALL: its OCPP action and its payload."""

    action: str
    payload: Callable[[Payload], Payload]


class Version:
    """One version of OCPP: its subprotocol, its schemas, and what registered itself."""

    def __init__(self, subprotocol: str, schemas: str) -> None:
        self.subprotocol = subprotocol
        self.schemas = schemas
        self.handlers: dict[str, Handler] = {}
        self.commands: dict[str, Asker] = {}

    def decides(self, action: str, *, is_lenient: bool = False) -> Callable[..., Callable[[Incoming], Payload]]:
        def register(function: Callable[[Incoming], Payload]) -> Callable[[Incoming], Payload]:
            self.handlers[action] = Handler(decide=function, is_lenient=is_lenient)
            return function

        return register

    def reports(self, action: str, *, is_lenient: bool = False) -> Callable[..., Callable[[Incoming], Report]]:
        def register(function: Callable[[Incoming], Report]) -> Callable[[Incoming], Report]:
            self.handlers[action] = Handler(report=function, is_lenient=is_lenient)
            return function

        return register

    def asks(self, command: Command.Action, action: str) -> Callable[..., Callable[[Payload], Payload]]:
        def register(function: Callable[[Payload], Payload]) -> Callable[[Payload], Payload]:
            self.commands[command] = Asker(action, function)
            return function

        return register
