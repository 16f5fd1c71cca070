from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("billing", "0020_payouts_to_be_decided")]

    operations = [
        migrations.AlterField(
            model_name="topup",
            name="provider_reference",
            field=models.CharField(blank=True, max_length=255, verbose_name="provider's reference"),
        ),
    ]
