"""What is old is forgotten in bounded steps, and no bill notices."""

from datetime import timedelta

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from accounts.models import User
from chargers import retention, settlement
from chargers.models import Charger, ChargingSession, ConnectionAttempt, Message, MeterValue
from chargers.tests.test_session_pages import make_session

LONG_AGO = timezone.now() - timedelta(days=400)


def measure(session: ChargingSession, *energies_wh: int | None, every_minutes: float = 1) -> None:
    """Samples from the session's start on, a step of time apart."""
    begin = session.started_at
    moments = [begin + timedelta(minutes=every_minutes * step) for step in range(1, len(energies_wh) + 1)]
    MeterValue.objects.bulk_create(
        MeterValue(
            charger=session.charger, connector_id=1, session=session, measured_at=at, received_at=at,
            energy_wh=energy_wh, raw=[], digest=step,
        )
        for step, (energy_wh, at) in enumerate(zip(energies_wh, moments, strict=True))
    )  # fmt: skip


@pytest.fixture
def old(online: Charger, alice: User) -> ChargingSession:
    """Four hours at 9 kW, measured every minute, stopped and billed long ago."""
    session = make_session(online, alice, status="ended", closed_by="stop")
    MeterValue.objects.filter(session=session).delete()
    end = LONG_AGO + timedelta(hours=4)
    ChargingSession.objects.filter(pk=session.pk).update(
        started_at=LONG_AGO, start_received_at=LONG_AGO, ended_at=end, stop_received_at=end, meter_stop_wh=37_000
    )
    session.refresh_from_db()
    measure(session, *range(1_150, 37_001, 150))
    settlement.settle(session.pk)
    ChargingSession.objects.filter(pk=session.pk).update(settled_at=end)
    session.refresh_from_db()
    return session


def thin() -> int:
    return retention.thin_sessions(timezone.now())


# ------------------------------------------------------------------------------------------------ meter values


def test_an_old_session_is_thinned_once(old: ChargingSession):
    before = settlement.assess(old)
    assert old.meter_values.count() == 240
    assert thin() == 1
    assert 16 <= old.meter_values.count() <= 19
    old.refresh_from_db()
    assert old.thinned_at
    assert settlement.assess(old) == before
    assert thin() == 0


def test_a_thinned_bill_needs_no_correction(old: ChargingSession):
    thin()
    assert settlement.settle(old.pk) is False
    old.refresh_from_db()
    assert (old.energy_wh, old.corrections) == (36_000, 0)


@pytest.mark.parametrize(
    "change",
    [
        {"status": "ended", "cost": None, "fee": None},
        {"status": "running", "cost": None, "fee": None},
        {"review_reasons": ["register_jumped"]},
        {"settled_at": timezone.now() - timedelta(days=89)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_is_open_or_young_keeps_everything(old: ChargingSession, change):
    ChargingSession.objects.filter(pk=old.pk).update(**change)
    assert thin() == 0
    assert old.meter_values.count() == 240


def test_what_somebody_checked_keeps_what_it_was_checked_by(old: ChargingSession, oscar: User):
    jump = old.meter_values.order_by("pk")[100]
    MeterValue.objects.filter(pk=jump.pk).update(energy_wh=900_000)
    ChargingSession.objects.filter(pk=old.pk).update(review_reasons=["register_jumped"], reviewed_at=timezone.now())
    assert thin() == 1
    assert old.meter_values.count() == 240


def test_it_can_be_switched_off(old: ChargingSession, settings):
    settings.METER_VALUES_FULL_DAYS = 0
    assert thin() == 0
    assert retention.forget_loose_values(timezone.now()) == 0
    assert old.meter_values.count() == 240


def test_a_round_is_bounded(old: ChargingSession, monkeypatch):
    monkeypatch.setattr(retention, "SESSIONS_PER_ROUND", 0)
    assert thin() == 0


def test_the_settings_say_how_much_stays(old: ChargingSession, settings):
    settings.METER_VALUES_THIN_MINUTES = 60
    thin()
    assert old.meter_values.count() <= 7


def test_samples_outside_of_sessions_go(old: ChargingSession, online: Charger):
    for days in (1, 89, 91, 400):
        at = timezone.now() - timedelta(days=days)
        MeterValue.objects.create(
            charger=online, connector_id=1, measured_at=at, received_at=at, energy_wh=1, raw=[], digest=days
        )
    assert retention.forget_loose_values(timezone.now()) == 2
    assert set(MeterValue.objects.filter(session=None).values_list("digest", flat=True)) == {1, 89}
    assert old.meter_values.count() == 240


energies = st.lists(st.one_of(st.integers(0, 400), st.integers(-500, 5_000), st.none()), max_size=80)


@pytest.mark.django_db
@given(
    more=energies,
    every=st.floats(0.1, 20),
    stop=st.one_of(st.none(), st.integers(0, 400_000)),
    restarts=st.booleans(),
)
@hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_session_is_assessed_differently_afterwards(old: ChargingSession, more, every, stop, restarts):
    begin_wh, total, readings = 10_000, 0 if restarts else 10_000, []
    for step in more:
        total = max(0, total + (step or 0))
        readings.append(None if step is None else total)
    MeterValue.objects.filter(session=old).delete()
    measure(old, *readings, every_minutes=every)
    ChargingSession.objects.filter(pk=old.pk).update(
        meter_start_wh=begin_wh, meter_stop_wh=stop, stop_received_at=None if stop is None else old.ended_at,
        thinned_at=None,
    )  # fmt: skip
    session = ChargingSession.objects.get(pk=old.pk)
    before = settlement.assess(session)
    assert thin() == 1
    assert settlement.assess(session) == before


# ------------------------------------------------------------------------------------------------ the log


def test_the_log_is_forgotten_in_batches(online: Charger, monkeypatch, django_assert_max_num_queries):
    monkeypatch.setattr(retention, "BATCH", 10)
    monkeypatch.setattr(retention, "BATCHES_PER_ROUND", 3)
    now = timezone.now()
    days = [40 + number for number in range(45)] + [29, 1]
    Message.objects.bulk_create(
        Message(charger=online, direction="in", action=str(number), at=now - timedelta(days=number)) for number in days
    )
    with django_assert_max_num_queries(12):
        assert retention.forget_messages(now) == 30
    # The oldest went first.
    assert set(Message.objects.values_list("action", flat=True)) == {*map(str, range(40, 55)), "29", "1"}
    assert retention.forget_messages(now) == 15
    assert retention.forget_messages(now) == 0
    assert Message.objects.count() == 2


def test_attempts_are_forgotten_in_batches(online: Charger, monkeypatch):
    monkeypatch.setattr(retention, "BATCH", 2)
    monkeypatch.setattr(retention, "BATCHES_PER_ROUND", 2)
    now = timezone.now()
    for days in (1, 31, 32, 33, 34, 35):
        at = now - timedelta(days=days)
        ConnectionAttempt.objects.create(path="/ocpp/x", outcome="accepted", first_at=at, last_at=at)
    assert [retention.forget_attempts(now) for _round in range(3)] == [4, 1, 0]
    assert ConnectionAttempt.objects.count() == 1
