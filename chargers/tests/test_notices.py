"""What programs are told of."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts import events, webhooks
from accounts.models import Delivery
from chargers import notices, recorder
from chargers.facts import Facts
from chargers.models import Charger
from conftest import connect

pytestmark = pytest.mark.django_db


@pytest.fixture
def _listener(bob) -> None:
    webhooks.create(bob, url="https://hooks.example/", listens_to=events.OFFERED)


def told() -> list[str]:
    return [delivery.event for delivery in Delivery.objects.order_by("pk")]


def leave(charger: Charger, *, ago: timedelta) -> None:
    at = timezone.now() - ago
    recorder.write([Facts(charger.pk, at, left="test")])
    Charger.objects.filter(pk=charger.pk).update(last_seen_at=at)


@pytest.mark.usefixtures("_listener")
def test_a_charger_that_is_gone_for_long_is_told_once_and_so_is_its_return(online):
    leave(online, ago=timedelta(minutes=6))
    assert notices.tell_absences(timezone.now()) == 1
    assert notices.tell_absences(timezone.now()) == 0
    assert notices.tell_returns() == 0
    connect(online)
    assert notices.tell_returns() == 1
    assert notices.tell_returns() == 0
    assert told() == ["charger.offline", "charger.online"]
    data = Delivery.objects.latest("pk").payload["data"]
    assert (data["id"], data["is_online"], data["connectors"][0]["number"]) == (online.pk, True, 1)


@pytest.mark.usefixtures("_listener")
def test_a_short_absence_is_not_told(online):
    leave(online, ago=timedelta(minutes=4))
    assert notices.tell_absences(timezone.now()) == 0
    connect(online)
    assert notices.tell_returns() == 0
    assert told() == []


@pytest.mark.usefixtures("_listener")
def test_silence_on_an_open_socket_is_told_when_it_is_noticed(online):
    silent = timezone.now() - timedelta(hours=1)
    Charger.objects.update(last_seen_at=silent, disconnected_at=silent)  # as the sweep marks it
    assert notices.tell_absences(timezone.now()) == 1


@pytest.mark.usefixtures("_listener")
def test_one_that_speaks_again_on_the_same_socket_is_back(online):
    silent = timezone.now() - timedelta(hours=1)
    Charger.objects.update(last_seen_at=silent, disconnected_at=silent)
    notices.tell_absences(timezone.now())
    Charger.objects.update(last_seen_at=timezone.now())
    assert notices.tell_returns() == 1
    assert notices.tell_absences(timezone.now()) == 0


def test_where_nobody_listens_the_absence_is_remembered_all_the_same(online):
    leave(online, ago=timedelta(minutes=6))
    assert notices.tell_absences(timezone.now()) == 1
    assert told() == []


@pytest.mark.usefixtures("_listener")
def test_a_deleted_charger_is_nobodys_worry(online):
    leave(online, ago=timedelta(minutes=6))
    Charger.objects.update(deleted_at=timezone.now())
    assert notices.tell_absences(timezone.now()) == 0
