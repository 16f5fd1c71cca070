"""Webhooks: programs of owners and operators are told what happens, at least once, signed.

What is to be told is stored with the change itself (`tell`), so nothing is told that did not happen, and nothing that
happened is forgotten. The postman sends it; accounts/posting.py holds the network.
"""

import base64
import hashlib
import hmac
import logging
import secrets
import threading
import time
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import orjson
from django.db import OperationalError, close_old_connections, transaction
from django.db.models import Min, Q
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
# An address that took nothing is left alone for at most so long.
LONGEST_REST = timedelta(minutes=5)
SENDERS, SENDERS_PER_PERSON = 8, 2
TURN_SECONDS = 10.0
LOOK_AT = 50
# Pings and repeats; what happens is kept in any number.
MOST_ASKED_FOR = 100


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
    """What is None stays. Switched on, it begins without its old failures; switched off, it is told nothing more."""
    changed: dict[str, Any] = {}
    if listens_to is not None:
        check_events(listens_to)
        changed["events"] = sorted(listens_to)
    if url is not None:
        posting.check(url)
        changed["url"] = url
    if is_enabled is not None:
        changed |= {"is_enabled": is_enabled, "failing_since": None, "resting_until": None}
    with transaction.atomic():
        Webhook.objects.filter(pk=webhook.pk).update(**changed)
        if is_enabled is False:
            _drop_waiting(webhook, "switched off")
    webhook.refresh_from_db()


def _drop_waiting(webhook: Webhook, why: str) -> None:
    webhook.deliveries.waiting().update(next_attempt_at=None, error=why)


def rotate_secret(webhook: Webhook) -> str:
    """A new secret, for what is sent from now on."""
    webhook.secret = _new_secret()
    webhook.save(update_fields=["secret"])
    return webhook.secret


def delete(webhook: Webhook) -> None:
    """It is told nothing more; what waits for it is not sent."""
    with transaction.atomic():
        Webhook.objects.filter(pk=webhook.pk, deleted_at=None).update(deleted_at=timezone.now(), is_enabled=False)
        _drop_waiting(webhook, "deleted")


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
            _keep(hooks, event, data(), owner_id=owner_id)
    except OperationalError:
        raise  # the database itself failed, and with it what was to be told
    except Exception:  # charging and bills must not fail because nobody can be told of them
        logger.exception("%s could not be told", event)


def ping(webhook: Webhook) -> Delivery:
    """A message that tells nothing, to try the address. Refused: a great many wait for it already."""
    _require_room(webhook)
    _wake(webhook)
    return _keep([webhook], events.PING, {"webhook": webhook.pk}, owner_id=webhook.user_id)[0]


def _keep(hooks: Iterable[Webhook], event: str, data: Payload, *, owner_id: int) -> list[Delivery]:
    now = timezone.now()
    payload = {"type": event, "timestamp": now.isoformat(), "data": data}
    waiting = [
        Delivery(webhook=hook, event=event, payload=payload, owner_id=owner_id, next_attempt_at=now) for hook in hooks
    ]
    return Delivery.objects.bulk_create(waiting)


def replay(delivery: Delivery) -> Delivery:
    """Sends a message again, with the same id, whatever became of it."""
    if not (delivery.webhook.is_enabled and delivery.webhook.deleted_at is None):
        raise Refused("webhook_off", _("This webhook is switched off. Switch it on first."))
    _require_room(delivery.webhook)
    _wake(delivery.webhook)
    delivery.attempts, delivery.delivered_at, delivery.error = 0, None, ""
    delivery.next_attempt_at = timezone.now()
    delivery.save(update_fields=["attempts", "delivered_at", "error", "next_attempt_at"])
    return delivery


def _wake(webhook: Webhook) -> None:
    """Somebody wants to know now whether the address takes something: it rests no longer."""
    Webhook.objects.filter(pk=webhook.pk).update(resting_until=None)


def _require_room(webhook: Webhook) -> None:
    if webhook.deliveries.waiting()[:MOST_ASKED_FOR].count() >= MOST_ASKED_FOR:
        raise Refused("too_many_waiting", _("Many messages wait for this webhook. Wait until it has taken them."))


# ------------------------------------------------------------------------------------------------ sending


