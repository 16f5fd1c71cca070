from django.db import migrations, models

from accounts.indexes import AddIndexBesideWriters


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("billing", "0022_top_ups_asked_about")]

    operations = [
        AddIndexBesideWriters(
            model_name="topup",
            index=models.Index(
                condition=models.Q(("status", "pending"), models.Q(("provider_reference", ""), _negated=True)),
                fields=["asked_at"],
                name="top_up_to_be_asked_about",
            ),
        ),
    ]
