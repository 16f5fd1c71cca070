"""Many rows in one statement, for the facts lane.

On PostgreSQL the rows travel as one JSON parameter, which costs a twentieth of what an adapted list of values does; on
SQLite the driver's own loop (`executemany`) is as quick. A value is what a model's field holds, for a JSONField the
object itself. Runs inside the caller's transaction.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from functools import cache
from typing import Any

import orjson
from django.db import connection
from django.db.models import Field, JSONField, Model

from sharecharge import prepared

Row = tuple[Any, ...]


def insert(
    model: type[Model],
    names: tuple[str, ...],
    rows: Sequence[Row],
    *,
    unique: tuple[str, ...] = (),
    update: tuple[str, ...] = (),
) -> None:
    """Inserts rows of the columns `names`. A row that a unique index knows already is left alone.

    With `unique`, the columns of one unique index, the columns `update` of such a row get the new values; then no two
    of `rows` may have the same key.
    """
    if not rows:
        return
    conflict = "ON CONFLICT DO NOTHING"
    if unique:
        changed = ", ".join(f"{name} = excluded.{name}" for name in update)
        conflict = f"ON CONFLICT ({', '.join(unique)}) DO UPDATE SET {changed}"
    columns = ", ".join(names)
    table = model._meta.db_table
    if connection.vendor == "postgresql":
        source = f"SELECT {columns} FROM {_recordset(model, names)}"  # noqa: S608 - names of our own columns
    else:
        source = f"VALUES ({', '.join('%s' for _name in names)})"
    _execute(f"INSERT INTO {table} ({columns}) {source} {conflict}", model, names, rows)


def update(model: type[Model], names: tuple[str, ...], rows: Sequence[Row]) -> None:
    """Updates rows by the first of the columns `names`. A key that no row has changes nothing."""
    if not rows:
        return
    key, *changed = names
    table = model._meta.db_table
    if connection.vendor == "postgresql":
        assignments = ", ".join(f"{name} = told.{name}" for name in changed)
        source = _recordset(model, names)
        sql = f"UPDATE {table} SET {assignments} FROM {source} WHERE {table}.{key} = told.{key}"  # noqa: S608 - as above
        _execute(sql, model, names, rows)
    else:
        assignments = ", ".join(f"{name} = %s" for name in changed)
        rotated = [(*row[1:], row[0]) for row in rows]
        sql = f"UPDATE {table} SET {assignments} WHERE {key} = %s"  # noqa: S608 - as above
        _execute(sql, model, (*changed, key), rotated)


@contextlib.contextmanager
def together() -> Iterator[None]:
    """Makes one statement of what is written inside, on PostgreSQL: one round trip, and all or nothing by itself.

    Each may be of another table only. Nothing of it is there before the end.
    """
    gathered: list[tuple[str, str]] = []
    token = _gathered.set(gathered)
    try:
        yield
    finally:
        _gathered.reset(token)
    if gathered:
        *others, last = [sql for sql, _document in gathered]
        first = ", ".join(f"part{number} AS ({sql})" for number, sql in enumerate(others))
        prepared.execute(f"WITH {first} {last}" if others else last, [document for _sql, document in gathered])


_gathered: ContextVar[list[tuple[str, str]] | None] = ContextVar("gathered", default=None)


def _execute(sql: str, model: type[Model], names: tuple[str, ...], rows: Sequence[Row]) -> None:
    if connection.vendor == "postgresql":
        document = orjson.dumps([dict(zip(names, row, strict=True)) for row in rows]).decode()
        if (gathered := _gathered.get()) is not None:
            gathered.append((sql, document))
        else:
            prepared.execute(sql, [document])
        return
    converters = _converters(model, names)
    with connection.cursor() as cursor:
        cursor.executemany(sql, [_converted(row, converters) for row in rows])


@cache
def _recordset(model: type[Model], names: tuple[str, ...]) -> str:
    types = ", ".join(f"{name} {_field(model, name).db_type(connection)}" for name in names)
    return f"json_to_recordset(%s::json) AS told ({types})"


def _field(model: type[Model], column: str) -> "Field[Any, Any]":
    return next(field for field in model._meta.concrete_fields if field.column == column)


@cache
def _converters(model: type[Model], names: tuple[str, ...]) -> tuple[tuple[int, Callable[[Any], Any]], ...]:
    """What SQLite cannot store as it is, by position: moments and JSON."""
    found: list[tuple[int, Callable[[Any], Any]]] = []
    for index, name in enumerate(names):
        field = _field(model, name)
        if isinstance(field, JSONField):
            found.append((index, lambda value: orjson.dumps(value).decode()))
        elif field.get_internal_type() == "DateTimeField":
            found.append((index, connection.ops.adapt_datetimefield_value))
    return tuple(found)


def _converted(row: Row, converters: tuple[tuple[int, Callable[[Any], Any]], ...]) -> list[Any]:
    values = list(row)
    for index, convert in converters:
        if values[index] is not None:
            values[index] = convert(values[index])
    return values
