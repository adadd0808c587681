"""Complaints about gigs."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Length
from django.db.models.lookups import Exact, LessThanOrEqual

from apps.common.expressions import JsonbTypeof
from apps.common.models import StatefulModel, Transitions
from apps.gigs.managers import GigReportQuerySet
from apps.gigs.models.gig import Gig


class GigReport(StatefulModel):
    """A person says that a gig breaks the rules; staff decide.

    Migration gigs.0006 adds what a model cannot say: the freelancer is the gig's, the reviewer is staff.
    """

    class Reason(models.TextChoices):
        FRAUD = "fraud", "欺诈"
        ILLEGAL = "illegal", "违法违规"
        INFRINGEMENT = "infringement", "侵犯知识产权"
        MISLEADING = "misleading", "描述不符"
        OFF_PLATFORM = "off_platform", "引导站外交易"
        OFFENSIVE = "offensive", "低俗或辱骂"
        OTHER = "other", "其他"

    class Status(models.TextChoices):
        OPEN = "open", "待处理"
        REVIEWING = "reviewing", "处理中"
        UPHELD = "upheld", "举报成立"
        DISMISSED = "dismissed", "举报不成立"

    TRANSITIONS: ClassVar[Transitions] = {
        "": ("open",),
        "open": ("reviewing",),
        "reviewing": ("upheld", "dismissed"),
    }

    # PROTECT (both): a complaint is evidence; a gig that was reported is archived, not deleted.
    reporter = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="gig_reports", verbose_name="举报人",
        db_index=False,
    )  # fmt: skip
    gig = models.ForeignKey(Gig, on_delete=models.PROTECT, related_name="reports", verbose_name="服务", db_index=False)
    # As in GigFavorite. DO_NOTHING: the gig protects its freelancer.
    freelancer = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.DO_NOTHING, related_name="+", verbose_name="自由职业者",
        db_index=False, db_constraint=False, editable=False,
    )  # fmt: skip
    reason = models.CharField("举报原因", max_length=16, choices=Reason)
    description = models.TextField("举报说明", max_length=2000, blank=True)
    # Keys in the object storage.
    evidence_keys = models.JSONField("证据文件", default=list, blank=True)
    status = models.CharField("处理状态", max_length=16, choices=Status, default=Status.OPEN)
    # SET_NULL: a decision outlives the staff member's account.
    reviewer = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True,
        related_name="gig_reports_reviewed", verbose_name="处理人", db_index=False,
    )  # fmt: skip
    resolution = models.CharField("处理结果说明", max_length=500, blank=True)
    resolved_at = models.DateTimeField("处理时间", null=True, blank=True)

    objects = GigReportQuerySet.as_manager()

    class Meta:
        verbose_name = "服务举报"
        verbose_name_plural = "服务举报"
        constraints = [
            models.UniqueConstraint(
                fields=["reporter", "gig"],
                condition=Q(status__in=["open", "reviewing"]),
                name="gigs_gigreport_one_open_per_reporter_and_gig",
                violation_error_message="您已举报过该服务，正在处理中。",
            ),
            models.CheckConstraint(
                condition=~Q(reporter=F("freelancer")),
                name="gigs_gigreport_not_of_own_gig",
                violation_error_message="不能举报自己的服务。",
            ),
            models.CheckConstraint(
                condition=Q(
                    reason__in=[
                        "fraud", "illegal", "infringement", "misleading", "off_platform", "offensive", "other",
                    ]
                ),
                name="gigs_gigreport_reason_known",
            ),
            models.CheckConstraint(
                condition=Q(status__in=["open", "reviewing", "upheld", "dismissed"]),
                name="gigs_gigreport_status_known",
            ),
            models.CheckConstraint(
                condition=~Q(reason="other") | Q(description__regex=r"\S"),
                name="gigs_gigreport_other_reason_is_described",
                violation_error_message="选择“其他”时须填写举报说明。",
            ),
            models.CheckConstraint(
                condition=LessThanOrEqual(Length("description"), 2000),
                name="gigs_gigreport_description_at_most_2000_characters",
            ),
            models.CheckConstraint(
                condition=Exact(JsonbTypeof("evidence_keys"), "array") & Q(evidence_keys__10__isnull=True),
                name="gigs_gigreport_evidence_is_at_most_10_files",
            ),
            models.CheckConstraint(
                condition=~Q(reviewer=F("reporter")) & ~Q(reviewer=F("freelancer")),
                name="gigs_gigreport_reviewer_is_no_party",
            ),
            models.CheckConstraint(
                condition=Q(status__in=["open", "reviewing"], resolved_at__isnull=True, resolution="")
                | Q(status__in=["upheld", "dismissed"], resolved_at__isnull=False, resolution__regex=r"\S"),
                name="gigs_gigreport_resolution_fits_status",
                violation_error_message="处理完毕的举报须有处理时间和结果说明。",
            ),
        ]  # fmt: skip
        indexes = [
            # GigReportQuerySet.of_reporter; also the foreign key's index.
            models.Index(fields=["reporter", "-created_at"], name="reports_of_reporter_newest"),
            # GigReportQuerySet.of_gig; also the foreign keys' index.
            models.Index(fields=["gig", "-created_at"], name="reports_of_gig_newest"),
            # GigReportQuerySet.of_reviewer; also the foreign key's index.
            models.Index(fields=["reviewer", "-resolved_at"], name="reports_of_reviewer"),
            # GigReportQuerySet.waiting.
            models.Index(
                fields=["created_at", "id"], name="reports_waiting", condition=Q(status__in=["open", "reviewing"])
            ),
        ]

    def __str__(self) -> str:
        return f"{self.gig_id} {self.get_reason_display()}"
