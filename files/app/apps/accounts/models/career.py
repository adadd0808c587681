"""Schools, jobs and samples of work that people show. All of it is public."""

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Length
from django.db.models.lookups import Exact, LessThanOrEqual

from apps.accounts.managers import CareerQuerySet, PortfolioQuerySet
from apps.accounts.models.user import User
from apps.common.expressions import JsonbTypeof
from apps.common.models import TimestampedModel
from apps.common.texts import LimitedCharField, LimitedURLField, RuledCharField


class Education(TimestampedModel):
    """A school that a person went to."""

    class Degree(models.TextChoices):
        SECONDARY = "secondary", "高中或中专"
        ASSOCIATE = "associate", "大专"
        BACHELOR = "bachelor", "本科"
        MASTER = "master", "硕士"
        DOCTORATE = "doctorate", "博士"
        OTHER = "other", "其他"

    # CASCADE: a statement about a person goes with the account.
    user = models.ForeignKey(
        User, on_delete=models.CASCADE, related_name="educations", verbose_name="用户", db_index=False
    )
    school = LimitedCharField("学校", max_length=100)
    degree = RuledCharField("学历", max_length=16, choices=Degree)
    major = LimitedCharField("专业", max_length=100, blank=True)
    started_on = models.DateField("入学日期")
    # NULL: still there.
    ended_on = models.DateField("毕业日期", null=True, blank=True)
    description = LimitedCharField("说明", max_length=500, blank=True)

    objects = CareerQuerySet["Education"].as_manager()

    class Meta:
        verbose_name = "教育经历"
        verbose_name_plural = "教育经历"
        constraints = [
            # Its index serves CareerQuerySet.of_user, and the foreign key.
            models.UniqueConstraint(
                fields=["user", "started_on", "school", "degree"], name="accounts_education_once_per_user"
            ),
            models.CheckConstraint(condition=Q(school__regex=r"\S"), name="accounts_education_school_not_blank"),
            models.CheckConstraint(
                condition=Q(degree__in=["secondary", "associate", "bachelor", "master", "doctorate", "other"]),
                name="accounts_education_degree_known",
            ),
            models.CheckConstraint(
                condition=Q(ended_on__gte=F("started_on")),
                name="accounts_education_ends_after_start",
                violation_error_message="毕业日期不能早于入学日期。",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.school} {self.get_degree_display()}"


class WorkExperience(TimestampedModel):
    """A job that a person had."""

    class EmploymentType(models.TextChoices):
        FULL_TIME = "full_time", "全职"
        PART_TIME = "part_time", "兼职"
        FREELANCE = "freelance", "自由职业"
        INTERNSHIP = "internship", "实习"

    # CASCADE: a statement about a person goes with the account.
    user = models.ForeignKey(
        User, on_delete=models.CASCADE, related_name="work_experiences", verbose_name="用户", db_index=False
    )
    company = LimitedCharField("公司", max_length=100)
    title = LimitedCharField("职位", max_length=50)
    employment_type = RuledCharField(
        "工作性质", max_length=16, choices=EmploymentType, default=EmploymentType.FULL_TIME
    )
    started_on = models.DateField("入职日期")
    # NULL: still there.
    ended_on = models.DateField("离职日期", null=True, blank=True)
    description = models.TextField("工作内容", max_length=2000, blank=True)

    objects = CareerQuerySet["WorkExperience"].as_manager()

    class Meta:
        verbose_name = "工作经历"
        verbose_name_plural = "工作经历"
        constraints = [
            # Its index serves CareerQuerySet.of_user, and the foreign key.
            models.UniqueConstraint(
                fields=["user", "started_on", "company", "title"], name="accounts_workexperience_once_per_user"
            ),
            models.CheckConstraint(
                condition=Q(company__regex=r"\S", title__regex=r"\S"),
                name="accounts_workexperience_company_and_title_not_blank",
            ),
            models.CheckConstraint(
                condition=Q(employment_type__in=["full_time", "part_time", "freelance", "internship"]),
                name="accounts_workexperience_employment_type_known",
            ),
            models.CheckConstraint(
                condition=Q(ended_on__gte=F("started_on")),
                name="accounts_workexperience_ends_after_start",
                violation_error_message="离职日期不能早于入职日期。",
            ),
            models.CheckConstraint(
                condition=LessThanOrEqual(Length("description"), 2000),
                name="accounts_workexperience_text_at_most_2000_characters",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.company} {self.title}"


class Portfolio(TimestampedModel):
    """A sample of a person's work."""

    # CASCADE: a sample goes with the account that shows it.
    user = models.ForeignKey(
        User, on_delete=models.CASCADE, related_name="portfolios", verbose_name="用户", db_index=False
    )
    title = LimitedCharField("作品名称", max_length=100)
    description = models.TextField("作品说明", max_length=2000, blank=True)
    cover_url = LimitedURLField("封面图", max_length=500, blank=True)
    # Addresses of pictures, clips and documents, in the order in which they are shown.
    media_urls = models.JSONField("作品文件", default=list, blank=True)
    project_url = LimitedURLField("项目链接", max_length=500, blank=True)
    client_name = LimitedCharField("客户名称", max_length=100, blank=True)
    completed_on = models.DateField("完成日期", null=True, blank=True)
    is_public = models.BooleanField("公开", default=True)
    sort_order = models.PositiveSmallIntegerField("排序", default=0)

    objects = PortfolioQuerySet.as_manager()

    class Meta:
        verbose_name = "作品"
        verbose_name_plural = "作品"
        constraints = [
            models.CheckConstraint(condition=Q(title__regex=r"\S"), name="accounts_portfolio_title_not_blank"),
            models.CheckConstraint(
                condition=LessThanOrEqual(Length("description"), 2000),
                name="accounts_portfolio_description_at_most_2000_characters",
            ),
            models.CheckConstraint(
                condition=Exact(JsonbTypeof("media_urls"), "array") & Q(media_urls__20__isnull=True),
                name="accounts_portfolio_media_is_list_of_at_most_20",
            ),
        ]
        indexes = [
            # PortfolioQuerySet.of_user; also the foreign key's index.
            models.Index(fields=["user", "sort_order", "-created_at"], name="portfolios_of_user_in_order"),
        ]

    def __str__(self) -> str:
        return self.title
