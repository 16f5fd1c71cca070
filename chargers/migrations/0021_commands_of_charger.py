from django.db import migrations, models

from accounts.indexes import AddIndexBesideWriters


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("chargers", "0020_limit_of_owners")]

    operations = [
        AddIndexBesideWriters(
            model_name="command",
            index=models.Index(fields=["charger", "-id"], name="command_by_charger"),
        ),
    ]
