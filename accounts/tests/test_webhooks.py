"""Webhooks: who is told, what, how often, and with which signature."""

import base64
import hashlib
import hmac
from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from accounts import events, people, posting, webhooks
from accounts.models import Delivery, User, Webhook
from sharecharge.errors import Refused

pytestmark = pytest.mark.django_db
URL = "https://hooks.example/charging"


@pytest.fixture
def hook(bob) -> Webhook:
    return webhooks.create(bob, url=URL, listens_to=[events.SESSION_STARTED, events.CHARGER_OFFLINE])


@pytest.fixture
def posted(monkeypatch) -> list[tuple[str, bytes, dict[str, str]]]:
    """What was posted; every address takes it."""
    letters = []

    def post(*letter):
        letters.append(letter)
        return posting.Answer(200)

    monkeypatch.setattr(posting, "post", post)
    return letters


def refuse_all(monkeypatch) -> None:
    monkeypatch.setattr(posting, "post", lambda *_letter: posting.Answer(503, "HTTP 503"))


def tell(owner: User, event: str = events.SESSION_STARTED) -> None:
    webhooks.tell(event, owner_id=owner.pk, data=lambda: {"id": 7})


# ------------------------------------------------------------------------------------------------ who is told


def test_the_owner_and_the_operators_are_told_and_nobody_else(hook, bob, oscar, alice):
    other = User.objects.create_user("otto@example.com", name="Otto", role=User.Role.OWNER)
    webhooks.create(other, url=URL, listens_to=[events.SESSION_STARTED])
    operators = webhooks.create(oscar, url=URL, listens_to=[events.SESSION_STARTED])
    tell(bob)
    assert set(Delivery.objects.values_list("webhook", flat=True)) == {hook.pk, operators.pk}


def test_only_what_was_asked_for_is_told(hook, bob):
    tell(bob, events.SESSION_SETTLED)
    assert not Delivery.objects.exists()


@pytest.mark.parametrize("how", ["switched off", "deleted", "person gone", "no owner any more"])
def test_who_should_not_listen_hears_nothing(hook, bob, how):
    if how == "switched off":
        webhooks.change(hook, is_enabled=False)
    elif how == "deleted":
        webhooks.delete(hook)
    elif how == "person gone":
        people.set_active(bob, active=False)
    else:
        User.objects.filter(pk=bob.pk).update(role=User.Role.USER)
    tell(bob)
    assert not Delivery.objects.exists()


def test_where_nobody_listens_nothing_is_looked_up_or_made(bob, django_assert_num_queries):
    tell(bob)
    with django_assert_num_queries(0):
        webhooks.tell(events.SESSION_STARTED, owner_id=bob.pk, data=lambda: pytest.fail("made for nobody"))


def test_what_did_not_happen_is_not_told(hook, bob):
    with pytest.raises(RuntimeError), transaction.atomic():
        tell(bob)
        raise RuntimeError
    assert not Delivery.objects.exists()


def test_a_driver_has_no_webhooks(alice):
    with pytest.raises(Refused) as refusal:
        webhooks.create(alice, url=URL, listens_to=[events.PAYOUT])
    assert refusal.value.status == 403


@pytest.mark.parametrize("named", [[], ["session.exploded"], ["ping"]])
def test_only_events_that_exist_can_be_asked_for(bob, named):
    with pytest.raises(Refused, match=r"session\.started"):
        webhooks.create(bob, url=URL, listens_to=named)


def test_there_is_an_end_to_how_many_one_may_have(bob):
    for _i in range(webhooks.MOST_PER_PERSON):
        last = webhooks.create(bob, url=URL, listens_to=[events.PAYOUT])
    with pytest.raises(Refused, match="Delete one"):
        webhooks.create(bob, url=URL, listens_to=[events.PAYOUT])
    webhooks.delete(last)
    webhooks.create(bob, url=URL, listens_to=[events.PAYOUT])


# ------------------------------------------------------------------------------------------------ sending


