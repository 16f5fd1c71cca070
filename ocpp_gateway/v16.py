"""OCPP 1.6-J: what chargers tell us (handlers) and what we ask of them (commands). § are of OCPP 1.6 edition 2.

Each handler unpacks, makes one call into the domain, and packs. A new action is one function with its decorator.
"""

from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.utils import timezone

from accounts import id_tags
from chargers import authorization, claims, clock, presence, sessions
from chargers.authorization import Reason
from chargers.facts import ConnectorStatus
from chargers.models import Charger, Command
from ocpp_gateway import samples
from ocpp_gateway.leniency import integer, text
from ocpp_gateway.registry import Incoming, Payload, Report, Version

V16 = Version(subprotocol="ocpp1.6", schemas="v16")

# A charger that we keep waiting asks again after this time (§4.2).
RETRY_BOOT_SECONDS = 60
CONNECTOR_ID_LIMIT = 32_767

# §7.2 AuthorizationStatus. What is not listed is Blocked.
STATUSES = {
    Reason.UNKNOWN_CARD: "Invalid",
    Reason.CARD_DELETED: "Invalid",
    Reason.NO_CONNECTOR: "Invalid",
    Reason.CARD_EXPIRED: "Expired",
    Reason.ALREADY_CHARGING: "ConcurrentTx",
}


def wire_time(moment: datetime) -> str:
    """With milliseconds and zone: some chargers refuse anything else."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def id_tag_info(verdict: authorization.Verdict) -> Payload:
    """§7.27 IdTagInfo."""
    info: Payload = {"status": "Accepted" if verdict.reason is None else STATUSES.get(verdict.reason, "Blocked")}
    if verdict.tag and verdict.tag.expires_at:
        info["expiryDate"] = wire_time(verdict.tag.expires_at)
    if verdict.tag and verdict.tag.parent:
        info["parentIdTag"] = verdict.tag.parent.uid
    return info


def connector_number(value: Any) -> int:
    """What cannot be a number of a connector becomes one that none has."""
    number = integer(value)
    return number if number is not None and 0 <= number <= CONNECTOR_ID_LIMIT else CONNECTOR_ID_LIMIT


def transaction_id(value: Any) -> int | None:
    """A transactionId as sent; None when there is none. 0 and -1 mean none too: we never give them."""
    number = integer(value)
    return number if number is not None and number > 0 else None


# ------------------------------------------------------------------------------------------------ what they tell us


@V16.decides("BootNotification")
def boot_notification(call: Incoming) -> Payload:
    """§4.2: the charger introduces itself. The answer carries our time and the heartbeat interval."""
    told = call.payload
    charger = presence.booted(
        call.charger_id,
        {
            "vendor": told.get("chargePointVendor"),
            "model": told.get("chargePointModel"),
            # Solax sends only the deprecated field.
            "serial_number": told.get("chargePointSerialNumber") or told.get("chargeBoxSerialNumber"),
            "firmware_version": told.get("firmwareVersion"),
            "iccid": told.get("iccid"),
            "imsi": told.get("imsi"),
            "meter_type": told.get("meterType"),
            "meter_serial_number": told.get("meterSerialNumber"),
        },
    )
    accepted = charger.registration == Charger.Registration.ACCEPTED
    return {
        "status": charger.registration.capitalize(),
        "currentTime": wire_time(timezone.now()),
        "interval": settings.HEARTBEAT_INTERVAL_SECONDS if accepted else RETRY_BOOT_SECONDS,
    }


@V16.reports("Heartbeat")
def heartbeat(call: Incoming) -> Report:
    """§4.6: alive. The answer sets the charger's clock."""
    return Report({"currentTime": wire_time(call.received_at)})


@V16.reports("StatusNotification")
def status_notification(call: Incoming) -> Report:
    """§4.9: the state of a connector, or (connectorId 0) of the charger. Unknown connectors are discovered."""
    told = call.payload
    moment = clock.read(told.get("timestamp"), received_at=call.received_at)
    status = ConnectorStatus(
        connector_id=connector_number(told.get("connectorId")),
        status=text(told.get("status"), 20),
        error_code="" if told.get("errorCode") == "NoError" else text(told.get("errorCode"), 50),
        info=text(told.get("info") or told.get("vendorErrorCode"), 120),
        at=moment.at,
    )
    return Report({}, status=status)


@V16.decides("Authorize")
def authorize(call: Incoming) -> Payload:
    """§4.1: may this tag charge here? Never ConcurrentTx, which belongs to StartTransaction."""
    return {"idTagInfo": id_tag_info(claims.check_at(call.charger_id, text(call.payload.get("idTag"), 64)))}


@V16.decides("StartTransaction", is_lenient=True)
def start_transaction(call: Incoming) -> Payload:
    """§4.8: a session has begun. Always recorded, always answered with an id; the status says whether it may go on."""
    told = call.payload
    started = sessions.start(
        Charger(pk=call.charger_id),
        connector_id=connector_number(told.get("connectorId")),
        id_tag_text=text(told.get("idTag"), 64),
        meter_start_wh=integer(told.get("meterStart")),
        moment=clock.read(told.get("timestamp"), received_at=call.received_at),
        received_at=call.received_at,
    )
    return {"transactionId": started.session.pk, "idTagInfo": id_tag_info(started.verdict)}


