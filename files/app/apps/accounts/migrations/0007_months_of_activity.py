from django.db import migrations

from apps.common.partman import kept_by_partman


class Migration(migrations.Migration):
    dependencies = [("accounts", "0006_search")]
    operations = [kept_by_partman("accounts_useractivitylog")]
