"""A review is for everybody. Who reports one stays unknown, and who writes one learns nothing of another's order."""

from django.db import migrations

from apps.common.row_security import PLATFORM, admits_who_sees, own, row_security


class Migration(migrations.Migration):
    dependencies = [("reviews", "0009_audit"), ("orders", "0014_row_security")]
    operations = [
        row_security(
            "reviews_reviewreport", {"SELECT": own("reporter_id"), "INSERT": own("reporter_id"), "UPDATE": PLATFORM}
        ),
        admits_who_sees("orders_order", "reviews_review", "order"),
    ]
