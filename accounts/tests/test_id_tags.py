import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts import id_tags
from accounts.models import IdTag, User
from sharecharge.errors import Refused

pytestmark = pytest.mark.django_db


def test_a_number_is_cleaned_as_a_reader_would_send_it():
    assert id_tags.clean_uid(" 04:c5-a2 f7 ") == "04C5A2F7"


@pytest.mark.parametrize(
    ("text", "code"),
    [("", "uid_missing"), (" :-", "uid_missing"), ("1" * 21, "uid_too_long"), ("karta č. 1", "uid_characters"),
     ("04A1;B2", "uid_characters"), ("<04A1B2>", "uid_characters"), ("04A", "uid_too_short")],
)  # fmt: skip
def test_an_impossible_number_is_refused_and_the_field_is_named(text, code):
    with pytest.raises(Refused) as refusal:
        id_tags.clean_uid(text)
    assert (refusal.value.code, refusal.value.field) == (code, "uid")


def test_a_number_belongs_to_one_living_card_whatever_its_case(alice, charlie):
    id_tags.issue(user=alice, uid="04c5a2f7")
    with pytest.raises(Refused, match="already registered"):
        id_tags.issue(user=charlie, uid="04C5A2F7")
    with pytest.raises(IntegrityError), transaction.atomic():
        IdTag.objects.create(user=charlie, uid="04c5A2f7")


def test_a_deleted_card_frees_its_number_and_stays_in_the_history(alice, charlie):
    old = id_tags.issue(user=alice, uid="04C5A2F7")
    id_tags.delete(old)
    assert id_tags.find("04C5A2F7") == old
    new = id_tags.issue(user=charlie, uid="04C5A2F7")
    assert id_tags.find("04c5a2f7") == new
    assert IdTag.objects.count() == 2


def test_a_deleted_card_cannot_be_switched_on(alice):
    card = id_tags.issue(user=alice, uid="04C5A2F7")
    id_tags.delete(card)
    with pytest.raises(Refused, match="deleted"):
        id_tags.set_enabled(card, enabled=True)
    with pytest.raises(IntegrityError), transaction.atomic():
        IdTag.objects.filter(pk=card.pk).update(is_enabled=True)


def test_everybody_has_one_virtual_tag_that_fits_ocpp(alice):
    tag = id_tags.virtual_tag(alice)
    assert id_tags.virtual_tag(alice) == tag
    assert len(tag.uid) == 20
    assert not IdTag.objects.cards_of(alice).exists()


def test_an_expired_card_says_so(alice):
    card = id_tags.issue(user=alice, uid="04C5A2F7", expires_at=timezone.now())
    assert card.is_expired


def test_an_email_is_taken_whatever_its_case():
    User.objects.create_user("alice@example.com", name="Alice")
    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.create_user("ALICE@example.com", name="Alice")
