from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0013_login")]
    operations = [
        AddConstraintNotValid(
            "user",
            models.CheckConstraint(
                condition=~models.Q(username__regex=r"^\+|@|^(00)?-?(86)?-?1-?[3-9](-?[0-9]){9}$"),
                name="accounts_user_username_is_no_contact",
                violation_error_message="用户名不能是手机号或邮箱：不能含 @，不能以 + 开头。",
            ),
        )
    ]
