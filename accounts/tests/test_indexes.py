"""Indexes of big tables."""

from typing import Any

import pytest
from django.apps import apps
from django.db import NotSupportedError, connection, migrations, models
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import ProjectState
from django.test.utils import CaptureQueriesContext

from accounts.indexes import AddIndexBesideWriters

ADD = AddIndexBesideWriters("user", models.Index(fields=["name"], name="user_by_name_of_a_test"))


def state() -> ProjectState:
    return ProjectState.from_apps(apps)


def run(direction: str) -> list[str]:
    """The statements."""
    with CaptureQueriesContext(connection) as captured, connection.schema_editor(atomic=False) as editor:
        getattr(ADD, f"database_{direction}")("accounts", editor, state(), state())
    return [query["sql"] for query in captured.captured_queries]


def names() -> set[Any]:
    with connection.cursor() as cursor:
        return set(connection.introspection.get_constraints(cursor, "accounts_user"))


@pytest.mark.django_db(transaction=True)
def test_it_is_built_beside_writers_and_may_be_repeated():
    try:
        built = [sql for sql in run("forwards") if sql.startswith("CREATE INDEX")]
        assert [("CONCURRENTLY" in sql) for sql in built] == [connection.vendor == "postgresql"]
        if connection.vendor == "postgresql":
            run("forwards")
        assert "user_by_name_of_a_test" in names()
    finally:
        run("backwards")
    assert "user_by_name_of_a_test" not in names()


@pytest.mark.django_db
@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite has one writer anyway")
def test_it_refuses_to_hold_a_transaction_open():
    with pytest.raises(NotSupportedError), connection.schema_editor() as editor:
        ADD.database_forwards("accounts", editor, state(), state())


BIG = {"chargingsession", "command", "metervalue", "message", "connectionattempt", "entry", "transfer", "hold", "topup"}
# The first migrations that were made while there was something to write beside.
SINCE = {"chargers": "0015", "billing": "0013"}


def test_no_later_migration_stops_the_writers_of_a_big_table():
    for (app, name), migration in MigrationLoader(None).disk_migrations.items():
        if app in SINCE and name >= SINCE[app]:
            for operation in migration.operations:
                is_plain = type(operation) is migrations.AddIndex and operation.model_name in BIG
                assert not is_plain, (app, name)
