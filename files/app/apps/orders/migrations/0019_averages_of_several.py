"""The average price of a category says nothing of one order: there is none below five completed orders."""

from importlib import import_module

from django.db import migrations

BEFORE: str = import_module("apps.orders.migrations.0013_summaries").CATEGORY_SUMMARY
PRICE = "price::numeric(12, 2) AS average_price"
# With fewer, who knows their own orders would know the others'.
CATEGORY_SUMMARY = BEFORE.replace(PRICE, f"CASE WHEN completed >= 5 THEN {PRICE.replace(' AS', ' END AS')}")
DROP = "DROP MATERIALIZED VIEW orders_categorysummary;"


class Migration(migrations.Migration):
    dependencies = [("orders", "0018_whose_columns")]
    operations = [migrations.RunSQL(DROP + CATEGORY_SUMMARY, DROP + BEFORE)]
