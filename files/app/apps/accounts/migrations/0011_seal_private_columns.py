"""Expand: encrypted columns beside the plain ones, which the release before goes on writing.

`manage.py encrypt_columns` moves what they hold, migration 0013 drops them. Nothing is encrypted here.
"""

from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models

from apps.accounts import validators
from apps.common.encryption.fields import BlindIndexField, EncryptedTextField, IsIndexed, IsSealed, SealedShape
from apps.common.sql import sealed_values_are_kept

PLAIN = ("phone_number", "email", "wechat_id", "alipay_account", "real_name")
CONSTRAINTS = ("phone_unique", "email_unique", "wechat_unique", "phone_e164", "email_shape", "wechat_shape")

# The new release does not write these columns.
EMPTY_BY_DEFAULT = migrations.RunSQL(
    """
    ALTER TABLE accounts_userprivate
        ALTER COLUMN alipay_account SET DEFAULT '', ALTER COLUMN real_name SET DEFAULT '';
    """,
    """
    ALTER TABLE accounts_userprivate ALTER COLUMN alipay_account DROP DEFAULT, ALTER COLUMN real_name DROP DEFAULT;
    """,
)


def sealed(name: str, verbose_name: str, max_length: int, validator: object) -> migrations.AddField:
    field = EncryptedTextField(verbose_name, max_length=max_length, db_column=f"{name}_sealed", validators=[validator])
    return migrations.AddField("userprivate", name, field)


def shape(name: str, condition: models.Q | IsSealed) -> AddConstraintNotValid:
    return AddConstraintNotValid(
        "userprivate", SealedShape(condition=condition, name=f"accounts_userprivate_{name}_is_sealed")
    )


def unique(name: str, index: str) -> migrations.AddConstraint:
    return migrations.AddConstraint(
        "userprivate",
        models.UniqueConstraint(fields=[index], name=f"accounts_userprivate_{name}_of_one_person"),
    )


class Migration(migrations.Migration):
    dependencies = [("accounts", "0010_audit")]
    operations = [
        EMPTY_BY_DEFAULT,
        # It asks for the plain number. Migration 0013 asks for the sealed one.
        migrations.RemoveConstraint("userprivate", "accounts_userprivate_verified_phone_exists"),
        migrations.SeparateDatabaseAndState(
            state_operations=[
                *(migrations.RemoveConstraint("userprivate", f"accounts_userprivate_{name}") for name in CONSTRAINTS),
                *(migrations.RemoveField("userprivate", name) for name in PLAIN),
            ]
        ),
        sealed("phone_number", "手机号", 16, validators.validate_phone_number),
        sealed("email", "电子邮箱", 254, validators.validate_email),
        sealed("wechat_id", "微信号", 20, validators.validate_wechat_id),
        sealed("alipay_account", "支付宝账号", 100, validators.validate_not_blank),
        sealed("real_name", "真实姓名", 50, validators.validate_not_blank),
        migrations.AddField("userprivate", "phone_number_index", BlindIndexField("手机号索引", of="phone_number")),
        migrations.AddField(
            "userprivate", "email_index", BlindIndexField("电子邮箱索引", of="email", ignores_case=True)
        ),
        migrations.AddField("userprivate", "wechat_id_index", BlindIndexField("微信号索引", of="wechat_id")),
        unique("phone", "phone_number_index"),
        unique("email", "email_index"),
        unique("wechat", "wechat_id_index"),
        shape("phone", models.Q(IsSealed("phone_number", 16, 8, 1), IsIndexed("phone_number", "phone_number_index"))),
        shape("email", models.Q(IsSealed("email", 254), IsIndexed("email", "email_index"))),
        shape("wechat", models.Q(IsSealed("wechat_id", 20), IsIndexed("wechat_id", "wechat_id_index"))),
        shape("alipay", IsSealed("alipay_account", 100)),
        shape("real_name", IsSealed("real_name", 50)),
        sealed_values_are_kept("accounts_userprivate", *(f"{name}_sealed" for name in PLAIN)),
    ]
