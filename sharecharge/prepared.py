"""Queries that are compiled once and run many times. For the hot path of the gateway; imports nothing of ours.

The ORM builds the SQL of a query anew each time it runs. For the rows of our wide tables that costs four times what
the driver and the database do. What stands here keeps the ORM's own SQL and its own way from rows to objects, and
leaves out only the building:

    by_code = Prepared(lambda code: Charger.objects.select_related("owner").filter(code=code), code="")
    charger = by_code.first(code="abc")

Everything that is given must reach the SQL as it is: no lookup that changes its value (`iexact`, `contains`), no list.
`sharecharge/tests/test_prepared.py` holds it to what the ORM itself answers.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Generic, TypeVar, cast

import psycopg
from django.db import DEFAULT_DB_ALIAS, connection, connections, models
from django.db.models import Model, QuerySet
from django.db.models.query import ValuesListIterable, get_related_populators
from psycopg.sql import Literal

R = TypeVar("R")
Value = int | str | datetime


def execute(sql: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Runs a statement that is run often, and gives its rows, if it has any.

    On PostgreSQL past Django's cursor, which writes the values into the SQL, so that the database has to parse and plan
    every statement anew: here it is prepared once for each connection. Where somebody watches the queries (a test, the
    debugger) it takes Django's way.
    """
    database = connections[DEFAULT_DB_ALIAS]  # the proxy `connection` would look it up at every access
    if database.vendor != "postgresql" or database.queries_logged or database.execute_wrappers:
        with database.cursor() as watched:
            watched.execute(sql, parameters)
            return watched.fetchall() if watched.description else []
    database.validate_no_broken_transaction()
    database.ensure_connection()
    with database.wrap_database_errors:
        cursor = psycopg.Cursor(database.connection)
        cursor.execute(sql, parameters, prepare=True)
        # `description` would build an object for each column.
        return cursor.fetchall() if cursor.pgresult and cursor.pgresult.nfields else []


class Prepared(Generic[R]):
    """A queryset with values left open. `kinds` names them, each with any value of its type."""

    def __init__(self, build: "Callable[..., QuerySet[Any, R]]", **kinds: Value) -> None:
        self.build = build
        self.marks = {name: _mark(kind, number) for number, (name, kind) in enumerate(kinds.items())}
        self.compiled: dict[str, _Compiled] = {}

    def all(self, **values: Value) -> list[R]:
        """The rows as objects, or as tuples if the queryset says `values_list`."""
        return list(self._run(values))

    def first(self, **values: Value) -> R | None:
        return next(self._run(values), None)

    def _run(self, values: dict[str, Value]) -> Iterator[R]:
        compiled = self.compiled.get(connection.vendor)
        if compiled is None:
            compiled = self.compiled[connection.vendor] = _Compiled(self.build(**self.marks), self.marks)
        return cast("Iterator[R]", compiled.run(values))


def _mark(kind: Value, number: int) -> Value:
    """A value that can be told from all others, and that no case or trimming changes."""
    if isinstance(kind, int):
        return 31_071 + number  # the smallest column must hold it
    if isinstance(kind, datetime):
        return datetime(1871, 1, 1, 1, 1, 1, 871871, tzinfo=UTC) + timedelta(days=number)
    return f"\ue000{number}\ue000"


