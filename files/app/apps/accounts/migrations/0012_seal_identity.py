from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models

from apps.accounts import validators
from apps.common.encryption.fields import BlindIndexField, EncryptedTextField, IsIndexed, IsSealed, SealedShape
from apps.common.sql import sealed_values_are_kept


class Migration(migrations.Migration):
    dependencies = [("accounts", "0011_seal_private_columns")]
    operations = [
        migrations.AddField(
            "userverification", "identity_number",
            EncryptedTextField(
                "证件号码", max_length=18, db_column="identity_number_sealed",
                validators=[validators.validate_identity_number],
            ),
        ),
        migrations.AddField(
            "userverification", "identity_number_index", BlindIndexField("证件号码索引", of="identity_number")
        ),
        migrations.AddField(
            "userverification", "holder_name",
            EncryptedTextField(
                "证件姓名", max_length=50, db_column="holder_name_sealed", validators=[validators.validate_not_blank]
            ),
        ),
        migrations.AddConstraint(
            "userverification",
            models.UniqueConstraint(
                fields=["identity_number_index"],
                condition=models.Q(status="approved", kind="real_name"),
                name="accounts_userverification_identity_of_one_account",
                violation_error_message="该证件已用于另一账户的实名认证。",
            ),
        ),
        AddConstraintNotValid(
            "userverification",
            SealedShape(
                condition=models.Q(
                    IsSealed("identity_number", 18), IsIndexed("identity_number", "identity_number_index")
                ),
                name="accounts_userverification_identity_number_is_sealed",
            ),
        ),
        AddConstraintNotValid(
            "userverification",
            SealedShape(
                condition=IsSealed("holder_name", 50), name="accounts_userverification_holder_name_is_sealed"
            ),
        ),
        sealed_values_are_kept("accounts_userverification", "identity_number_sealed", "holder_name_sealed"),
    ]  # fmt: skip
