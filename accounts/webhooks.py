"""Webhooks: programs of owners and operators are told what happens, at least once, signed.

What is to be told is stored with the change itself (`tell`), so nothing is told that did not happen, and nothing that
happened is forgotten. `deliver_due` sends it; accounts/posting.py holds the network.
"""

import base64
import hashlib
import hmac
import logging
import secrets
import time
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import orjson
from django.db import OperationalError, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts import events, posting
from accounts.models import Delivery, User, Webhook
from sharecharge.errors import Refused

logger = logging.getLogger(__name__)

Payload = dict[str, Any]

MOST_PER_PERSON = 10
SECRET_BYTES = 24
# After the first attempt, as the Standard Webhooks specification proposes. What fails then is failed.
RETRY_AFTER = [timedelta(seconds=5), *(timedelta(minutes=minutes) for minutes in (5, 30, 120, 300, 600, 600))]
# A process that dies while it sends leaves the message to another one after this time.
LEASE = timedelta(minutes=2)
# An address that has taken nothing for so long is switched off.
PATIENCE = timedelta(days=5)
BATCH = 20
SENDERS = 8
LOOK_AT = 200


# ------------------------------------------------------------------------------------------------ who listens


def create(user: User, *, url: str, listens_to: Collection[str]) -> Webhook:
    """A webhook; its secret is shown once, to who creates it. Refused: no owner, too many, or a bad address."""
    if not user.is_owner:
        raise Refused("not_an_owner", _("Webhooks are for owners and operators."), status=403)
    check_events(listens_to)
    posting.check(url)
    with transaction.atomic():
        User.objects.select_for_update(no_key=True).get(pk=user.pk)
        if user.webhooks.live().count() >= MOST_PER_PERSON:
            raise Refused("too_many", _("You have as many webhooks as one may have. Delete one first."))
        return Webhook.objects.create(user=user, url=url, events=sorted(listens_to), secret=_new_secret())


def change(
    webhook: Webhook,
    *,
    url: str | None = None,
    listens_to: Collection[str] | None = None,
    is_enabled: bool | None = None,
) -> None:
    """What is None stays. Switched on again, it begins without its old failures."""
    if listens_to is not None:
        check_events(listens_to)
        webhook.events = sorted(listens_to)
    if url is not None:
        posting.check(url)
        webhook.url = url
    if is_enabled is not None:
        webhook.is_enabled = is_enabled
        webhook.failing_since = None
    webhook.save(update_fields=["url", "events", "is_enabled", "failing_since"])


def rotate_secret(webhook: Webhook) -> str:
    """A new secret, for what is sent from now on."""
    webhook.secret = _new_secret()
    webhook.save(update_fields=["secret"])
    return webhook.secret


def delete(webhook: Webhook) -> None:
    """It is told nothing more; what waits for it is not sent."""
    with transaction.atomic():
        Webhook.objects.filter(pk=webhook.pk, deleted_at=None).update(deleted_at=timezone.now(), is_enabled=False)
        webhook.deliveries.filter(next_attempt_at__isnull=False).update(next_attempt_at=None, error="deleted")


def check_events(named: Collection[str]) -> None:
    unknown = sorted(set(named) - set(events.OFFERED))
    if unknown or not named:
        offered = ", ".join(events.OFFERED)
        raise Refused(
            "unknown_event", _("Choose from: %(offered)s.") % {"offered": offered}, status=400, field="events"
        )


def _new_secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


# ------------------------------------------------------------------------------------------------ what is told


class _Listeners:
    """Who listens to anything at all: looked up every few seconds, since sessions begin and end all the time and hardly
    anybody listens. A new webhook hears what happens a few seconds after it was made."""

    EVERY_SECONDS = 5.0

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        self.owners: frozenset[int] = frozenset()
        self.operators: frozenset[int] = frozenset()
        self.looked_at = float("-inf")

    def of(self, user_id: int) -> set[int]:
        """This person, if they listen, and the operators who do."""
        if time.monotonic() - self.looked_at > self.EVERY_SECONDS:
            found = dict(Webhook.objects.listening().order_by().values_list("user", "user__role").distinct())
            self.operators = frozenset(key for key, role in found.items() if role == User.Role.ADMIN)
            self.owners = frozenset(found)
            self.looked_at = time.monotonic()
        return set(self.operators | ({user_id} & self.owners))


listeners = _Listeners()


def tell(event: str, *, owner_id: int, data: Callable[[], Payload]) -> None:
    """Keeps a message for everybody who listens: the owner whom it concerns, and operators. Call it in the transaction
    of what it tells; `data` is made only when somebody listens."""
    if not (people := listeners.of(owner_id)):
        return
    hooks = [hook for hook in Webhook.objects.listening().filter(user__in=people) if event in hook.events]
    if not hooks:
        return
    try:
        with transaction.atomic():
            _keep(hooks, event, data())
    except OperationalError:
        raise  # the database itself failed, and with it what was to be told
    except Exception:  # charging and bills must not fail because nobody can be told of them
        logger.exception("%s could not be told", event)


