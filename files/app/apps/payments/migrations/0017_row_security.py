"""Money is seen by whose it is: a wallet by its owner, an escrow by the parties of its order. The ledger sees all."""

from django.db import migrations

from apps.common.row_security import PLATFORM, admits_who_sees, own, row_security, seen
from apps.common.sql import privileges

OF_ESCROW = seen("payments_escrow", "payments_paymentrefund", "escrow_id")


class Migration(migrations.Migration):
    dependencies = [("payments", "0016_validate_sealed_accounts"), ("orders", "0014_row_security")]
    operations = [
        row_security("payments_wallet", {"SELECT": own("user_id")}, ledger=True),
        row_security(
            "payments_transaction", {"SELECT": seen("payments_wallet", "payments_transaction", "wallet_id")}, ledger=True
        ),
        row_security("payments_paymentmethod", {"ALL": own("user_id")}, ledger=True),
        row_security(
            "payments_escrow", {"SELECT": seen("orders_order", "payments_escrow", "order_id")}, ledger=True
        ),
        row_security(
            "payments_paymentrefund",
            {"SELECT": OF_ESCROW, "INSERT": f"{OF_ESCROW} AND ({own('requested_by_id')})"},
            ledger=True,
        ),
        row_security("payments_withdrawal", {"SELECT": own("user_id")}, ledger=True),
        # Many people's money together.
        row_security("payments_payoutbatch", {"SELECT": PLATFORM}, ledger=True),
        admits_who_sees("payments_escrow", "payments_paymentrefund", "escrow"),
        # Reports count accounts, they do not show whose number ends how.
        privileges(
            "payments_paymentmethod", "reporting_user", "SELECT",
            except_columns=[
                "label", "last_characters", "bank_code", "bank_name", "account_number_sealed", "holder_name_sealed",
            ],
        ),
    ]  # fmt: skip
