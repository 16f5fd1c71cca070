from datetime import timedelta

import pytest
from django.utils import timezone

from chargers import commands, control, presence, registry
from chargers.models import Charger, Command, Connector
from chargers.tests.test_sessions import start
from conftest import connect
from sharecharge.errors import Refused

pytestmark = pytest.mark.django_db

Action = Command.Action


def claim(charger):
    return commands.claim_next(charger.pk, mark="test", is_accepted=True)


@pytest.fixture
def wanted(online, connector, alice):
    return commands.request_remote_start(online, connector, user=alice)


def test_a_remote_start_carries_the_virtual_tag(wanted, connector):
    assert wanted.payload["id_tag"].startswith("PHONE")
    assert wanted.payload["connector_id"] == connector.connector_id
    assert wanted.status == "waiting"


def test_tapping_twice_is_one_command(wanted, online, connector, alice, charlie):
    assert commands.request_remote_start(online, connector, user=alice) == wanted
    with pytest.raises(Refused, match="Somebody else"):
        commands.request_remote_start(online, connector, user=charlie)


def test_a_failed_start_can_be_tried_again(wanted, online, connector, alice):
    claim(online)
    commands.finish(wanted.pk, result={"status": "Rejected"})
    wanted.refresh_from_db()
    assert wanted.status == "rejected"
    assert commands.request_remote_start(online, connector, user=alice) != wanted


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (
            lambda charger, connector: Charger.objects.filter(pk=charger.pk).update(connection_mark=""),
            "charger_offline",
        ),
        (lambda charger, connector: Charger.objects.filter(pk=charger.pk).update(is_sharing=False), "not_shared"),
        (lambda charger, connector: registry.set_price(connector, None), "no_price"),
        (lambda charger, connector: Connector.objects.update(status="Faulted"), "connector_unavailable"),
        (lambda charger, connector: Connector.objects.update(is_enabled=False), "connector_off"),
    ],
)
def test_a_remote_start_is_refused_with_its_reason(online, connector, alice, change, code):
    change(online, connector)
    online.refresh_from_db()
    connector.refresh_from_db()
    with pytest.raises(Refused) as refusal:
        commands.request_remote_start(online, connector, user=alice)
    assert refusal.value.code == code
    assert not Command.objects.exists()


def test_a_busy_connector_is_refused(online, connector, charlie, alice_card):
    start(online)
    with pytest.raises(Refused) as refusal:
        commands.request_remote_start(online, connector, user=charlie)
    assert refusal.value.code == "connector_busy"


def test_a_connector_of_another_charger_is_refused(online, alice, bob):
    other = registry.register(owner=bob, name="Second", latitude=50, longitude=14).charger
    connector = Connector.objects.create(charger=other, connector_id=1)
    with pytest.raises(Refused) as refusal:
        commands.request_remote_start(online, connector, user=alice)
    assert refusal.value.status == 404


def test_a_stop_is_asked_once_by_those_whom_it_concerns(online, alice, bob, charlie, alice_card):
    session = start(online).session
    with pytest.raises(Refused) as refusal:
        commands.request_remote_stop(session, user=charlie)
    assert refusal.value.status == 404
    command = commands.request_remote_stop(session, user=alice)
    assert commands.request_remote_stop(session, user=bob) == command
    assert command.payload == {"transaction_id": session.pk}


def test_commands_are_sent_one_by_one_in_their_order(online):
    first = commands.request(online, Action.GET_CONFIGURATION)
    second = commands.request(online, Action.GET_CONFIGURATION)
    assert [claim(online), claim(online), claim(online)] == [first, second, None]


def test_a_claimed_command_is_marked_before_it_is_sent(wanted, online):
    command = claim(online)
    assert (command.status, len(command.message_id)) == ("sent", 32)


def test_a_charger_without_an_accepted_boot_is_only_configured(wanted, online):
    trigger = commands.request_boot(online.pk)
    assert commands.claim_next(online.pk, mark="test", is_accepted=False) == trigger
    assert commands.claim_next(online.pk, mark="test", is_accepted=False) is None


def test_a_rejected_charger_is_left_alone(wanted, online):
    Charger.objects.filter(pk=online.pk).update(registration=Charger.Registration.REJECTED)
    assert claim(online) is None


def test_an_expired_command_is_not_sent(wanted, online):
    Command.objects.update(expires_at=timezone.now())
    assert claim(online) is None
    assert Command.objects.get().status == "expired"
    assert commands.expire(timezone.now()) == 1
    assert Command.objects.get().error == "expired"


def test_the_first_answer_stays(wanted):
    commands.finish(wanted.pk, result={"status": "Accepted"})
    commands.finish(wanted.pk, error="no_answer")
    wanted.refresh_from_db()
    assert (wanted.status, wanted.error) == ("accepted", "")


def test_a_lost_connection_ends_a_start_and_repeats_a_stop(wanted, online, connector, alice_card):
    claim(online)
    commands.connections_lost([online.pk])
    wanted.refresh_from_db()
    assert (wanted.status, wanted.error) == ("failed", "connection_lost")
    stop = commands.request_remote_stop(start(online).session, user=None)
    assert claim(online) == stop
    assert claim(online) is None
    commands.connections_lost([online.pk])
    assert claim(online) == stop


