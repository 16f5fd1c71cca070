"""What a charger's clock says. Pure. Any text gives a moment; nothing raises (R8)."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

# Offline histories may be months old; before this, or more than a day ahead, the clock was never set or is broken.
OLDEST = datetime(2020, 1, 1, tzinfo=UTC)
AHEAD = timedelta(days=1)
TEXT_LENGTH = 40
# Below this nobody notices that two clocks differ.
TOLERANCE = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Moment:
    """`at` is what we work with (UTC), `text` what the charger sent; `is_doubtful`: `at` is our own clock instead."""

    at: datetime
    text: str
    is_doubtful: bool


def read(value: Any, *, received_at: datetime) -> Moment:
    """The charger's time if it can be right, else the time of receipt, marked as doubtful."""
    text = str(value)[:TEXT_LENGTH].replace("\0", "") if value is not None else ""
    at = parse(text)
    if at is None or not OLDEST <= at <= received_at + AHEAD:
        return Moment(received_at, text, True)
    return Moment(at, text, False)


def agree(told: datetime, received_at: datetime) -> bool:
    """Whether what was told live shows a clock that is right."""
    return abs(received_at - told) <= TOLERANCE


def parse(text: str) -> datetime | None:
    """RFC 3339 and what chargers make of it (blank for T, `+0200`, lower-case z, no zone = UTC), else None."""
    try:
        at = datetime.fromisoformat(text.strip().upper())
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
