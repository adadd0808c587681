from django.db import migrations

from apps.common.text_columns import limits_hold


class Migration(migrations.Migration):
    dependencies = [("payments", "0010_texts_have_no_length_of_type")]
    operations = [
        *limits_hold("payments_transaction", note=200),
        *limits_hold("payments_paymentrefund", note=500),
        *limits_hold("payments_paymentmethod", label=50, bank_name=60),
        *limits_hold("payments_withdrawal", failure_reason=200),
    ]
