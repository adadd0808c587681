"""Abstract bases of all models, the audit log, and the record of deployed releases."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.db.models.lookups import Exact

from apps.common.encryption.models import EncryptionKey as EncryptionKey  # noqa: PLC0414 (a model of this app)
from apps.common.expressions import JsonbTypeof, TransactionIdField
from apps.common.keys import UUIDv7, uuid7
from apps.common.managers import AuditLogQuerySet
from apps.common.texts import LimitedCharField, RuledCharField

# Legal next states by state; "" stands for a row that does not exist yet.
Transitions = Mapping[str, Sequence[str]]


class UUIDModel(models.Model):
    """A row whose key is time-ordered, whoever writes it."""

    id = models.UUIDField("编号", primary_key=True, default=uuid7, db_default=UUIDv7(), editable=False)

    class Meta:
        abstract = True


class TimestampedModel(UUIDModel):
    created_at = models.DateTimeField("创建时间", db_default=Now(), editable=False)
    updated_at = models.DateTimeField("更新时间", auto_now=True, db_default=Now())

    class Meta:
        abstract = True


class StatefulModel(TimestampedModel):
    """A row with a `status`. The database enforces TRANSITIONS by a trigger; tests hold both together."""

    TRANSITIONS: ClassVar[Transitions] = {}

    class Meta:
        abstract = True

    @classmethod
    def next_statuses(cls, status: str) -> Sequence[str]:
        """Return the states that may follow `status`."""
        return cls.TRANSITIONS.get(status, ())


class EventModel(models.Model):
    """A row of a log that is partitioned by month: made by `partitioned_by_month`, and nothing points at it."""

    # Whole months besides the running one; then `maintain_partitions` archives and drops them. None: kept for ever.
    KEPT_MONTHS: ClassVar[int | None] = None

    # A partitioned table's key must hold the column that chooses the partition.
    pk = models.CompositePrimaryKey("created_at", "id")
    created_at = models.DateTimeField("时间", db_default=Now(), editable=False)
    id = models.UUIDField("编号", default=uuid7, db_default=UUIDv7(), editable=False)

    class Meta:
        abstract = True


class AuditLog(EventModel):
    """One change of one sensitive row, written by triggers alone (`audited` of apps.common.sql; migration common.0003).

    It points at nothing: the entry outlives the row, and often the account.
    """

    # 电子商务法 (E-Commerce Law), article 31: what was traded is kept for three years after the end of the trade.
    KEPT_MONTHS = 60

    class Operation(models.TextChoices):
        INSERT = "insert", "新增"
        UPDATE = "update", "修改"
        DELETE = "delete", "删除"
        TRUNCATE = "truncate", "清空"

    table_name = LimitedCharField("表", max_length=63)
    # "" where the whole table was emptied.
    row_id = LimitedCharField("行编号", max_length=64, blank=True)
    operation = RuledCharField("操作", max_length=8, choices=Operation)
    # The account that the row is about.
    person_id = models.UUIDField("相关用户", null=True, blank=True)
    # Column: [before, after], [before] of a deleted row, null where the values are not for this log. A new row has
    # none: it holds them itself, and each later change notes the value before it.
    changes = models.JSONField("变更内容", default=dict)
    # The same, of columns that say who somebody is; NULL when the person was forgotten.
    personal_changes = models.JSONField("个人信息变更", null=True, blank=True)
    # NULL: nobody said who acts (a job, a repair).
    actor_id = models.UUIDField("操作人", null=True, blank=True)
    login_role = LimitedCharField("登录角色", max_length=63)
    # Whose rights the statement had: of a function of the ledger, freelance_ledger.
    statement_role = LimitedCharField("执行角色", max_length=63)
    transaction_id = TransactionIdField("事务编号")

    objects = AuditLogQuerySet.as_manager()

    class Meta:
        verbose_name = "审计日志"
        verbose_name_plural = "审计日志"
        constraints = [
            models.CheckConstraint(
                condition=Q(operation__in=["insert", "update", "delete", "truncate"]),
                name="common_auditlog_operation_known",
            ),
            models.CheckConstraint(
                condition=Exact(JsonbTypeof("changes"), "object"), name="common_auditlog_changes_is_object"
            ),
        ]
        indexes = [
            # AuditLogQuerySet.of_row.
            models.Index(fields=["table_name", "row_id", "-created_at", "-id"], name="audit_of_row_newest"),
            # AuditLogQuerySet.about; the function audit_forget.
            models.Index(
                fields=["person_id", "-created_at", "-id"],
                name="audit_about_person_newest",
                condition=Q(person_id__isnull=False),
            ),
            # AuditLogQuerySet.by.
            models.Index(
                fields=["actor_id", "-created_at", "-id"],
                name="audit_by_actor_newest",
                condition=Q(actor_id__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.table_name} {self.row_id} {self.get_operation_display()}"


class Erasure(UUIDModel):
    """One run of `erase_person` that erased somebody: what is left to do outside of the database. Not who it was."""

    # No foreign key: accounts stand on this app.
    person_id = models.UUIDField("用户编号")
    created_at = models.DateTimeField("注销时间", db_default=Now(), editable=False)
    # Keys in the object storage that whoever keeps the files has to delete; emptied when they say so.
    files = models.JSONField("待删除文件", default=list)

    class Meta:
        verbose_name = "注销记录"
        verbose_name_plural = "注销记录"
        constraints = [
            models.CheckConstraint(
                condition=Exact(JsonbTypeof("files"), "array"), name="common_erasure_files_is_array"
            ),
        ]

    def __str__(self) -> str:
        return str(self.person_id)


class Release(UUIDModel):
    """One run of `deploy_release` that changed this database, also one that failed half-way. Append-only."""

    release = LimitedCharField("发布版本", max_length=64)
    fixtures_digest = LimitedCharField("初始数据摘要", max_length=64)
    applied_migrations = models.JSONField("已执行迁移", default=list)
    # WAL position before the first change: where a point-in-time restore would go back to.
    restore_point = LimitedCharField("恢复点", max_length=32)
    created_at = models.DateTimeField("部署时间", db_default=Now(), editable=False)

    class Meta:
        verbose_name = "发布记录"
        verbose_name_plural = "发布记录"
        indexes = [
            # deploy_release: the newest record.
            models.Index(fields=["-created_at", "-id"], name="releases_newest"),
        ]

    def __str__(self) -> str:
        return self.release
