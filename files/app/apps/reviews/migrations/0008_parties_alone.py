"""A stranger learns nothing about an order by writing a review of it."""

from django.db import migrations

from apps.common.row_security import admits_who_sees


class Migration(migrations.Migration):
    dependencies = [("reviews", "0007_audit"), ("orders", "0012_row_security")]
    operations = [admits_who_sees("orders_order", "reviews_review", "order")]
