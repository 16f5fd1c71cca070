from django.db import migrations, models

from billing import guards


def lift_guards(apps, schema_editor):
    """SQLite changes a column by copying its table, and the triggers would be lost with the old one."""
    if schema_editor.connection.vendor == "sqlite":
        guards.remove(schema_editor.connection)


def set_guards(apps, schema_editor):
    if schema_editor.connection.vendor == "sqlite":
        guards.install(schema_editor.connection)


class Migration(migrations.Migration):
    dependencies = [("billing", "0003_own_accounts")]

    operations = [
        migrations.RunPython(lift_guards, set_guards),
        migrations.AlterField(
            model_name="entry",
            name="account",
            field=models.ForeignKey(
                db_index=False,
                on_delete=models.deletion.PROTECT,
                related_name="entries",
                to="billing.account",
            ),
        ),
        migrations.AlterField(
            model_name="entry",
            name="transfer",
            field=models.ForeignKey(
                db_index=False,
                on_delete=models.deletion.PROTECT,
                related_name="entries",
                to="billing.transfer",
            ),
        ),
        migrations.AddIndex(model_name="entry", index=models.Index(fields=["account", "-id"], name="entry_by_account")),
        migrations.RunPython(set_guards, lift_guards),
    ]
