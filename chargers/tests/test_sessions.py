"""The life of a session, from product.md 1 and reliability.md R4 to R6 and R18."""

from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone

from accounts import id_tags
from accounts.models import User
from billing import wallets
from billing.models import Transfer
from chargers import clock, commands, recorder, registry, sessions, settlement
from chargers.facts import Facts, Sample
from chargers.models import Charger, ChargingSession, Command, Connector, MeterValue, UnmatchedStop
from conftest import connect, fund, make_user
from sharecharge.errors import Refused

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("_sound_ledger")]

Status = ChargingSession.Status
BEGIN = timezone.now().replace(microsecond=0) - timedelta(hours=2)


def start(charger, *, connector_id=1, tag="04A1B2C3D4", meter=1000, minutes=0.0, text=None):
    at = BEGIN + timedelta(minutes=minutes)
    return sessions.start(
        charger,
        connector_id=connector_id,
        id_tag_text=tag,
        meter_start_wh=meter,
        moment=clock.read(text if text is not None else at.isoformat(), received_at=at),
        received_at=at,
    )


def stop(charger, session_id, *, meter=6000, minutes=60.0, tag="", text=None):
    at = BEGIN + timedelta(minutes=minutes)
    return sessions.stop(
        charger,
        transaction_id=session_id,
        transaction_text=str(session_id),
        id_tag_text=tag,
        meter_stop_wh=meter,
        reason="Local",
        moment=clock.read(text if text is not None else at.isoformat(), received_at=at),
        received_at=at,
    )


def measure(session, energy_wh, minutes, **values):
    at = BEGIN + timedelta(minutes=minutes)
    sample = Sample(
        connector_id=1, session_id=session.pk, measured_at=at, context="Sample.Periodic", raw=[], energy_wh=energy_wh,
        digest=hash((session.pk, energy_wh, minutes)) >> 1, **values,
    )  # fmt: skip
    recorder.write([Facts(session.charger_id, at, samples=(sample,))])


@pytest.fixture
def running(online, alice_card):
    return start(online).session


# ------------------------------------------------------------------------------------------------ the good way


def test_a_session_is_started_measured_stopped_and_billed(online, alice, bob, running):
    assert running.status == Status.RUNNING
    assert wallets.wallet_of(alice).held == settings.SESSION_HOLD
    measure(running, 3000, 20)
    session = stop(online, running.pk)
    assert (session.status, session.energy_wh, session.cost, session.fee) == (Status.SETTLED, 5000, 2500, 250)
    assert wallets.wallet_of(alice) == wallets.Wallet(balance=97_500, held=0, owed=0)
    assert wallets.wallet_of(bob).balance == 2250


def test_the_price_is_that_of_the_start(online, connector, running):
    registry.set_price(connector, 9999)
    assert stop(online, running.pk).cost == 2500


def test_the_owner_charges_at_home_for_free_even_without_a_price(online, connector, bob):
    registry.set_price(connector, None)
    id_tags.issue(user=bob, uid="B0B0")
    session = start(online, tag="b0b0").session
    assert session.status == Status.RUNNING
    assert stop(online, session.pk).cost == 0
    assert not Transfer.objects.filter(kind=Transfer.Kind.SESSION).exists()


def test_a_price_of_zero_is_free_for_everybody(online, connector, alice, alice_card):
    registry.set_price(connector, 0)
    session = start(online).session
    assert wallets.wallet_of(alice).held == 0
    assert stop(online, session.pk).cost == 0


# ------------------------------------------------------------------------------------------------ refused starts


def refused(started):
    assert started.session.status == Status.REFUSED
    assert not started.verdict.is_accepted
    assert started.session.pk > 0
    return started.session.refusal


def test_an_unknown_card_is_recorded_as_refused_with_its_number(online):
    session = start(online, tag="DEADBEEF").session
    assert (session.status, session.refusal, session.id_tag_text) == (Status.REFUSED, "unknown_card", "DEADBEEF")
    assert stop(online, session.pk).status == Status.REFUSED
    assert session.user is None


def test_a_deleted_card_is_refused(online, alice_card):
    id_tags.delete(alice_card)
    assert refused(start(online)) == "card_deleted"


