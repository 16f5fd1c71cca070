"""The internal API: a whole charge by a service that holds the sockets itself."""

from datetime import timedelta

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from accounts import service_keys
from accounts.models import ServiceKey
from billing import wallets
from chargers import commands, registry
from chargers.models import Charger, ChargingSession, Command, ConnectionAttempt, Message, UnmatchedStop
from ocpp_gateway import relay
from ocpp_gateway.v16 import wire_time

ROOT = "/api/v1/internal"


class Service:
    """A gateway of somebody else, for one charger."""

    def __init__(self, identity: str, key: str) -> None:
        self.client = APIClient(HTTP_X_API_KEY=key)
        self.identity = identity

    def post(self, path: str, expect: int = 200, **body):
        response = self.client.post(f"{ROOT}/{path}", body, format="json")
        assert response.status_code == expect, response.content
        return response.json() if response.content else None

    def of_charger(self, path: str, expect: int = 200, **body):
        return self.post(f"{path}/{self.identity}", expect, **body)

    def told(self, path: str, expect: int = 200, **body):
        return self.post(path, expect, ocpp_id=self.identity, **body)


@pytest.fixture
def key(db) -> str:
    return service_keys.give("their gateway")


@pytest.fixture
def service(charger, connector, key) -> Service:
    return Service(charger.identity, key)


@pytest.fixture
def booted(service) -> Service:
    service.of_charger("boot-notification", vendor="Solax", model="X3-HAC")
    return service


def start(service: Service, card, **changed):
    told = {"connector_id": 1, "id_tag": card.uid, "meter_start": 1000, "timestamp": wire_time(timezone.now())}
    return service.told("transaction/start", **told | changed)


# ------------------------------------------------------------------------------------------------ the charge


def test_a_whole_charge_runs_and_is_billed(service, registered, charger, alice, bob, alice_card):
    assert service.client.get(f"{ROOT}/charger/exists/{charger.identity}").json() == {
        "id": charger.pk,
        "is_active": True,
    }
    service.of_charger("connect", password=registered.password, remote_address="192.0.2.7")
    boot = service.of_charger(
        "boot-notification", vendor="Solax", model="X3-HAC", serial_number="SN1", firmware_version="1.2"
    )
    assert (boot["status"], boot["interval"]) == ("Accepted", 300)
    service.told("connector-status", connector_number=1, status="Preparing", error_code="NoError")
    assert service.of_charger("authorize", id_tag=alice_card.uid) == {"idTagInfo": {"status": "Accepted"}}
    begun = start(service, alice_card)
    assert (begun["idTagInfo"]["status"], begun["max_power"]) == ("Accepted", 11)
    number = begun["transactionId"]
    assert service.told("transaction/meter-values", transaction_id=number, meter_value=1300)["status"] == "Accepted"
    stop = {"transaction_id": number, "meter_stop": 1600, "timestamp": wire_time(timezone.now()), "reason": "Local"}
    assert service.told("transaction/stop", **stop)["status"] == "Accepted"
    assert service.told("transaction/stop", **stop)["status"] == "Accepted"  # sent again: billed once
    assert service.of_charger("disconnect") == {"status": "Disconnected"}

    session = ChargingSession.objects.get(pk=number)
    assert (session.status, session.energy_wh, session.cost) == ("settled", 600, 300)
    assert session.meter_values.get().energy_wh == 1300
    assert wallets.wallet_of(alice).balance == 100_000 - 300
    assert wallets.wallet_of(bob).balance == 270
    charger.refresh_from_db()
    assert (charger.vendor, charger.serial_number, charger.is_online) == ("Solax", "SN1", False)
    assert Message.objects.filter(charger=charger).count() == 7


def test_it_is_online_from_its_boot_on(booted, charger):
    charger.refresh_from_db()
    assert charger.is_online
    assert relay.is_served_by(charger, "their gateway")
    assert booted.of_charger("heartbeat")["currentTime"].endswith("Z")


def test_a_plug_that_is_not_known_is_made(booted, charger):
    answer = booted.told("connector-status", connector_number=2, status="Available")
    assert answer == {"status": "updated", "connector_id": charger.connectors.get(connector_id=2).pk}


def test_a_start_that_may_not_be_is_recorded_and_refused(booted):
    begun = booted.told(
        "transaction/start", connector_id=1, id_tag="STRANGER", meter_start=0, timestamp=wire_time(timezone.now())
    )
    assert begun["idTagInfo"] == {"status": "Invalid"}
    assert ChargingSession.objects.get(pk=begun["transactionId"]).refusal == "unknown_card"


