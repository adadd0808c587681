"""An order is seen by its two parties, and what hangs on an order by who sees the order."""

from django.db import migrations

from apps.common.row_security import ME, PLATFORM, admits_who_sees, own, row_security, seen
from apps.common.sql import privileges


def of_order(table: str) -> str:
    return seen("orders_order", table, "order_id")


def by(column: str, table: str) -> str:
    """Return the condition of a new row: of an order that is seen, and in nobody else's name."""
    return f"{of_order(table)} AND ({own(column)})"


# Who sent a message is a party of its order for ever (0007): one's own half of a page is seen without asking.
OF_MESSAGE = f"sender_id = {ME} OR {of_order('orders_ordermessage')}"


class Migration(migrations.Migration):
    dependencies = [("orders", "0013_summaries"), ("accounts", "0014_row_security")]
    operations = [
        row_security(
            "orders_order",
            {
                "SELECT": own("client_id", "freelancer_id"),
                "INSERT": own("client_id"),
                "UPDATE": own("client_id", "freelancer_id"),
            },
            ledger=True,
        ),
        # Written by a trigger alone.
        row_security("orders_orderstatushistory", {"SELECT": of_order("orders_orderstatushistory")}),
        row_security("orders_orderextra", {"ALL": of_order("orders_orderextra")}),
        row_security("orders_orderrequirement", {"ALL": of_order("orders_orderrequirement")}),
        row_security("orders_delivery", {"ALL": of_order("orders_delivery")}),
        row_security(
            "orders_ordermessage",
            {
                "SELECT": OF_MESSAGE,
                # That the order is theirs is asked before it, by `admits_who_sees` below.
                "INSERT": own("sender_id"),
                # The other party marks it as read.
                "UPDATE": OF_MESSAGE,
            },
        ),
        row_security(
            "orders_orderdispute",
            {
                "SELECT": of_order("orders_orderdispute"),
                "INSERT": by("raised_by_id", "orders_orderdispute"),
                # Who raised it may withdraw it; it is decided by the platform.
                "UPDATE": (
                    own("raised_by_id"),
                    f"({own('raised_by_id')}) AND (status IN ('open', 'withdrawn') OR {PLATFORM})",
                ),
            },
            ledger=True,
        ),
        row_security(
            "orders_ordercancellation",
            {
                "SELECT": of_order("orders_ordercancellation"),
                "INSERT": by("requested_by_id", "orders_ordercancellation"),
                # The other party answers.
                "UPDATE": of_order("orders_ordercancellation"),
            },
        ),
        row_security(
            "orders_orderreview",
            {
                "SELECT": of_order("orders_orderreview"),
                "INSERT": by("requested_by_id", "orders_orderreview"),
                "UPDATE": of_order("orders_orderreview"),
                "DELETE": own("requested_by_id"),
            },
        ),
        admits_who_sees("orders_order", "orders_orderextra", "order"),
        admits_who_sees("orders_order", "orders_orderrequirement", "order"),
        admits_who_sees("orders_order", "orders_delivery", "order"),
        admits_who_sees("orders_order", "orders_ordermessage", "order"),
        admits_who_sees("orders_order", "orders_orderdispute", "order"),
        admits_who_sees("orders_order", "orders_ordercancellation", "order"),
        admits_who_sees("orders_order", "orders_orderreview", "order"),
        # Reports count messages, they do not read them.
        privileges("orders_ordermessage", "reporting_user", "SELECT", except_columns=["body", "attachment_url"]),
    ]