def test_a_disabled_card_is_refused(online, alice_card):
    id_tags.set_enabled(alice_card, enabled=False)
    assert refused(start(online)) == "card_disabled"


def test_an_expired_card_is_refused(online, alice_card):
    alice_card.expires_at = timezone.now()
    alice_card.save()
    assert refused(start(online)) == "card_expired"


def test_a_card_of_a_disabled_group_is_refused(online, alice, alice_card):
    parent = id_tags.issue(user=alice, uid="FAMILY")
    alice_card.parent = parent
    alice_card.save()
    id_tags.set_enabled(parent, enabled=False)
    assert refused(start(online)) == "card_disabled"


def test_a_card_of_a_deactivated_user_is_refused(online, alice, alice_card):
    User.objects.filter(pk=alice.pk).update(is_active=False)
    assert refused(start(online)) == "user_inactive"


def test_a_disabled_charger_refuses(online, alice_card):
    Charger.objects.filter(pk=online.pk).update(is_enabled=False)
    assert refused(start(online)) == "charger_off"


def test_a_charger_that_is_not_shared_refuses_all_but_its_owner(online, alice_card, bob):
    Charger.objects.filter(pk=online.pk).update(is_sharing=False)
    assert refused(start(online)) == "not_shared"
    id_tags.issue(user=bob, uid="B0B0")
    assert start(online, tag="B0B0").session.status == Status.RUNNING


def test_a_private_charger_refuses_others(online, alice_card):
    Charger.objects.filter(pk=online.pk).update(access=Charger.Access.PRIVATE)
    assert refused(start(online)) == "private"


def test_a_charger_of_a_deactivated_owner_refuses(online, bob, alice_card):
    User.objects.filter(pk=bob.pk).update(is_active=False)
    assert refused(start(online)) == "owner_inactive"


def test_a_connector_without_a_price_is_not_free_by_accident(online, connector, alice_card):
    registry.set_price(connector, None)
    assert refused(start(online)) == "no_price"


def test_a_connector_that_was_just_discovered_is_not_free_either(online, alice_card):
    assert refused(start(online, connector_id=2)) == "no_price"
    assert Connector.objects.filter(charger=online, connector_id=2).exists()


@pytest.mark.parametrize("number", [0, 99, 32_767])
def test_a_connector_that_cannot_be_is_answered_and_makes_no_row(online, alice_card, number):
    assert refused(start(online, connector_id=number)) == "no_connector"
    assert Connector.objects.count() == 1


def test_an_empty_wallet_is_refused(online, connector):
    id_tags.issue(user=make_user("Eve"), uid="EEEE")
    assert refused(start(online, tag="EEEE")) == "balance_too_low"


def test_who_owes_is_refused(online, alice, bob, alice_card):
    wallets.settle(
        reference="x", payer=alice, payee=bob, amount=100_001, fee=0, kind=Transfer.Kind.SESSION, description=""
    )
    assert refused(start(online)) == "payment_due"


def test_a_card_charges_one_car_at_a_time(online, running):
    Connector.objects.create(charger=online, connector_id=2)
    registry.set_price(Connector.objects.get(connector_id=2), 500)
    assert refused(start(online, connector_id=2)) == "already_charging"


def test_a_session_at_a_silent_charger_does_not_lock_its_driver_out(online, running, bob):
    other = registry.register(owner=bob, name="Second", latitude=50, longitude=14, access="public").charger
    registry.set_price(Connector.objects.create(charger=other, connector_id=1), 500)
    connect(other)
    Charger.objects.filter(pk=online.pk).update(last_seen_at=timezone.now() - timedelta(hours=1))
    assert start(other).session.status == Status.RUNNING


def test_a_refused_start_that_took_energy_anyway_costs_nothing_and_keeps_its_readings(online):
    session = stop(online, start(online, tag="DEADBEEF").session.pk, meter=9000)
    assert (session.status, session.meter_stop_wh, session.cost) == (Status.REFUSED, 9000, None)


