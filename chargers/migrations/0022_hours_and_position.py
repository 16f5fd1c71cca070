from django.db import migrations, models
from django.db.models import Q, Value
from django.db.models.functions import Length, Replace
from django.db.models.lookups import Exact, In


class Migration(migrations.Migration):
    dependencies = [("chargers", "0021_commands_of_charger")]

    operations = [
        migrations.AddField(
            model_name="charger",
            name="blurred_latitude",
            field=models.FloatField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name="charger",
            name="blurred_longitude",
            field=models.FloatField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name="charger",
            name="hours",
            field=models.CharField(blank=True, db_default="", default="", editable=False, max_length=336),
        ),
        migrations.AddField(
            model_name="charger",
            name="is_position_public",
            field=models.BooleanField(
                db_default=False, default=False, editable=False, verbose_name="everybody sees the exact place"
            ),
        ),
        migrations.AddConstraint(
            model_name="charger",
            constraint=models.CheckConstraint(
                condition=Q(
                    In(Length("hours"), (0, 336)),
                    Exact(Replace(Replace("hours", Value("0")), Value("1")), Value("")),
                ),
                name="charger_hours_are_a_week",
            ),
        ),
    ]
