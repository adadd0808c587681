from django.db import migrations

from apps.common.text_columns import limits_hold


class Migration(migrations.Migration):
    dependencies = [("orders", "0008_texts_have_no_length_of_type")]
    operations = [
        *limits_hold("orders_orderstatushistory", from_status=16, to_status=16, reason=500),
        *limits_hold("orders_orderextra", name=50),
        *limits_hold("orders_orderrequirement", question=300, answer_file_url=500),
        *limits_hold("orders_orderdispute", resolution_note=1000),
        *limits_hold("orders_ordercancellation", note=1000, answer=1000),
        *limits_hold("orders_orderreview", message=500),
        *limits_hold("orders_ordermessage", attachment_url=500),
    ]
