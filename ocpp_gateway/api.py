"""The internal API: a service outside of this process runs whole charges through it (docs/internal-api.md).

Each view translates into a message of OCPP 1.6 and hands it to the handlers of our own sockets.
"""

from typing import Any

from django.urls import path
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.rest.serializers import Serializer
from accounts.rest.trusted import ServiceDoor
from chargers import database, sessions
from chargers.models import ChargingSession
from ocpp_gateway import relay, serializers
from ocpp_gateway.registry import Payload
from ocpp_gateway.v16 import wire_time

# What the first system's gateway gets when a session has no plug whose power is known (kW).
USUAL_POWER_KW = 11


def read(serializer: type[Serializer], request: Request) -> dict[str, Any]:
    told = serializer(data=request.data)
    told.is_valid(raise_exception=True)
    return dict(told.validated_data)


class Exists(ServiceDoor):
    """GET: may a charger of this identity connect? 404 unknown, 403 disabled."""

    def get(self, request: Request, ocpp_id: str) -> Response:
        return Response({"id": relay.find(ocpp_id).pk, "is_active": True})


class Connect(ServiceDoor):
    """POST: a charger opened its socket at the service and showed this password."""

    def post(self, request: Request, ocpp_id: str) -> Response:
        charger, told = relay.find(ocpp_id), read(serializers.Connect, request)
        address = told.get("remote_address", "")
        connection = relay.connected(charger, service=self.service, password=told["password"], remote_address=address)
        return Response({"id": charger.pk, "status": "Connected", "connection": connection})


class Disconnect(ServiceDoor):
    """POST: its socket closed; `connection` is what `connect` has answered."""

    def post(self, request: Request, ocpp_id: str) -> Response:
        told = read(serializers.Disconnect, request)
        relay.disconnected(relay.find(ocpp_id), service=self.service, connection=told.get("connection", ""))
        return Response({"status": "Disconnected"})


class Telling(ServiceDoor):
    """A message of the charger that the address or the body names."""

    def tell(self, ocpp_id: str, action: str, payload: Payload) -> Payload:
        sent = {name: value for name, value in payload.items() if value not in (None, "")}
        return relay.tell(relay.find(ocpp_id), action, sent, service=self.service)


class BootNotification(Telling):
    """POST: the charger introduces itself."""

    def post(self, request: Request, ocpp_id: str) -> Response:
        told = read(serializers.BootNotification, request)
        payload = {
            "chargePointVendor": told.get("vendor", "")[:20] or "unknown",
            "chargePointModel": told.get("model", "")[:20] or "unknown",
            "chargePointSerialNumber": told.get("serial_number", "")[:25],
            "firmwareVersion": told.get("firmware_version", "")[:50],
        }
        return Response(self.tell(ocpp_id, "BootNotification", payload))


class Heartbeat(Telling):
    """POST: the charger is alive."""

    def post(self, request: Request, ocpp_id: str) -> Response:
        return Response(self.tell(ocpp_id, "Heartbeat", {}))


class Authorize(Telling):
    """POST: may this card charge here?"""

    def post(self, request: Request, ocpp_id: str) -> Response:
        told = read(serializers.Authorize, request)
        return Response(self.tell(ocpp_id, "Authorize", {"idTag": told["id_tag"]}))


class ConnectorStatus(Telling):
    """POST: the state of a plug; one that is not known yet is made."""

    def post(self, request: Request) -> Response:
        told = read(serializers.ConnectorStatus, request)
        payload = {
            "connectorId": told["connector_number"],
            "status": told["status"],
            "errorCode": told.get("error_code") or "NoError",
            "info": told.get("info"),
            "timestamp": told.get("timestamp"),
        }
        self.tell(told["ocpp_id"], "StatusNotification", payload)
        plugs = relay.find(told["ocpp_id"]).connectors.filter(connector_id=told["connector_number"])
        return Response({"status": "updated", "connector_id": plugs.values_list("pk", flat=True).first()})


