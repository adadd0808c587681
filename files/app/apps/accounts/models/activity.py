"""What people did."""

from django.db import models
from django.db.models import Q
from django.db.models.lookups import Exact

from apps.accounts.managers import UserActivityLogQuerySet
from apps.accounts.models.user import User
from apps.common.expressions import JsonbTypeof
from apps.common.models import EventModel
from apps.common.texts import LimitedCharField, RuledCharField


class UserActivityLog(EventModel):
    """One thing that a person did. Partitioned by month; the application adds rows and changes none."""

    # 网络安全法 (Cybersecurity Law), article 21: logs of the network are kept for at least six months.
    KEPT_MONTHS = 24

    class Action(models.TextChoices):
        LOGIN = "login", "登录"
        LOGIN_FAILED = "login_failed", "登录失败"
        LOGOUT = "logout", "退出登录"
        PASSWORD_CHANGED = "password_changed", "修改密码"
        CONTACT_CHANGED = "contact_changed", "修改联系方式"
        PROFILE_UPDATED = "profile_updated", "修改资料"
        GIG_PUBLISHED = "gig_published", "发布服务"
        ORDER_PLACED = "order_placed", "下单"
        WITHDRAWAL_REQUESTED = "withdrawal_requested", "申请提现"
        DATA_EXPORTED = "data_exported", "导出个人数据"

    class Channel(models.TextChoices):
        WEB = "web", "网页"
        MOBILE_WEB = "mobile_web", "手机网页"
        MINI_PROGRAM = "mini_program", "微信小程序"
        IOS = "ios", "苹果应用"
        ANDROID = "android", "安卓应用"

    # CASCADE: what a person did goes with the account.
    user = models.ForeignKey(
        User, on_delete=models.CASCADE, related_name="activities", verbose_name="用户", db_index=False
    )
    action = RuledCharField("行为", max_length=32, choices=Action)
    channel = RuledCharField("客户端", max_length=16, choices=Channel)
    ip_address = models.GenericIPAddressField("IP 地址", null=True, blank=True)
    user_agent = LimitedCharField("浏览器标识", max_length=300, blank=True)
    details = models.JSONField("详情", default=dict, blank=True)

    objects = UserActivityLogQuerySet.as_manager()

    class Meta:
        verbose_name = "用户行为日志"
        verbose_name_plural = "用户行为日志"
        constraints = [
            models.CheckConstraint(
                condition=Q(
                    action__in=[
                        "login", "login_failed", "logout", "password_changed", "contact_changed", "profile_updated",
                        "gig_published", "order_placed", "withdrawal_requested", "data_exported",
                    ]
                ),
                name="accounts_useractivitylog_action_known",
            ),
            models.CheckConstraint(
                condition=Q(channel__in=["web", "mobile_web", "mini_program", "ios", "android"]),
                name="accounts_useractivitylog_channel_known",
            ),
            models.CheckConstraint(
                condition=Exact(JsonbTypeof("details"), "object"), name="accounts_useractivitylog_details_is_object"
            ),
        ]  # fmt: skip
        indexes = [
            # UserActivityLogQuerySet.of_user; also the foreign key's index.
            models.Index(fields=["user", "-created_at", "-id"], name="activities_of_user_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} {self.get_action_display()}"
