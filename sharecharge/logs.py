"""One line per event: time, level, logger, trace or connection id, charger, message. Text from outside is escaped."""

import logging
from datetime import UTC, datetime

from sharecharge import trace

TEXT_LIMIT = 4000
CONTROL_CHARACTERS = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160), 0x2028, 0x2029)}


class LineFormatter(logging.Formatter):
    """Formats a record as one line, whatever its text contains.

    The id is that of trace.py. The gateway gives `extra={"connection": …, "charger": …}`, which stands in for it.
    """

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        origin = trace.current.get() or getattr(record, "connection", None) or "-"
        charger = getattr(record, "charger", "-")
        text = record.getMessage().translate(CONTROL_CHARACTERS)
        if len(text) > TEXT_LIMIT:
            text = f"{text[:TEXT_LIMIT]}… ({len(text)} characters)"
        line = f"{moment} {record.levelname} {record.name} id={origin} charger={charger} {text}"
        # Below an error a traceback says nothing new: a 403 is no accident.
        if record.exc_info and record.levelno >= logging.ERROR:
            line += "\n" + self.formatException(record.exc_info)
        return line