def test_a_charger_that_goes_on_after_a_refusal_is_told_to_stop_once(online):
    session = start(online, tag="DEADBEEF").session
    ChargingSession.objects.update(start_received_at=timezone.now() - timedelta(minutes=5))
    assert settlement.stop_refused() == 0
    at = timezone.now()
    told = Sample(connector_id=1, session_id=session.pk, measured_at=at, context="", raw=[], energy_wh=2000, digest=1)
    recorder.write([Facts(online.pk, at, samples=(told,))])
    assert settlement.stop_refused() == 1
    assert settlement.stop_refused() == 0
    assert session.commands.get().payload == {"transaction_id": session.pk}


# ------------------------------------------------------------------------------------------------ repeats (R3, R4)


def test_a_start_that_is_sent_again_finds_its_session_and_its_first_answer(online, running):
    again = start(online, tag="04a1b2c3d4")
    assert again.session == running
    assert again.verdict.is_accepted


def test_a_start_that_is_sent_again_after_the_stop_finds_its_session_too(online, running):
    stop(online, running.pk)
    assert start(online).session == running
    assert ChargingSession.objects.count() == 1


def test_a_refused_start_that_is_sent_again_stays_refused(online, connector, alice_card):
    registry.set_price(connector, None)
    first = start(online)
    registry.set_price(connector, 500)
    again = start(online)
    assert again.session == first.session
    assert again.verdict.reason == "no_price"


def test_a_box_whose_clock_stands_still_gets_a_new_session_each_time(online, alice_card):
    first = start(online, meter=0, text="1970-01-01T00:00:00Z").session
    assert start(online, meter=0, text="1970-01-01T00:00:00Z").session == first
    stop(online, first.pk, meter=5000)
    second = start(online, meter=0, text="1970-01-01T00:00:00Z", minutes=70).session
    assert second != first
    assert second.is_clock_doubtful


def test_a_stop_that_is_sent_again_bills_once(online, alice, running):
    stop(online, running.pk)
    stop(online, running.pk)
    stop(online, running.pk, meter=9_000_000)
    assert wallets.wallet_of(alice).balance == 97_500
    assert ChargingSession.objects.get().energy_wh == 5000


def test_a_sample_that_is_sent_again_is_kept_once(running):
    measure(running, 3000, 20)
    measure(running, 3000, 20)
    assert MeterValue.objects.count() == 1


# ------------------------------------------------------------------------------------------------ whose session (R5)


@pytest.fixture
def foreign(bob):
    charger = registry.register(owner=bob, name="Foreign", latitude=50, longitude=14).charger
    connect(charger)
    return charger


def test_another_chargers_session_cannot_be_stopped(running, foreign):
    assert stop(foreign, running.pk) is None
    assert ChargingSession.objects.get(pk=running.pk).status == Status.RUNNING
    assert UnmatchedStop.objects.get().transaction_id == str(running.pk)


def test_another_chargers_session_cannot_be_measured(running, foreign):
    at = timezone.now()
    sample = Sample(
        connector_id=1, session_id=running.pk, measured_at=at, context="", raw=[], energy_wh=10**9, digest=1
    )
    recorder.write([Facts(foreign.pk, at, samples=(sample,))])
    assert not running.meter_values.exists()
    assert MeterValue.objects.get().session is None


@pytest.mark.parametrize("session_id", [-1, 0, None])
def test_a_stop_without_an_id_ends_the_only_session_that_it_can_mean(online, running, session_id):
    assert stop(online, session_id).pk == running.pk
    assert stop(online, session_id).pk == running.pk
    assert not UnmatchedStop.objects.exists()


@pytest.mark.parametrize("session_id", [987_654, 2**63 - 1])
def test_an_id_that_we_did_not_give_needs_the_card_to_tell_whose_it_is(online, running, session_id):
    assert stop(online, session_id) is None
    assert stop(online, session_id, tag="04a1b2c3d4") == running


def test_a_stop_from_before_the_start_is_not_its(online, running):
    assert stop(online, -1, minutes=-3 * 24 * 60) is None
    assert stop(online, -1, meter=999) is None
    running.refresh_from_db()
    assert running.is_running


def test_an_unknown_id_with_another_card_stops_nothing(online, running):
    assert stop(online, -1, tag="OTHER") is None


