from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("billing", "0021_longer_references")]

    operations = [
        migrations.AddField(
            model_name="topup",
            name="sent_at",
            field=models.DateTimeField(blank=True, null=True, verbose_name="on its way since"),
        ),
        migrations.AddField(
            model_name="topup",
            name="asked_at",
            field=models.DateTimeField(blank=True, null=True, verbose_name="last asked about"),
        ),
    ]
