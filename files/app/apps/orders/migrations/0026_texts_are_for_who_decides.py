"""Reports count orders and quarrels, they do not read what the parties wrote. Staff do, who decide."""

from django.db import migrations

from apps.common.sql import privileges


class Migration(migrations.Migration):
    dependencies = [("orders", "0025_money_by_the_ledger")]
    operations = [
        privileges("orders_order", "reporting_user", "SELECT", except_columns=["requirements_text"]),
        privileges("orders_orderrequirement", "reporting_user", "SELECT", except_columns=["answer", "answer_file_url"]),
        privileges("orders_delivery", "reporting_user", "SELECT", except_columns=["message", "files", "feedback"]),
        privileges(
            "orders_orderdispute", "reporting_user", "SELECT", except_columns=["description", "resolution_note"]
        ),
        privileges("orders_ordercancellation", "reporting_user", "SELECT", except_columns=["note", "answer"]),
        privileges("orders_orderreview", "reporting_user", "SELECT", except_columns=["message"]),
        privileges("orders_orderstatushistory", "reporting_user", "SELECT", except_columns=["reason"]),
    ]
