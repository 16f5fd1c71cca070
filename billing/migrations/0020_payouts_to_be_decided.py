from django.db import migrations, models

from accounts.indexes import AddIndexBesideWriters


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("billing", "0013_lists_of_people")]

    operations = [
        AddIndexBesideWriters(
            model_name="payout",
            index=models.Index(
                condition=models.Q(("status", "requested")), fields=["-id"], name="payout_to_be_decided"
            ),
        ),
    ]
