from datetime import timedelta

import pytest
from django.utils import timezone

from chargers import sessions, settlement, sweeper
from chargers.models import Charger, ChargingSession, Message
from chargers.tests.test_sessions import start, stop

pytestmark = pytest.mark.django_db


def test_a_quiet_platform_needs_no_sweeping(online):
    assert sweeper.sweep() == {}


def test_a_round_does_all_that_is_due(online, alice_card, monkeypatch):
    session = start(online).session
    long_ago = timezone.now() - timedelta(days=40)
    Charger.objects.update(last_seen_at=long_ago)
    ChargingSession.objects.update(start_received_at=long_ago)
    Message.objects.create(charger=online, direction="in", at=long_ago)
    done = sweeper.sweep()
    assert done["sessions closed for silence"] == 1
    assert done["chargers fallen silent"] == 1
    assert done["messages forgotten"] == 1
    session.refresh_from_db()
    assert session.status == ChargingSession.Status.SETTLED
    assert sweeper.sweep() == {}


def test_a_step_that_fails_keeps_no_other_from_its_work(online, alice_card, monkeypatch):
    session = start(online).session
    with monkeypatch.context() as broken:
        broken.setattr(settlement, "settle_locked", lambda session: 1 / 0)
        stop(online, session.pk)
    monkeypatch.setattr(sessions, "close_silent", lambda now: 1 / 0)
    assert sweeper.sweep() == {"sessions billed late": 1}
