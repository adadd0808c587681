"""Queries of the audit log. The application may not read it: these are for staff."""

from typing import TYPE_CHECKING

from django.db import models

if TYPE_CHECKING:
    from uuid import UUID

    from apps.common.models import AuditLog  # noqa: F401 (named in a string below)


class AuditLogQuerySet(models.QuerySet["AuditLog"]):
    def of_row(self, row: models.Model) -> "AuditLogQuerySet":
        """Return what happened to a row, the newest first."""
        return self._newest(table_name=row._meta.db_table, row_id=str(row.pk))

    def about(self, person_id: "UUID") -> "AuditLogQuerySet":
        """Return what happened to a person's account, money and rights, the newest first."""
        return self._newest(person_id=person_id)

    def by(self, actor_id: "UUID") -> "AuditLogQuerySet":
        """Return what a person did, the newest first."""
        return self._newest(actor_id=actor_id)

    def _newest(self, **about: object) -> "AuditLogQuerySet":
        return self.filter(**about).order_by("-created_at", "-id")
