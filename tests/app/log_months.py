"""Months of the logs: rows of them, their upkeep as its command does it, and what it leaves."""

import io
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from apps.common.models import AuditLog, EventModel
from config.router import all_on
from django.core.management import call_command
from django.db import router, transaction
from test_partitions import LOGS, run

FEBRUARY = datetime(2019, 2, 14, tzinfo=UTC)
LAST_OF_FEBRUARY = datetime(2019, 2, 28, 23, 59, 59, 999999, tzinfo=UTC)
MARCH = datetime(2019, 3, 1, tzinfo=UTC)
VIEWS, OLD_VIEWS, NEXT_VIEWS = "gigs_gigview", "gigs_gigview_p20190201", "gigs_gigview_p20190301"


def noted(created_at: datetime) -> AuditLog:
    """Write an entry of the audit log, as only its owner may."""
    alias = router.db_for_write(AuditLog)
    with transaction.atomic(using=alias):
        run(alias, "SET LOCAL ROLE audit_owner")
        return AuditLog.objects.create(
            table_name="accounts_user", operation="truncate", login_role="", statement_role="", transaction_id=1,
            created_at=created_at,
        )  # fmt: skip


# Its rows come as its owner's, and go like any others.
WRITTEN: dict[type[EventModel], Callable[..., Any]] = {**LOGS, AuditLog: noted}
also_the_audit = pytest.mark.parametrize("model", WRITTEN)


def maintain(alias: str, *options: str) -> tuple[list[str], dict[str, Any]]:
    """Run the command; return what it said and its report."""
    output = io.StringIO()
    call_command("maintain_partitions", "--database", alias, *options, stdout=output)
    *said, report = output.getvalue().splitlines()
    return said, json.loads(report)


def written(model: type[EventModel], alias: str, *moments: datetime) -> list[Any]:
    """Write a row of the log for each moment, committed."""
    with all_on(alias):
        return [WRITTEN[model](created_at=moment) for moment in moments]


def number(alias: str, table: str) -> int:
    return int(run(alias, f"SELECT count(*) FROM {table}")[0][0])  # noqa: S608 (named here)


def retire(alias: str, folder: Path, *options: str) -> tuple[list[str], dict[str, Any]]:
    return maintain(alias, "--archive", str(folder), *options)
