"""How exactly everybody sees where a charger is: what was thrown once is never thrown again for the same place."""

import pytest
from django.db import IntegrityError, transaction
from django.test import Client

from chargers import registry, visibility
from chargers.models import Charger
from chargers.pins import distance_m
from conftest import make_user

pytestmark = pytest.mark.django_db

EXACT = (49.868613, 16.312749)


def public(charger: Charger) -> tuple[float, float]:
    charger.refresh_from_db()
    return charger.public_latitude, charger.public_longitude


def test_switching_back_and_forth_throws_nothing_anew(charger):
    thrown = public(charger)
    for _each in range(5):
        registry.show_position(charger, exact=True)
        assert public(charger) == EXACT
        registry.show_position(charger, exact=False)
        assert public(charger) == thrown


def test_a_move_is_a_new_place_with_one_new_throw(charger):
    thrown = public(charger)
    registry.show_position(charger, exact=True)
    registry.move(charger, latitude=49.9, longitude=16.4)
    assert public(charger) == (49.9, 16.4)
    registry.show_position(charger, exact=False)
    again = public(charger)
    assert again != thrown
    assert 140 < distance_m((49.9, 16.4), again) < 410
    registry.show_position(charger, exact=True)
    registry.show_position(charger, exact=False)
    assert public(charger) == again


def test_one_that_began_exact_is_thrown_when_it_is_blurred(bob):
    charger = registry.register(
        owner=bob, name="Inn", latitude=50.0, longitude=15.0, is_position_public=True, access="public"
    ).charger
    assert public(charger) == (50.0, 15.0)
    registry.show_position(charger, exact=False)
    assert 140 < distance_m((50.0, 15.0), public(charger)) < 410


def test_name_and_choice_are_changed_at_once(charger, bob):
    thrown = public(charger)
    registry.change(charger, {"name": "Inn", "is_position_public": True}, by=bob)
    assert (public(charger), charger.name) == (EXACT, "Inn")
    registry.change(charger, {"latitude": EXACT[0], "longitude": EXACT[1], "is_position_public": False}, by=bob)
    assert public(charger) == thrown


def test_everybody_may_know_the_address_of_an_exact_place_and_of_no_other(charger, bob):
    other = registry.register(owner=bob, name="Home", latitude=50.1, longitude=14.4, access="public").charger
    registry.show_position(charger, exact=True)
    stranger = make_user("Dora")
    assert [visibility.may_see_address(charger, user) for user in (None, stranger)] == [True, True]
    assert [visibility.may_see_address(other, user) for user in (None, stranger)] == [False, False]
    registry.set_access(charger, Charger.Access.PRIVATE)
    assert [visibility.may_see_address(charger, user) for user in (None, stranger)] == [False, False]


@pytest.mark.parametrize("path", ["/", "/map/data/", "/c/{code}/"])
def test_pages_tell_the_exact_place_only_while_it_is_wanted(charger, connector, path):
    Charger.objects.update(serial_number="CANARY-SERIAL")
    address, secrets = path.format(code=charger.code), ("CANARY-SERIAL", charger.identity, charger.owner.email)
    registry.show_position(charger, exact=True)
    page = Client().get(address).content.decode()
    assert "49.868613" in page
    assert ("Tichá 1234" in page) is (path == "/c/{code}/")
    assert not [secret for secret in secrets if secret in page]
    registry.show_position(charger, exact=False)
    page = Client().get(address).content.decode()
    assert not [secret for secret in (*secrets, "49.868613", "16.312749", "Tichá") if secret in page]


@pytest.mark.parametrize("hours", ["0", "1" * 335, "2" * 336, "1" * 335 + " "])
def test_the_database_keeps_nothing_that_is_no_week(charger, hours):
    with pytest.raises(IntegrityError), transaction.atomic():
        Charger.objects.filter(pk=charger.pk).update(hours=hours)
