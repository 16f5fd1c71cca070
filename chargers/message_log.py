"""The message log as an owner may read it: no card number in full."""

import json
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

from django.utils import formats, timezone

from accounts.models import IdTag
from chargers.models import Message
from chargers.shapes import Shape

SHORTEST_CARD = 5

# Whoever has the number of a card can charge on its holder's account, so owners see only its end.
CARD_KEYS = frozenset({"idtag", "parentidtag", "idtoken"})
# The same in a frame that cannot be read, or in JSON inside of a text (`\"idTag\":\"…`).
CARD_KEY_IN_TEXT = r'(\\*"(?:(?:parent)?idtag|idtoken)\\*"\s*:\s*)'
CARD_IN_TEXT = re.compile(CARD_KEY_IN_TEXT + r'(\\*")((?:(?!\2)(?:\\.|.))*)', re.IGNORECASE | re.DOTALL)
CARD_AS_NUMBER = re.compile(CARD_KEY_IN_TEXT + r"(-?\d[\d.eE+-]*)", re.IGNORECASE)


def message(row: Message) -> Shape:
    """A frame and its answer as the owner may see them: drivers' card numbers are masked."""
    request, response, _note = masked(row)
    return {
        "at_text": _clock_text(row.at),
        "direction_text": row.get_direction_display(),
        "action": row.action,
        "is_error": row.is_error,
        "request": request,
        "response": response,
    }


def _clock_text(at: datetime) -> str:
    """With seconds: messages come in quick succession."""
    local = timezone.localtime(at)
    day = "" if local.date() == timezone.localdate() else formats.date_format(local, "SHORT_DATE_FORMAT") + " "
    return f"{day}{local:%H:%M:%S}"


class Masked(NamedTuple):
    """The texts of a message, with every card number cut to its last four characters."""

    request: str
    response: str
    note: str


def masked(row: Message) -> Masked:
    """Also where a number that the call or its answer carries is said again in some sentence."""
    cards = _cards_of(row.request) | _cards_of(row.response)
    texts = (mask_cards(row.request), mask_cards(row.response), mask_text(row.note))
    repeated = re.compile("|".join(map(re.escape, sorted(cards, key=len, reverse=True))))
    return Masked(*(repeated.sub(lambda match: _mask(match[0]), text) if cards else text for text in texts))


def _cards_of(frame: str) -> set[str]:
    """Shorter ones than a card can have would be found in every text."""
    try:
        found = set(_cards_in(json.loads(frame)))
    except (ValueError, RecursionError):
        found = {match[3] for match in CARD_IN_TEXT.finditer(frame)}
        found |= {match[2] for match in CARD_AS_NUMBER.finditer(frame)}
    return {card for card in found if len(card) >= SHORTEST_CARD}


def _cards_in(value: Any, *, is_card: bool = False) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _cards_in(item, is_card=is_card or key.lower() in CARD_KEYS)
    elif isinstance(value, list):
        for item in value:
            yield from _cards_in(item, is_card=is_card)
    elif is_card and value is not None and not isinstance(value, bool):
        yield str(value)


def mask_cards(frame: str) -> str:
    """The frame with every card number cut to its last four characters."""
    try:
        return json.dumps(_mask_value(json.loads(frame)), ensure_ascii=False)
    except (ValueError, RecursionError):
        return mask_text(frame)


def _mask_value(value: Any, *, is_card: bool = False) -> Any:
    if isinstance(value, dict):
        return {
            mask_text(key): _mask_value(item, is_card=is_card or key.lower() in CARD_KEYS)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_mask_value(item, is_card=is_card) for item in value]
    if is_card and value is not None and not isinstance(value, bool):
        return _mask(str(value))
    return mask_text(value) if isinstance(value, str) else value


def mask_text(text: str) -> str:
    """The same for a text that may have a frame, or a piece of one, in it."""
    text = CARD_IN_TEXT.sub(lambda match: match[1] + match[2] + _mask(match[3]), text)
    return CARD_AS_NUMBER.sub(lambda match: match[1] + _mask(match[2]), text)


def _mask(uid: str) -> str:
    return IdTag(uid=uid).masked_uid
