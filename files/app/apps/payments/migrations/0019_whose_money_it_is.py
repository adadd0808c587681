from django.db import migrations

from apps.common.sql import privileges


class Migration(migrations.Migration):
    dependencies = [("payments", "0018_nobody_pays_themselves")]
    operations = [
        # Support sees that there is an account or a wallet, and its state; not where money goes, nor how much is there.
        privileges(
            "payments_paymentmethod", "freelance_staff", "SELECT",
            except_columns=[
                "label", "last_characters", "bank_code", "bank_name", "account_number_sealed", "holder_name_sealed",
            ],
        ),
        privileges("payments_wallet", "freelance_staff", "SELECT", except_columns=["balance"]),
        privileges("payments_transaction", "freelance_staff", "SELECT", except_columns=["amount", "note"]),
        # Reports add money up; whose it is, they do not show.
        privileges("payments_wallet", "reporting_user", "SELECT", except_columns=["user_id"]),
        privileges(
            "payments_withdrawal", "reporting_user", "SELECT",
            except_columns=["user_id", "payment_method_id", "provider_reference", "failure_reason"],
        ),
    ]  # fmt: skip
