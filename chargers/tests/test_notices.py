"""What programs are told of."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts import events, webhooks
from accounts.models import Delivery, IdTag
from chargers import notices, recorder, sessions
from chargers.clock import Moment
from chargers.facts import Facts
from chargers.models import Charger, ChargingSession
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


# ------------------------------------------------------------------------------------------------ sessions


def charge(charger: Charger, card: IdTag, *, stop: bool = True) -> ChargingSession:
    begin = timezone.now() - timedelta(hours=1)
    session = sessions.start(
        charger,
        connector_id=1,
        id_tag_text=card.uid,
        meter_start_wh=0,
        moment=Moment(begin, "t", False),
        received_at=begin,
    ).session
    if stop:
        end = timezone.now()
        sessions.stop(
            charger, transaction_id=session.pk, transaction_text=str(session.pk), id_tag_text="", meter_stop_wh=5000,
            reason="Local", moment=Moment(end, "u", False), received_at=end,
        )  # fmt: skip
    return session


@pytest.mark.usefixtures("_listener")
def test_a_session_is_told_from_its_start_to_its_bill(online, alice_card):
    session = charge(online, alice_card)
    assert told() == ["session.started", "session.stopped", "session.settled"]
    started, stopped, settled = (delivery.payload["data"] for delivery in Delivery.objects.order_by("pk"))
    assert {row["id"] for row in (started, stopped, settled)} == {session.pk}
    assert (started["state"], stopped["state"], settled["state"]) == ("charging", "ended", "settled")
    assert (settled["energy_wh"], settled["cost"], settled["owner_share"]) == (5000, "25.00", "22.50")


@pytest.mark.usefixtures("_listener")
def test_a_session_that_was_closed_for_silence_is_told_too(online, alice_card):
    charge(online, alice_card, stop=False)
    long_ago = timezone.now() - timedelta(days=2)
    ChargingSession.objects.update(start_received_at=long_ago)
    Charger.objects.update(last_seen_at=long_ago)
    assert sessions.close_silent(timezone.now()) == 1
    assert told()[:2] == ["session.started", "session.stopped"]


@pytest.mark.usefixtures("_listener")
def test_an_owner_is_not_told_what_is_the_drivers(online, alice, alice_card):
    charge(online, alice_card)
    text = str(list(Delivery.objects.values_list("payload", flat=True)))
    assert alice.name in text
    assert alice.email not in text
    assert alice_card.uid not in text
    assert alice_card.masked_uid not in text


@pytest.mark.usefixtures("_listener")
def test_a_refused_start_is_no_session(online, alice_card):
    alice_card.is_enabled = False
    alice_card.save()
    charge(online, alice_card, stop=False)
    assert told() == []


@pytest.mark.usefixtures("_listener")
def test_a_repeated_start_or_stop_is_not_told_again(online, alice_card):
    session = charge(online, alice_card)
    again = timezone.now()
    sessions.stop(
        online, transaction_id=session.pk, transaction_text="x", id_tag_text="", meter_stop_wh=5000, reason="Local",
        moment=Moment(again, "v", False), received_at=again,
    )  # fmt: skip
    assert told() == ["session.started", "session.stopped", "session.settled"]


@pytest.mark.usefixtures("_listener")
def test_a_bill_is_made_also_when_nobody_can_be_told_of_it(online, alice_card, monkeypatch):
    monkeypatch.setattr(notices, "_shape_of_session", lambda session: 1 / 0)
    session = charge(online, alice_card)
    session.refresh_from_db()
    assert session.status == "settled"
    assert told() == []
