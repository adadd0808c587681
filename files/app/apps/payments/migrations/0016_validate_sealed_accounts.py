from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations


class Migration(migrations.Migration):
    # Apart from adding them: this reads the table and lets others write meanwhile.
    dependencies = [("payments", "0015_seal_accounts")]
    operations = [
        ValidateConstraint("paymentmethod", f"payments_paymentmethod_{name}_is_sealed")
        for name in ("account_number", "holder_name")
    ]
