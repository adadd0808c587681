import django.db.models.deletion
import django.db.models.functions.datetime
import django.db.models.functions.text
import django.db.models.lookups
from django.conf import settings
from django.db import migrations, models

import apps.common.expressions
import apps.common.keys


class Migration(migrations.Migration):
    dependencies = [("accounts", "0002_integrity")]
    operations = [
        migrations.CreateModel(
            name="UserProfile",
            fields=[
                (
                    "user",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="profile",
                        serialize=False,
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="用户",
                    ),
                ),
                ("bio", models.TextField(blank=True, max_length=2000, verbose_name="个人简介")),
                (
                    "availability",
                    models.CharField(
                        choices=[("available", "可接单"), ("busy", "忙碌中"), ("unavailable", "暂不接单")],
                        default="available",
                        max_length=16,
                        verbose_name="接单状态",
                    ),
                ),
                (
                    "hourly_rate",
                    models.DecimalField(
                        blank=True, decimal_places=2, max_digits=12, null=True, verbose_name="时薪（元）"
                    ),
                ),
                ("currency", models.CharField(db_default="CNY", default="CNY", max_length=3, verbose_name="币种")),
                (
                    "weekly_hours",
                    models.PositiveSmallIntegerField(blank=True, null=True, verbose_name="每周可用小时数"),
                ),
                ("languages", models.JSONField(blank=True, default=list, verbose_name="工作语言")),
                ("working_city_code", models.CharField(blank=True, max_length=6, verbose_name="工作城市代码")),
                ("company_name", models.CharField(blank=True, max_length=100, verbose_name="公司名称")),
                ("job_title", models.CharField(blank=True, max_length=50, verbose_name="职位")),
                ("portfolio_url", models.URLField(blank=True, max_length=500, verbose_name="作品网站")),
                (
                    "response_time_minutes",
                    models.PositiveIntegerField(
                        blank=True, editable=False, null=True, verbose_name="平均响应时间（分钟）"
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name="创建时间"
                    ),
                ),
                (
                    "updated_at",
                    models.DateTimeField(
                        auto_now=True, db_default=django.db.models.functions.datetime.Now(), verbose_name="更新时间"
                    ),
                ),
            ],
            options={
                "verbose_name": "用户资料",
                "verbose_name_plural": "用户资料",
                "constraints": [
                    models.CheckConstraint(
                        condition=django.db.models.lookups.LessThanOrEqual(
                            django.db.models.functions.text.Length("bio"), 2000
                        ),
                        name="accounts_userprofile_bio_at_most_2000_characters",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("availability__in", ["available", "busy", "unavailable"])),
                        name="accounts_userprofile_availability_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("hourly_rate__gte", 1), ("hourly_rate__lte", 100000)),
                        name="accounts_userprofile_hourly_rate_1_to_100000",
                        violation_error_message="时薪须在 1 元到 10 万元之间。",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("currency", "CNY")), name="accounts_userprofile_currency_is_cny"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("weekly_hours__gte", 1), ("weekly_hours__lte", 84)),
                        name="accounts_userprofile_weekly_hours_1_to_84",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            django.db.models.lookups.Exact(apps.common.expressions.JsonbTypeof("languages"), "array"),
                            models.Q(
                                (
                                    "languages__contained_by",
                                    ["zh", "yue", "en", "ja", "ko", "fr", "de", "es", "ru", "pt", "ar", "th", "vi"],
                                )
                            ),
                        ),
                        name="accounts_userprofile_languages_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("working_city_code__regex", "^([1-9][0-9]{5})?$")),
                        name="accounts_userprofile_working_city_six_digits",
                        violation_error_message="城市代码须为 6 位数字（GB/T 2260）。",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Education",
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
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name="创建时间"
                    ),
                ),
                (
                    "updated_at",
                    models.DateTimeField(
                        auto_now=True, db_default=django.db.models.functions.datetime.Now(), verbose_name="更新时间"
                    ),
                ),
                ("school", models.CharField(max_length=100, verbose_name="学校")),
                (
                    "degree",
                    models.CharField(
                        choices=[
                            ("secondary", "高中或中专"),
                            ("associate", "大专"),
                            ("bachelor", "本科"),
                            ("master", "硕士"),
                            ("doctorate", "博士"),
                            ("other", "其他"),
                        ],
                        max_length=16,
                        verbose_name="学历",
                    ),
                ),
                ("major", models.CharField(blank=True, max_length=100, verbose_name="专业")),
                ("started_on", models.DateField(verbose_name="入学日期")),
                ("ended_on", models.DateField(blank=True, null=True, verbose_name="毕业日期")),
                ("description", models.CharField(blank=True, max_length=500, verbose_name="说明")),
                (
                    "user",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="educations",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="用户",
                    ),
                ),
            ],
            options={
                "verbose_name": "教育经历",
                "verbose_name_plural": "教育经历",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("user", "started_on", "school", "degree"), name="accounts_education_once_per_user"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("school__regex", "\\S")), name="accounts_education_school_not_blank"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("degree__in", ["secondary", "associate", "bachelor", "master", "doctorate", "other"])
                        ),
                        name="accounts_education_degree_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("ended_on__gte", models.F("started_on"))),
                        name="accounts_education_ends_after_start",
                        violation_error_message="毕业日期不能早于入学日期。",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="WorkExperience",
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
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name="创建时间"
                    ),
                ),
                (
                    "updated_at",
                    models.DateTimeField(
                        auto_now=True, db_default=django.db.models.functions.datetime.Now(), verbose_name="更新时间"
                    ),
                ),
                ("company", models.CharField(max_length=100, verbose_name="公司")),
                ("title", models.CharField(max_length=50, verbose_name="职位")),
                (
                    "employment_type",
                    models.CharField(
                        choices=[
                            ("full_time", "全职"),
                            ("part_time", "兼职"),
                            ("freelance", "自由职业"),
                            ("internship", "实习"),
                        ],
                        default="full_time",
                        max_length=16,
                        verbose_name="工作性质",
                    ),
                ),
                ("started_on", models.DateField(verbose_name="入职日期")),
                ("ended_on", models.DateField(blank=True, null=True, verbose_name="离职日期")),
                ("description", models.TextField(blank=True, max_length=2000, verbose_name="工作内容")),
                (
                    "user",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="work_experiences",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="用户",
                    ),
                ),
            ],
            options={
                "verbose_name": "工作经历",
                "verbose_name_plural": "工作经历",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("user", "started_on", "company", "title"), name="accounts_workexperience_once_per_user"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("company__regex", "\\S"), ("title__regex", "\\S")),
                        name="accounts_workexperience_company_and_title_not_blank",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("employment_type__in", ["full_time", "part_time", "freelance", "internship"])
                        ),
                        name="accounts_workexperience_employment_type_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("ended_on__gte", models.F("started_on"))),
                        name="accounts_workexperience_ends_after_start",
                        violation_error_message="离职日期不能早于入职日期。",
                    ),
                    models.CheckConstraint(
                        condition=django.db.models.lookups.LessThanOrEqual(
                            django.db.models.functions.text.Length("description"), 2000
                        ),
                        name="accounts_workexperience_text_at_most_2000_characters",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Portfolio",
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
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name="创建时间"
                    ),
                ),
                (
                    "updated_at",
                    models.DateTimeField(
                        auto_now=True, db_default=django.db.models.functions.datetime.Now(), verbose_name="更新时间"
                    ),
                ),
                ("title", models.CharField(max_length=100, verbose_name="作品名称")),
                ("description", models.TextField(blank=True, max_length=2000, verbose_name="作品说明")),
                ("cover_url", models.URLField(blank=True, max_length=500, verbose_name="封面图")),
                ("media_urls", models.JSONField(blank=True, default=list, verbose_name="作品文件")),
                ("project_url", models.URLField(blank=True, max_length=500, verbose_name="项目链接")),
                ("client_name", models.CharField(blank=True, max_length=100, verbose_name="客户名称")),
                ("completed_on", models.DateField(blank=True, null=True, verbose_name="完成日期")),
                ("is_public", models.BooleanField(default=True, verbose_name="公开")),
                ("sort_order", models.PositiveSmallIntegerField(default=0, verbose_name="排序")),
                (
                    "user",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="portfolios",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="用户",
                    ),
                ),
            ],
            options={
                "verbose_name": "作品",
                "verbose_name_plural": "作品",
                "indexes": [
                    models.Index(fields=["user", "sort_order", "-created_at"], name="portfolios_of_user_in_order")
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("title__regex", "\\S")), name="accounts_portfolio_title_not_blank"
                    ),
                    models.CheckConstraint(
                        condition=django.db.models.lookups.LessThanOrEqual(
                            django.db.models.functions.text.Length("description"), 2000
                        ),
                        name="accounts_portfolio_description_at_most_2000_characters",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            django.db.models.lookups.Exact(apps.common.expressions.JsonbTypeof("media_urls"), "array"),
                            models.Q(("media_urls__20__isnull", True)),
                        ),
                        name="accounts_portfolio_media_is_list_of_at_most_20",
                    ),
                ],
            },
        ),
    ]
