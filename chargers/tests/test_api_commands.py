"""What is asked of chargers, for programs."""

import pytest

from accounts import id_tags
from chargers import commands
from chargers.models import Charger, Command
from chargers.tests.test_api_chargers import client_of, get
from chargers.tests.test_session_pages import make_session

pytestmark = pytest.mark.django_db


def ask(user, charger, action, **payload):
    body = {"action": action, "payload": payload}
    return client_of(user).post(f"/api/v1/chargers/{charger.pk}/commands", body, format="json")


def post(user, path, **body):
    return client_of(user).post(f"/api/v1/{path}", body, format="json")


WISHES = [
    ("bob", "unlock", {"connector": 1}, {"connector_id": 1}),
    ("bob", "reset", {}, {"is_hard": False}),
    ("bob", "reset", {"type": "hard"}, {"is_hard": True}),
    ("bob", "refresh", {}, {"what": "state"}),
    ("bob", "set_charging_profile", {"limit_w": 6_900}, {"limit_a": 10, "phases": 3}),
    ("oscar", "get_configuration", {"keys": ["HeartbeatInterval"]}, {"keys": ["HeartbeatInterval"]}),
    ("oscar", "change_configuration", {"key": "HeartbeatInterval", "value": "60"}, {"key": "HeartbeatInterval"}),
    ("bob", "remote_start", {"connector": 1}, {"connector_id": 1}),
]


@pytest.mark.parametrize(("who", "action", "payload", "told"), WISHES)
def test_a_command_is_accepted_and_looked_up_where_it_says(who, action, payload, told, online, request):
    user = request.getfixturevalue(who)
    response = ask(user, online, action, **payload)
    assert response.status_code == 202, response.json()
    row = response.json()
    assert (row["action"], row["state"], row["payload"], row["requested_by"]["id"]) == (
        action, "waiting", told, user.pk,
    )  # fmt: skip
    assert client_of(user).get(response["Location"]).json()["id"] == row["id"]
    [listed] = get(f"chargers/{online.pk}/commands", user)["results"]
    assert listed.items() <= row.items()


@pytest.mark.parametrize(
    ("action", "payload", "field"),
    [
        ("explode", {}, "action"),
        ("trigger_message", {"message": "BootNotification"}, "action"),
        ("unlock", {}, "payload.connector"),
        ("unlock", {"connector": 0}, "payload.connector"),
        ("reset", {"type": "maybe"}, "payload.type"),
        ("refresh", {"what": "meter"}, "payload.what"),
        ("set_charging_profile", {"limit_w": 100}, "payload.limit_w"),
        ("change_configuration", {"key": "X"}, "payload.value"),
    ],
)
def test_what_is_no_command_is_refused(action, payload, field, online, bob):
    response = ask(bob, online, action, **payload)
    assert (response.status_code, response.json()["field"]) == (400, field)
    assert not Command.objects.exists()


def test_the_rules_are_those_of_the_domain(online, alice, bob):
    session = make_session(online, alice)
    for refused, status, code in (
        (ask(bob, online, "reset"), 409, "session_running"),
        (ask(bob, online, "unlock", connector=2), 404, "no_connector"),
        (ask(bob, online, "get_configuration"), 403, "operators_only"),
        (ask(bob, online, "remote_stop", session=session.pk + 1), 404, "no_session"),
        (ask(alice, online, "refresh"), 403, "not_yours"),
    ):
        assert (refused.status_code, refused.json()["code"]) == (status, code)
    assert ask(bob, online, "reset", force=True).status_code == 202
    assert ask(bob, online, "remote_stop", session=session.pk).json()["session"] == session.pk
    Charger.objects.update(connection_mark="")
    assert ask(bob, online, "refresh").json()["code"] == "charger_offline"


@pytest.mark.parametrize(
    ("path", "body", "action"),
    [("unlock", {"connector": 1}, "unlock"), ("reset", {"type": "hard"}, "reset"), ("refresh", {}, "refresh")],
)
def test_the_same_by_address(path, body, action, online, alice, bob):
    assert post(bob, f"chargers/{online.pk}/{path}", **body).json()["action"] == action
    assert post(alice, f"chargers/{online.pk}/{path}", **body).status_code == 403


