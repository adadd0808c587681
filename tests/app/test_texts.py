"""A text that is too long meets a rule that names table, column and limit, whoever writes it."""

from collections.abc import Callable, Mapping
from typing import Any

import factories as make
import factories_contracts as contracts
import factories_people as people
import factories_talk as talk
import pytest
from apps.common.texts import NAME_BYTES_MAX, LimitedCharField, LimitedURLField, at_most
from apps.messaging.models import BlockedUser
from django.apps import apps
from django.db import DataError, IntegrityError, connections, models, transaction
from test_amounts import BARE_COPY, run
from test_constraints import refused

OURS = """
relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition AND attnum > 0
AND NOT attisdropped AND relname ~ '^(common|accounts|gigs|orders|payments|messaging|reviews)_'
"""
COLUMNS = f"""
SELECT relname::text, attname::text FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
WHERE {OURS} AND atttypid = 'text'::regtype ORDER BY 1, 2
"""  # noqa: S608 (above)
WITH_A_LENGTH = f"""
SELECT relname::text, attname::text FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
WHERE {OURS} AND atttypid IN ('varchar'::regtype, 'bpchar'::regtype) ORDER BY 1, 2
"""  # noqa: S608 (above)
# Longer than any text of the platform may be.
TOO_LONG = 5001

FIELDS: Mapping[tuple[str, str], Any] = {
    (model._meta.db_table, str(field.column)): field
    for model in apps.get_models()
    for field in model._meta.local_fields
}
# What makes a row that a client writes, by the table.
MADE_BY: Mapping[str, Callable[..., Any]] = {
    "accounts_education": people.education,
    "accounts_portfolio": people.portfolio,
    "accounts_user": make.user,
    "accounts_useractivitylog": people.activity,
    "accounts_userprofile": people.profile,
    "accounts_workexperience": people.work_experience,
    "gigs_category": make.category,
    "gigs_gig": lambda **fields: make.gig("draft", **fields),
    "gigs_gigextra": people.extra,
    "gigs_gigfaq": people.faq,
    "gigs_gigpackage": make.package,
    "gigs_gigreport": people.report,
    "gigs_gigrequirement": people.requirement,
    "gigs_gigsearchhistory": people.search,
    "messaging_blockeduser": lambda **fields: BlockedUser.objects.create(
        blocker=make.user(), blocked=make.user(), **fields
    ),
    "messaging_messageattachment": talk.attachment,
    "messaging_messagereport": talk.message_report,
    "orders_ordercancellation": contracts.cancellation,
    "orders_orderdispute": contracts.dispute,
    "orders_orderextra": contracts.order_extra,
    "orders_ordermessage": contracts.message,
    "orders_orderrequirement": contracts.requirement,
    "orders_orderreview": contracts.review_request,
    "payments_paymentmethod": lambda **fields: contracts.payment_method(
        **{"kind": "bank_card", "bank_code": "102100099996", "bank_name": "工商银行", **fields}
    ),
    "reviews_reviewreport": talk.review_report,
}  # fmt: skip
LIMITED = [
    (table, field)
    for (table, _), field in FIELDS.items()
    # A password is hashed by whoever makes an account.
    if table in MADE_BY and isinstance(field, LimitedCharField | LimitedURLField) and field.name != "password"
]


def refuser(column: str, value: str) -> str:
    """Return the name of the rule that refuses a value in the bare copy; "" where none does."""
    try:
        with transaction.atomic("direct"), connections["direct"].cursor() as cursor:
            cursor.execute(f"INSERT INTO pg_temp.bare ({column}) VALUES (%s)", [value])  # noqa: S608 (from pg_attribute)
    except (IntegrityError, DataError) as error:
        return str(error.__cause__.diag.constraint_name)  # type: ignore[union-attr]  # psycopg's own
    return ""


@pytest.mark.usefixtures("owner")
def test_no_type_refuses_a_length() -> None:
    assert run("direct", WITH_A_LENGTH) == []


@pytest.mark.usefixtures("owner")
def test_every_text_meets_a_rule_by_name_when_it_is_too_long() -> None:
    columns = run("direct", COLUMNS)
    assert len(columns) > 100
    unlimited, misnamed = [], []
    copied = ""
    for table, column in columns:
        if table != copied:
            run("direct", "DROP TABLE IF EXISTS pg_temp.bare;" + BARE_COPY.format(table=table))
            copied = table
        if not refuser(column, "长" * TOO_LONG).startswith(f"{table}_"):
            unlimited.append((table, column))
        field = FIELDS[table, column]
        if isinstance(field, LimitedCharField | LimitedURLField):
            assert field.max_length is not None
            limit = at_most(table, column, field.max_length).name
            if (
                refuser(column, "长" * (field.max_length + 1)) != limit
                or refuser(column, "长" * field.max_length) == limit
            ):
                misnamed.append((table, column))
    assert unlimited == []
    assert misnamed == []


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize(("table", "field"), LIMITED, ids=lambda value: getattr(value, "name", value))
def test_one_character_too_many_is_refused_to_a_client(table: str, field: "models.CharField[Any, Any]") -> None:
    characters = field.max_length
    assert characters is not None
    refused(
        str(at_most(table, str(field.column), characters).name),
        lambda: MADE_BY[table](**{field.name: "长" * (characters + 1)}),
    )


def test_a_name_fits_what_postgresql_keeps_of_it() -> None:
    for model in apps.get_models():
        for constraint in model._meta.constraints:
            assert len(constraint.name.encode()) <= NAME_BYTES_MAX, constraint.name
