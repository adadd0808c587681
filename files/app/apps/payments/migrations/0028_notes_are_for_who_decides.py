"""Reports add money up, they do not read what was noted beside it."""

from django.db import migrations

from apps.common.sql import privileges


class Migration(migrations.Migration):
    dependencies = [("payments", "0027_refunds_of_a_dispute")]
    operations = [
        privileges("payments_paymentrefund", "reporting_user", "SELECT", except_columns=["note"]),
        privileges("payments_transaction", "reporting_user", "SELECT", except_columns=["note"]),
    ]