class Start(Telling):
    """POST: a session has begun. Always recorded; `idTagInfo` says whether it may go on. `max_power` in kW."""

    def post(self, request: Request) -> Response:
        told = read(serializers.Start, request)
        payload = {
            "connectorId": told["connector_id"],
            "idTag": told["id_tag"],
            "meterStart": told["meter_start"],
            "timestamp": told["timestamp"],
        }
        answer = self.tell(told["ocpp_id"], "StartTransaction", payload)
        session = ChargingSession.objects.select_related("connector").get(pk=answer["transactionId"])
        power_w = session.connector.max_power_w if session.connector else None
        return Response(answer | {"max_power": power_w / 1000 if power_w else USUAL_POWER_KW})


class MeterValues(Telling):
    """POST: what was measured, as one register reading (Wh) or as OCPP's own `meterValue`."""

    def post(self, request: Request) -> Response:
        told = read(serializers.MeterValues, request)
        reading = {
            "timestamp": told.get("timestamp") or wire_time(timezone.now()),
            "sampledValue": [{"value": str(told.get("meter_value"))}],
        }
        payload = {
            "connectorId": told["connector_id"],
            "transactionId": told.get("transaction_id"),
            "meterValue": told.get("readings", [reading]),
        }
        self.tell(told["ocpp_id"], "MeterValues", payload)
        return Response({"status": "Accepted"})


class Stop(Telling):
    """POST: a session has ended; its bill is made."""

    def post(self, request: Request) -> Response:
        told = read(serializers.Stop, request)
        payload = {
            "transactionId": told["transaction_id"],
            "meterStop": told["meter_stop"],
            "timestamp": told["timestamp"],
            "idTag": told.get("id_tag"),
            "reason": told.get("reason"),
        }
        answer = self.tell(told["ocpp_id"], "StopTransaction", payload)
        return Response({"status": "Accepted", **answer})


class Prune(ServiceDoor):
    """POST: ends and bills the sessions whose chargers fell silent. The sweep does the same by itself."""

    def post(self, request: Request) -> Response:
        count = database.run(sessions.close_silent, timezone.now())
        return Response({"message": f"Cleaned {count} stale transactions", "count": count})


class AnyMessage(ServiceDoor):
    """POST: any CALL of OCPP 1.6, `action` and `payload`; the payload of its CALLRESULT comes back."""

    def post(self, request: Request, ocpp_id: str) -> Response:
        told = read(serializers.Message, request)
        return Response(relay.tell(relay.find(ocpp_id), told["action"], told["payload"], service=self.service))


class NextCall(ServiceDoor):
    """POST: takes the next call to the charger: 200 with it, or 204."""

    def post(self, request: Request, ocpp_id: str) -> Response:
        call = database.run(relay.next_call, relay.find(ocpp_id), service=self.service)
        return Response(status=204) if call is None else Response(call)


class CallAnswer(ServiceDoor):
    """POST: what the charger answered to a call, or why there is no answer."""

    def post(self, request: Request, ocpp_id: str, pk: int) -> Response:
        told = read(serializers.Answer, request)
        charger = relay.find(ocpp_id)
        answer = {"result": told.get("result"), "error": told.get("error", "")}
        command = database.run(relay.answered, charger, pk, service=self.service, **answer)
        return Response({"id": command.pk, "status": command.status})


urlpatterns = [
    path("charger/exists/<str:ocpp_id>", Exists.as_view(), name="internal_exists"),
    path("connect/<str:ocpp_id>", Connect.as_view(), name="internal_connect"),
    path("disconnect/<str:ocpp_id>", Disconnect.as_view(), name="internal_disconnect"),
    path("boot-notification/<str:ocpp_id>", BootNotification.as_view(), name="internal_boot"),
    path("heartbeat/<str:ocpp_id>", Heartbeat.as_view(), name="internal_heartbeat"),
    path("authorize/<str:ocpp_id>", Authorize.as_view(), name="internal_authorize"),
    path("connector-status", ConnectorStatus.as_view(), name="internal_status"),
    path("transaction/start", Start.as_view(), name="internal_start"),
    path("transaction/meter-values", MeterValues.as_view(), name="internal_meter_values"),
    path("transaction/stop", Stop.as_view(), name="internal_stop"),
    path("transaction/prune", Prune.as_view(), name="internal_prune"),
    path("messages/<str:ocpp_id>", AnyMessage.as_view(), name="internal_message"),
    path("calls/<str:ocpp_id>/next", NextCall.as_view(), name="internal_next_call"),
    path("calls/<str:ocpp_id>/<int:pk>/answer", CallAnswer.as_view(), name="internal_answer"),
]
