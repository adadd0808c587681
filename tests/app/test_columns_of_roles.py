"""Staff and reports see every row, and not every column of it."""

from typing import Any

import pytest
from apps.common.texts import RuledCharField
from django.apps import apps
from django.db.models import CharField, JSONField, TextField
from factories_world import World
from psycopg import errors
from server import Server
from sessions import scalar, session
from test_row_security import PROTECTED


@pytest.mark.parametrize(
    ("role", "column"),
    [
        ("freelance_staff", "accounts_user.password"), ("reporting_user", "accounts_user.password"),
        ("reporting_user", "messaging_message.body"), ("reporting_user", "orders_ordermessage.body"),
        ("reporting_user", "payments_paymentmethod.last_characters"),
        ("freelance_staff", "messaging_message.body"), ("freelance_staff", "orders_ordermessage.body"),
        ("freelance_staff", "payments_paymentmethod.last_characters"), ("freelance_staff", "payments_wallet.balance"),
        ("freelance_staff", "payments_transaction.amount"), ("reporting_user", "payments_wallet.user_id"),
        ("freelance_staff", "messaging_messageattachment.storage_key"),
        ("reporting_user", "messaging_messageattachment.storage_key"),
        ("reporting_user", "payments_withdrawal.user_id"), ("freelance_staff", "messaging_blockeduser.note"),
        ("freelance_staff", "messaging_messagetemplate.body"),
    ],
)  # fmt: skip
def test_some_columns_are_not_for_those_who_see_all_rows(migrated: Server, role: str, column: str) -> None:
    table, name = column.split(".")
    with session(migrated, role) as reader, pytest.raises(errors.InsufficientPrivilege, match="permission denied"):
        scalar(reader, f"SELECT count({name}) FROM {table}")  # noqa: S608 (names)


# Of the gig, of a search that is nobody's any more, or no text at all.
TEXTS_FOR_REPORTS = {
    "gigs_gigsearchhistory.filters", "gigs_gigsearchhistory.query_text", "messaging_messageattachment.mime_type",
    "orders_orderextra.name", "orders_orderrequirement.question", "orders_orderstatushistory.from_status",
}  # fmt: skip


def test_reports_read_no_text_in_rows_that_are_not_for_everybody(owner: Any) -> None:
    """A text is what may hold anything: no word of a list, and of no shape."""
    texts = {
        f"{model._meta.db_table}.{field.column}"
        for model in apps.get_models()
        for field in model._meta.concrete_fields
        if model._meta.db_table in PROTECTED
        and isinstance(field, TextField | CharField | JSONField)
        and not (isinstance(field, RuledCharField) or field.choices)
    }
    with owner.cursor() as cursor:
        cursor.execute(
            "SELECT attrelid::regclass || '.' || attname FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid"
            " WHERE relnamespace = 'public'::regnamespace AND attnum > 0 AND NOT attisdropped"
            " AND relkind IN ('r', 'p') AND has_column_privilege('reporting_user', attrelid, attnum, 'SELECT')"
        )
        assert texts & {name for (name,) in cursor.fetchall()} == TEXTS_FOR_REPORTS


def test_reports_add_money_up(migrated: Server, world: World) -> None:  # noqa: ARG001 (it comes first)
    with session(migrated, "reporting_user") as reports:
        for column in ("payments_wallet.balance", "payments_transaction.amount", "payments_withdrawal.amount"):
            table, name = column.split(".")
            assert scalar(reports, f"SELECT sum({name}) FROM {table} WHERE {name} > 0") > 0  # noqa: S608 (names)
