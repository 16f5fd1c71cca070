"""E-mails about what happened: stored with the change itself, written and sent later by a thread beside the sweep.

So nothing is told that did not happen, no transaction waits for a mail server, and nobody gets a mail at the wrong
moment: what is not true any more when its turn comes is not sent. Each kind is composed by the room that knows of it.
"""

import logging
import smtplib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.utils import timezone, translation

from accounts.models import Letter, User

logger = logging.getLogger(__name__)

Kind = Letter.Kind
# The field of a person that switches a kind off.
SWITCHES = {
    Kind.RECEIPT: "mails_receipts",
    Kind.CHARGER_OFFLINE: "mails_offline",
    Kind.LOW_BALANCE: "mails_low_balance",
    Kind.ANSWER: "mails_answers",
}
RETRY_AFTER = (timedelta(minutes=1), timedelta(minutes=10), timedelta(hours=1), timedelta(hours=6))
# A process that dies while it sends leaves the letter to another one after this time.
LEASE = timedelta(minutes=5)
KEPT_FOR = timedelta(days=30)
BATCH = 50


@dataclass(frozen=True, slots=True)
class Content:
    """`name` of the three templates below templates/mail/, and what they show."""

    name: str
    context: dict[str, Any] = field(default_factory=dict)


# Gives None when there is nothing to be told any more.
Composer = Callable[[Letter], Content | None]
composers: dict[str, Composer] = {}


def composer(kind: Letter.Kind) -> Callable[[Composer], Composer]:
    """Registers who composes this kind."""

    def register(compose: Composer) -> Composer:
        composers[kind] = compose
        return compose

    return register


def write(kind: Letter.Kind, *, to: User, about: int, number: int = 0) -> None:
    """Call it in the transaction of what it tells. Asked twice for the same event, it is one letter."""
    if not (to.is_active and getattr(to, SWITCHES[kind])):
        return
    letter = Letter(user=to, kind=kind, subject_key=about, number=number, next_attempt_at=timezone.now())
    Letter.objects.bulk_create([letter], ignore_conflicts=True)


def send_due(now: datetime) -> int:
    """Sends what is due, oldest first. Returns how many were sent."""
    due = Letter.objects.due(now).select_related("user")[:BATCH]
    return sum(_send(letter) for letter in due if letter.claim(until=now + LEASE))


def _send(letter: Letter) -> bool:
    """False: it was not sent, now or for ever."""
    letter.attempts += 1
    letter.next_attempt_at = None
    message = composed(letter)
    if message is None:
        letter.error = "not wanted any more"
    else:
        try:
            message.send()
        except (OSError, smtplib.SMTPException) as error:
            logger.warning("letter %s was not sent: %r", letter.pk, error)
            letter.error = repr(error)[:200]
            if letter.attempts <= len(RETRY_AFTER):
                letter.next_attempt_at = timezone.now() + RETRY_AFTER[letter.attempts - 1]
        else:
            letter.error, letter.sent_at = "", timezone.now()
    letter.save(update_fields=["attempts", "next_attempt_at", "error", "sent_at"])
    return letter.sent_at is not None


def composed(letter: Letter) -> EmailMultiAlternatives | None:
    """In the language of its reader. None: it is not true any more, or its reader does not want it any more."""
    person = letter.user
    if not (person.is_active and getattr(person, SWITCHES[Kind(letter.kind)])):
        return None
    with translation.override(person.language or settings.LANGUAGE_CODE):
        content = composers[letter.kind](letter)
        if content is None:
            return None
        shown = {**content.context, "person": person, "site_url": settings.SITE_URL}
        subject = render_to_string(f"mail/{content.name}_subject.txt", shown).strip()
        text = render_to_string(f"mail/{content.name}.txt", shown)
        message = EmailMultiAlternatives(subject, text, to=[person.email])
        message.attach_alternative(render_to_string(f"mail/{content.name}.html", shown), "text/html")
        return message


def forget(now: datetime) -> int:
    """Letters of long ago. Returns how many."""
    return Letter.objects.filter(created_at__lt=now - KEPT_FOR, next_attempt_at=None).delete()[0]
