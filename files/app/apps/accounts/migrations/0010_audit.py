from django.db import migrations

from apps.common.sql import audited


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0009_months_of_activity"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("common", "0003_audit_log"),
    ]
    operations = [
        # Who is let in, as what. A login leaves no entry: it stands in accounts_useractivitylog.
        audited(
            "accounts_user", person="id", shown=["user_type", "status", "is_staff", "is_superuser"],
            personal=["username", "nickname"], ignored=["updated_at", "last_login"],
        ),
        # That a number or address was changed, and when it was verified; never which.
        audited(
            "accounts_userprivate", key="user_id", person="user_id", shown=["phone_verified_at", "email_verified_at"],
        ),
        audited(
            "accounts_userverification", person="user_id",
            shown=["user_id", "kind", "status", "reviewer_id", "reviewed_at", "expires_at"],
        ),
        # Rights of the staff.
        audited("accounts_user_groups", person="user_id", shown=["user_id", "group_id"], ignored=[]),
        audited(
            "accounts_user_user_permissions", person="user_id", shown=["user_id", "permission_id"], ignored=[]
        ),
        audited("auth_group_permissions", shown=["group_id", "permission_id"], ignored=[]),
    ]  # fmt: skip
