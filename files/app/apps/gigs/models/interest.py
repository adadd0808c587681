"""Who looked for gigs, looked at them, and keeps them in mind."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.lookups import Exact

from apps.common.expressions import JsonbTypeof
from apps.common.models import EventModel, TimestampedModel
from apps.common.rollup import by_day
from apps.common.texts import LimitedCharField, RuledCharField
from apps.gigs.managers import GigFavoriteQuerySet, GigSearchHistoryQuerySet, GigViewQuerySet
from apps.gigs.models.gig import Gig


class GigFavorite(TimestampedModel):
    """A gig that a person keeps in mind. Made by GigFavoriteQuerySet.add."""

    # CASCADE (both): a bookmark means nothing without its reader or its gig.
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="gig_favorites", verbose_name="用户",
        db_index=False,
    )  # fmt: skip
    gig = models.ForeignKey(
        Gig, on_delete=models.CASCADE, related_name="favorites", verbose_name="服务", db_index=False
    )
    # Whose gig it is, held by the foreign key (gig_id, freelancer_id) of migration gigs.0004, so that the CHECK can
    # tell one's own. DO_NOTHING: the gig protects its freelancer.
    freelancer = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.DO_NOTHING, related_name="+", verbose_name="自由职业者",
        db_index=False, db_constraint=False, editable=False,
    )  # fmt: skip

    objects = GigFavoriteQuerySet.as_manager()

    class Meta:
        verbose_name = "服务收藏"
        verbose_name_plural = "服务收藏"
        constraints = [
            models.UniqueConstraint(
                fields=["user", "gig"],
                name="gigs_gigfavorite_once_per_user",
                violation_error_message="已经收藏过该服务。",
            ),
            models.CheckConstraint(
                condition=~Q(user=F("freelancer")),
                name="gigs_gigfavorite_not_of_own_gig",
                violation_error_message="不能收藏自己的服务。",
            ),
        ]
        indexes = [
            # GigFavoriteQuerySet.of_user.
            models.Index(fields=["user", "-created_at", "-id"], name="favorites_of_user_newest"),
            # GigFavoriteQuerySet.of_gig; also the foreign key's index.
            models.Index(fields=["gig", "-created_at"], name="favorites_of_gig_newest"),
            # The daily roll-up.
            by_day("favorites_by_day", "created_at"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} {self.gig_id}"


class GigView(EventModel):
    """Somebody looked at a gig. Partitioned by month; the application adds rows and changes none."""

    # A month can be compared with the one of last year; the daily figures stay.
    KEPT_MONTHS = 13

    class Source(models.TextChoices):
        SEARCH = "search", "搜索"
        CATEGORY = "category", "分类"
        RECOMMENDATION = "recommendation", "推荐"
        FAVORITE = "favorite", "收藏"
        PROFILE = "profile", "个人主页"
        SHARE = "share", "分享"
        DIRECT = "direct", "直接访问"

    # PROTECT (both): the application takes no row of a log away. A gig that was seen is archived; a person is erased by
    # emptying the account, and the view still counts. NULL: nobody was logged in.
    gig = models.ForeignKey(Gig, on_delete=models.PROTECT, related_name="views", verbose_name="服务", db_index=False)
    viewer = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="gig_views",
        verbose_name="浏览者", db_index=False,
    )  # fmt: skip
    # SHA-256 of the session's key: tells visitors apart without letting anybody take over a session.
    session_digest = RuledCharField("会话摘要", max_length=64)
    source = RuledCharField("来源", max_length=16, choices=Source)

    objects = GigViewQuerySet.as_manager()

    class Meta:
        verbose_name = "服务浏览记录"
        verbose_name_plural = "服务浏览记录"
        constraints = [
            models.CheckConstraint(
                condition=Q(session_digest__regex=r"^[0-9a-f]{64}$"), name="gigs_gigview_session_digest_is_sha256"
            ),
            models.CheckConstraint(
                condition=Q(
                    source__in=["search", "category", "recommendation", "favorite", "profile", "share", "direct"]
                ),
                name="gigs_gigview_source_known",
            ),
        ]
        indexes = [
            # GigViewQuerySet.of_gig; also the foreign key's index.
            models.Index(fields=["gig", "-created_at"], name="views_of_gig_newest"),
            # GigViewQuerySet.of_viewer; also the foreign key's index.
            models.Index(fields=["viewer", "-created_at", "-id"], name="views_of_viewer_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.gig_id} {self.get_source_display()}"


class GigSearchHistory(EventModel):
    """What somebody searched for, and how much was found. Partitioned by month."""

    # 个人信息保护法 (PIPL), article 19: no longer than what it is for needs it, here what the dictionary lacks.
    KEPT_MONTHS = 12

    # CASCADE: a person's searches go with the account. NULL: nobody was logged in.
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, blank=True, related_name="gig_searches",
        verbose_name="用户", db_index=False,
    )  # fmt: skip
    # As in GigView.
    session_digest = RuledCharField("会话摘要", max_length=64)
    # Empty: only filters were chosen.
    query_text = LimitedCharField("检索词", max_length=200, blank=True)
    filters = models.JSONField("筛选条件", default=dict, blank=True)
    result_count = models.PositiveIntegerField("结果数")

    objects = GigSearchHistoryQuerySet.as_manager()

    class Meta:
        verbose_name = "服务搜索记录"
        verbose_name_plural = "服务搜索记录"
        constraints = [
            models.CheckConstraint(
                condition=Q(session_digest__regex=r"^[0-9a-f]{64}$"),
                name="gigs_gigsearchhistory_session_digest_is_sha256",
            ),
            models.CheckConstraint(
                condition=Exact(JsonbTypeof("filters"), "object"), name="gigs_gigsearchhistory_filters_is_object"
            ),
        ]
        indexes = [
            # GigSearchHistoryQuerySet.of_user; also the foreign key's index.
            models.Index(fields=["user", "-created_at", "-id"], name="searches_of_user_newest"),
            # GigSearchHistoryQuerySet.without_result.
            models.Index(fields=["-created_at"], name="searches_without_result", condition=Q(result_count=0)),
        ]

    def __str__(self) -> str:
        return self.query_text