def test_a_driver_starts_and_stops_from_afar(online, connector, alice, bob, charlie):
    started = post(alice, f"chargers/{online.pk}/remote-start", connector=1)
    assert started.status_code == 202
    row = started.json()
    assert [(step["name"], step["state"]) for step in row["steps"]] == [
        ("requested", "done"), ("accepted", "now"), ("connected", "next"), ("charging", "next"),
    ]  # fmt: skip
    assert post(alice, f"chargers/{online.pk}/remote-start", connector=1).json()["id"] == row["id"]
    assert post(charlie, f"chargers/{online.pk}/remote-start", connector=1).json()["code"] == "connector_busy"
    commands.finish(row["id"], result={"status": "Accepted"})
    session = make_session(online, alice, id_tag=id_tags.virtual_tag(alice))
    type(session).objects.update(start_received_at=Command.objects.get().created_at)
    row = get(f"commands/{row['id']}", alice)
    assert (row["session"], row["state"], row["answer"]) == (session.pk, "accepted", "Accepted")
    assert [step["state"] for step in row["steps"]] == ["done"] * 4
    stopped = post(alice, f"sessions/{session.pk}/stop")
    assert (stopped.status_code, stopped.json()["action"]) == (202, "remote_stop")
    assert post(bob, f"sessions/{session.pk}/stop").json()["id"] == stopped.json()["id"]
    assert post(charlie, f"sessions/{session.pk}/stop").status_code == 404


def test_a_start_that_the_rules_refuse_says_why(online, alice):
    Charger.objects.update(is_sharing=False)
    assert post(alice, f"chargers/{online.pk}/remote-start", connector=1).json()["code"] == "not_shared"
    Charger.objects.update(access="private")
    assert post(alice, f"chargers/{online.pk}/remote-start", connector=1).status_code == 404


def test_a_command_is_seen_by_who_asked_the_owner_and_operators_but_not_the_tag(
    online, connector, alice, bob, charlie, oscar
):
    command = commands.request_remote_start(online, connector, user=alice)
    path = f"/api/v1/commands/{command.pk}"
    assert [client_of(user).get(path).status_code for user in (None, alice, bob, charlie, oscar)] == [
        401, 200, 200, 404, 200,
    ]  # fmt: skip
    for user in (alice, bob, oscar):
        assert command.payload["id_tag"] not in str(client_of(user).get(path).json())
    assert get(f"commands/{command.pk}", bob)["requested_by"] == {"id": alice.pk, "name": "Alice"}


def test_a_configuration_is_shown_to_operators_without_the_password(online, bob, oscar):
    row = ask(oscar, online, "get_configuration").json()
    keys = [{"key": "HeartbeatInterval", "readonly": False, "value": "300"}]
    secret = {"key": "AuthorizationKey", "readonly": False, "value": "CANARY"}
    commands.finish(row["id"], result={"configurationKey": [*keys, secret]})
    assert get(f"commands/{row['id']}", oscar)["configuration"] == keys
    assert get(f"commands/{row['id']}", bob)["configuration"] is None


def test_commands_are_counted_apart(online, bob, settings):
    settings.API_RATES = {**settings.API_RATES, "commands": "1/min"}
    assert ask(bob, online, "refresh").status_code == 202
    assert ask(bob, online, "refresh").status_code == 429
    assert client_of(bob).get(f"/api/v1/chargers/{online.pk}/commands").status_code == 200


def answer(command, status):
    Command.objects.filter(pk=command.pk).update(answered_at=command.created_at, result={"status": status})


@pytest.mark.parametrize(
    ("action", "answered", "is_over"),
    [
        ("refresh", None, False),
        ("refresh", "Accepted", True),
        ("refresh", "Rejected", True),
        ("remote_stop", "Accepted", True),
        ("remote_start", "Accepted", False),  # no car yet
        ("remote_start", "Rejected", True),
    ],
)
def test_a_program_hears_when_to_ask_no_more(action, answered, is_over, online, connector, alice):
    command = commands.request(online, action, by=alice, connector=connector)
    if answered:
        answer(command, answered)
    assert get(f"commands/{command.pk}", alice)["is_over"] is is_over


def test_a_start_is_over_when_its_session_has_begun(online, connector, alice):
    command = commands.request(online, "remote_start", by=alice, connector=connector)
    answer(command, "Accepted")
    session = make_session(online, alice)
    session.start_received_at = command.created_at
    session.save()
    told = get(f"commands/{command.pk}", alice)
    assert (told["session"], told["is_over"]) == (session.pk, True)
