"""What every report of content by a person has in common; an app adds what is reported."""

from typing import ClassVar, TypeVar

from django.conf import settings
from django.db import models
from django.db.migrations import RunSQL
from django.db.models import Q
from django.db.models.functions import Length
from django.db.models.lookups import LessThanOrEqual

from apps.common.decisions import decided_by_no_party
from apps.common.models import StatefulModel, Transitions
from apps.common.parties import PLATFORM, Parties, named
from apps.common.sql import refusal, refuse_if, row_trigger
from apps.common.texts import LimitedCharField, RuledCharField

ReportT = TypeVar("ReportT", bound="Report")


class ReportQuerySet(models.QuerySet[ReportT]):
    def waiting(self) -> "ReportQuerySet[ReportT]":
        """Return reports that nobody looks at yet, the oldest first."""
        return self.filter(status="open").order_by("created_at", "id")


class Report(StatefulModel):
    """Somebody says that content breaks the rules, staff decide."""

    class Reason(models.TextChoices):
        SPAM = "spam", "垃圾广告"
        FRAUD = "fraud", "欺诈"
        ABUSE = "abuse", "辱骂或骚扰"
        INFRINGEMENT = "infringement", "侵犯知识产权"
        MISLEADING = "misleading", "描述不符"
        OFF_PLATFORM = "off_platform", "引导线下交易"
        ILLEGAL = "illegal", "违法违规"
        PRIVACY = "privacy", "泄露隐私"
        OTHER = "other", "其他"

    class Status(models.TextChoices):
        OPEN = "open", "待处理"
        REVIEWING = "reviewing", "处理中"
        UPHELD = "upheld", "成立"
        DISMISSED = "dismissed", "驳回"

    TRANSITIONS: ClassVar[Transitions] = {
        "": ("open",),
        "open": ("reviewing", "upheld", "dismissed"),
        "reviewing": ("open", "upheld", "dismissed"),
    }

    # PROTECT: what was reported and by whom is evidence.
    reporter = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="%(class)ss_filed", verbose_name="举报人"
    )
    reason = RuledCharField("举报原因", max_length=16, choices=Reason)
    details = models.TextField("详细说明", max_length=1000, blank=True)
    status = RuledCharField("处理状态", max_length=16, choices=Status, default=Status.OPEN)
    # SET_NULL: the decision stands without the member of staff who took it.
    handled_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True,
        related_name="%(class)ss_handled", verbose_name="处理人",
    )  # fmt: skip
    handled_at = models.DateTimeField("处理时间", null=True, blank=True)
    resolution = LimitedCharField("处理说明", max_length=500, blank=True)

    class Meta:
        abstract = True
        constraints = [
            models.CheckConstraint(
                condition=Q(
                    reason__in=[
                        "spam", "fraud", "abuse", "infringement", "misleading", "off_platform", "illegal", "privacy",
                        "other",
                    ]
                ),
                name="%(app_label)s_%(class)s_reason_known",
            ),
            models.CheckConstraint(
                condition=Q(status__in=["open", "reviewing", "upheld", "dismissed"]),
                name="%(app_label)s_%(class)s_status_known",
            ),
            models.CheckConstraint(
                condition=LessThanOrEqual(Length("details"), 1000),
                name="%(app_label)s_%(class)s_details_at_most_1000_characters",
            ),
            models.CheckConstraint(
                condition=~Q(reason="other") | ~Q(details=""),
                name="%(app_label)s_%(class)s_other_reason_is_explained",
                violation_error_message="选择“其他”时须填写详细说明。",
            ),
            models.CheckConstraint(
                condition=Q(status__in=["upheld", "dismissed"], handled_at__isnull=False)
                | Q(status__in=["open", "reviewing"], handled_at__isnull=True),
                name="%(app_label)s_%(class)s_handled_at_fits_status",
            ),
            models.CheckConstraint(
                condition=Q(status__in=["open", "reviewing"]) | Q(resolution__regex=r"\S"),
                name="%(app_label)s_%(class)s_decision_is_explained",
                violation_error_message="处理完毕的举报须有结果说明。",
            ),
        ]  # fmt: skip
        indexes = [
            # ReportQuerySet.waiting.
            models.Index(fields=["created_at", "id"], name="%(class)ss_waiting", condition=Q(status="open")),
        ]


def handled_by_no_party(table: str, others: str) -> RunSQL:
    """Refuse who reported, and the people that the query `others` returns for NEW, as who handles a report."""
    name = f"{table}_handled_by_no_party"
    refused = refusal(
        name, "handled_by_id", "%s is a party of the report %s and does not handle it", "NEW.handled_by_id", "NEW.id",
        hint="Let another member of staff decide.",
    )  # fmt: skip
    party = f"NEW.handled_by_id = NEW.reporter_id OR NEW.handled_by_id IN ({others})"
    event = "BEFORE INSERT OR UPDATE OF handled_by_id"
    return row_trigger(table, name, event, refuse_if(party, refused), when="NEW.handled_by_id IS NOT NULL")


def reported(table: str, evidence: str) -> Parties:
    """Return what of a report is whose: what was said stays, `evidence` are the columns of what it is about."""
    return Parties(
        table=table,
        final=f"id created_at reporter_id reason details {evidence}",
        author=named("reporter", "reporter_id"),
        by={PLATFORM: "handled_by_id resolution"},
        steps={
            PLATFORM: "open>reviewing open>upheld open>dismissed reviewing>open reviewing>upheld reviewing>dismissed"
        },
        stamps={"handled_at": "upheld dismissed"},
    )


def decided_by_others(table: str, others: str) -> RunSQL:
    """Refuse a decision by who reported, by the people of the SQL array `others` of NEW, or in another's name."""
    return decided_by_no_party(table, "upheld dismissed", f"SELECT NEW.reporter_id || ({others})")
