"""Materialized views that the ORM reads: what they have in common, and how they are refreshed beside their readers."""

from django.apps import apps
from django.db import connections, models

from apps.common.caching import any_stamp, forget

# Chosen once: every refresh of this application in one database asks for the same lock.
ADVISORY_LOCK = 7_301_960_244


class MaterializedView(models.Model):
    """A row of a view that a migration makes, with a unique index on its key. Written by the refresh alone.

    A subclass repeats `managed = False`: Django does not inherit it.
    """

    class Meta:
        abstract = True
        managed = False


def materialized_views() -> list[type[MaterializedView]]:
    """Return all of them, earlier apps first."""
    return [model for model in apps.get_models() if issubclass(model, MaterializedView)]


def refresh(view: type[MaterializedView], alias: str) -> None:
    """Bring a view to what the tables say. Readers go on with the old rows until the new ones are there."""
    connection = connections[alias]
    with connection.cursor() as cursor:
        cursor.execute(f"REFRESH MATERIALIZED VIEW CONCURRENTLY {connection.ops.quote_name(view._meta.db_table)}")
    forget({any_stamp(view)}, alias)
