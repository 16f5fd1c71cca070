"""A mistyped identity: whose it was meant to be, and that it tells nothing of others."""

import pytest

from chargers import hosts, presence, registry, slips
from chargers.models import Charger, ConnectionAttempt
from chargers.tests.test_consumers import Browser, do
from conftest import connect

Outcome = ConnectionAttempt.Outcome
IDENTITY = "SC4K7WQ2MNPX"


@pytest.fixture
def charger(charger: Charger) -> Charger:
    """It waits for its wallbox."""
    Charger.objects.filter(pk=charger.pk).update(identity=IDENTITY)
    charger.refresh_from_db()
    return charger


def knock(path: str, outcome: Outcome = Outcome.UNKNOWN_IDENTITY) -> None:
    presence.record_refusal(charger=None, path=path, remote_address="10.0.0.7", subprotocols=[], outcome=outcome)


@pytest.mark.parametrize(
    ("text", "count"),
    [(IDENTITY, 0), ("sc4k7wq2mnpx", 0), ("SC-4K7WQ-2MNPX", 0), ("SC4K7WQ2MNPY", 1), ("SC4K7WQ2MNP", 1),
     ("SCC4K7WQ2MNPX", 1), ("SC4K7WQ2NMPX", 2), ("SC4K7", 7), ("", 12)],
)  # fmt: skip
def test_how_many_characters_are_wrong(text: str, count: int):
    assert slips.slips(IDENTITY, text) == count


@pytest.mark.parametrize(
    "path",
    ["/ocpp/SC4K7WQ2MNPY", "/ocpp/C4K7WQ2MNPY", "/ocpp/SC4K7WQ2MN/", "/ocpp/XX4K7WQ2MNPX", "/ocpp/SC%204K7WQ2MNPX",
     "/SC4K7WQ2MNPX", f"/ocpp/CP1/{IDENTITY}?x=1"],
)  # fmt: skip
def test_what_was_meant(charger: Charger, path: str):
    assert slips.meant(path, may_guess=True) == charger


@pytest.mark.parametrize("path", ["/ocpp/SC4K7WQ2XXXX", "/ocpp/NOBODY", "/ocpp/", "", "/ocpp/%00%ff", "/ocpp/S"])
def test_what_is_nobodys(charger: Charger, path: str):
    assert slips.meant(path, may_guess=True) is None


def test_the_identity_of_another_charger_is_no_slip(charger: Charger, bob):
    other = registry.register(owner=bob, name="Gone", latitude=50.0, longitude=15.0).charger
    Charger.objects.filter(pk=other.pk).update(identity="SC4K7WQ2MNPY")
    registry.delete(Charger.objects.get(pk=other.pk))
    assert slips.meant("/ocpp/SC4K7WQ2MNPY", may_guess=True) is None


def test_one_that_two_may_have_meant_is_told_to_neither(charger: Charger, bob):
    other = registry.register(owner=bob, name="Twin", latitude=50.0, longitude=15.0).charger
    Charger.objects.filter(pk=other.pk).update(identity="SC4K7WQ2MNPZ")
    assert slips.meant("/ocpp/SC4K7WQ2MNPY", may_guess=True) is None


def test_a_charger_that_is_connected_waits_for_nobody(charger: Charger):
    connect(charger)
    assert slips.meant("/ocpp/SC4K7WQ2MNPY", may_guess=True) is None


def test_its_owner_is_told_what_differs_and_not_from_where(charger: Charger, bob, client_of):
    knock("/ocpp/SC4K7WQ2MNPY")
    knock("/ocpp/SC4K7WQ2MNPY")
    knock("/ocpp/QUITE-ANOTHER")
    [told] = hosts.charger(charger)["attempts"]
    assert "said SC4K7WQ2MNPY; its identity is SC4K7WQ2MNPX" in told["advice"]
    assert (told["count_text"], told["from_text"], told["path"]) == ("2×", "", "")
    [told] = client_of(bob).get(f"/api/v1/chargers/{charger.pk}/attempts").json()["results"]
    assert (told["path"], told["remote_address"]) == ("SC4K7WQ2MNPY", "")


def test_a_wrong_address_with_the_right_identity_is_told(charger: Charger):
    knock(f"/wrong/{IDENTITY}", Outcome.BAD_PATH)
    [told] = hosts.charger(charger)["attempts"]
    assert (told["outcome_text"], told["path"]) == ("wrong address", f"/wrong/{IDENTITY}")


def test_at_a_wrong_address_nothing_is_guessed(charger: Charger):
    knock("/wrong/SC4K7WQ2MNPY", Outcome.BAD_PATH)
    assert hosts.charger(charger)["attempts"] == []


def test_when_many_knock_nothing_is_guessed(charger: Charger, monkeypatch):
    monkeypatch.setattr(presence, "MOST_GUESSES", 1)
    knock("/ocpp/QUITE-ANOTHER")
    knock("/ocpp/SC4K7WQ2MNPY")
    assert hosts.charger(charger)["attempts"] == []


def test_who_tries_many_fills_no_table(charger: Charger):
    for letter in "ABCDEFGHJKMNPQR":
        knock(f"/ocpp/SC4K7WQ2MN{letter}{letter}")
    assert ConnectionAttempt.objects.count() == presence.STRANGER_ROWS_PER_MINUTE
    assert sum(ConnectionAttempt.objects.values_list("count", flat=True)) == 15


@pytest.mark.django_db(transaction=True)
async def test_it_is_told_at_once(charger: Charger, bob):
    async with Browser(f"/ws/chargers/{charger.pk}/", bob) as browser:
        assert (await browser.hear())["data"]["attempts"] == []
        for _time in range(2):
            await do(knock, "/ocpp/SC4K7WQ2MNPY")
            assert len((await browser.hear())["data"]["attempts"]) == 1
