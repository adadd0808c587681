import django.db.models.deletion
import django.db.models.functions.datetime
import django.db.models.lookups
from django.conf import settings
from django.db import migrations, models

import apps.common.expressions
import apps.common.keys
from apps.common.sql import partitioned_by_month, privileges


class Migration(migrations.Migration):
    dependencies = [("accounts", "0004_verification")]
    operations = [
        partitioned_by_month(
            migrations.CreateModel(
                name="UserActivityLog",
                fields=[
                    (
                        "pk",
                        models.CompositePrimaryKey(
                            "created_at", "id", blank=True, editable=False, primary_key=True, serialize=False
                        ),
                    ),
                    (
                        "created_at",
                        models.DateTimeField(
                            db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name="时间"
                        ),
                    ),
                    (
                        "id",
                        models.UUIDField(
                            db_default=apps.common.keys.UUIDv7(),
                            default=apps.common.keys.uuid7,
                            editable=False,
                            verbose_name="编号",
                        ),
                    ),
                    (
                        "action",
                        models.CharField(
                            choices=[
                                ("login", "登录"),
                                ("login_failed", "登录失败"),
                                ("logout", "退出登录"),
                                ("password_changed", "修改密码"),
                                ("contact_changed", "修改联系方式"),
                                ("profile_updated", "修改资料"),
                                ("gig_published", "发布服务"),
                                ("order_placed", "下单"),
                                ("withdrawal_requested", "申请提现"),
                                ("data_exported", "导出个人数据"),
                            ],
                            max_length=32,
                            verbose_name="行为",
                        ),
                    ),
                    (
                        "channel",
                        models.CharField(
                            choices=[
                                ("web", "网页"),
                                ("mobile_web", "手机网页"),
                                ("mini_program", "微信小程序"),
                                ("ios", "苹果应用"),
                                ("android", "安卓应用"),
                            ],
                            max_length=16,
                            verbose_name="客户端",
                        ),
                    ),
                    ("ip_address", models.GenericIPAddressField(blank=True, null=True, verbose_name="IP 地址")),
                    ("user_agent", models.CharField(blank=True, max_length=300, verbose_name="浏览器标识")),
                    ("details", models.JSONField(blank=True, default=dict, verbose_name="详情")),
                    (
                        "user",
                        models.ForeignKey(
                            db_index=False,
                            on_delete=django.db.models.deletion.CASCADE,
                            related_name="activities",
                            to=settings.AUTH_USER_MODEL,
                            verbose_name="用户",
                        ),
                    ),
                ],
                options={
                    "verbose_name": "用户行为日志",
                    "verbose_name_plural": "用户行为日志",
                    "indexes": [models.Index(fields=["user", "-created_at", "-id"], name="activities_of_user_newest")],
                    "constraints": [
                        models.CheckConstraint(
                            condition=models.Q(
                                (
                                    "action__in",
                                    [
                                        "login",
                                        "login_failed",
                                        "logout",
                                        "password_changed",
                                        "contact_changed",
                                        "profile_updated",
                                        "gig_published",
                                        "order_placed",
                                        "withdrawal_requested",
                                        "data_exported",
                                    ],
                                )
                            ),
                            name="accounts_useractivitylog_action_known",
                        ),
                        models.CheckConstraint(
                            condition=models.Q(
                                ("channel__in", ["web", "mobile_web", "mini_program", "ios", "android"])
                            ),
                            name="accounts_useractivitylog_channel_known",
                        ),
                        models.CheckConstraint(
                            condition=django.db.models.lookups.Exact(
                                apps.common.expressions.JsonbTypeof("details"), "object"
                            ),
                            name="accounts_useractivitylog_details_is_object",
                        ),
                    ],
                },
            )
        ),
        # A log is added to, never corrected; where from and with what is for staff alone.
        privileges("accounts_useractivitylog", "freelance_user", "SELECT, INSERT"),
        privileges(
            "accounts_useractivitylog",
            "reporting_user",
            "SELECT",
            except_columns=["ip_address", "user_agent", "details"],
        ),
    ]
