"""Abstract bases of all models, and the record of deployed releases."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from django.db import models
from django.db.models.functions import Now

from apps.common.keys import UUIDv7, uuid7

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


class Release(UUIDModel):
    """One run of `deploy_release` that changed this database, also one that failed half-way. Append-only."""

    release = models.CharField("发布版本", max_length=64)
    fixtures_digest = models.CharField("初始数据摘要", max_length=64)
    applied_migrations = models.JSONField("已执行迁移", default=list)
    # WAL position before the first change: where a point-in-time restore would go back to.
    restore_point = models.CharField("恢复点", max_length=32)
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