def test_what_is_due_is_sent_once_and_signed(hook, bob, posted):
    tell(bob)
    assert webhooks.deliver_due(timezone.now()) == 1
    assert webhooks.deliver_due(timezone.now()) == 0
    [(url, body, headers)] = posted
    delivery = Delivery.objects.get()
    assert (url, delivery.status, delivery.attempts) == (URL, "delivered", 1)
    key = base64.b64decode(hook.secret.removeprefix("whsec_"))
    signed = f"{headers['Webhook-Id']}.{headers['Webhook-Timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert headers["Webhook-Signature"] == f"v1,{expected}"
    assert b'"type":"session.started"' in body
    assert b'"data":{"id":7}' in body


def test_what_was_not_taken_is_tried_again_later_and_later_and_then_failed(hook, bob, monkeypatch):
    refuse_all(monkeypatch)
    tell(bob)
    now = timezone.now()
    waits = []
    for _i in range(len(webhooks.RETRY_AFTER) + 1):
        before = timezone.now()
        assert webhooks.deliver_due(now) == 1
        assert webhooks.deliver_due(before) == 0  # not at once
        delivery = Delivery.objects.get()
        if delivery.next_attempt_at:
            waits.append(delivery.next_attempt_at - before)
            now = delivery.next_attempt_at
    assert (delivery.status, delivery.response_status, delivery.error) == ("failed", 503, "HTTP 503")
    assert [round(wait.total_seconds()) for wait in waits] == [5, 300, 1800, 7200, 18_000, 36_000, 36_000]
    hook.refresh_from_db()
    assert hook.failing_since is not None


def test_an_address_that_fails_for_days_is_switched_off(hook, bob, monkeypatch):
    refuse_all(monkeypatch)
    tell(bob)
    tell(bob)
    Webhook.objects.update(failing_since=timezone.now() - webhooks.PATIENCE - timedelta(hours=1))
    webhooks.deliver_due(timezone.now())
    hook.refresh_from_db()
    assert not hook.is_enabled
    assert not Delivery.objects.filter(next_attempt_at__isnull=False).exists()


def test_an_address_that_takes_something_is_well_again(hook, bob, posted):
    Webhook.objects.update(failing_since=timezone.now() - webhooks.PATIENCE)
    tell(bob)
    webhooks.deliver_due(timezone.now())
    hook.refresh_from_db()
    assert (hook.failing_since, hook.is_enabled) == (None, True)


def test_two_processes_do_not_send_the_same(hook, bob, posted):
    tell(bob)
    now = timezone.now()
    [delivery] = webhooks._oldest_of_each(now)
    [other] = webhooks._oldest_of_each(now)
    assert webhooks._claim(delivery, now)
    assert not webhooks._claim(other, now)


def test_what_a_dead_process_had_taken_is_sent_by_another(hook, bob, posted):
    tell(bob)
    now = timezone.now()
    [delivery] = webhooks._oldest_of_each(now)
    webhooks._claim(delivery, now)  # and dies
    assert webhooks.deliver_due(now) == 0
    assert webhooks.deliver_due(now + webhooks.LEASE) == 1


def test_an_address_gets_one_message_at_a_time(hook, bob, posted):
    for _i in range(3):
        tell(bob)
    other = webhooks.create(bob, url="https://other.example/", listens_to=[events.SESSION_STARTED])
    webhooks.ping(other)
    assert webhooks.deliver_due(timezone.now()) == 2
    assert {letter[0] for letter in posted} == {URL, other.url}


def test_a_message_can_be_sent_again_under_its_old_id(hook, bob, posted):
    tell(bob)
    webhooks.deliver_due(timezone.now())
    webhooks.replay(Delivery.objects.get())
    webhooks.deliver_due(timezone.now())
    assert posted[0][2]["Webhook-Id"] == posted[1][2]["Webhook-Id"]
    assert posted[0][1] == posted[1][1]


def test_nothing_is_sent_again_to_who_does_not_listen(hook, bob, posted):
    tell(bob)
    webhooks.delete(hook)
    assert webhooks.deliver_due(timezone.now()) == 0
    with pytest.raises(Refused):
        webhooks.replay(Delivery.objects.select_related("webhook").get())


def test_a_new_secret_signs_what_comes(hook, bob, posted):
    old = hook.secret
    assert webhooks.rotate_secret(hook) != old
    tell(bob)
    webhooks.deliver_due(timezone.now())
    assert Webhook.objects.get().secret != old
