"""Triggers that keep the ledger append-only, whoever writes to the database. Installed by a migration.

PostgreSQL refuses UPDATE, DELETE and TRUNCATE of transfers and entries, an entry beyond the number that its transfer
announced (a late entry), and, at commit, a transfer that is incomplete or does not sum to zero. SQLite has no triggers
at commit and no TRUNCATE: it refuses the same but for the incomplete transfer, which `manage.py check_ledger` finds.
"""

from django.db.backends.base.base import BaseDatabaseWrapper

TABLES = ("billing_transfer", "billing_entry")

POSTGRESQL_INSTALL = [
    """
    CREATE OR REPLACE FUNCTION billing_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'The ledger is append-only: % of % is refused. Post a further transfer.', TG_OP, TG_TABLE_NAME
            USING ERRCODE = 'restrict_violation';
    END $$
    """,
    """
    CREATE OR REPLACE FUNCTION billing_refuse_late_entry() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF (SELECT count(*) FROM billing_entry WHERE transfer_id = NEW.transfer_id)
            >= (SELECT entry_count FROM billing_transfer WHERE id = NEW.transfer_id)
        THEN
            RAISE EXCEPTION 'Transfer % is complete: a late entry is refused.', NEW.transfer_id
                USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN NEW;
    END $$
    """,
    """
    CREATE OR REPLACE FUNCTION billing_refuse_unbalanced() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        entries integer;
        total numeric;
    BEGIN
        SELECT count(*), coalesce(sum(amount), 0) INTO entries, total FROM billing_entry WHERE transfer_id = NEW.id;
        IF entries <> NEW.entry_count OR total <> 0 THEN
            RAISE EXCEPTION 'Transfer % is not balanced: % of % entries, sum %.',
                NEW.id, entries, NEW.entry_count, total USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN NULL;
    END $$
    """,
    *(
        f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} "
        "FOR EACH ROW EXECUTE FUNCTION billing_refuse_change()"
        for table in TABLES
    ),
    *(
        f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse_change()"
        for table in TABLES
    ),
    """
    CREATE TRIGGER billing_entry_not_late BEFORE INSERT ON billing_entry
    FOR EACH ROW EXECUTE FUNCTION billing_refuse_late_entry()
    """,
    """
    CREATE CONSTRAINT TRIGGER billing_transfer_balanced AFTER INSERT ON billing_transfer
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION billing_refuse_unbalanced()
    """,
]

POSTGRESQL_REMOVE = [
    "DROP TRIGGER billing_transfer_balanced ON billing_transfer",
    "DROP TRIGGER billing_entry_not_late ON billing_entry",
    *(f"DROP TRIGGER {table}_no_truncate ON {table}" for table in TABLES),
    *(f"DROP TRIGGER {table}_append_only ON {table}" for table in TABLES),
    "DROP FUNCTION billing_refuse_change()",
    "DROP FUNCTION billing_refuse_late_entry()",
    "DROP FUNCTION billing_refuse_unbalanced()",
]

SQLITE_INSTALL = [
    *(
        f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} BEGIN "
        f"SELECT RAISE(ABORT, 'The ledger is append-only: {verb} is refused. Post a further transfer.'); END"
        for table in TABLES
        for verb in ("UPDATE", "DELETE")
    ),
    """
    CREATE TRIGGER billing_entry_not_late BEFORE INSERT ON billing_entry
    WHEN (SELECT count(*) FROM billing_entry WHERE transfer_id = NEW.transfer_id)
        >= (SELECT entry_count FROM billing_transfer WHERE id = NEW.transfer_id)
    BEGIN SELECT RAISE(ABORT, 'The transfer is complete: a late entry is refused.'); END
    """,
    """
    CREATE TRIGGER billing_entry_balanced AFTER INSERT ON billing_entry
    WHEN (SELECT count(*) FROM billing_entry WHERE transfer_id = NEW.transfer_id)
        = (SELECT entry_count FROM billing_transfer WHERE id = NEW.transfer_id)
        AND (SELECT sum(amount) FROM billing_entry WHERE transfer_id = NEW.transfer_id) <> 0
    BEGIN SELECT RAISE(ABORT, 'The transfer is not balanced.'); END
    """,
]

SQLITE_REMOVE = [
    "DROP TRIGGER billing_entry_balanced",
    "DROP TRIGGER billing_entry_not_late",
    *(f"DROP TRIGGER {table}_no_{verb}" for table in TABLES for verb in ("update", "delete")),
]


def install(connection: BaseDatabaseWrapper) -> None:
    _run(connection, POSTGRESQL_INSTALL if connection.vendor == "postgresql" else SQLITE_INSTALL)


def remove(connection: BaseDatabaseWrapper) -> None:
    """For the migration's way back and for tests, which empty the tables between them."""
    _run(connection, POSTGRESQL_REMOVE if connection.vendor == "postgresql" else SQLITE_REMOVE)


def _run(connection: BaseDatabaseWrapper, statements: list[str]) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
