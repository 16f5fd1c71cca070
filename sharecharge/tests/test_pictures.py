"""The scene of the docs' pictures is the same whenever they are made."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import time_machine

from accounts.models import User
from billing import units
from chargers import hosts, statistics
from chargers.models import ChargingSession
from sharecharge import demonstration, pictures
from sharecharge.testing.site import Wallbox


class SilentWallbox(Wallbox):
    """Keeps what it would say."""

    def __init__(self) -> None:
        self.said: list[tuple[str, dict[str, Any]]] = []

    def call(self, action: str, **payload: Any) -> dict[str, Any]:
        self.said.append((action, payload))
        return {"transactionId": 7}


def test_the_charge_has_lasted_an_hour_by_all_clocks():
    wallbox = SilentWallbox()
    assert pictures.charge(wallbox, "04A1") == 7
    (start, started), *samples = wallbox.said
    told = [started["timestamp"], *(payload["meterValue"][0]["timestamp"] for _action, payload in samples)]
    moments = [datetime.fromisoformat(text) for text in told]
    assert start == "StartTransaction"
    assert moments == sorted(moments)
    assert moments[-1] - moments[0] == timedelta(hours=1)
    assert timedelta(0) <= datetime.now(UTC) - moments[-1] < timedelta(minutes=1)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "now",
    ["2026-12-01T00:10:00+01:00", "2026-11-30T23:50:00+01:00", "2026-03-31T12:00:00+02:00"],
    ids=["first", "last", "summer"],
)
def test_the_owner_has_earned_something_whatever_the_day_is(now, settings):
    settings.PAYMENT_PROVIDER = "fake"
    with time_machine.travel(datetime.fromisoformat(now)):
        pictures.fill()
        owner = User.objects.get(email=demonstration.OWNER)
        shape = hosts.dashboard(owner)
        assert units.money(0) not in (shape["today_text"], shape["month_text"])
        assert set(ChargingSession.objects.values_list("status", flat=True)) == {"settled"}
        assert not ChargingSession.objects.filter(ended_at__gt=datetime.now(UTC)).exists()


@pytest.mark.parametrize("today", [date(2026, 3, 31), date(2026, 12, 1), date(2028, 2, 29)])
def test_each_month_has_its_bar(today: date):
    months = {(day.year, day.month) for day, _kwh in pictures.history(today)} | {(today.year, today.month)}
    span = statistics.Span(today.replace(year=today.year - 1, day=1), today, by="month")
    assert months == {(day.year, day.month) for day in list(span.days())[1:]}
