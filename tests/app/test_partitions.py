"""Logs are partitioned by month: the ORM works on them unchanged, a row without a month is kept, nobody goes round."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import factories as make
import factories_people as people
import pytest
from apps.accounts.models import UserActivityLog
from apps.common.models import AuditLog, EventModel
from apps.gigs.models import GigSearchHistory, GigView
from config.router import all_on
from django.apps import apps
from django.db import IntegrityError, ProgrammingError, connections, transaction

LOGS: dict[type[EventModel], Callable[..., Any]] = {
    UserActivityLog: people.activity,
    GigView: people.view,
    GigSearchHistory: people.search,
}
# Only triggers write it: test_audit.
WRITTEN_BY_TRIGGERS = {AuditLog}
INSERT_ONLY = ["accounts_useractivitylog", "gigs_gigview"]

every_log = pytest.mark.parametrize("model", LOGS)


def run(alias: str, statement: str, *parameters: Any) -> list[Any]:
    with connections[alias].cursor() as cursor:
        cursor.execute(statement, parameters or None)
        return list(cursor.fetchall()) if cursor.description else []


def partition_of(row: EventModel, alias: str = "default") -> str:
    table = row._meta.db_table
    found = run(alias, f"SELECT tableoid::regclass::text FROM {table} WHERE id = %s", row.id)  # noqa: S608 (a model's)
    return str(found[0][0])


def test_every_log_is_partitioned_by_the_month_of_its_rows(owner: Any) -> None:  # noqa: ARG001 (it comes first)
    logs = {model for model in apps.get_models() if issubclass(model, EventModel)}
    assert logs == LOGS.keys() | WRITTEN_BY_TRIGGERS
    for model in logs:
        table = model._meta.db_table
        assert run("direct", "SELECT pg_get_partkeydef(%s::regclass)", table) == [("RANGE (created_at)",)]
        key = "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'p' AND conrelid = %s::regclass"
        assert run("direct", key, table) == [("PRIMARY KEY (created_at, id)",)]


@every_log
@pytest.mark.usefixtures("database")
def test_a_row_for_which_no_month_was_made_is_kept(model: type[EventModel]) -> None:
    row = LOGS[model](created_at=datetime(2019, 2, 14, tzinfo=UTC))
    assert partition_of(row) == f"{model._meta.db_table}_default"
    assert model._default_manager.get(pk=row.pk) == row


@every_log
@pytest.mark.usefixtures("database")
def test_the_orm_reads_back_what_it_wrote(model: type[EventModel]) -> None:
    rows = [LOGS[model]() for _ in range(3)]
    objects = model._default_manager
    assert objects.get(pk=rows[0].pk) == rows[0]
    assert rows[0].pk == (rows[0].created_at, rows[0].id)
    assert set(objects.filter(pk__in=[row.pk for row in rows])) == set(rows)
    assert list(objects.filter(id__in=[row.id for row in rows]).order_by("created_at", "id")) == rows


@pytest.mark.usefixtures("database")
def test_many_rows_are_written_at_once_with_a_time_of_their_own() -> None:
    gig = make.gig("draft")
    moments = [datetime(2025, month, 1, tzinfo=UTC) for month in (1, 2, 3)]
    GigView.objects.bulk_create(
        [GigView(gig=gig, session_digest=people.SESSION, source="share", created_at=moment) for moment in moments]
    )
    assert GigView.objects.of_gig(gig.pk, moments[0], moments[2]).count() == 2


@every_log
@pytest.mark.usefixtures("owner")
def test_a_row_goes_to_its_month_and_is_found_by_the_parent(model: type[EventModel]) -> None:
    table = model._meta.db_table
    run("direct", f"CREATE TABLE {table}_2019_02 PARTITION OF {table} FOR VALUES FROM ('2019-02-01') TO ('2019-03-01')")
    with all_on("direct"):
        row = LOGS[model](created_at=datetime(2019, 2, 14, tzinfo=UTC))
        assert model._default_manager.get(pk=row.pk) == row
    assert partition_of(row, "direct") == f"{table}_2019_02"


@every_log
@pytest.mark.usefixtures("database")
def test_nobody_reaches_a_partition_but_by_its_parent(model: type[EventModel]) -> None:
    table = model._meta.db_table
    row = LOGS[model]()
    partitions = [name for (name,) in run("default", "SELECT inhrelid::regclass::text FROM pg_inherits"
                                          " WHERE inhparent = %s::regclass", table)]  # fmt: skip
    assert {f"{table}_default", partition_of(row)} < set(partitions)
    for partition in partitions:
        for statement in (
            "SELECT 1 FROM {0}",
            "UPDATE {0} SET id = id",
            "DELETE FROM {0}",
            "INSERT INTO {0} TABLE {1}",
        ):
            with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic("default"):
                run("default", statement.format(partition, table))


@pytest.mark.parametrize("table", INSERT_ONLY)
@pytest.mark.parametrize("statement", ["UPDATE {} SET created_at = now()", "DELETE FROM {}", "TRUNCATE {}"])
@pytest.mark.usefixtures("database")
def test_the_application_adds_to_a_log_and_changes_nothing_in_it(table: str, statement: str) -> None:
    with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic("default"):
        run("default", statement.format(table))


@pytest.mark.usefixtures("database")
def test_a_person_clears_their_searches() -> None:
    user = make.user()
    people.search(user=user)
    people.search()
    assert GigSearchHistory.objects.of_user(user.pk).delete()[0] == 1
    assert GigSearchHistory.objects.of_user(user.pk).count() == 0


@pytest.mark.usefixtures("database")
def test_a_visitor_without_an_account_is_counted() -> None:
    view = people.view(viewer=None)
    assert GigView.objects.get(pk=view.pk).viewer_id is None


@pytest.mark.usefixtures("database")
def test_a_view_of_a_gig_that_does_not_exist_is_refused() -> None:
    gig = make.gig("draft")
    row = GigView(gig_id=gig.freelancer_id, session_digest=people.SESSION, source="share")
    run("default", "SET CONSTRAINTS ALL IMMEDIATE")
    with pytest.raises(IntegrityError, match="violates foreign key constraint"), transaction.atomic("default"):
        row.save()


def test_the_key_keeps_two_rows_apart(database: Any) -> None:  # noqa: ARG001 (it comes first)
    row = people.search()
    again = GigSearchHistory(id=row.id, created_at=row.created_at, session_digest=people.SESSION, result_count=0)
    with pytest.raises(IntegrityError), transaction.atomic("default"):
        again.save(force_insert=True)
