from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations

from apps.accounts import validators
from apps.common.encryption.fields import EncryptedTextField, IsSealed, SealedShape
from apps.common.sql import sealed_values_are_kept


class Migration(migrations.Migration):
    dependencies = [("payments", "0014_audit")]
    operations = [
        migrations.AddField(
            "paymentmethod", "account_number",
            EncryptedTextField(
                "账号", max_length=100, db_column="account_number_sealed",
                validators=[validators.validate_account_number],
            ),
        ),
        migrations.AddField(
            "paymentmethod", "holder_name",
            EncryptedTextField(
                "户名", max_length=50, db_column="holder_name_sealed", validators=[validators.validate_not_blank]
            ),
        ),
        AddConstraintNotValid(
            "paymentmethod",
            SealedShape(
                condition=IsSealed("account_number", 100), name="payments_paymentmethod_account_number_is_sealed"
            ),
        ),
        AddConstraintNotValid(
            "paymentmethod",
            SealedShape(
                condition=IsSealed("holder_name", 50), name="payments_paymentmethod_holder_name_is_sealed"
            ),
        ),
        sealed_values_are_kept("payments_paymentmethod", "account_number_sealed", "holder_name_sealed"),
    ]  # fmt: skip
