"""The life of a session, from product.md 1 and reliability.md R4 to R10 and R18."""

from datetime import timedelta

import pytest
from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts import id_tags
from accounts.models import User
from billing import ledger, wallets
from billing.models import Account, Transfer
from chargers import clock, commands, recorder, registry, sessions, settlement
from chargers.facts import Facts, Sample
from chargers.models import Charger, ChargingSession, Command, Connector, MeterValue, UnmatchedStop
from conftest import connect, fund, make_user
from sharecharge.errors import Refused

pytestmark = pytest.mark.django_db

Status = ChargingSession.Status
BEGIN = timezone.now().replace(microsecond=0) - timedelta(hours=2)


@pytest.fixture(autouse=True)
def _the_ledger_stays_sound(db):
    yield
    assert ledger.breaches() == []


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
    assert refused(start(online)) == "not_shared"


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


# ------------------------------------------------------------------------------------------------ lost stops (R10)


def fall_silent(charger, hours=13):
    long_ago = timezone.now() - timedelta(hours=hours)
    Charger.objects.filter(pk=charger.pk).update(last_seen_at=long_ago)
    ChargingSession.objects.filter(charger=charger).update(start_received_at=long_ago - timedelta(hours=1))


def test_a_silent_charger_has_its_session_closed_and_billed(online, alice, running):
    measure(running, 3000, 20)
    fall_silent(online)
    assert sessions.close_silent(timezone.now()) == 1
    assert sessions.close_silent(timezone.now()) == 0
    session = ChargingSession.objects.get()
    assert (session.status, session.closed_by, session.cost) == (Status.SETTLED, "silence", 1000)
    assert wallets.wallet_of(alice).balance == 99_000


def test_a_paused_car_whose_charger_still_reports_is_not_lost(online, running):
    fall_silent(online)
    Charger.objects.filter(pk=online.pk).update(last_seen_at=timezone.now() - timedelta(hours=11))
    assert sessions.close_silent(timezone.now()) == 0


def test_a_late_stop_corrects_the_bill_by_a_further_transfer(online, alice, bob, running):
    measure(running, 3000, 20)
    fall_silent(online)
    sessions.close_silent(timezone.now())
    session = stop(online, running.pk)
    assert (session.cost, session.fee, session.corrections, session.closed_by) == (2500, 250, 1, "silence")
    assert stop(online, running.pk).corrections == 1
    kinds = Transfer.objects.exclude(kind=Transfer.Kind.TOP_UP).order_by("pk").values_list("kind", flat=True)
    assert list(kinds) == ["session", "correction"]
    assert (wallets.wallet_of(alice).balance, wallets.wallet_of(bob).balance) == (97_500, 2250)


def test_fee_and_share_are_those_of_the_whole_bill_not_of_its_parts(online, running):
    """Half a haléř of fee on each part would round up twice."""
    measure(running, 1000 + 2010, 20)  # 10.05, fee 1.005 → 1.01
    fall_silent(online)
    sessions.close_silent(timezone.now())
    session = stop(online, running.pk, meter=1000 + 4020)  # 20.10, fee 2.01, not 2.02
    assert (session.cost, session.fee) == (2010, 201)
    assert ledger.account(Account.Kind.PLATFORM).balance == 201


def test_a_late_stop_with_the_same_energy_moves_nothing(online, running):
    measure(running, 6000, 59)
    fall_silent(online)
    sessions.close_silent(timezone.now())
    session = stop(online, running.pk)
    assert (session.cost, session.corrections) == (2500, 0)
    assert Transfer.objects.filter(kind=Transfer.Kind.CORRECTION).count() == 0


def test_a_late_stop_that_cannot_be_right_is_held_and_the_first_bill_stays(online, alice, oscar, running):
    measure(running, 3000, 20)
    fall_silent(online)
    sessions.close_silent(timezone.now())
    session = stop(online, running.pk, meter=9_000_000)
    assert session.is_held
    assert wallets.wallet_of(alice).balance == 99_000
    settlement.release(session, by=oscar, energy_wh=1000)
    assert wallets.wallet_of(alice).balance == 99_500


def test_who_starts_again_after_a_lost_stop_may_use_the_money_that_was_held_for_it(online, charlie, connector):
    """All of the wallet was on hold for the session whose stop was lost."""
    id_tags.issue(user=charlie, uid="C4A7")
    wallets.hold(charlie, reference="other", minimum=1, wanted=20_000)
    first = start(online, tag="C4A7").session
    assert wallets.wallet_of(charlie).available == 0
    again = start(online, tag="c4a7", meter=1500, minutes=30)
    assert again.verdict.is_accepted
    first.refresh_from_db()
    assert (first.status, first.closed_by) == (Status.SETTLED, "next_start")