def test_a_charger_cannot_stop_what_runs_at_another_one(booted, alice_card, bob, key):
    begun = start(booted, alice_card)
    other = registry.register(owner=bob, name="Another", latitude=50, longitude=15).charger
    elsewhere = Service(other.identity, key)
    elsewhere.of_charger("boot-notification")
    elsewhere.told(
        "transaction/stop", transaction_id=begun["transactionId"], meter_stop=9000, timestamp=wire_time(timezone.now())
    )
    assert ChargingSession.objects.get(pk=begun["transactionId"]).is_running
    assert UnmatchedStop.objects.get().charger == other


def test_readings_may_come_as_ocpp_has_them(booted, alice_card):
    number = start(booted, alice_card)["transactionId"]
    sampled = [{"value": "2.5", "unit": "kWh"}, {"value": "11000", "measurand": "Power.Active.Import", "unit": "W"}]
    booted.told(
        "transaction/meter-values", connector_id=1, transaction_id=number,
        readings=[{"timestamp": wire_time(timezone.now()), "sampledValue": sampled}],
    )  # fmt: skip
    sample = ChargingSession.objects.get(pk=number).meter_values.get()
    assert (sample.energy_wh, sample.power_w) == (2500, 11_000)


def test_sessions_of_silent_chargers_are_ended(booted, alice_card, time_machine):
    number = start(booted, alice_card)["transactionId"]
    time_machine.move_to(timezone.now() + timedelta(hours=13))
    assert booted.post("transaction/prune")["count"] == 1
    assert ChargingSession.objects.get(pk=number).closed_by == "silence"


def test_any_message_of_ocpp_can_be_told(booted):
    assert booted.of_charger("messages", action="Heartbeat").keys() == {"currentTime"}
    answer = booted.of_charger("messages", action="DataTransfer", payload={"vendorId": "x"})
    assert answer == {"status": "UnknownVendorId"}


@pytest.mark.parametrize(
    ("action", "payload", "code"),
    [
        ("NoSuchThing", {}, "NotImplemented"),
        ("Authorize", {}, "OccurenceConstraintViolation"),
        ("Authorize", {"idTag": 5}, "TypeConstraintViolation"),
    ],
)
def test_what_a_socket_would_get_a_callerror_for_is_refused_with_its_code(booted, action, payload, code):
    assert booted.of_charger("messages", 400, action=action, payload=payload)["code"] == code
    assert Message.objects.filter(is_error=True).count() == 1


def test_before_its_first_boot_a_charger_may_say_nothing_else(service, alice_card):
    answer = service.of_charger("authorize", 409, id_tag=alice_card.uid)
    assert answer["code"] == "SecurityError"


# ------------------------------------------------------------------------------------------------ who serves a charger


def test_a_wrong_password_is_refused_and_shown_to_the_owner(service, charger):
    assert service.of_charger("connect", 403, password="guess")["code"] == "wrong_password"
    attempt = ConnectionAttempt.objects.get()
    assert (attempt.charger, attempt.outcome) == (charger, "wrong_password")
    charger.refresh_from_db()
    assert not charger.is_online


@pytest.mark.parametrize(("change", "status"), [({"is_enabled": False}, 403), ({"deleted_at": timezone.now()}, 404)])
def test_a_charger_that_may_not_connect_is_named(service, charger, change, status):
    Charger.objects.filter(pk=charger.pk).update(**change)
    assert service.client.get(f"{ROOT}/charger/exists/{charger.identity}").status_code == status


def test_a_charger_that_came_back_elsewhere_is_not_taken_offline(booted, charger):
    Charger.objects.filter(pk=charger.pk).update(connection_mark="another.1")
    booted.of_charger("disconnect")
    booted.of_charger("heartbeat")  # a late word does not take it over, either
    charger.refresh_from_db()
    assert charger.connection_mark == "another.1"


def test_the_late_end_of_an_older_socket_takes_nobody_offline(service, registered, charger):
    first = service.of_charger("connect", password=registered.password)["connection"]
    service.of_charger("boot-notification")
    second = service.of_charger("connect", password=registered.password)["connection"]
    service.of_charger("disconnect", connection=first)
    charger.refresh_from_db()
    assert charger.is_online
    service.of_charger("disconnect", connection=second)
    charger.refresh_from_db()
    assert not charger.is_online


def test_a_boot_on_an_open_connection_is_no_new_one(service, registered, charger):
    connection = service.of_charger("connect", password=registered.password)["connection"]
    service.of_charger("boot-notification")
    charger.refresh_from_db()
    assert charger.connection_mark.endswith(connection)


