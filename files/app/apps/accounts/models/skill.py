"""The catalogue of skills, and who has them."""

from django.db import models
from django.db.models import Q

from apps.accounts.models.user import User
from apps.common.models import TimestampedModel
from apps.common.texts import LimitedCharField, RuledCharField


class Skill(TimestampedModel):
    """An entry of the catalogue of skills."""

    class Area(models.TextChoices):
        DESIGN = "design", "设计创意"
        DEVELOPMENT = "development", "程序开发"
        DATA = "data", "数据与人工智能"
        WRITING = "writing", "文案写作"
        TRANSLATION = "translation", "翻译"
        VIDEO = "video", "视频动画"
        AUDIO = "audio", "音频音乐"
        MARKETING = "marketing", "营销推广"
        BUSINESS = "business", "商务服务"
        EDUCATION = "education", "教育咨询"

    name = LimitedCharField("技能名称", max_length=50)
    slug = LimitedCharField("拼音标识", max_length=80)
    area = RuledCharField("领域", max_length=16, choices=Area)
    sort_order = models.PositiveSmallIntegerField("排序", default=0)
    is_active = models.BooleanField("启用", default=True)

    class Meta:
        verbose_name = "技能"
        verbose_name_plural = "技能"
        constraints = [
            models.UniqueConstraint(fields=["name"], name="accounts_skill_name_unique"),
            models.UniqueConstraint(fields=["slug"], name="accounts_skill_slug_unique"),
            models.CheckConstraint(
                condition=Q(slug__regex=r"^[a-z0-9]+(-[a-z0-9]+)*$"), name="accounts_skill_slug_shape"
            ),
            models.CheckConstraint(
                condition=Q(
                    area__in=[
                        "design", "development", "data", "writing", "translation",
                        "video", "audio", "marketing", "business", "education",
                    ]
                ),
                name="accounts_skill_area_known",
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return self.name


class UserSkill(TimestampedModel):
    """That a person has a skill, and how well."""

    class Level(models.TextChoices):
        BEGINNER = "beginner", "入门"
        INTERMEDIATE = "intermediate", "熟练"
        ADVANCED = "advanced", "精通"
        EXPERT = "expert", "专家"

    # CASCADE: a statement about a person goes with the account.
    user = models.ForeignKey(
        User, on_delete=models.CASCADE, related_name="user_skills", verbose_name="用户", db_index=False
    )
    # PROTECT: a skill in use is switched off (is_active), not deleted.
    skill = models.ForeignKey(
        Skill, on_delete=models.PROTECT, related_name="user_skills", verbose_name="技能", db_index=False
    )
    level = RuledCharField("熟练程度", max_length=16, choices=Level, default=Level.INTERMEDIATE)
    years_of_experience = models.PositiveSmallIntegerField("从业年限", default=0)

    class Meta:
        verbose_name = "用户技能"
        verbose_name_plural = "用户技能"
        constraints = [
            # Its index also finds a person's skills.
            models.UniqueConstraint(fields=["user", "skill"], name="accounts_userskill_once_per_user"),
            models.CheckConstraint(
                condition=Q(level__in=["beginner", "intermediate", "advanced", "expert"]),
                name="accounts_userskill_level_known",
            ),
            models.CheckConstraint(
                condition=Q(years_of_experience__lte=60), name="accounts_userskill_years_at_most_60"
            ),
        ]
        indexes = [
            # UserQuerySet.with_skill; also the foreign key's index.
            models.Index(fields=["skill", "-years_of_experience"], name="users_with_skill_experienced"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} {self.skill_id} {self.get_level_display()}"
