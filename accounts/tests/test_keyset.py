"""Pages by key: nothing twice, nothing missing, whatever arrives meanwhile."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts import keyset
from accounts.models import User
from conftest import make_user

SIZE = 3


@pytest.fixture
def people(db) -> list[int]:
    """Eight keys, newest first."""
    return sorted((make_user(f"user{index}").pk for index in range(8)), reverse=True)


def page(*lists, **asked: object) -> keyset.Page[User]:
    asked = {name: str(value) for name, value in asked.items()}
    return keyset.page(*(lists or [User.objects.all()]), asked=asked, size=SIZE)


def keys(found: keyset.Page[User]) -> list[int]:
    return [row.pk for row in found.rows]


def test_it_walks_to_the_oldest_and_back(people):
    first = page()
    second = page(before=first.older)
    third = page(before=second.older)
    assert keys(first) + keys(second) + keys(third) == people
    assert (first.newer, third.older) == (None, None)
    assert keys(page(after=third.newer)) == keys(second)
    assert page(after=third.newer).older == second.older
    assert page(after=second.newer) == first


def test_what_arrives_meanwhile_moves_nothing(people):
    first = page()
    make_user("late")
    assert keys(page(before=first.older)) == people[SIZE : 2 * SIZE]
    assert keys(page(after=keys(first)[-1]))[-2:] == keys(first)[:2]


def test_a_page_has_no_empty_neighbour(people):
    exact = User.objects.filter(pk__in=people[:SIZE])
    assert page(exact) == keyset.Page(list(exact.order_by("-pk")), older=None, newer=None)


def test_beyond_the_oldest_there_is_only_a_way_back(people):
    beyond = page(before=people[-1])
    assert (beyond.rows, beyond.older) == ([], None)
    assert keys(page(after=beyond.newer)) == people[-SIZE:]


@pytest.mark.parametrize("nonsense", ["", "x", "-1", "1.5", "٣", "9" * 19, "1;DROP"])
def test_nonsense_is_the_newest_page(people, nonsense):
    assert page(before=nonsense) == page(after=nonsense) == page()


def test_several_lists_are_one(people):
    odd, even = (User.objects.filter(pk__in=people[start::2]) for start in (0, 1))
    first = page(odd, even)
    second = page(odd, even, before=first.older)
    assert keys(first) + keys(second) == people[: 2 * SIZE]
    assert page(odd, even, after=second.newer) == first


def test_nobody_has_an_empty_list(db):
    assert keyset.page(asked={}, size=SIZE) == keyset.Page([], older=None, newer=None)


def test_no_page_reads_more_than_it_shows(people):
    with CaptureQueriesContext(
        connection,
    ) as captured:
        page(before=people[2])
    [query] = captured.captured_queries
    assert f"LIMIT {SIZE + 1}" in query["sql"]
    assert "OFFSET" not in query["sql"]
