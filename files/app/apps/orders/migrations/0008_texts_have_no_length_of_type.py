from django.db import migrations

from apps.common.text_columns import TextColumns, limits


class Migration(migrations.Migration):
    dependencies = [("orders", "0007_integrity")]
    operations = [
        TextColumns("order", ["number", "status", "currency"]),
        TextColumns("orderstatushistory", ["from_status", "to_status", "reason"]),
        *limits("orders_orderstatushistory", from_status=16, to_status=16, reason=500),
        TextColumns("orderextra", ["name", "currency"]),
        *limits("orders_orderextra", name=50),
        TextColumns("orderrequirement", ["question", "kind", "answer_file_url"]),
        *limits("orders_orderrequirement", question=300, answer_file_url=500),
        TextColumns("orderdispute", ["reason", "status", "resolution", "resolution_note"]),
        *limits("orders_orderdispute", resolution_note=1000),
        TextColumns("ordercancellation", ["reason", "note", "status", "answer"]),
        *limits("orders_ordercancellation", note=1000, answer=1000),
        TextColumns("orderreview", ["status", "message"]),
        *limits("orders_orderreview", message=500),
        TextColumns("orderstat", ["currency"]),
        TextColumns("delivery", ["status"]),
        TextColumns("ordermessage", ["attachment_url"]),
        *limits("orders_ordermessage", attachment_url=500),
    ]
