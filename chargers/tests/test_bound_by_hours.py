"""The weekly hours of a charger: the same no for cards, phones and programs, and whom they do not bind."""

from datetime import UTC, datetime

import pytest
import time_machine
from rest_framework.test import APIClient

from accounts import id_tags
from chargers import authorization, claims, clock, commands, registry, sessions, visibility
from chargers.authorization import Reason
from chargers.hours import Window, week_of
from chargers.models import Charger, ChargingSession
from chargers.tests.test_hours import EVENINGS, at
from conftest import connect, fund
from sharecharge.errors import Refused

pytestmark = pytest.mark.django_db

NOON, EVENING = at("Tue 12:00"), at("Tue 18:00")
CARD = "04A1B2C3D4"


@pytest.fixture
def evenings(online) -> Charger:
    """Open in the evening and on the weekend."""
    registry.set_hours(online, week_of(EVENINGS))
    return online


def travel(moment: datetime, charger: Charger) -> time_machine.travel:
    """At this moment the charger is connected, too."""
    traveller = time_machine.travel(moment, tick=False)
    traveller.start()
    connect(charger)
    return traveller


@pytest.fixture
def noon(evenings):
    traveller = travel(NOON, evenings)
    yield evenings
    traveller.stop()


@pytest.fixture
def evening(evenings):
    traveller = travel(EVENING, evenings)
    yield evenings
    traveller.stop()


def start(charger, *, tag=CARD, told=None, received_at=None):
    received_at = received_at or datetime.now(UTC)
    moment = clock.read((told or received_at).isoformat(), received_at=received_at)
    return sessions.start(
        charger, connector_id=1, id_tag_text=tag, meter_start_wh=1000, moment=moment, received_at=received_at
    )


# ------------------------------------------------------------------------------------------------ who is bound


def test_a_card_is_let_in_within_the_hours(evening, alice_card):
    assert authorization.check_at(evening.pk, CARD).is_accepted
    assert start(evening).verdict.is_accepted


def test_a_card_is_refused_outside_the_hours(noon, alice_card):
    verdict = claims.check_at(noon.pk, CARD)
    assert verdict.reason == Reason.CLOSED_NOW
    assert verdict.sentence == "This charger is closed now. It opens today at 17:00."


def test_a_start_outside_the_hours_is_recorded_as_refused(noon, alice_card):
    started = start(noon)
    assert started.verdict.reason == Reason.CLOSED_NOW
    session = ChargingSession.objects.get()
    assert (session.status, session.refusal, session.user) == ("refused", "closed_now", alice_card.user)


def test_a_phone_and_a_program_are_told_when_it_opens(noon, alice):
    with pytest.raises(Refused, match="opens today at 17:00") as refused:
        commands.request_remote_start(noon, noon.connectors.get(), user=alice)
    assert (refused.value.code, refused.value.status) == ("closed_now", 403)
    client = APIClient()
    client.force_authenticate(alice)
    response = client.post(f"/api/v1/chargers/{noon.pk}/remote-start", {"connector": 1}, format="json")
    assert (response.status_code, response.json()["code"]) == (403, "closed_now")
    assert "17:00" in response.json()["detail"]


def test_its_owner_is_not_bound(noon, bob):
    card = id_tags.issue(user=bob, uid="0BB0BB0B", name="Bob's")
    assert authorization.check_at(noon.pk, card.uid).is_accepted
    assert start(noon, tag=card.uid).verdict.is_accepted


def test_the_switch_says_more_than_the_hours(noon, alice_card):
    registry.set_sharing(noon, sharing=False)
    assert authorization.check_at(noon.pk, CARD).reason == Reason.NOT_SHARED


# ------------------------------------------------------------------------------------------------ while it charges


def test_a_session_goes_on_when_the_hours_end_and_its_card_still_stops_it(evening, alice_card):
    session = start(evening).session
    with time_machine.travel(at("Wed 08:00"), tick=False):
        connect(evening, status="Charging")
        session.refresh_from_db()
        assert session.is_running
        assert authorization.check_at(evening.pk, CARD).is_accepted
        stopped = sessions.stop(
            evening, transaction_id=session.pk, transaction_text=str(session.pk), id_tag_text=CARD, meter_stop_wh=6000,
            reason="Local", moment=clock.read("", received_at=datetime.now(UTC)), received_at=datetime.now(UTC),
        )  # fmt: skip
    assert stopped is not None
    assert stopped.status == "settled"


