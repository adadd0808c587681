from django.db import migrations

from apps.common.triggers import status_transitions


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_initial")]
    operations = [
        status_transitions(
            "accounts_user",
            {
                "": ("pending", "active"),
                "pending": ("active", "suspended", "erased"),
                "active": ("suspended", "deactivated", "erased"),
                "suspended": ("active", "deactivated", "erased"),
                "deactivated": ("active", "erased"),
            },
        ),
    ]
