"""Webhooks: who is told, what, how often, and with which signature."""

import base64
import hashlib
import hmac
import threading
from concurrent.futures import wait
from datetime import datetime, timedelta

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


def silence(hook: Webhook, person: User, how: str) -> None:
    if how == "switched off":
        webhooks.change(hook, is_enabled=False)
    elif how == "deleted":
        webhooks.delete(hook)
    elif how == "person gone":
        people.set_active(person, active=False)
    else:
        User.objects.filter(pk=person.pk).update(role=User.Role.USER)


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
    silence(hook, bob, how)
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


def send(now: datetime | None = None) -> int:
    """One round of the postman, without his threads."""
    return sum(webhooks.serve(hook, until=float("inf")) for hook in webhooks.due(now or timezone.now()))


def test_what_is_due_is_sent_once_and_signed(hook, bob, posted):
    tell(bob)
    assert send() == 1
    assert send() == 0
    [(url, body, headers)] = posted
    delivery = Delivery.objects.get()
    assert (url, delivery.status, delivery.attempts) == (URL, "delivered", 1)
    key = base64.b64decode(hook.secret.removeprefix("whsec_"))
    signed = f"{headers['Webhook-Id']}.{headers['Webhook-Timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert headers["Webhook-Signature"] == f"v1,{expected}"
    assert b'"type":"session.started"' in body
    assert b'"data":{"id":7}' in body


def test_all_that_waits_for_an_address_is_sent_in_its_order(hook, bob, posted):
    for _i in range(30):
        tell(bob)
    assert send() == 30
    assert [int(headers["Webhook-Id"]) for _url, _body, headers in posted] == sorted(
        Delivery.objects.values_list("pk", flat=True)
    )


def test_what_was_not_taken_is_tried_again_later_and_later_and_then_failed(hook, bob, monkeypatch, time_machine):
    refuse_all(monkeypatch)
    tell(bob)
    waits = []
    for _i in range(len(webhooks.RETRY_AFTER) + 1):
        before = timezone.now()
        assert send() == 1
        assert send() == 0  # not at once
        delivery = Delivery.objects.get()
        if delivery.next_attempt_at:
            waits.append(round((delivery.next_attempt_at - before).total_seconds()))
            time_machine.move_to(delivery.next_attempt_at + timedelta(seconds=1))
    assert (delivery.status, delivery.response_status, delivery.error) == ("failed", 503, "HTTP 503")
    assert waits == [5, 300, 1800, 7200, 18_000, 36_000, 36_000]
    hook.refresh_from_db()
    assert hook.failing_since is not None


def test_an_address_that_took_nothing_rests_with_all_that_waits_for_it(hook, bob, monkeypatch, time_machine):
    refuse_all(monkeypatch)
    tell(bob)
    tell(bob)
    assert send() == 1  # the first was not taken: the second is not even tried
    time_machine.move_to(timezone.now() + timedelta(seconds=6))
    monkeypatch.setattr(posting, "post", lambda *_letter: posting.Answer(200))
    assert send() == 2
    hook.refresh_from_db()
    assert (hook.failing_since, hook.resting_until) == (None, None)


def test_who_asks_for_a_message_need_not_wait_for_the_rest(hook, bob, monkeypatch):
    refuse_all(monkeypatch)
    tell(bob)
    send()
    assert webhooks.due(timezone.now() + timedelta(seconds=1)) == []
    webhooks.ping(hook)
    assert send() == 1
    webhooks.replay(Delivery.objects.select_related("webhook").latest("pk"))
    assert send() == 1


def test_it_rests_for_minutes_also_when_a_message_waits_for_hours(hook, bob, monkeypatch):
    refuse_all(monkeypatch)
    tell(bob)
    Delivery.objects.update(attempts=6)
    send()
    in_minutes, in_hours = (timezone.now() + timedelta(minutes=minutes) for minutes in (6, 540))
    assert Webhook.objects.filter(resting_until__lt=in_minutes).exists()
    assert Delivery.objects.filter(next_attempt_at__gt=in_hours).exists()


def test_an_address_that_fails_for_days_is_switched_off(hook, bob, monkeypatch):
    refuse_all(monkeypatch)
    tell(bob)
    tell(bob)
    Webhook.objects.update(failing_since=timezone.now() - webhooks.PATIENCE - timedelta(hours=1))
    send()
    hook.refresh_from_db()
    assert not hook.is_enabled
    assert not Delivery.objects.waiting().exists()


@pytest.mark.parametrize("how", ["switched off", "deleted", "person gone", "no owner any more"])
def test_what_waits_is_not_sent_to_who_should_not_listen_any_more(hook, bob, posted, how):
    tell(bob)
    silence(hook, bob, how)
    assert send() == 0
    assert posted == []


