from django.db import migrations

from apps.common.sql import privileges, status_transitions


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
        # The hash of a password is for the application alone, what is private for the person.
        privileges("accounts_user", "freelance_staff", "SELECT", except_columns=["password"]),
        privileges("accounts_user", "reporting_user", "SELECT", except_columns=["password"]),
        privileges("accounts_userprivate", "freelance_staff", ""),
        privileges("accounts_userprivate", "reporting_user", ""),
    ]