def test_a_refused_start_ends_nobodys_session(online, running):
    assert refused(start(online, tag="DEADBEEF", minutes=10)) == "unknown_card"
    running.refresh_from_db()
    assert running.is_running


def test_a_start_from_before_the_running_one_is_over_already_and_its_stop_bills_it(online, charlie, running):
    id_tags.issue(user=charlie, uid="C4A7")
    late = start(online, tag="C4A7", meter=0, minutes=-600)
    assert late.verdict.is_accepted
    running.refresh_from_db()
    assert running.is_running
    assert stop(online, late.session.pk, meter=1000, minutes=-540).cost == 500
    assert wallets.wallet_of(charlie) == wallets.Wallet(balance=49_500, held=0, owed=0)


def test_a_connector_that_is_long_free_again_has_lost_its_stop(online, connector, running):
    measure(running, 3000, 20)
    recorder.write([Facts(online.pk, timezone.now())])
    connector.status = "Available"
    connector.status_received_at = timezone.now() - timedelta(minutes=20)
    connector.save()
    assert sessions.close_silent(timezone.now()) == 1
    running.refresh_from_db()
    assert (running.status, running.cost) == (Status.SETTLED, 1000)


def test_a_connector_that_was_just_freed_may_still_send_its_stop(online, connector, running):
    connector.status = "Available"
    connector.status_received_at = timezone.now() - timedelta(minutes=10)
    connector.save()
    assert sessions.close_silent(timezone.now()) == 0


def test_a_late_stop_never_overrules_a_review_by_itself(online, alice, oscar, running):
    measure(running, 910_000, 20)
    fall_silent(online)
    sessions.close_silent(timezone.now())
    settlement.release(running, by=oscar, energy_wh=3000)
    session = stop(online, running.pk, meter=6000)
    assert (session.is_held, session.cost) == (True, 1500)
    assert "after_review" in session.review_reasons
    assert wallets.wallet_of(alice).balance == 98_500


def test_a_start_on_a_connector_that_never_reported_its_stop_closes_the_old_session(online, charlie, running):
    measure(running, 3000, 20)
    id_tags.issue(user=charlie, uid="C4A7")
    new = start(online, tag="C4A7", meter=3000, minutes=30).session
    assert new.status == Status.RUNNING
    running.refresh_from_db()
    assert (running.status, running.closed_by, running.cost) == (Status.SETTLED, "next_start", 1000)


def test_the_database_allows_one_running_session_per_connector(running):
    twin = ChargingSession.objects.get(pk=running.pk)
    twin.pk = None
    with pytest.raises(IntegrityError), transaction.atomic():
        twin.save(force_insert=True)


# ------------------------------------------------------------------------------------------------ review (R9)


@pytest.fixture
def held(online, running):
    return stop(online, running.pk, meter=910_000)


def test_a_wild_bill_is_held_and_nothing_moves(alice, held):
    assert held.is_held
    assert held.review_reasons == ["register_jumped"]
    assert wallets.wallet_of(alice) == wallets.Wallet(balance=100_000, held=settings.SESSION_HOLD, owed=0)
    assert sessions.progress(held).state == "checking"
    assert settlement.settle_unsettled() == 0


def test_money_on_hold_for_a_held_session_comes_back_in_the_end(alice, held):
    assert wallets.expire_holds(timezone.now() + timedelta(days=8)) == 1
    assert wallets.wallet_of(alice).held == 0


def test_an_operator_releases_with_the_right_energy(alice, oscar, held):
    settlement.release(held, by=oscar, energy_wh=5000)
    assert wallets.wallet_of(alice) == wallets.Wallet(balance=97_500, held=0, owed=0)
    with pytest.raises(Refused, match="does not wait"):
        settlement.release(held, by=oscar)


def test_the_owner_may_bill_what_the_plug_can_deliver_but_never_more(bob, held):
    for energy_wh in (10**9, None):  # 11 kW for an hour are 13.1 kWh with the margins
        with pytest.raises(Refused, match=r"At most 13\.1 kWh"):
            settlement.release(held, by=bob, energy_wh=energy_wh)
    settlement.release(held, by=bob, energy_wh=0)
    held.refresh_from_db()
    assert (held.status, held.cost) == (Status.SETTLED, 0)


def test_others_may_not_release(alice, charlie, held):
    for user in (alice, charlie):
        with pytest.raises(Refused) as refusal:
            settlement.release(held, by=user)
        assert refusal.value.status == 404


def test_a_start_or_stop_that_cannot_be_read_is_held(online, alice_card):
    session = start(online, meter=None).session
    assert stop(online, session.pk, meter=None).review_reasons == ["start_unreadable", "stop_unreadable"]


def test_a_free_session_is_never_held(online, connector, alice_card):
    registry.set_price(connector, 0)
    assert stop(online, start(online).session.pk, meter=910_000).status == Status.SETTLED


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
