"""Error reports to Sentry, where SENTRY_DSN is set. They tell what broke, not whose data it was."""

import logging
import re
from typing import Any

import sentry_sdk
from sentry_sdk.integrations.logging import LoggingIntegration
from sentry_sdk.transport import Transport

from chargers import message_log
from sharecharge import trace

SECRETS = (
    # The password of a charger in a ChangeConfiguration, also in JSON inside of a text.
    (re.compile(r'(AuthorizationKey\\*"\s*,\s*\\*"value\\*"\s*:\s*\\*")[^"\\]*', re.IGNORECASE), r"\1…"),
    (re.compile(r"\b((?:Basic|Bearer)\s+)[A-Za-z0-9+/=._~-]+", re.IGNORECASE), r"\1…"),
    (re.compile(r"(://[^/\s:@]*:)[^@\s/]+(?=@)"), r"\1…"),  # the password inside a URL
    (re.compile(r"(/(?:reset/key|confirm-email)/)[^/?\s\"]+"), r"\1…"),  # who has this link may set a password
    (re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+"), "…@…"),
)


def begin(dsn: str, *, transport: Transport | None = None) -> None:
    """From here on errors are reported. `transport` stands for the network in tests.

    Sentry's own collecting of personal data stays off, which is its default.
    """
    sentry_sdk.init(
        dsn=dsn,
        transport=transport,
        integrations=[LoggingIntegration(event_level=logging.ERROR)],
        include_local_variables=False,  # frames, cards and forms are in them
        max_request_body_size="never",
        auto_session_tracking=False,
        before_send=_scrubbed,
        before_breadcrumb=_scrubbed,
    )


def _scrubbed(event: Any, hint: dict[str, Any]) -> Any:
    if name := trace.current.get():
        event.setdefault("tags", {})["trace"] = name
    return _scrub(event)


def _scrub(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _scrub(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_scrub(item) for item in value]
    return scrub_text(value) if isinstance(value, str) else value


def scrub_text(text: str) -> str:
    """Card numbers down to their ends; no passwords, tokens, secret links and addresses of people."""
    for secret, shown in SECRETS:
        text = secret.sub(shown, text)
    return message_log.mask_text(text)
