from django.db import migrations, models

from accounts.indexes import AddIndexBesideWriters


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("billing", "0023_top_ups_to_be_asked_about")]

    operations = [
        AddIndexBesideWriters(
            model_name="transfer",
            index=models.Index(condition=models.Q(("kind", "reversal")), fields=["id"], name="transfer_reversals"),
        ),
    ]
