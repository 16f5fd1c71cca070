"""Who may open a charge point's socket: path, identity, password, switch, subprotocol. Every attempt is recorded."""

import base64
import binascii
import hmac
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import unquote_to_bytes

from django.db.models import Exists, OuterRef
from django.utils import timezone

from chargers import presence, registry
from chargers.facts import Arrival, Facts
from chargers.models import Charger, Command, ConnectionAttempt
from ocpp_gateway.registry import Version
from ocpp_gateway.v16 import V16
from sharecharge.prepared import Prepared

logger = logging.getLogger(__name__)

Outcome = ConnectionAttempt.Outcome
Headers = Iterable[tuple[bytes, bytes]]

PREFIX = "/ocpp/"
IDENTITY_LIMIT = 48
VERSIONS: dict[str, Version] = {V16.subprotocol: V16}  # best first

STATUS = {
    Outcome.BAD_PATH: 404,
    Outcome.UNKNOWN_IDENTITY: 404,
    Outcome.NO_PASSWORD: 401,
    Outcome.WRONG_USERNAME: 401,
    Outcome.WRONG_PASSWORD: 401,
    Outcome.DISABLED: 403,
    Outcome.NO_SUBPROTOCOL: 400,
    Outcome.UNKNOWN_SUBPROTOCOL: 400,
}


@dataclass(frozen=True, slots=True)
class Door:
    """What a socket shows at the door."""

    raw_path: str
    headers: Headers
    subprotocols: list[str]
    remote_address: str


@dataclass(frozen=True, slots=True)
class Refusal:
    status: int
    outcome: Outcome


@dataclass(slots=True)
class Connection:
    """An admitted socket. `mark` names it in the database and the log.

    `is_accepted`: the charger has booted once. `has_commands`: something waits to be sent.
    """

    charger_id: int
    mark: str
    version: Version
    subprotocol: str | None
    is_accepted: bool
    has_commands: bool


@dataclass(frozen=True, slots=True)
class Admission:
    """A socket may serve its charger, once `facts` are stored."""

    connection: Connection
    facts: Facts


def admit(door: Door, *, mark: str) -> Admission | Refusal:
    """Lets a charger in, or says why not. One query for who is let in: whole fleets come back at once."""
    identity = identity_of(door.raw_path)
    charger = _charger(identity) if identity else None
    subprotocol = choose(door.subprotocols)
    outcome = _outcome(door, identity, charger, subprotocol)
    if charger is None or outcome != Outcome.ACCEPTED:
        presence.record_refusal(
            charger=charger,
            path=door.raw_path,
            remote_address=door.remote_address,
            subprotocols=door.subprotocols,
            outcome=outcome,
        )
        return Refusal(STATUS[outcome], outcome)
    if charger.is_online:
        logger.warning("a second connection takes over", extra={"connection": mark, "charger": charger.pk})
    arrival = Arrival(
        mark, charger.connection_mark, *presence.kept(door.raw_path, door.remote_address, door.subprotocols)
    )
    connection = Connection(
        charger_id=charger.pk,
        mark=mark,
        version=VERSIONS[subprotocol or V16.subprotocol],
        subprotocol=subprotocol,
        is_accepted=charger.is_accepted,
        has_commands=charger.has_commands,  # type: ignore[attr-defined]
    )
    return Admission(connection, Facts(charger.pk, timezone.now(), arrival=arrival))


def _charger(identity: str) -> Charger | None:
    return _with_identity.first(identity=identity.upper(), now=timezone.now())


_with_identity = Prepared(
    lambda identity, now: (
        Charger.objects.live()
        .with_identity(identity)
        .annotate(has_commands=Exists(Command.objects.waiting(now).filter(charger=OuterRef("pk"))))
        .only(
            "identity", "password_hmac", "next_password_hmac", "is_enabled", "allows_no_subprotocol", "registration",
            "booted_at", "connection_mark", "last_seen_at",
        )
    ),
    identity="",
    now=datetime.now(UTC),
)  # fmt: skip


def _outcome(door: Door, identity: str | None, charger: Charger | None, subprotocol: str | None) -> Outcome:
    if charger is None:
        return Outcome.BAD_PATH if identity is None else Outcome.UNKNOWN_IDENTITY
    if refused := _check_credentials(door.headers, charger):
        return refused
    if not charger.is_enabled:
        return Outcome.DISABLED
    if subprotocol is None and (door.subprotocols or not charger.allows_no_subprotocol):
        return Outcome.UNKNOWN_SUBPROTOCOL if door.subprotocols else Outcome.NO_SUBPROTOCOL
    return Outcome.ACCEPTED


def identity_of(raw_path: str) -> str | None:
    """The identity in `/ocpp/<identity>`; percent-encoding is decoded once, a trailing slash is tolerated.

    Some stations append their identity to whatever URL they are given: the same segment again is tolerated too.
    None: no path of ours.
    """
    if not raw_path.startswith(PREFIX):
        return None
    segments = raw_path.removeprefix(PREFIX).removesuffix("/").split("/")
    try:
        names = {unquote_to_bytes(segment).decode().upper() for segment in segments}
    except UnicodeDecodeError:
        return None
    if len(names) != 1 or len(segments) > 3:
        return None
    identity = names.pop()
    sane = identity.isprintable() and not {"/", "\\", "\0"} & set(identity) and identity not in {".", ".."}
    return identity if 0 < len(identity) <= IDENTITY_LIMIT and sane else None


def choose(offered: list[str]) -> str | None:
    """The best subprotocol that both sides speak, spelled as it was offered (it is echoed exactly)."""
    by_name = {name.strip().lower(): name.strip() for name in reversed(offered)}
    return next((by_name[name] for name in VERSIONS if name in by_name), None)


def _check_credentials(headers: Headers, charger: Charger) -> Outcome | None:
    """HTTP Basic: the user name is the identity (OCPP-J 1.6 §6.2). None when all is well."""
    given = _basic(headers)
    if given is None:
        return Outcome.NO_PASSWORD
    username, password = given
    if not hmac.compare_digest(username.upper(), charger.identity.upper().encode()):
        return Outcome.WRONG_USERNAME
    return None if registry.password_matches(charger, password) else Outcome.WRONG_PASSWORD


def _basic(headers: Headers) -> tuple[bytes, bytes] | None:
    value = next((value for name, value in headers if name.lower() == b"authorization"), b"")
    scheme, _space, encoded = value.strip().partition(b" ")
    if scheme.lower() != b"basic":
        return None
    try:
        username, colon, password = base64.b64decode(encoded.strip(), validate=True).partition(b":")
    except binascii.Error:
        return None
    return (username, password) if colon else None