class Postman:
    """Sends what is due. Each webhook is served by one thread at a time, and a person's by a few: an address that hangs
    keeps only its own messages waiting, until the deadline of posting.py, and rests after that."""

    def __init__(self) -> None:
        self.threads = ThreadPoolExecutor(SENDERS, thread_name_prefix="webhook")
        self.serving: dict[int, int] = {}  # webhook → its person
        self.lock = threading.Lock()

    def go_round(self, now: datetime) -> list[Future[int]]:
        """Hands the webhooks that something is due for to the threads that are free. Does not wait for them."""
        handed = []
        for webhook in due(now):
            with self.lock:
                busy = list(self.serving.values())
                if webhook.pk in self.serving or busy.count(webhook.user_id) >= SENDERS_PER_PERSON:
                    continue
                if len(busy) >= SENDERS:
                    break
                self.serving[webhook.pk] = webhook.user_id
            handed.append(self.threads.submit(self._serve, webhook))
        return handed

    def _serve(self, webhook: Webhook) -> int:
        try:
            return serve(webhook, until=time.monotonic() + TURN_SECONDS)
        except Exception:  # the end of a thread: nobody else would tell
            logger.exception("webhook %s could not be served", webhook.pk)
            return 0
        finally:
            with self.lock:
                del self.serving[webhook.pk]
            close_old_connections()


postman = Postman()


def due(now: datetime) -> list[Webhook]:
    """The webhooks that something is due for, the longest waiting first."""
    rested = Q(resting_until=None) | Q(resting_until__lte=now)
    oldest = Min("deliveries__next_attempt_at", filter=Q(deliveries__next_attempt_at__lte=now))
    waiting = Delivery.objects.due(now).order_by().values("webhook")
    found = Webhook.objects.listening().filter(rested, pk__in=waiting).annotate(oldest=oldest)
    return list(found.select_related("user").order_by("oldest", "pk")[:LOOK_AT])


def serve(webhook: Webhook, *, until: float) -> int:
    """Sends what is due to one webhook, in its order, until its turn is over or it does not take something.

    Returns how many were sent, well or not. `until` is a moment of the monotonic clock.
    """
    if not webhook.user.is_staff:  # an operator once, who was told of others' chargers then
        webhook.deliveries.waiting().exclude(owner=webhook.user_id).update(next_attempt_at=None, error="not theirs")
    count = 0
    while time.monotonic() < until and (delivery := _claim_next(webhook)):
        answer = posting.post(webhook.url, *signed(delivery))
        _record(delivery, answer)
        count += 1
        if not answer.is_taken:
            break
    return count


def _claim_next(webhook: Webhook) -> Delivery | None:
    """The next message, taken so that of all processes one sends it."""
    now = timezone.now()
    for delivery in webhook.deliveries.due(now)[:2]:
        if delivery.claim(until=now + LEASE):
            delivery.webhook = webhook
            return delivery
    return None


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
    delivery.next_attempt_at, delivery.delivered_at = None, now if answer.is_taken else None
    if not answer.is_taken and delivery.attempts <= len(RETRY_AFTER):
        delivery.next_attempt_at = now + RETRY_AFTER[delivery.attempts - 1]
    fields = ["attempts", "response_status", "error", "next_attempt_at", "delivered_at"]
    with transaction.atomic():
        # Deleted or switched off meanwhile: what was stopped stays stopped.
        webhook = Webhook.objects.select_for_update(no_key=True).get(pk=delivery.webhook_id)
        if not webhook.is_enabled:
            delivery.next_attempt_at = None
        delivery.save(update_fields=fields)
        _remember(webhook, now, answer, attempts=delivery.attempts)


def _remember(webhook: Webhook, now: datetime, answer: posting.Answer, *, attempts: int) -> None:
    """How long the address has taken nothing: it rests for a while, and after `PATIENCE` it is switched off."""
    if answer.is_taken:
        if webhook.failing_since is not None:
            Webhook.objects.filter(pk=webhook.pk).update(failing_since=None, resting_until=None)
        return
    rest = min(RETRY_AFTER[min(attempts, len(RETRY_AFTER)) - 1], LONGEST_REST)
    since = webhook.failing_since or now
    is_hopeless = now - since > PATIENCE
    Webhook.objects.filter(pk=webhook.pk).update(
        failing_since=since, resting_until=now + rest, is_enabled=webhook.is_enabled and not is_hopeless
    )
    if is_hopeless:
        _drop_waiting(webhook, "switched off, it took nothing for days")