def test_another_card_is_still_refused_while_one_charges(evening, alice_card, charlie):
    start(evening)
    other = id_tags.issue(user=charlie, uid="0CCCCCCC", name="Charlie's")
    with time_machine.travel(at("Wed 08:00"), tick=False):
        assert authorization.check_at(evening.pk, other.uid).reason == Reason.CLOSED_NOW


# ------------------------------------------------------------------------------------------------ delivered later


@pytest.mark.parametrize(
    ("told", "received", "is_accepted"),
    [
        ("Tue 18:00", "Wed 12:00", True),  # offline in the evening, delivered at noon
        ("Tue 12:00", "Tue 18:00", True),  # it may have been now, by a wrong clock; refused, it would not be paid
        ("Wed 06:58", "Wed 07:03", True),  # on its way when the hours ended
        ("Tue 16:01", "Tue 17:00", True),  # the clock is an hour late, and Authorize was accepted by ours
        ("Tue 17:59", "Tue 17:00", True),  # the clock is an hour ahead
        ("Tue 17:29", "Tue 16:30", False),  # and must not open before the time
        ("Wed 07:00", "Wed 07:00", True),  # let in before the end, and plugged in after it
        ("Wed 07:02", "Wed 07:02", False),
        ("Tue 12:00", "Tue 12:00", False),
    ],
)
def test_the_hours_when_it_began_are_what_counts(told, received, is_accepted, evenings, alice_card):
    with time_machine.travel(at(received), tick=False):
        connect(evenings)
        verdict = start(evenings, told=at(told), received_at=at(received)).verdict
    assert verdict.is_accepted is is_accepted
    assert verdict.reason == (None if is_accepted else Reason.CLOSED_NOW)


def test_a_clock_that_was_never_set_counts_as_now(evening, alice_card):
    assert start(evening, told=datetime(1970, 1, 1, tzinfo=UTC)).verdict.is_accepted


# ------------------------------------------------------------------------------------------------ the clocks change


@pytest.mark.parametrize(
    ("moment", "is_open"),
    [
        ("2026-03-28T01:30+00:00", True),  # half past two in winter
        ("2026-03-29T01:30+00:00", False),  # half past three in summer: half past two did not come
        ("2026-10-25T00:30+00:00", True),  # half past two, twice
        ("2026-10-25T01:30+00:00", True),
        ("2026-10-25T02:30+00:00", False),
    ],
)
def test_the_hours_are_those_of_the_clock_on_the_wall(moment, is_open, online, alice_card):
    registry.set_hours(online, week_of(Window(day, 4, 6) for day in range(7)))
    with time_machine.travel(moment, tick=False):
        assert authorization.check_at(online.pk, CARD).is_accepted is is_open
        assert authorization.usable_by(alice_card.user, Charger.objects.all()).exists() is is_open


# ------------------------------------------------------------------------------------------------ filters agree


@pytest.mark.parametrize("who", ["alice", "bob", "oscar"])
@pytest.mark.parametrize("moment", ["Mon 00:00", "Tue 06:59", "Tue 07:00", "Tue 16:59", "Sat 23:59", "Sun 23:59"])
def test_what_a_filter_finds_is_what_a_start_would_say(moment, who, evenings, request):
    user = request.getfixturevalue(who)
    if who == "oscar":
        fund(user, 100_000)
    with time_machine.travel(at(moment), tick=False):
        connect(evenings)
        would = authorization.check(evenings, id_tags.virtual_tag(user).uid).is_accepted
        assert would is (who == "bob" or evenings.is_open)
        assert authorization.usable_by(user, Charger.objects.all()).exists() is would
        assert visibility.may_see_address(evenings, user)
        assert Charger.objects.with_plug(is_free=True).exists() is evenings.is_open
