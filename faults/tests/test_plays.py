"""Every fault, shortly; and some mutants, without which nobody knew whether these tests can fail. At length:
`./run faults` and `./run faults --mutants`."""

import asyncio
from collections.abc import Iterator

import pytest
from django.db import connection

from faults import mutants, points
from faults.deaths import POINTS
from faults.plays import CAUGHT, ON_SERVERS_ONLY, PLAYS, catch, is_caught
from faults.show import Scale
from faults.stage import CannotPlay, Stage

ON_SQLITE = ("kill", "races", "replay")
SOME_POINTS = {
    "sqlite": ("start.stored", "facts.committed"),
    "postgresql": ("settlement.moved", "command.claimed", "stop.committed", "facts.committed"),
}
QUICK_MUTANTS = (
    "facts_answered_before_their_commit",
    "a_late_close_marks_the_charger_offline",
)


@pytest.fixture(scope="session")
def stage() -> Iterator[Stage]:
    """Servers of our own, which may be killed: those of the other tests may not."""
    stage = Stage(connection.vendor, chargers=24)
    try:
        stage.__enter__()
    except CannotPlay as error:
        pytest.skip(str(error))
    with stage:
        yield stage


def scale() -> Scale:
    return Scale(chargers=16, crowd=24, rounds=1, points=SOME_POINTS[connection.vendor])


@pytest.mark.parametrize("name", PLAYS)
def test_nothing_is_lost_and_nothing_is_doubled(stage, name):
    if connection.vendor == "sqlite" and name not in ON_SQLITE:
        pytest.skip("on PostgreSQL and Valkey only")
    outcome = asyncio.run(PLAYS[name](stage, scale()))
    assert outcome.found == {}
    assert outcome.acknowledged
    assert outcome.events


@pytest.mark.parametrize("mutant", QUICK_MUTANTS)
def test_it_is_noticed_when_a_promise_is_broken(stage, mutant):
    if connection.vendor == "sqlite":
        pytest.skip("on PostgreSQL only")
    assert is_caught(mutant, asyncio.run(catch(stage, mutant, scale())))


def test_every_mutant_has_its_catch_and_every_point_its_place():
    assert set(CAUGHT) == set(mutants.MUTANTS)
    assert set(POINTS) == set(points.POINTS)
    assert {each.play for each in CAUGHT.values()} <= set(PLAYS)
    assert set(PLAYS) >= ON_SERVERS_ONLY
