"""What a visitor reads about a person."""

from collections.abc import Iterator, Mapping
from typing import ClassVar

from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import Q
from django.db.models.functions import Length, Now
from django.db.models.lookups import Exact, LessThanOrEqual

from apps.accounts.managers import UserProfileQuerySet
from apps.accounts.models.user import User
from apps.common.expressions import JsonbTypeof
from apps.common.search.models import Searchable
from apps.common.texts import LimitedCharField, LimitedURLField, RuledCharField


class UserProfile(Searchable):
    """A person in their own words. At most one row per account, its key is the account's."""

    class Availability(models.TextChoices):
        AVAILABLE = "available", "可接单"
        BUSY = "busy", "忙碌中"
        UNAVAILABLE = "unavailable", "暂不接单"

    class Language(models.TextChoices):
        """BCP 47 codes."""

        MANDARIN = "zh", "普通话"
        CANTONESE = "yue", "粤语"
        ENGLISH = "en", "英语"
        JAPANESE = "ja", "日语"
        KOREAN = "ko", "韩语"
        FRENCH = "fr", "法语"
        GERMAN = "de", "德语"
        SPANISH = "es", "西班牙语"
        RUSSIAN = "ru", "俄语"
        PORTUGUESE = "pt", "葡萄牙语"
        ARABIC = "ar", "阿拉伯语"
        THAI = "th", "泰语"
        VIETNAMESE = "vi", "越南语"

    SEARCHED: ClassVar[Mapping[str, str]] = {"job_title": "A", "bio": "B", "company_name": "C"}
    SEARCH_RELATED: ClassVar[tuple[str, ...]] = ("user",)

    # CASCADE: a description of a person goes with the account.
    user = models.OneToOneField(
        User, on_delete=models.CASCADE, primary_key=True, related_name="profile", verbose_name="用户"
    )
    bio = models.TextField("个人简介", max_length=2000, blank=True)
    availability = RuledCharField("接单状态", max_length=16, choices=Availability, default=Availability.AVAILABLE)
    # NULL: by agreement.
    hourly_rate = models.DecimalField("时薪（元）", max_digits=12, decimal_places=2, null=True, blank=True)
    currency = RuledCharField("币种", max_length=3, default="CNY", db_default="CNY")
    weekly_hours = models.PositiveSmallIntegerField("每周可用小时数", null=True, blank=True)
    languages = models.JSONField("工作语言", default=list, blank=True)
    # GB/T 2260, as in User.region_code: where the person works, not where they come from.
    working_city_code = RuledCharField("工作城市代码", max_length=6, blank=True)
    company_name = LimitedCharField("公司名称", max_length=100, blank=True)
    job_title = LimitedCharField("职位", max_length=50, blank=True)
    portfolio_url = LimitedURLField("作品网站", max_length=500, blank=True)
    # Median of the last month, kept by the daily roll-up; NULL until somebody was answered.
    response_time_minutes = models.PositiveIntegerField("平均响应时间（分钟）", null=True, blank=True, editable=False)
    created_at = models.DateTimeField("创建时间", db_default=Now(), editable=False)
    updated_at = models.DateTimeField("更新时间", auto_now=True, db_default=Now())

    objects = UserProfileQuerySet.as_manager()

    class Meta:
        verbose_name = "用户资料"
        verbose_name_plural = "用户资料"
        constraints = [
            models.CheckConstraint(
                condition=LessThanOrEqual(Length("bio"), 2000), name="accounts_userprofile_bio_at_most_2000_characters"
            ),
            models.CheckConstraint(
                condition=Q(availability__in=["available", "busy", "unavailable"]),
                name="accounts_userprofile_availability_known",
            ),
            models.CheckConstraint(
                condition=Q(hourly_rate__gte=1, hourly_rate__lte=100_000),
                name="accounts_userprofile_hourly_rate_1_to_100000",
                violation_error_message="时薪须在 1 元到 10 万元之间。",
            ),
            models.CheckConstraint(condition=Q(currency="CNY"), name="accounts_userprofile_currency_is_cny"),
            models.CheckConstraint(
                condition=Q(weekly_hours__gte=1, weekly_hours__lte=84),
                name="accounts_userprofile_weekly_hours_1_to_84",
            ),
            models.CheckConstraint(
                # A single text would count as contained, too.
                condition=Exact(JsonbTypeof("languages"), "array")
                & Q(
                    languages__contained_by=[
                        "zh", "yue", "en", "ja", "ko", "fr", "de", "es", "ru", "pt", "ar", "th", "vi",
                    ]
                ),
                name="accounts_userprofile_languages_known",
            ),
            models.CheckConstraint(
                condition=Q(working_city_code__regex=r"^([1-9][0-9]{5})?$"),
                name="accounts_userprofile_working_city_six_digits",
                violation_error_message="城市代码须为 6 位数字（GB/T 2260）。",
            ),
        ]  # fmt: skip
        indexes = [
            # UserProfileQuerySet.matching and .search.
            GinIndex(fields=["search_vector"], name="profiles_by_words"),
        ]

    def __str__(self) -> str:
        return str(self.pk)

    def search_texts(self) -> Iterator[tuple[str, str]]:
        """Yield the account's headline, too: User.save writes the words again when it changes."""
        yield self.user.headline, "A"
        yield from super().search_texts()
