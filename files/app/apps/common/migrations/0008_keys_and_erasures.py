import django.db.models.functions.datetime
import django.db.models.lookups
from django.db import migrations, models

import apps.common.expressions
import apps.common.keys
from apps.common.sql import privileges


class Migration(migrations.Migration):
    dependencies = [("common", "0006_limits_of_texts_hold"), ("common", "0007_functions_of_triggers")]
    operations = [
        migrations.CreateModel(
            name="EncryptionKey",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        db_default=apps.common.keys.UUIDv7(),
                        default=apps.common.keys.uuid7,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                        verbose_name="编号",
                    ),
                ),
                (
                    "ring",
                    models.TextField(choices=[("encryption", "加密"), ("blind_index", "盲索引")], verbose_name="用途"),
                ),
                ("number", models.PositiveIntegerField(verbose_name="密钥编号")),
                ("check_value", models.BinaryField(verbose_name="校验值")),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name="启用时间"
                    ),
                ),
                ("retired_at", models.DateTimeField(blank=True, null=True, verbose_name="停用时间")),
            ],
            options={
                "verbose_name": "加密密钥",
                "verbose_name_plural": "加密密钥",
                "constraints": [
                    models.UniqueConstraint(fields=("ring", "number"), name="common_encryptionkey_one_of_a_number"),
                    models.CheckConstraint(
                        condition=models.Q(("ring__in", ["encryption", "blind_index"])),
                        name="common_encryptionkey_ring_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("number__gte", 1), ("number__lte", 65535)),
                        name="common_encryptionkey_number_has_two_bytes",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Erasure",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        db_default=apps.common.keys.UUIDv7(),
                        default=apps.common.keys.uuid7,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                        verbose_name="编号",
                    ),
                ),
                ("person_id", models.UUIDField(verbose_name="用户编号")),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name="注销时间"
                    ),
                ),
                ("files", models.JSONField(default=list, verbose_name="待删除文件")),
            ],
            options={
                "verbose_name": "注销记录",
                "verbose_name_plural": "注销记录",
                "constraints": [
                    models.CheckConstraint(
                        condition=django.db.models.lookups.Exact(apps.common.expressions.JsonbTypeof("files"), "array"),
                        name="common_erasure_files_is_array",
                    )
                ],
            },
        ),
        # The application enlists a key that is new; nobody who works with it takes one out.
        privileges("common_encryptionkey", "freelance_user", "SELECT, INSERT"),
        privileges("common_encryptionkey", "freelance_staff", ""),
        privileges("common_encryptionkey", "reporting_user", ""),
        # The work of the owner.
        privileges("common_erasure", "freelance_user", ""),
        privileges("common_erasure", "freelance_staff", ""),
        privileges("common_erasure", "reporting_user", ""),
    ]
