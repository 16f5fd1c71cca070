"""Many rows in no time, and how the database would look for some of them. Imports nothing of the project.

volume.multiply(session, 20_000, start_text="'copy ' || n", user_id=alice.pk)
assert volume.plan(ChargingSession.objects.of_driver(alice)[:21]).indexes == {"session_by_driver"}
"""

import json
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction
from django.db.models import Model, QuerySet

SERIES = "WITH RECURSIVE series(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM series WHERE n < {times:d})"


def multiply(row: Model, times: int, **different: object) -> None:
    """Copies a row by one statement. `different` are SQL expressions (or numbers) of columns; `n` counts from 1."""
    names = [str(field.column) for field in row._meta.concrete_fields if not field.primary_key]
    assert different.keys() <= set(names), different
    columns = [connection.ops.quote_name(name) for name in names]
    values = [str(different.get(name, column)) for name, column in zip(names, columns, strict=True)]
    table = row._meta.db_table
    fill(
        table,
        f"({', '.join(columns)}) {SERIES.format(times=times)}"  # noqa: S608 - a test's own words
        f" SELECT {', '.join(values)} FROM {table}, series WHERE {table}.id = {row.pk:d}",
    )


def fill(table: str, what: str) -> None:
    """INSERT INTO `table` `what`, without its triggers: they look at each row, and these are thousands."""
    is_postgresql = connection.vendor == "postgresql"
    with transaction.atomic(), connection.cursor() as cursor:
        if is_postgresql:
            cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(f"INSERT INTO {table} {what}")
        if is_postgresql:
            cursor.execute("SET LOCAL session_replication_role = origin")
        cursor.execute("ANALYZE")  # also the tables that it is joined with: how big they are decides, too


@dataclass(frozen=True)
class Plan:
    """The steps that PostgreSQL takes, the outermost first."""

    steps: list[dict[str, Any]]

    @property
    def indexes(self) -> set[str]:
        return {step["Index Name"] for step in self.steps if "Index Name" in step}

    @property
    def read_through(self) -> set[str]:
        """Tables of which every row is looked at."""
        return {step["Relation Name"] for step in self.steps if step["Node Type"] == "Seq Scan"}

    def sorts(self, table: str) -> bool:
        """Are rows of it put in order, instead of being read in it?"""
        sorts = [step for step in self.steps if step["Node Type"] in {"Sort", "Incremental Sort"}]
        return any(below.get("Relation Name") == table for step in sorts for below in _steps(step))

    @property
    def rows_looked_at(self) -> int:
        """Of an executed plan: the most rows that one step found or threw away."""
        return max(
            int(step["Actual Loops"] * (step["Actual Rows"] + step.get("Rows Removed by Filter", 0)))
            for step in self.steps
        )


def plan(rows: QuerySet[Any, Any] | str, *, execute: bool = False) -> Plan:
    """How PostgreSQL reads these rows, or what a statement asks for."""
    if isinstance(rows, str):
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN (FORMAT json) {rows}")
            [top] = cursor.fetchone()[0]
    else:
        [top] = json.loads(rows.explain(format="json", **({"analyze": True} if execute else {})))
    return Plan(_steps(top["Plan"]))


def _steps(step: dict[str, Any]) -> list[dict[str, Any]]:
    return [step, *(inner for below in step.get("Plans", []) for inner in _steps(below))]
