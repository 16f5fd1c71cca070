"""What owners and operators ask of their chargers."""

import pytest

from chargers import commands, control, registry
from chargers.models import Charger, Command, Connector
from chargers.tests.test_session_pages import make_session
from conftest import make_user
from sharecharge.errors import Refused

pytestmark = pytest.mark.django_db


@pytest.fixture
def running(online, alice):
    return make_session(online, alice)


ASKS = {
    "unlock": lambda charger, by: control.unlock(charger, charger.connectors.get(), by=by),
    "reset": lambda charger, by: control.reset(charger, by=by),
    "refresh": lambda charger, by: control.refresh(charger, by=by),
    "limit": lambda charger, by: control.limit_power(charger, limit_w=6_900, by=by),
}
OPERATORS_ASKS = {
    "read": lambda charger, by: control.read_configuration(charger, by=by),
    "change": lambda charger, by: control.change_configuration(charger, key="HeartbeatInterval", value="60", by=by),
}


@pytest.mark.parametrize("ask", ASKS.values(), ids=ASKS)
def test_its_owner_and_operators_may_ask_and_twice_is_once(ask, online, bob, oscar):
    command = ask(online, bob)
    assert command.status == "waiting"
    assert ask(online, bob) == command
    assert ask(online, oscar) == command


@pytest.mark.parametrize("ask", [*ASKS.values(), *OPERATORS_ASKS.values()], ids=[*ASKS, *OPERATORS_ASKS])
def test_nobody_else_may_ask(ask, online, alice):
    with pytest.raises(Refused) as refusal:
        ask(online, alice)
    assert (refusal.value.code, refusal.value.status) == ("not_yours", 403)
    Charger.objects.update(access="private")
    online.refresh_from_db()
    with pytest.raises(Refused) as refusal:
        ask(online, make_user("Otto", role="owner"))
    assert (refusal.value.code, refusal.value.status) == ("not_yours", 404)


@pytest.mark.parametrize("ask", OPERATORS_ASKS.values(), ids=OPERATORS_ASKS)
def test_the_configuration_is_for_operators(ask, online, bob, oscar):
    with pytest.raises(Refused, match="Only operators"):
        ask(online, bob)
    assert ask(online, oscar).status == "waiting"


@pytest.mark.parametrize("ask", [*ASKS.values(), *OPERATORS_ASKS.values()], ids=[*ASKS, *OPERATORS_ASKS])
def test_it_is_refused_while_the_charger_is_offline(ask, online, oscar):
    Charger.objects.update(connection_mark="")
    online.refresh_from_db()
    with pytest.raises(Refused, match="offline"):
        ask(online, oscar)
    assert not Command.objects.exists()


@pytest.mark.parametrize("ask", [*ASKS.values(), *OPERATORS_ASKS.values()], ids=[*ASKS, *OPERATORS_ASKS])
def test_a_charger_that_was_deleted_meanwhile_is_not_there(ask, online, oscar):
    registry.delete(Charger.objects.get())
    with pytest.raises(Refused, match="no such charger") as refusal:
        ask(online, oscar)
    assert refusal.value.status == 404


@pytest.mark.parametrize("is_hard", [False, True])
def test_a_restart_would_end_a_session_and_has_to_be_forced(is_hard, running, bob):
    with pytest.raises(Refused, match="car is charging"):
        control.reset(running.charger, by=bob, is_hard=is_hard)
    forced = control.reset(running.charger, by=bob, is_hard=is_hard, force=True)
    assert forced.payload == {"is_hard": is_hard}


def test_an_unlock_would_end_a_session_and_has_to_be_forced(running, bob):
    other = Connector.objects.create(charger=running.charger, connector_id=2)
    assert control.unlock(running.charger, other, by=bob).status == "waiting"
    with pytest.raises(Refused, match="car is charging"):
        control.unlock(running.charger, running.connector, by=bob)
    assert control.unlock(running.charger, running.connector, by=bob, force=True).connector == running.connector


def test_a_plug_of_another_charger_is_not_unlocked(online, bob):
    stranger = Connector(charger_id=online.pk + 1, connector_id=1)
    with pytest.raises(Refused, match="no such connector"):
        control.unlock(online, stranger, by=bob)


def test_a_refresh_also_asks_the_meter_where_a_car_charges(running, bob):
    first = control.refresh(running.charger, by=bob)
    assert [row.payload for row in Command.objects.order_by("pk")] == [
        {"what": "state"}, {"what": "meter", "connector_id": 1},
    ]  # fmt: skip
    assert first.payload == {"what": "state"}


def test_a_limit_is_told_in_amperes_and_held_to_what_cars_take(online, bob):
    assert control.limit_power(online, limit_w=7_000, by=bob).payload == {"limit_a": 10, "phases": 3}
    for limit_w in (4_139, 400_001):
        with pytest.raises(Refused, match="below 6 A") as refusal:
            control.limit_power(online, limit_w=limit_w, by=bob)
        assert refusal.value.field == "limit_w"


def test_the_password_is_no_configuration(online, oscar):
    with pytest.raises(Refused, match="new password"):
        control.change_configuration(online, key="authorizationkey", value="x", by=oscar)


@pytest.mark.parametrize("ask", [ASKS["unlock"], ASKS["reset"]], ids=["unlock", "reset"])
def test_an_unlock_and_a_restart_are_sent_at_most_once(ask, online, bob):
    """[R11]"""
    command = ask(online, bob)
    assert commands.claim_next(online.pk, mark="test", is_accepted=True) == command
    commands.connections_lost([online.pk])
    command.refresh_from_db()
    assert (command.status, command.error) == ("failed", "connection_lost")
    assert commands.claim_next(online.pk, mark="test", is_accepted=True) is None
    assert (command.expires_at - command.created_at).total_seconds() <= 120


@pytest.mark.parametrize(("answer", "status"), [("Unlocked", "accepted"), ("UnlockFailed", "rejected")])
def test_the_answer_to_an_unlock(answer, status, online, bob):
    command = ASKS["unlock"](online, bob)
    commands.finish(command.pk, result={"status": answer})
    command.refresh_from_db()
    assert command.status == status
