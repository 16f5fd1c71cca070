"""How a charge point reaches the server: credentials, the websocket, and one connection's calls both ways."""

import asyncio
import contextlib
import json
import uuid
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ocpp.routing import after, on
from ocpp.v16 import ChargePoint, call_result
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.typing import Subprotocol

if TYPE_CHECKING:
    from ocpp_gateway.simulator.station import SimulatedCharger

DEFAULT_URL = "ws://127.0.0.1:8000/ocpp"
SUBPROTOCOL = Subprotocol("ocpp1.6")
ANSWER_SECONDS = 30.0


class Offline(Exception):
    """There is no connection, or it broke before the answer came."""


class ServerRefused(Exception):
    """The server does not let this charge point in."""


@dataclass(frozen=True)
class Credentials:
    """One line of what `manage.py provision` writes."""

    identity: str
    password: str
    id_tag: str
    connectors: int = 1


def read_credentials(path: Path) -> list[Credentials]:
    """The JSON lines that `manage.py provision` has written. ValueError names the line that cannot be read."""
    fleet = []
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        if not line.strip():
            continue
        try:
            fleet.append(Credentials(**json.loads(line)))
        except (ValueError, TypeError) as error:
            raise ValueError(f"{path}, line {number}: {error}") from None
    if not fleet:
        raise ValueError(f"{path} names no charger")
    return fleet


def dial(url: str, *, identity: str, password: str) -> connect:
    """A websocket to the server as a charge point opens it: identity in the path and, with its password, in Basic auth.

    `url` is the address without the identity.
    """
    credentials = b64encode(f"{identity}:{password}".encode()).decode()
    return connect(
        f"{url.rstrip('/')}/{quote(identity, safe='')}",
        subprotocols=[SUBPROTOCOL],
        additional_headers={"Authorization": f"Basic {credentials}"},
        compression=None,  # few wallboxes compress
        proxy=None,  # a proxy of the browser's environment is not between a wallbox and its server
        max_size=2**22,
        open_timeout=20,
        close_timeout=3,
    )


def refusal(error: InvalidHandshake, *, identity: str) -> ServerRefused:
    """What a refused handshake means, in words."""
    if not isinstance(error, InvalidStatus):
        return ServerRefused(f"{identity}: the server does not speak websocket here: {error}")
    status = error.response.status_code
    body = error.response.body.decode(errors="replace").strip() if error.response.body else ""
    meaning = {
        401: "the password is wrong",
        403: "the server refuses this charger",
        404: "the server does not know this identity (or the path of the URL is wrong)",
    }.get(status, "the server refuses the connection")
    return ServerRefused(f"{identity}: HTTP {status}: {meaning}" + (f" ({body[:200]})" if body else ""))


class Line(ChargePoint):
    """One connection. What the server asks is passed on to the charger; calls end when the connection does."""

    def __init__(self, charger: "SimulatedCharger", socket: ClientConnection) -> None:
        super().__init__(charger.identity, socket, response_timeout=ANSWER_SECONDS)
        self.charger = charger
        self.socket = socket
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def ask(self, request: Any, *, message_id: str | None = None) -> Any:
        """The answer; it is in the journal. Offline, TimeoutError or OCPPError (a CALLERROR) when there is none."""
        message_id = message_id or str(uuid.uuid4())
        answer = asyncio.ensure_future(self.call(request, suppress=False, unique_id=message_id))
        try:
            await asyncio.wait({answer, self.lost}, return_when=asyncio.FIRST_COMPLETED)
            if not answer.done():
                raise Offline
            result = answer.result()
        except ConnectionClosed:
            raise Offline from None
        finally:
            answer.cancel()
        self.charger.acknowledge(request, result, message_id=message_id)
        return result

    @on("RemoteStartTransaction")
    def on_remote_start(self, id_tag: str, **details: Any) -> call_result.RemoteStartTransaction:
        is_accepted = self.charger.may_start_remotely(details.get("connector_id"))
        return call_result.RemoteStartTransaction("Accepted" if is_accepted else "Rejected")

    @after("RemoteStartTransaction")
    async def after_remote_start(self, id_tag: str, **details: Any) -> None:
        await self.charger.start_remotely(id_tag, **details)

    @on("RemoteStopTransaction")
    def on_remote_stop(self, transaction_id: int) -> call_result.RemoteStopTransaction:
        is_ours = self.charger.find_transaction(transaction_id) is not None
        return call_result.RemoteStopTransaction("Accepted" if is_ours else "Rejected")

    @after("RemoteStopTransaction")
    def after_remote_stop(self, transaction_id: int) -> None:
        transaction = self.charger.find_transaction(transaction_id)
        if transaction:
            transaction.stop("Remote")

    @on("GetConfiguration")
    def on_get_configuration(self, key: list[str] | None = None) -> call_result.GetConfiguration:
        return self.charger.read_configuration(key)

    @on("ChangeConfiguration")
    def on_change_configuration(self, key: str, value: str) -> call_result.ChangeConfiguration:
        return call_result.ChangeConfiguration(self.charger.change_configuration(key, value))

    @on("TriggerMessage")
    def on_trigger(self, requested_message: str, **details: Any) -> call_result.TriggerMessage:
        return call_result.TriggerMessage(self.charger.check_trigger(requested_message, details.get("connector_id")))

    @after("TriggerMessage")
    async def after_trigger(self, requested_message: str, connector_id: int | None = None) -> None:
        with contextlib.suppress(Offline):
            await self.charger.send_triggered(requested_message, connector_id)

    @on("SetChargingProfile")
    def on_profile(self, connector_id: int, cs_charging_profiles: dict[str, Any]) -> call_result.SetChargingProfile:
        return call_result.SetChargingProfile(self.charger.install_profile(connector_id, cs_charging_profiles))

    @on("ClearChargingProfile")
    def on_clear_profile(
        self, id: int | None = None, connector_id: int | None = None, **criteria: Any
    ) -> call_result.ClearChargingProfile:
        cleared = self.charger.profiles.clear(profile_id=id, connector_id=connector_id)
        return call_result.ClearChargingProfile("Accepted" if cleared else "Unknown")

    @on("Reset")
    def on_reset(self, type: str) -> call_result.Reset:
        return call_result.Reset("Accepted")

    @after("Reset")
    async def after_reset(self, type: str) -> None:
        await self.charger.restart(hard=type == "Hard")

    @on("UnlockConnector")
    def on_unlock(self, connector_id: int) -> call_result.UnlockConnector:
        outlet = self.charger.outlets.get(connector_id)
        return call_result.UnlockConnector("Unlocked" if outlet else "NotSupported")

    @after("UnlockConnector")
    def after_unlock(self, connector_id: int) -> None:
        outlet = self.charger.outlets.get(connector_id)
        if outlet and outlet.transaction:
            outlet.transaction.stop("UnlockCommand")

    @on("ChangeAvailability")
    def on_availability(self, connector_id: int, type: str) -> call_result.ChangeAvailability:
        return call_result.ChangeAvailability(self.charger.change_availability(connector_id, type == "Operative"))

    @after("ChangeAvailability")
    async def after_availability(self, connector_id: int, type: str) -> None:
        await self.charger.show_availability()

    @on("ClearCache")
    def on_clear_cache(self) -> call_result.ClearCache:
        self.charger.known_tags.clear()
        return call_result.ClearCache("Accepted")

    @on("DataTransfer")
    def on_data_transfer(self, vendor_id: str, **details: Any) -> call_result.DataTransfer:
        return call_result.DataTransfer("UnknownVendorId")
