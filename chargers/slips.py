"""Slips of whoever types an identity into a wallbox: which charger an attempt was meant for.

Identities are random, so one that differs by two characters from a charger that waits is a slip, not another charger.
"""

from collections.abc import Iterable
from urllib.parse import unquote

from chargers.models import Charger

MOST_SLIPS = 2
MOST_CANDIDATES = 1000  # the newest ones: those wait
TEXT_LENGTH = 48  # as long as an identity can be


def said(path: str) -> str:
    """The identity that a path names, as it was typed: its last part."""
    return unquote(path.partition("?")[0].rstrip("/").rpartition("/")[2])[:TEXT_LENGTH]


def meant(path: str, *, may_guess: bool) -> Charger | None:
    """The charger of this identity, or, by a guess, the only one that waits for its wallbox and is nearly this.

    None for an identity that belongs, or has ever belonged, to another charger.
    """
    text = _bare(said(path))
    if not text:
        return None
    known = Charger.objects.with_identity(text).first()
    if known is not None:
        return known if known.deleted_at is None else None
    near = [key for key, identity in _waiting() if _is_near(_bare(identity), text)] if may_guess else []
    return Charger.objects.get(pk=near[0]) if len(near) == 1 else None


def _waiting() -> Iterable[tuple[int, str]]:
    """The newest that are not connected, through an index: a stranger's knock must not make us read all chargers."""
    waiting = Charger.objects.live().filter(connection_mark="").order_by("-pk")
    return waiting.values_list("pk", "identity")[:MOST_CANDIDATES]


def _is_near(identity: str, text: str) -> bool:
    """Of three parts of a text with two slips one is whole: most are seen to be others without counting slips."""
    if abs(len(identity) - len(text)) > MOST_SLIPS:
        return False
    third = max(1, len(text) // 3)
    has_part = any(part in identity for part in (text[:third], text[third:-third], text[-third:]) if part)
    return has_part and slips(identity, text) <= MOST_SLIPS


def slips(identity: str, text: str) -> int:
    """How many characters are wrong, missing or too many (Levenshtein's distance); blanks, dashes and case are none."""
    one, other = _bare(identity), _bare(text)
    row = list(range(len(other) + 1))
    for index, letter in enumerate(one, 1):
        above, row = row, [index]
        for place, mark in enumerate(other, 1):
            row.append(min(above[place] + 1, row[-1] + 1, above[place - 1] + (letter != mark)))
    return row[-1]


def _bare(text: str) -> str:
    return "".join(letter for letter in text.upper() if letter.isalnum())
