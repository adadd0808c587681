"""Texts to start from."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Length
from django.db.models.lookups import LessThanOrEqual

from apps.common.models import TimestampedModel
from apps.common.texts import LimitedCharField, RuledCharField
from apps.messaging.managers import MessageTemplateQuerySet


class MessageTemplate(TimestampedModel):
    """A text that a person may send: the platform's, or one's own."""

    class Occasion(models.TextChoices):
        GREETING = "greeting", "打招呼"
        REQUIREMENT = "requirement", "沟通需求"
        QUOTATION = "quotation", "报价"
        PROGRESS = "progress", "进度"
        DELIVERY = "delivery", "交付"
        REVISION = "revision", "修改"
        AFTER_SALE = "after_sale", "售后"

    # CASCADE: a person's own templates go with the account. NULL: the platform's.
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, blank=True, related_name="message_templates",
        verbose_name="所有者", db_index=False,
    )  # fmt: skip
    occasion = RuledCharField("场合", max_length=16, choices=Occasion)
    title = LimitedCharField("标题", max_length=50)
    body = models.TextField("内容", max_length=1000)
    sort_order = models.PositiveSmallIntegerField("排序", default=0)
    is_active = models.BooleanField("启用", default=True)

    objects = MessageTemplateQuerySet.as_manager()

    class Meta:
        verbose_name = "消息模板"
        verbose_name_plural = "消息模板"
        constraints = [
            # Its index also finds a person's templates, and the platform's.
            models.UniqueConstraint(
                fields=["owner", "title"], name="messaging_messagetemplate_title_once_per_owner", nulls_distinct=False
            ),
            models.CheckConstraint(
                condition=Q(
                    occasion__in=[
                        "greeting", "requirement", "quotation", "progress", "delivery", "revision", "after_sale",
                    ]
                ),
                name="messaging_messagetemplate_occasion_known",
            ),
            models.CheckConstraint(
                condition=Q(title__regex=r"\S"), name="messaging_messagetemplate_title_is_not_empty"
            ),
            models.CheckConstraint(
                condition=Q(body__regex=r"\S") & Q(LessThanOrEqual(Length("body"), 1000)),
                name="messaging_messagetemplate_body_1_to_1000_characters",
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return self.title