def ping(webhook: Webhook) -> Delivery:
    """A message that tells nothing, to try the address."""
    return _keep([webhook], events.PING, {"webhook": webhook.pk})[0]


def _keep(hooks: Iterable[Webhook], event: str, data: Payload) -> list[Delivery]:
    now = timezone.now()
    payload = {"type": event, "timestamp": now.isoformat(), "data": data}
    waiting = [Delivery(webhook=hook, event=event, payload=payload, next_attempt_at=now) for hook in hooks]
    return Delivery.objects.bulk_create(waiting)


def replay(delivery: Delivery) -> Delivery:
    """Sends a message again, with the same id, whatever became of it."""
    if not (delivery.webhook.is_enabled and delivery.webhook.deleted_at is None):
        raise Refused("webhook_off", _("This webhook is switched off. Switch it on first."))
    delivery.attempts, delivery.delivered_at, delivery.error = 0, None, ""
    delivery.next_attempt_at = timezone.now()
    delivery.save(update_fields=["attempts", "delivered_at", "error", "next_attempt_at"])
    return delivery


# ------------------------------------------------------------------------------------------------ sending


def deliver_due(now: datetime) -> int:
    """Sends what is due, one message for each webhook, side by side. Returns how many were sent, well or not."""
    claimed = [delivery for delivery in _oldest_of_each(now) if _claim(delivery, now)]
    with ThreadPoolExecutor(SENDERS, thread_name_prefix="webhook") as senders:
        letters = ((delivery.webhook.url, *signed(delivery)) for delivery in claimed)
        answers = list(senders.map(lambda letter: posting.post(*letter), letters))
    for delivery, answer in zip(claimed, answers, strict=True):
        _record(delivery, answer)
    return len(claimed)


def _oldest_of_each(now: datetime) -> list[Delivery]:
    """At most one message for a webhook at a time: an address that hangs keeps only its own messages waiting."""
    waiting: dict[int, Delivery] = {}
    for delivery in Delivery.objects.due(now).select_related("webhook")[:LOOK_AT]:
        waiting.setdefault(delivery.webhook_id, delivery)
    return list(waiting.values())[:BATCH]


def _claim(delivery: Delivery, now: datetime) -> bool:
    """Of all processes that look, one sends."""
    mine = Delivery.objects.filter(pk=delivery.pk, next_attempt_at=delivery.next_attempt_at)
    return mine.update(next_attempt_at=now + LEASE) == 1


def signed(delivery: Delivery) -> tuple[bytes, dict[str, str]]:
    """Body and headers of a message, as the Standard Webhooks specification has them: whoever has the secret can check
    that it comes from us, and by its time that it is no old one."""
    body, moment = orjson.dumps(delivery.payload), int(time.time())
    key = base64.b64decode(delivery.webhook.secret.removeprefix("whsec_"))
    text = f"{delivery.pk}.{moment}.".encode() + body
    signature = base64.b64encode(hmac.new(key, text, hashlib.sha256).digest()).decode()
    return body, {
        "Content-Type": "application/json",
        "User-Agent": "ShareCharge",
        "Webhook-Id": str(delivery.pk),
        "Webhook-Timestamp": str(moment),
        "Webhook-Signature": f"v1,{signature}",
    }


def _record(delivery: Delivery, answer: posting.Answer) -> None:
    now = timezone.now()
    delivery.attempts += 1
    delivery.response_status, delivery.error = answer.status, answer.error[:200]
    delivery.next_attempt_at = None
    if answer.is_taken:
        delivery.delivered_at = now
    elif delivery.attempts <= len(RETRY_AFTER):
        delivery.next_attempt_at = now + RETRY_AFTER[delivery.attempts - 1]
    fields = ["attempts", "response_status", "error", "next_attempt_at", "delivered_at"]
    with transaction.atomic():
        # Deleted or switched off meanwhile: what was stopped stays stopped.
        webhook = Webhook.objects.select_for_update(no_key=True).get(pk=delivery.webhook_id)
        if not webhook.is_enabled and delivery.delivered_at is None:
            delivery.next_attempt_at = None
        delivery.save(update_fields=fields)
        _remember(webhook, now, is_taken=answer.is_taken)


def _remember(webhook: Webhook, now: datetime, *, is_taken: bool) -> None:
    """How long the address has taken nothing; after `PATIENCE` it is switched off."""
    if is_taken:
        if webhook.failing_since is not None:
            Webhook.objects.filter(pk=webhook.pk).update(failing_since=None)
    elif webhook.failing_since is None:
        Webhook.objects.filter(pk=webhook.pk).update(failing_since=now)
    elif now - webhook.failing_since > PATIENCE:
        Webhook.objects.filter(pk=webhook.pk).update(is_enabled=False)
        webhook.deliveries.filter(next_attempt_at__isnull=False).update(next_attempt_at=None)
