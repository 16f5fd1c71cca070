"""Indexes of tables that are written to all the time: on PostgreSQL they are built while the writing goes on."""

from typing import Any

from django.db import NotSupportedError, migrations


class AddIndexBesideWriters(migrations.AddIndex):
    """`AddIndex` with CREATE INDEX CONCURRENTLY, which takes longer and blocks nobody. Its migration is not `atomic`.

    May be repeated: what a build leaves behind that was cut off is no good, and is dropped first.
    """

    atomic = False

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        if schema_editor.connection.vendor != "postgresql":
            super().database_forwards(app_label, schema_editor, from_state, to_state)
            return
        if schema_editor.connection.in_atomic_block:
            raise NotSupportedError("This migration needs `atomic = False`.")
        model = to_state.apps.get_model(app_label, self.model_name)
        if self.allow_migrate_model(schema_editor.connection.alias, model):
            # It waits for each transaction that runs, which takes as long as the longest of them.
            schema_editor.execute("SET lock_timeout = 0")
            schema_editor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {schema_editor.quote_name(self.index.name)}")
            schema_editor.add_index(model, self.index, concurrently=True)
            schema_editor.execute("RESET lock_timeout")