def test_an_ambiguous_stop_is_kept_once(online, running, charlie):
    registry.set_price(Connector.objects.create(charger=online, connector_id=2), 500)
    id_tags.issue(user=charlie, uid="C4A7")
    start(online, connector_id=2, tag="C4A7")
    assert stop(online, -1) is None
    assert stop(online, -1) is None
    assert UnmatchedStop.objects.count() == 1
    assert stop(online, -1, tag="C4A7").user == charlie


# ------------------------------------------------------------------------------------------------ facts first (R6)


def test_a_stop_survives_when_billing_fails_and_the_sweep_bills(online, alice, running, monkeypatch):
    def fail(**kwargs):
        raise RuntimeError("billing is broken today")

    with monkeypatch.context() as broken:
        broken.setattr(wallets, "settle", fail)
        session = stop(online, running.pk)
    assert (session.status, session.meter_stop_wh) == (Status.ENDED, 6000)
    assert wallets.wallet_of(alice).balance == 100_000
    assert settlement.settle_unsettled() == 1
    assert settlement.settle_unsettled() == 0
    assert wallets.wallet_of(alice).balance == 97_500


# ------------------------------------------------------------------------------------------------ money runs out (R18)


def stops_asked(session):
    return session.commands.filter(action=Command.Action.REMOTE_STOP).count()


def test_the_hold_grows_while_there_is_money(alice, running):
    measure(running, 1000 + 50_000, 60)  # 250.00 of 300.00
    assert settlement.enforce_budgets() == 0
    assert wallets.wallet_of(alice).held == 2 * settings.SESSION_HOLD
    running.refresh_from_db()
    assert running.warned_at is None


def test_the_driver_is_warned_and_then_stopped(online, running, alice):
    measure(running, 1000 + 170_000, 60)  # 850.00 of 1 000.00
    for _round in range(4):
        settlement.enforce_budgets()
    running.refresh_from_db()
    assert running.warned_at is not None
    assert stops_asked(running) == 0
    measure(running, 1000 + 201_000, 61)
    assert settlement.enforce_budgets() == 1
    assert settlement.enforce_budgets() == 0
    assert stops_asked(running) == 1
    assert stop(online, running.pk, meter=1000 + 201_000, minutes=62).is_held  # beyond 11 kW


def test_what_the_wallet_does_not_cover_is_owed(online, connector, alice, bob, running):
    ChargingSession.objects.update(rated_power_w=350_000)
    stop(online, running.pk, meter=1000 + 210_000)
    assert wallets.wallet_of(alice) == wallets.Wallet(balance=0, held=0, owed=5000)
    assert wallets.wallet_of(bob).balance == 94_500
    fund(alice, 10_000)
    assert wallets.wallet_of(alice) == wallets.Wallet(balance=5000, held=0, owed=0)


# ------------------------------------------------------------------------------------------------ what a page shows


def test_progress_of_a_running_session(online, connector, running):
    measure(running, 3000, 20, power_w=7200, soc_percent=55)
    connector.status = "SuspendedEV"
    connector.save()
    progress = sessions.progress(ChargingSession.objects.with_all().get())
    assert (progress.state, progress.energy_wh, progress.cost) == ("paused", 2000, 1000)
    assert (progress.power_w, progress.soc_percent) == (7200, 55)


def test_an_operator_closes_a_session_that_nobody_will_end(running, bob, oscar):
    with pytest.raises(Refused, match="operator"):
        sessions.close(running, by=bob)
    sessions.close(running, by=oscar)
    with pytest.raises(Refused, match="already ended"):
        sessions.close(running, by=oscar)
    running.refresh_from_db()
    assert (running.status, running.cost) == (Status.SETTLED, 0)


def test_a_card_stops_its_own_session_whatever_became_of_its_wallet(online, running, alice):
    from chargers import authorization

    wallets.hold(alice, reference="other", minimum=1, wanted=10**9)
    assert authorization.check(online, "04A1B2C3D4").is_accepted


def test_a_remote_start_is_linked_to_its_session(online, connector, alice):
    command = commands.request_remote_start(online, connector, user=alice)
    session = start(online, tag=command.payload["id_tag"]).session
    command.refresh_from_db()
    assert command.session == session