@pytest.mark.parametrize("identity", ["a%00b", "a%0Ab", "%F0%9F%94%8C"])
def test_an_identity_that_cannot_be_is_unknown(service, identity):
    assert service.client.get(f"{ROOT}/charger/exists/{identity}").status_code == 404


# ------------------------------------------------------------------------------------------------ our calls


def test_a_remote_start_goes_out_and_its_answer_comes_in(booted, charger, connector, alice):
    Command.objects.update(answered_at=timezone.now())  # what the boot asked for
    charger.connectors.update(status="Available")
    charger.refresh_from_db()
    connector.refresh_from_db()
    command = commands.request_remote_start(charger, connector, user=alice)
    call = booted.post(f"calls/{charger.identity}/next")
    assert (call["id"], call["action"], call["payload"]["connectorId"]) == (command.pk, "RemoteStartTransaction", 1)
    assert booted.post(f"calls/{charger.identity}/next", 204) is None  # one call at a time
    answer = booted.post(f"calls/{charger.identity}/{command.pk}/answer", result={"status": "Accepted"})
    assert answer == {"id": command.pk, "status": "accepted"}
    late = booted.post(f"calls/{charger.identity}/{command.pk}/answer", error="late")
    assert late["status"] == "accepted"  # the first word stays


def test_one_call_is_on_its_way_at_a_time(booted, charger):
    Command.objects.update(answered_at=timezone.now())
    first, second = (commands.request(charger, Command.Action.GET_CONFIGURATION) for _i in range(2))
    assert booted.post(f"calls/{charger.identity}/next")["id"] == first.pk
    assert booted.post(f"calls/{charger.identity}/next", 204) is None
    booted.post(f"calls/{charger.identity}/{first.pk}/answer", error="InternalError")
    assert booted.post(f"calls/{charger.identity}/next")["id"] == second.pk


def test_who_serves_the_charger_no_more_answers_for_it_no_more(booted, charger):
    Command.objects.update(answered_at=timezone.now())
    command = commands.request(charger, Command.Action.GET_CONFIGURATION)
    booted.post(f"calls/{charger.identity}/next")
    Charger.objects.update(connection_mark="another.1")
    answer = booted.post(f"calls/{charger.identity}/{command.pk}/answer", 409, result={})
    assert answer["code"] == "served_elsewhere"


def test_an_answer_that_breaks_the_schema_is_a_failure(booted, charger):
    Command.objects.update(answered_at=timezone.now())
    command = commands.request(charger, Command.Action.GET_CONFIGURATION)
    booted.post(f"calls/{charger.identity}/next")
    answer = booted.post(f"calls/{charger.identity}/{command.pk}/answer", result={"configurationKey": 7})
    assert answer["status"] == "failed"


def test_what_was_not_asked_cannot_be_answered(booted, charger):
    assert booted.post(f"calls/{charger.identity}/{10**6}/answer", 404, error="x")["code"] == "no_such_call"


def test_calls_go_to_who_serves_the_charger(booted, charger):
    Charger.objects.filter(pk=charger.pk).update(connection_mark="another.1")
    assert relay.next_call(Charger.objects.get(), service="their gateway") is None


# ------------------------------------------------------------------------------------------------ keys


@pytest.mark.parametrize("headers", [{}, {"X-API-Key": ""}, {"X-API-Key": "wrong"}, {"Authorization": "Bearer x"}])
def test_without_the_key_nobody_gets_in(service, headers):
    response = APIClient().post(f"{ROOT}/heartbeat/{service.identity}", headers=headers)
    assert (response.status_code, response.json()["code"]) == (401, "invalid_api_key")


def test_as_long_as_there_is_no_key_there_is_no_internal_api(service):
    service_keys.revoke(ServiceKey.objects.get())
    response = service.client.post(f"{ROOT}/heartbeat/{service.identity}")
    assert (response.status_code, response.json()["code"]) == (404, "not_found")


def test_the_last_use_of_a_key_is_kept_and_the_key_is_not(service, booted, key):
    row = ServiceKey.objects.get()
    assert row.last_used_at is not None
    assert key not in str(ServiceKey.objects.values())


def test_input_that_is_not_understood_is_named(booted):
    answer = booted.told("transaction/start", 400, connector_id="x", id_tag="A", card="B")
    faults = {(fault["field"], fault["code"]) for fault in answer["errors"]}
    assert {("connector_id", "invalid"), ("card", "unknown_field"), ("meter_start", "required")} <= faults
    answer = booted.told("transaction/meter-values", 400, transaction_id=1)
    assert answer["field"] == "meter_value"
