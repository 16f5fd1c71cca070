from datetime import timedelta

import pytest
from django.utils import timezone

from chargers import presence, recorder, registry
from chargers.facts import Arrival, Facts
from chargers.models import Charger, ConnectionAttempt

pytestmark = pytest.mark.django_db

Outcome = ConnectionAttempt.Outcome


def knock(charger=None, path="/ocpp/X", outcome=Outcome.UNKNOWN_IDENTITY):
    presence.record_refusal(
        charger=charger, path=path, remote_address="127.0.0.1", subprotocols=["ocpp1.6"], outcome=outcome
    )


def arrival(charger, mark, *, replaced=""):
    told = Arrival(mark, replaced, f"/ocpp/{charger.identity}", "127.0.0.1", "ocpp1.6")
    return Facts(charger.pk, timezone.now(), arrival=told)


def departure(charger, mark):
    return Facts(charger.pk, timezone.now(), left=mark)


def test_a_takeover_within_one_batch_leaves_the_newer_socket(charger):
    recorder.write([arrival(charger, "old"), departure(charger, "old"), arrival(charger, "new", replaced="old")])
    charger.refresh_from_db()
    assert (charger.connection_mark, charger.is_online) == ("new", True)


def test_arrivals_of_a_whole_fleet_are_recorded_in_few_queries(charger, bob, django_assert_max_num_queries):
    fleet = [registry.register(owner=bob, name=str(n), latitude=50, longitude=14).charger for n in range(50)]
    with django_assert_max_num_queries(12):
        recorder.write([arrival(one, f"mark-{one.pk}") for one in fleet])
    assert Charger.objects.heard().count() == 50
    assert ConnectionAttempt.objects.filter(outcome=Outcome.ACCEPTED, count=1).count() == 50
    recorder.write([arrival(fleet[0], "again")])
    assert ConnectionAttempt.objects.get(charger=fleet[0]).count == 2


def test_attempts_within_a_minute_are_counted_on_one_row(charger):
    for _time in range(3):
        knock()
    knock(charger, outcome=Outcome.WRONG_PASSWORD)
    assert set(ConnectionAttempt.objects.values_list("outcome", "count")) == {
        ("unknown_identity", 3),
        ("wrong_password", 1),
    }


def test_an_attempt_with_an_odd_path_is_kept(db):
    knock(path="/ocpp/\0" + "x" * 500)
    assert len(ConnectionAttempt.objects.get().path) <= 300


def test_a_late_close_of_an_old_socket_does_not_mark_the_charger_offline(charger):
    recorder.write([arrival(charger, "old")])
    recorder.write([arrival(charger, "new", replaced="old")])
    recorder.write([departure(charger, "old")])
    charger.refresh_from_db()
    assert charger.is_online
    recorder.write([departure(charger, "new")])
    charger.refresh_from_db()
    assert not charger.is_online
    assert charger.disconnected_at is not None


def test_a_boot_keeps_what_it_says_and_does_not_wipe_what_is_known(charger):
    presence.booted(charger.pk, {"vendor": "SolaxPower", "serial_number": "S" * 60, "iccid": "\0 89420 "})
    presence.booted(charger.pk, {"vendor": "", "model": "X3-HAC"})
    charger.refresh_from_db()
    assert (charger.vendor, charger.model, charger.iccid) == ("SolaxPower", "X3-HAC", "89420")
    assert charger.serial_number == "S" * 50


def test_a_pending_charger_has_not_booted(charger):
    Charger.objects.filter(pk=charger.pk).update(registration=Charger.Registration.PENDING)
    assert presence.booted(charger.pk, {}).booted_at is None


def test_a_charger_that_falls_silent_is_offline_and_told_of_once(online):
    long_ago = timezone.now() - timedelta(hours=1)
    Charger.objects.filter(pk=online.pk).update(last_seen_at=long_ago)
    online.refresh_from_db()
    assert not online.is_online
    assert presence.mark_silent(timezone.now()) == 1
    assert presence.mark_silent(timezone.now()) == 0
    online.refresh_from_db()
    assert online.disconnected_at == long_ago


def test_a_charger_that_speaks_again_is_online_again(online):
    Charger.objects.filter(pk=online.pk).update(last_seen_at=timezone.now() - timedelta(hours=1))
    presence.mark_silent(timezone.now())
    Charger.objects.filter(pk=online.pk).update(last_seen_at=timezone.now())
    online.refresh_from_db()
    assert online.is_online
