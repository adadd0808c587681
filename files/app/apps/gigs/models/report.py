"""Complaints about gigs."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.lookups import Exact

from apps.common.expressions import JsonbTypeof
from apps.common.reports import Report
from apps.gigs.managers import GigReportQuerySet
from apps.gigs.models.gig import Gig


class GigReport(Report):
    """A gig breaks the rules, says somebody who does not own it.

    Migration gigs.0006 adds what a model cannot say: the freelancer is the gig's, who handles it is staff.
    """

    # PROTECT: a complaint is evidence; a gig that was reported is archived, not deleted.
    gig = models.ForeignKey(Gig, on_delete=models.PROTECT, related_name="reports", verbose_name="服务", db_index=False)
    # As in GigFavorite. DO_NOTHING: the gig protects its freelancer.
    freelancer = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.DO_NOTHING, related_name="+", verbose_name="自由职业者",
        db_index=False, db_constraint=False, editable=False,
    )  # fmt: skip
    # Keys in the object storage.
    evidence_keys = models.JSONField("证据文件", default=list, blank=True)

    objects = GigReportQuerySet.as_manager()

    class Meta(Report.Meta):
        verbose_name = "服务举报"
        verbose_name_plural = "服务举报"
        constraints = [
            *Report.Meta.constraints,
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
                condition=Exact(JsonbTypeof("evidence_keys"), "array") & Q(evidence_keys__10__isnull=True),
                name="gigs_gigreport_evidence_is_at_most_10_files",
            ),
            models.CheckConstraint(
                condition=~Q(handled_by=F("reporter")) & ~Q(handled_by=F("freelancer")),
                name="gigs_gigreport_handled_by_no_party",
            ),
        ]
        indexes = [
            *Report.Meta.indexes,
            # GigReportQuerySet.of_gig; also the foreign keys' index.
            models.Index(fields=["gig", "-created_at"], name="gigreports_of_gig_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.gig_id} {self.get_reason_display()}"
