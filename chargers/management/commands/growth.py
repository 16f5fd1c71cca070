from typing import Any

from django.core.management.base import BaseCommand
from django.db import OperationalError, connection
from django.db.models import Model

from billing.models import Entry, Hold, Transfer
from chargers.models import ChargingSession, Message, MeterValue
from chargers.models import Command as ChargerCommand

# What a session leaves behind. Everything else grows with people and chargers.
TABLES: tuple[type[Model], ...] = (MeterValue, Message, ChargingSession, Entry, Transfer, Hold, ChargerCommand)

POSTGRESQL_BYTES = "SELECT pg_total_relation_size(%s::regclass)"
# Indexes are tables of their own there.
SQLITE_BYTES = "SELECT sum(pgsize) FROM dbstat WHERE name IN (SELECT name FROM sqlite_master WHERE tbl_name = %s)"


def bytes_of(model: type[Model]) -> int:
    """What its table takes on disk with its indexes and long values."""
    with connection.cursor() as cursor:
        statement = POSTGRESQL_BYTES if connection.vendor == "postgresql" else SQLITE_BYTES
        cursor.execute(statement, [model._meta.db_table])
        return int(cursor.fetchone()[0] or 0)


class Command(BaseCommand):
    help = "How much room a session, a meter value and a message take in this database, with their indexes."

    def handle(self, *args: Any, **options: Any) -> None:
        charged = ChargingSession.objects.exclude(status=ChargingSession.Status.REFUSED)
        sessions = charged.count()
        self.line("table", "rows", "bytes", "per row", "per session")
        total = 0
        for model in TABLES:
            rows = model._default_manager.count()
            try:
                size = bytes_of(model)
            except OperationalError as error:  # an SQLite that was built without dbstat
                self.stderr.write(f"This database does not tell sizes: {error}")
                return
            total += size
            self.line(model._meta.db_table, rows, size, _each(size, rows), _each(size, sessions))
        self.line("together", sessions, total, "", _each(total, sessions))

    def line(self, name: str, *figures: object) -> None:
        self.stdout.write(f"{name:32}" + "".join(f"{figure:>14}" for figure in figures))


def _each(size: int, count: int) -> int:
    return round(size / count) if count else 0