def test_a_timed_out_stop_is_tried_again_and_a_start_is_not(wanted, online, alice_card):
    commands.timed_out(claim(online))
    wanted.refresh_from_db()
    assert wanted.error == "no_answer"
    stop = commands.request_remote_stop(start(online).session, user=None)
    commands.timed_out(claim(online))
    assert claim(online) == stop


def test_what_was_sent_before_a_crash_ends_by_itself(wanted, online):
    claim(online)
    long_ago = timezone.now() - timedelta(hours=1)
    Command.objects.update(sent_at=long_ago, expires_at=long_ago)
    assert commands.expire(timezone.now()) == 1
    assert Command.objects.get().error == "no_answer"


def test_the_configuration_that_a_charger_tells_is_kept(online):
    command = commands.request(online, Action.GET_CONFIGURATION)
    answer = {"configurationKey": [{"key": "HeartbeatInterval", "readonly": False, "value": "60"}, "odd"]}
    commands.finish(command.pk, result=answer)
    online.refresh_from_db()
    assert online.configuration == {"HeartbeatInterval": {"value": "60", "readonly": False}}


@pytest.mark.parametrize("key", ["AuthorizationKey", "authorizationkey", "AUTHORIZATIONKEY"])
def test_the_password_is_no_told_configuration_however_it_is_spelt(key):
    assert commands.told_configuration({"configurationKey": [{"key": key, "value": "secret"}]}) == []


def test_gateways_find_waiting_commands_without_being_woken(wanted, online):
    assert commands.chargers_waiting([online.pk, 0]) == [online.pk]
    claim(online)
    assert commands.chargers_waiting([online.pk]) == []


def test_a_solax_gets_its_limit_in_amperes_after_boot_and_start(online, alice_card):
    presence.booted(online.pk, {"vendor": "SolaxPower"})
    start(online)
    limits = Command.objects.filter(action=Action.SET_CHARGING_PROFILE)
    assert [limit.payload for limit in limits] == [{"limit_a": 16, "phases": 3}]


def limits_sent() -> list[int]:
    """In amperes; they are gone afterwards, as if the charger had taken them."""
    rows = Command.objects.filter(action=Action.SET_CHARGING_PROFILE).order_by("pk")
    sent = [row.payload["limit_a"] for row in rows]
    rows.delete()
    return sent


def test_an_owners_limit_outlives_starts_and_boots_of_a_solax(online, alice_card, bob):
    Charger.objects.update(vendor="SolaxPower")
    control.limit_power(online, limit_w=4_140, by=bob)
    assert limits_sent() == [6]
    presence.booted(online.pk, {})
    assert limits_sent() == [6]
    start(online)
    assert limits_sent() == [6]


def test_a_solax_is_never_allowed_more_than_its_plug_can(online, alice_card, bob):
    Charger.objects.update(vendor="SolaxPower")
    control.limit_power(online, limit_w=43_500, by=bob)
    limits_sent()
    start(online)
    assert limits_sent() == [16]


def test_an_owners_limit_is_sent_again_after_a_boot_whatever_the_make(online, alice_card, bob):
    presence.booted(online.pk, {"vendor": "Other"})
    assert limits_sent() == []
    control.limit_power(online, limit_w=7_000, by=bob)
    limits_sent()
    start(online)
    assert limits_sent() == []
    presence.booted(online.pk, {})
    assert limits_sent() == [10]


def test_a_charger_that_must_not_be_configured_is_asked_nothing(online, alice_card):
    Charger.objects.filter(pk=online.pk).update(is_configured_after_boot=False)
    presence.booted(online.pk, {"vendor": "SolaxPower"})
    start(online)
    assert not Command.objects.exists()


def test_who_is_connected_without_any_price_may_be_tried_by_its_owner(online, connector, bob):
    registry.set_price(connector, None)
    connect(online)
    assert commands.request_remote_start(online, connector, user=bob).status == "waiting"


def test_only_the_connection_that_serves_the_charger_gets_commands(wanted, online):
    assert commands.claim_next(online.pk, mark="older", is_accepted=True) is None
    assert claim(online) == wanted


def test_a_new_password_is_sent_to_the_charger_and_forgotten_once_it_is_said(online, bob):
    password = commands.rotate_password(online, by=bob)
    command = claim(online)
    assert bytes.fromhex(command.payload["value"]).decode() == password
    assert registry.password_matches(Charger.objects.get(), command.payload["value"].encode())
    commands.finish(command.pk, result={"status": "Accepted"})
    command.refresh_from_db()
    assert command.payload == {"key": "AuthorizationKey"}


def test_a_password_in_a_configuration_is_not_kept(online):
    command = commands.request(online, Action.GET_CONFIGURATION)
    key = {"key": "AuthorizationKey", "readonly": False, "value": "SECRET"}
    commands.finish(command.pk, result={"configurationKey": [key]})
    online.refresh_from_db()
    assert online.configuration == {}
