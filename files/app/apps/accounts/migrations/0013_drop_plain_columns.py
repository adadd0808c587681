"""Contract: the plain columns go, once `manage.py encrypt_columns` has emptied them and no release writes them."""

from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations, models

from apps.common.encryption.fields import SealedShape

ONLY_WHEN_MOVED = migrations.RunSQL(
    """
    DO $plain$
    BEGIN
        -- Nobody adds one between this look and the drop.
        LOCK TABLE accounts_userprivate IN ACCESS EXCLUSIVE MODE;
        IF EXISTS (
            SELECT FROM accounts_userprivate
            WHERE coalesce(phone_number, email, wechat_id, nullif(alipay_account, ''), nullif(real_name, '')) IS NOT NULL
        ) THEN
            RAISE EXCEPTION USING ERRCODE = 'object_in_use', SCHEMA = 'public', TABLE = 'accounts_userprivate',
                CONSTRAINT = 'accounts_userprivate_plain_values_are_moved',
                MESSAGE = 'accounts_userprivate still holds plain values (accounts_userprivate_plain_values_are_moved)',
                HINT = 'Run manage.py encrypt_columns with the key file at hand, then migrate again.';
        END IF;
    END $plain$;
    """,
    migrations.RunSQL.noop,
)
DROP = migrations.RunSQL(
    """
    ALTER TABLE accounts_userprivate DROP COLUMN phone_number, DROP COLUMN email, DROP COLUMN wechat_id,
        DROP COLUMN alipay_account, DROP COLUMN real_name;
    """,
    r"""
    ALTER TABLE accounts_userprivate
        ADD COLUMN phone_number varchar(16)
            CONSTRAINT accounts_userprivate_phone_unique UNIQUE
            CONSTRAINT accounts_userprivate_phone_e164
            CHECK (phone_number ~ '^\+(861[3-9][0-9]{9}|(?!86)[1-9][0-9]{6,14})$'),
        ADD COLUMN email varchar(254)
            CONSTRAINT accounts_userprivate_email_shape CHECK (email ~ '^[^@\s]+@[^@\s]+\.[^@\s]+$'),
        ADD COLUMN wechat_id varchar(20)
            CONSTRAINT accounts_userprivate_wechat_unique UNIQUE
            CONSTRAINT accounts_userprivate_wechat_shape CHECK (wechat_id ~ '^[A-Za-z][-_A-Za-z0-9]{5,19}$'),
        ADD COLUMN alipay_account varchar(100) NOT NULL DEFAULT '',
        ADD COLUMN real_name varchar(50) NOT NULL DEFAULT '';
    CREATE UNIQUE INDEX accounts_userprivate_email_unique ON accounts_userprivate (lower(email));
    """,
)


class Migration(migrations.Migration):
    dependencies = [("accounts", "0012_seal_identity")]
    operations = [
        ONLY_WHEN_MOVED,
        DROP,
        *(
            ValidateConstraint("userprivate", f"accounts_userprivate_{name}_is_sealed")
            for name in ("phone", "email", "wechat", "alipay", "real_name")
        ),
        *(
            ValidateConstraint("userverification", f"accounts_userverification_{name}_is_sealed")
            for name in ("identity_number", "holder_name")
        ),
        migrations.AddConstraint(
            "userprivate",
            SealedShape(
                condition=models.Q(phone_verified_at__isnull=True) | models.Q(phone_number__isnull=False),
                name="accounts_userprivate_verified_phone_exists",
            ),
        ),
    ]
