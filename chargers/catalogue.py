"""Which wallboxes are known, what is peculiar about each, and what has to be typed into it. Pure.

Only what people have met and written down is here: a make that is not listed is "another one", and works like most do.
"""

from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

OTHER = "other"
# The path that wallboxes connect to ends with their identity; some menus take the address in parts.
DEFAULT_PORTS = {"ws": 80, "wss": 443}


class Quirk(StrEnum):
    """Something that its owner should know before typing, or before wondering."""

    NEEDS_TLS = "needs_tls"
    NEEDS_CURRENT_LIMIT = "needs_current_limit"
    NEEDS_ROOT_CERTIFICATE = "needs_root_certificate"
    FIXED_ROOT_CERTIFICATES = "fixed_root_certificates"
    NO_SUBPROTOCOL = "no_subprotocol"
    LEAVE_EMPTY = "leave_empty"
    IGNORES_LIMITS = "ignores_limits"
    OTHER_CARD_NUMBER = "other_card_number"
    SENDS_HISTORY = "sends_history"
    OFFSET_METER = "offset_meter"
    TYPO_IS_NOT_FOUND = "typo_is_not_found"


@dataclass(frozen=True, slots=True)
class Model:
    """A make, or one model of it. `vendors`: how it begins to introduce itself, in small letters."""

    key: str
    name: str
    vendors: tuple[str, ...] = ()
    quirks: tuple[Quirk, ...] = ()


MODELS = (
    Model("abb", "ABB", ("abb",), (Quirk.OFFSET_METER,)),
    Model("alfen", "Alfen", ("alfen",), (Quirk.SENDS_HISTORY,)),
    Model("autel", "Autel", ("autel",), (Quirk.NEEDS_ROOT_CERTIFICATE,)),
    Model("evduty", "EVduty", ("evduty",), (Quirk.NO_SUBPROTOCOL,)),
    Model("go-e", "go-e", ("go-e",), (Quirk.IGNORES_LIMITS,)),
    Model("grizzl-e", "Grizzl-E", ("grizzl",), (Quirk.NO_SUBPROTOCOL, Quirk.IGNORES_LIMITS)),
    Model("huawei", "Huawei", ("huawei",)),
    Model("keba", "KEBA", ("keba",), (Quirk.OTHER_CARD_NUMBER,)),
    Model("openevse", "OpenEVSE", ("openevse",), (Quirk.TYPO_IS_NOT_FOUND,)),
    Model("smartevse", "SmartEVSE", ("smartevse",), (Quirk.FIXED_ROOT_CERTIFICATES, Quirk.OTHER_CARD_NUMBER)),
    Model("solax", "Solax X3-HAC", ("solax",), (Quirk.NEEDS_TLS, Quirk.NEEDS_CURRENT_LIMIT)),
    Model("vestel", "Vestel", ("vestel",)),
    Model("wallbox", "Wallbox", ("wallbox",), (Quirk.LEAVE_EMPTY,)),
)
ANOTHER = Model(OTHER, "OCPP 1.6")
KEYS = frozenset({OTHER, *(model.key for model in MODELS)})


def find(key: str) -> Model | None:
    """None: nothing was chosen yet."""
    return next((model for model in (*MODELS, ANOTHER) if model.key == key), None)


def search(text: str) -> list[Model]:
    """Those whose name has all of these words in it, in whatever order; all of them for an empty text."""
    words = text.casefold().split()
    return [model for model in MODELS if all(word in model.name.casefold() for word in words)]


def introduced(vendor: str) -> Model | None:
    """The model that calls itself so in its BootNotification."""
    said = vendor.casefold()
    return next((model for model in MODELS if said and said.startswith(model.vendors)), None)


@dataclass(frozen=True, slots=True)
class Line:
    """One thing to type. `names`: what menus call the field; they are not translated, because menus are not."""

    key: str
    names: tuple[str, ...]
    value: str


def lines(*, server_url: str, identity: str, password: str = "") -> list[Line]:
    """What nearly every wallbox asks for. Without a password, as it is shown once, there is no line for it."""
    found = [
        Line("server", ("OCPP Server URL", "Central System URL", "Backend URL", "CSMS"), f"{server_url}/"),
        Line("identity", ("Charge Point ID", "ChargeBoxID", "Station ID", "Identity"), identity),
    ]
    if password:
        found.append(Line("password", ("Password", "AuthorizationKey", "Basic Auth"), password))
    return found


def spellings(*, server_url: str, identity: str, password: str = "") -> list[Line]:
    """The same for menus that ask otherwise: all in one field, the address in parts, the password as hex."""
    parts = urlsplit(server_url)
    found = [
        Line("full", ("OCPP URL", "WebSocket URL"), f"{server_url}/{identity}"),
        Line("scheme", ("Protocol", "Scheme"), f"{parts.scheme}://"),
        Line("host", ("Host", "Server", "IP"), parts.hostname or ""),
        Line("port", ("Port",), str(parts.port or DEFAULT_PORTS[parts.scheme])),
        Line("path", ("Path", "Endpoint"), f"{parts.path}/"),
        Line("user", ("User name", "Login"), identity),
    ]
    if password:
        found.append(Line("hex", ("AuthorizationKey (hex)",), password.encode().hex()))
    return found


def as_text(typed: list[Line]) -> str:
    """All lines for a phone that reads them from a QR code: one value under its first name each."""
    return "\n".join(f"{line.names[0]}: {line.value}" for line in typed)
