"""E-mails as files that a person opens and reads: for the demo, and for trying things out (`EMAIL_URL=filemail:///…`)."""

import secrets
from collections.abc import Sequence
from pathlib import Path

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend
from django.utils import timezone


class EmailBackend(BaseEmailBackend):
    """Django's own writes what would be sent, whose subject and longer lines are encoded.

    Raises OSError where the folder cannot be written to.
    """

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        folder = Path(settings.EMAIL_FILE_PATH)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # links that log in are among them
        for message in email_messages:
            # By name they stand in the order in which they came.
            name = f"{timezone.localtime():%Y-%m-%d-%H%M%S-%f}-{secrets.token_hex(2)}"
            (folder / f"{name}.txt").write_text(letter(message), encoding="utf-8")
            for content, kind in getattr(message, "alternatives", ()):
                if kind == "text/html":
                    (folder / f"{name}.html").write_text(content, encoding="utf-8")
        return len(email_messages)


def letter(message: EmailMessage) -> str:
    heading = {"From": message.from_email, "To": ", ".join(message.to), "Subject": message.subject}
    return "\n".join([*(f"{name}: {value}" for name, value in heading.items()), "", str(message.body), ""])
