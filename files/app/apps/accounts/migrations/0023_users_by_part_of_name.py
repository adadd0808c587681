from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    # An index of a big table is built beside its writers, which no transaction can do.
    atomic = False
    dependencies = [("accounts", "0022_user_names_are_validated")]
    operations = [
        AddIndexConcurrently(
            "user",
            GinIndex(
                fields=["username"],
                opclasses=["gin_trgm_ops"],
                name="users_by_part_of_name",
                condition=models.Q(status="active"),
            ),
        )
    ]
