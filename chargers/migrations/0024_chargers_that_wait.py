from django.db import migrations, models

from accounts.indexes import AddIndexBesideWriters


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("chargers", "0023_photos")]

    operations = [
        AddIndexBesideWriters(
            model_name="charger",
            index=models.Index(
                condition=models.Q(("connection_mark", ""), ("deleted_at", None)),
                fields=["id"],
                name="charger_that_waits",
            ),
        ),
    ]
