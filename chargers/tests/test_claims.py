"""A card is added by holding it to a charger within two minutes."""

from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from accounts import id_tags
from accounts.models import IdTag, User
from chargers import authorization, claims, registry
from chargers.authorization import Reason
from chargers.models import CardClaim, Charger
from sharecharge.errors import Refused

UID = "04FFEE11"


def as_typed(charger: Charger) -> str:
    """From a sticker, in capitals and in groups."""
    code = charger.code.upper()
    return f" {code[:2]} {code[2:4]} - {code[4:6]}\N{EN DASH}{code[6:]} "


def test_the_next_unknown_card_is_theirs_and_may_charge(online: Charger, alice: User):
    claims.begin(online, user=alice)
    assert claims.check_at(online.pk, UID.lower()).is_accepted
    tag = id_tags.find(UID)
    assert (tag.user, tag.kind, tag.uid) == (alice, IdTag.Kind.RFID, UID)
    assert CardClaim.objects.get().state == "taken"


def test_only_one_card_is_taken(online: Charger, alice: User):
    claims.begin(online, user=alice)
    claims.check_at(online.pk, UID)
    assert claims.check_at(online.pk, "04FFEE22").reason == Reason.UNKNOWN_CARD


def test_two_minutes_are_over(online: Charger, alice: User):
    claims.begin(online, user=alice)
    with time_machine.travel(timezone.now() + claims.WINDOW + timedelta(seconds=1), tick=False):
        assert claims.check_at(online.pk, UID).reason == Reason.UNKNOWN_CARD
        assert CardClaim.objects.get().state == "over"
    assert id_tags.find(UID) is None


def test_a_card_of_somebody_else_stays_theirs(online: Charger, alice: User, charlie: User):
    theirs = id_tags.issue(user=charlie, uid=UID)
    id_tags.set_enabled(theirs, enabled=False)
    claims.begin(online, user=alice)
    assert claims.check_at(online.pk, UID).reason == Reason.CARD_DISABLED
    assert id_tags.find(UID).user == charlie
    assert CardClaim.objects.get().state == "waiting"


def test_a_deleted_card_can_be_added_again(online: Charger, alice: User, charlie: User):
    id_tags.delete(id_tags.issue(user=charlie, uid=UID))
    claims.begin(online, user=alice)
    assert claims.check_at(online.pk, UID).is_accepted
    assert id_tags.find(UID).user == alice


def test_another_charger_takes_nothing(online: Charger, alice: User, bob: User):
    claims.begin(online, user=alice)
    other = registry.register(owner=bob, name="Other", latitude=50, longitude=15, access="public").charger
    assert claims.check_at(other.pk, UID).reason == Reason.UNKNOWN_CARD


def test_a_number_that_is_none_is_not_taken(online: Charger, alice: User):
    claims.begin(online, user=alice)
    for uid in ("X", "Z" * 21, "ž€1234"):
        assert claims.check_at(online.pk, uid).reason == Reason.UNKNOWN_CARD
    assert CardClaim.objects.get().state == "waiting"


def test_one_person_at_a_time(online: Charger, alice: User, charlie: User):
    claims.begin(online, user=alice)
    with pytest.raises(Refused) as refusal:
        claims.begin(online, user=charlie)
    assert refusal.value.code == "charger_taken"
    claims.begin(online, user=alice)  # once more is no hindrance
    claims.check_at(online.pk, UID)
    claims.begin(online, user=charlie)


def test_an_offline_charger_reads_nothing(charger: Charger, alice: User):
    with pytest.raises(Refused) as refusal:
        claims.begin(charger, user=alice)
    assert refusal.value.code == "charger_offline"


def test_a_closed_account_takes_nothing(online: Charger, alice: User):
    claims.begin(online, user=alice)
    User.objects.update(is_active=False)
    assert claims.check_at(online.pk, UID).reason == Reason.UNKNOWN_CARD


def test_without_a_claim_the_answer_is_that_of_authorization(online: Charger, alice_card: IdTag):
    for uid in (alice_card.uid, UID):
        assert claims.check_at(online.pk, uid) == authorization.check_at(online.pk, uid)


# ------------------------------------------------------------------------------------------------ the page


def test_the_page_leads_through(online: Charger, alice: User, client_of):
    browser = client_of(alice)
    assert "/cards/claim/" in browser.get("/cards/").content.decode()
    assert browser.post("/cards/claim/", {"code": as_typed(online)}).url == "/cards/claim/"
    assert "Hold your card to the reader" in browser.get("/cards/claim/").content.decode()
    claims.check_at(online.pk, UID)
    assert "is yours now" in browser.get("/cards/claim/").content.decode()
    CardClaim.objects.update(id_tag=None, expires_at=timezone.now() - timedelta(seconds=1))
    assert "No unknown card was read" in browser.get("/cards/claim/").content.decode()
    CardClaim.objects.update(expires_at=timezone.now() - timedelta(hours=1))
    page = browser.get("/cards/claim/", {"at": online.code}).content.decode()
    assert "No unknown card" not in page
    assert f'value="{online.code}"' in page


@pytest.mark.parametrize("code", ["nothing", ""])
def test_the_page_knows_no_such_charger(online: Charger, alice: User, client_of, code):
    response = client_of(alice).post("/cards/claim/", {"code": code})
    assert (response.status_code, CardClaim.objects.exists()) == (400, False)


def test_a_private_charger_is_not_there(online: Charger, alice: User, client_of):
    Charger.objects.update(access="private")
    response = client_of(alice).post("/cards/claim/", {"code": online.code})
    assert "There is no charger with this number" in response.content.decode()