class _Compiled:
    """The SQL for one kind of database, and how its rows become objects."""

    def __init__(self, rows: QuerySet[Any], marks: dict[str, Value]) -> None:
        self.adapt = connection.ops.adapt_datetimefield_value
        known = {self._given(mark): name for name, mark in marks.items()}
        self.compiler = rows.query.get_compiler(connection=connection)
        self.sql, parameters = self.compiler.as_sql()
        # Constants of the query stay; (name, None) or (None, constant).
        self.parameters = [(known.get(value), value) if _may_be_mark(value) else (None, value) for value in parameters]
        missing = set(marks) - {name for name, _value in self.parameters}
        assert not missing, f"{missing} do not reach the SQL as they are: {self.sql}"
        if connection.vendor == "postgresql":
            self._write_constants()
        self.converters = self.compiler.get_converters([column for column, *_sql in self.compiler.select])
        self.are_tuples = issubclass(rows._iterable_class, ValuesListIterable)
        if not self.are_tuples:
            self._learn_objects()

    def _write_constants(self) -> None:
        """Puts what is the same every time into the SQL: a plan for any value could not use an index of some rows."""
        texts = self.sql.split("%s")
        assert len(texts) == len(self.parameters) + 1, self.sql
        self.sql = texts[0]
        for (name, value), text in zip(self.parameters, texts[1:], strict=True):
            literal = "%s" if name else Literal(value).as_string(connection.connection).replace("%", "%%")
            self.sql += literal + text
        self.parameters = [(name, value) for name, value in self.parameters if name]

    def _learn_objects(self) -> None:
        """What `django.db.models.query.ModelIterable` finds out each time."""
        about = cast("dict[str, Any]", self.compiler.klass_info)
        columns = about["select_fields"]
        self.model: type[Model] = about["model"]
        self.begin, self.end = columns[0], columns[-1] + 1
        self.names = [column.target.attname for column, *_sql in self.compiler.select[self.begin : self.end]]
        self.populators = get_related_populators(  # type: ignore[call-arg]  # the stubs are of a newer Django
            about, self.compiler.select, DEFAULT_DB_ALIAS
        )
        self.annotations = list((self.compiler.annotation_col_map or {}).items())

    def run(self, values: dict[str, Value]) -> Iterator[Any]:
        given = {name: self._given(value) for name, value in values.items()}
        parameters = [value if name is None else given[name] for name, value in self.parameters]
        rows: Any = execute(self.sql, parameters)
        if self.converters:
            rows = self.compiler.apply_converters(rows, self.converters)
        return map(tuple, rows) if self.are_tuples else map(self._object, rows)

    def _object(self, row: Any) -> Model:
        found = self.model.from_db(DEFAULT_DB_ALIAS, self.names, row[self.begin : self.end])
        for populator in self.populators:
            populator.populate(row, found)
        for name, position in self.annotations:
            setattr(found, name, row[position])
        return found

    def _given(self, value: Value) -> Any:
        return self.adapt(value) if isinstance(value, datetime) else value


def _may_be_mark(value: Any) -> bool:
    return isinstance(value, int | str | datetime)


def insert(row: Model, *, unless: str = "") -> bool:
    """Inserts a new row, as `save` does, and sets its key. False: there is a row with the same `unless`, a unique
    column."""
    fields = _fields(type(row))
    values = [field.get_db_prep_save(field.pre_save(row, True), connection) for field in fields]
    found = execute(_insert_sql(type(row), unless), values)
    if not found:
        return False
    row.pk = found[0][0]
    row._state.adding, row._state.db = False, DEFAULT_DB_ALIAS
    return True


def update(row: Model, *names: str) -> None:
    """Writes these fields of a row that exists, as `save(update_fields=names)` does."""
    fields = [cast("models.Field[Any, Any]", row._meta.get_field(name)) for name in names]
    values = [field.get_db_prep_save(getattr(row, field.attname), connection) for field in fields]
    execute(_update_sql(type(row), names), [*values, row.pk])


@cache
def _fields(model: type[Model]) -> "tuple[models.Field[Any, Any], ...]":
    return tuple(field for field in model._meta.local_concrete_fields if not field.primary_key)


@cache
def _insert_sql(model: type[Model], unless: str) -> str:
    columns = [str(field.column) for field in _fields(model)]
    table, marks = model._meta.db_table, ", ".join("%s" for _column in columns)
    conflict = f" ON CONFLICT ({unless}) DO NOTHING" if unless else ""
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks}){conflict} RETURNING id"  # noqa: S608 - our names


@cache
def _update_sql(model: type[Model], names: tuple[str, ...]) -> str:
    columns = ", ".join(f"{model._meta.get_field(name).column} = %s" for name in names)  # type: ignore[union-attr]
    return f"UPDATE {model._meta.db_table} SET {columns} WHERE id = %s"  # noqa: S608 - our own names
