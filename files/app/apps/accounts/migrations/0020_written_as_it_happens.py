from django.db import migrations

from apps.common.rules import written_as_it_happens


class Migration(migrations.Migration):
    dependencies = [("accounts", "0019_who_decides_on_papers")]
    operations = [written_as_it_happens("accounts_useractivitylog")]