@V16.reports("MeterValues", is_lenient=True)
def meter_values(call: Incoming) -> Report:
    """§4.7: what was measured."""
    told = call.payload
    found = samples.read(
        told.get("meterValue"),
        connector_id=connector_number(told.get("connectorId")),
        session_id=transaction_id(told.get("transactionId")),
        received_at=call.received_at,
    )
    return Report({}, samples=found)


@V16.decides("StopTransaction", is_lenient=True)
def stop_transaction(call: Incoming) -> Payload:
    """§4.10: a session has ended. We cannot prevent a stop, so it is always answered."""
    told = call.payload
    id_tag_text = text(told.get("idTag"), 64)
    stopped = sessions.stop(
        Charger(pk=call.charger_id),
        transaction_id=integer(told.get("transactionId")),
        transaction_text=text(told.get("transactionId"), 40),
        id_tag_text=id_tag_text,
        meter_stop_wh=integer(told.get("meterStop")),
        reason=text(told.get("reason"), 30),
        moment=clock.read(told.get("timestamp"), received_at=call.received_at),
        received_at=call.received_at,
        samples=samples.read(
            told.get("transactionData"),
            connector_id=0,  # it is not told, and a session has but one
            session_id=None,
            received_at=call.received_at,
            context="Transaction.End",
        ),
    )
    if not id_tag_text:
        return {}
    if stopped and stopped.id_tag_id and stopped.id_tag_text.upper() == id_tag_text.upper():
        return {"idTagInfo": {"status": "Accepted"}}
    return {"idTagInfo": {"status": "Accepted" if id_tags.find(id_tag_text) else "Invalid"}}


@V16.reports("DataTransfer")
def data_transfer(call: Incoming) -> Report:
    """§4.3: vendors' own messages. We know none; the log keeps them."""
    return Report({"status": "UnknownVendorId"})


@V16.decides("FirmwareStatusNotification")
def firmware_status_notification(call: Incoming) -> Payload:
    """§4.5."""
    presence.firmware_status(call.charger_id, text(call.payload.get("status"), 50))
    return {}


@V16.decides("DiagnosticsStatusNotification")
def diagnostics_status_notification(call: Incoming) -> Payload:
    """§4.4."""
    presence.diagnostics_status(call.charger_id, text(call.payload.get("status"), 50))
    return {}


# ------------------------------------------------------------------------------------------------ what we ask of them


@V16.asks(Command.Action.REMOTE_START, "RemoteStartTransaction")
def remote_start(wish: Payload) -> Payload:
    """§5.11."""
    return {"connectorId": wish["connector_id"], "idTag": wish["id_tag"]}


@V16.asks(Command.Action.REMOTE_STOP, "RemoteStopTransaction")
def remote_stop(wish: Payload) -> Payload:
    """§5.12."""
    return {"transactionId": wish["transaction_id"]}


@V16.asks(Command.Action.GET_CONFIGURATION, "GetConfiguration")
def get_configuration(wish: Payload) -> Payload:
    """§5.8: without keys the charger tells all of them."""
    return {"key": wish["keys"]} if wish.get("keys") else {}


@V16.asks(Command.Action.CHANGE_CONFIGURATION, "ChangeConfiguration")
def change_configuration(wish: Payload) -> Payload:
    """§5.3."""
    return {"key": wish["key"], "value": str(wish["value"])}


@V16.asks(Command.Action.TRIGGER_MESSAGE, "TriggerMessage")
def trigger_message(wish: Payload) -> Payload:
    """§5.17."""
    payload = {"requestedMessage": wish["message"]}
    return payload | ({"connectorId": wish["connector_id"]} if wish.get("connector_id") else {})


@V16.asks(Command.Action.REFRESH, "TriggerMessage")
def refresh(wish: Payload) -> Payload:
    """§5.17: what its plugs are at, or what the meter of the one where a car charges says."""
    return trigger_message({**wish, "message": {"state": "StatusNotification", "meter": "MeterValues"}[wish["what"]]})


@V16.asks(Command.Action.UNLOCK, "UnlockConnector")
def unlock(wish: Payload) -> Payload:
    """§5.18."""
    return {"connectorId": wish["connector_id"]}


@V16.asks(Command.Action.RESET, "Reset")
def reset(wish: Payload) -> Payload:
    """§5.14."""
    return {"type": "Hard" if wish["is_hard"] else "Soft"}


@V16.asks(Command.Action.SET_CHARGING_PROFILE, "SetChargingProfile")
def set_charging_profile(wish: Payload) -> Payload:
    """§5.16: at most `limit_a` amperes on each of `phases` lines, for the whole charger.

    Relative and without a start, which is the form that the Solax X3-HAC accepts.
    """
    return {
        "connectorId": 0,
        "csChargingProfiles": {
            "chargingProfileId": 999,
            "stackLevel": 2,
            "chargingProfilePurpose": "ChargePointMaxProfile",
            "chargingProfileKind": "Relative",
            "chargingSchedule": {
                "chargingRateUnit": "A",
                "chargingSchedulePeriod": [
                    {"startPeriod": 0, "limit": wish["limit_a"], "numberPhases": wish["phases"]}
                ],
            },
        },
    }