def test_what_is_switched_off_while_it_is_told_stays_so(hook, bob, monkeypatch):
    def post(*_letter):
        webhooks.change(hook, is_enabled=False)
        return posting.Answer(503, "HTTP 503")

    monkeypatch.setattr(posting, "post", post)
    tell(bob)
    send()
    assert not Delivery.objects.waiting().exists()
    hook.refresh_from_db()
    assert not hook.is_enabled


def test_an_operator_who_is_one_no_more_is_told_nothing_of_others(oscar, bob, posted):
    webhooks.create(oscar, url=URL, listens_to=[events.SESSION_STARTED])
    tell(bob)
    User.objects.filter(pk=oscar.pk).update(role=User.Role.OWNER)
    oscar.refresh_from_db()
    assert send() == 0
    assert not Delivery.objects.readable_by(oscar).exists()


def test_two_processes_do_not_send_the_same(hook, bob, posted):
    tell(bob)
    now = timezone.now()
    delivery, other = Delivery.objects.get(), Delivery.objects.get()
    assert delivery.claim(until=now)
    assert not other.claim(until=now)


def test_what_a_dead_process_had_taken_is_sent_by_another(hook, bob, posted, time_machine):
    tell(bob)
    Delivery.objects.get().claim(until=timezone.now() + webhooks.LEASE)  # and dies
    assert send() == 0
    time_machine.move_to(timezone.now() + webhooks.LEASE)
    assert send() == 1


def test_a_message_can_be_sent_again_under_its_old_id(hook, bob, posted):
    tell(bob)
    send()
    webhooks.replay(Delivery.objects.get())
    send()
    assert posted[0][2]["Webhook-Id"] == posted[1][2]["Webhook-Id"]
    assert posted[0][1] == posted[1][1]


def test_nothing_is_sent_again_to_who_does_not_listen(hook, bob, posted):
    tell(bob)
    webhooks.delete(hook)
    assert send() == 0
    with pytest.raises(Refused):
        webhooks.replay(Delivery.objects.select_related("webhook").get())


def test_nobody_asks_for_more_than_an_address_can_take(hook):
    for _i in range(webhooks.MOST_ASKED_FOR):
        delivery = webhooks.ping(hook)
    with pytest.raises(Refused, match="Many messages"):
        webhooks.ping(hook)
    with pytest.raises(Refused, match="Many messages"):
        webhooks.replay(delivery)


def test_a_new_secret_signs_what_comes(hook, bob, posted):
    old = hook.secret
    assert webhooks.rotate_secret(hook) != old
    tell(bob)
    send()
    key = base64.b64decode(Webhook.objects.get().secret.removeprefix("whsec_"))
    [(_url, body, headers)] = posted
    signed = f"{headers['Webhook-Id']}.{headers['Webhook-Timestamp']}.".encode() + body
    assert headers["Webhook-Signature"].endswith(
        base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    )


def test_a_change_leaves_alone_what_it_does_not_name(hook):
    stale = Webhook.objects.get()
    Webhook.objects.update(is_enabled=False, failing_since=timezone.now())
    webhooks.change(stale, url="https://new.example/")
    hook.refresh_from_db()
    assert (hook.url, hook.is_enabled, hook.failing_since is None) == ("https://new.example/", False, False)


# ------------------------------------------------------------------------------------------------ the postman


@pytest.mark.django_db(transaction=True)
def test_an_address_that_hangs_keeps_only_its_own_messages_waiting(bob, oscar, monkeypatch):
    hanging, sent = threading.Event(), []

    def post(url, _body, _headers):
        if "hangs" in url:
            hanging.wait(10)
        sent.append(url)
        return posting.Answer(200)

    monkeypatch.setattr(posting, "post", post)
    postman = webhooks.Postman()
    for index in range(5):
        slow = webhooks.create(bob, url=f"https://hangs{index}.example/", listens_to=[events.PAYOUT])
        for _i in range(3):
            webhooks.ping(slow)
    quick = webhooks.create(oscar, url=URL, listens_to=[events.PAYOUT])
    webhooks.ping(quick)
    first = postman.go_round(timezone.now())
    assert len(first) == webhooks.SENDERS_PER_PERSON + 1  # a person's addresses do not take all threads
    wait(first[-1:])
    assert sent == [URL]
    webhooks.ping(quick)
    wait(postman.go_round(timezone.now()))  # another round does not wait for the first
    assert sent == [URL, URL]
    hanging.set()
    wait(first)
    assert len(sent) == 2 + 3 * webhooks.SENDERS_PER_PERSON
