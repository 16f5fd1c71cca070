"""The platform's own two accounts exist from the beginning: processes remember their keys."""

from django.db import migrations


def open_accounts(apps, schema_editor):
    for kind in ("platform", "outside"):
        apps.get_model("billing", "Account").objects.get_or_create(kind=kind, user=None)


class Migration(migrations.Migration):
    dependencies = [("billing", "0002_guards")]
    operations = [migrations.RunPython(open_accounts, migrations.RunPython.noop)]
