from django.db import migrations

from apps.common.sql import privileges


class Migration(migrations.Migration):
    dependencies = [("orders", "0015_no_party_decides")]
    operations = [
        # What the two parties say to each other. Who decides a dispute reads it in the application, by name.
        privileges("orders_ordermessage", "freelance_staff", "SELECT", except_columns=["body", "attachment_url"]),
    ]
