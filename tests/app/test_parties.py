"""What of a shared row is whose: columns, steps and new rows, tried by all parties of it, who are staff or not."""

import itertools
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from apps.accounts.models import User
from apps.common.identity import PERSON, acting_as
from apps.common.models import StatefulModel
from apps.common.parties import PLATFORM, Parties, Side
from apps.messaging.models import MessageAttachment
from declared_parties import DECLARED, acts_as, acts_in, columns_of, other_value, whose_column, whose_step
from django.apps import apps
from django.db import DatabaseError, transaction
from factories_world import World, key_of
from psycopg import errors
from psycopg.types.json import Jsonb
from server import Server
from sessions import as_person, scalar, session
from test_transitions import MODELS, go_to, needs

MODEL_OF: dict[str, type[StatefulModel]] = {
    model._meta.db_table: model for model in apps.get_models() if issubclass(model, StatefulModel)
}
# What another rule of the table says of such a change first, to everybody.
EARLIER = {
    "orders_order": {"orders_order_contract_is_fixed"},
    "orders_orderextra": {"orders_orderextra_chosen_before_payment"},
    "orders_ordercancellation": {"orders_ordercancellation_requested_by_is_a_party"},
    "orders_orderreview": {"orders_orderreview_requested_by_is_a_party", "orders_orderreview_reviewer_is_a_party"},
    "orders_orderdispute": {"orders_orderdispute_handled_by_no_party"},
    "payments_paymentmethod": {"payments_paymentmethod_stays_while_money_is_on_its_way"},
    "messaging_message": {
        "messaging_message_is_final", "messaging_message_admits_who_sees_conversation",
    },
    "gigs_gigreport": {"gigs_gigreport_handled_by_no_party"},
    "messaging_messagereport": {
        "messaging_messagereport_handled_by_no_party", "messaging_messagereport_reporter_got_the_message",
        "messaging_messagereport_admits_who_sees_message",
    },
    "reviews_reviewreport": {
        "reviews_reviewreport_admits_who_sees_review", "reviews_reviewreport_handled_by_no_party",
    },
    "reviews_review": {"reviews_review_is_final"},
    "reviews_reviewinvitation": {
        "reviews_reviewinvitation_to_a_party_of_a_completed_order", "reviews_reviewinvitation_admits_who_acts",
    },
    "messaging_conversation": {
        "messaging_conversation_people_and_subject_are_final", "messaging_conversation_last_message_is_counted",
        "messaging_conversation_admits_who_acts",
    },
}  # fmt: skip
# Computed by triggers, whatever is written there, or written along with the texts that they follow from.
KEPT = {"orders_order": {"extras_amount"}, "reviews_review": {"search_vector", "search_version"}}
# Whose row it is writes these: the policies let nobody else change it but the platform.
BY_POLICY = {
    "gigs_gig": {"category_id", "title", "description", "cover_url", "search_vector", "search_version"},
    "accounts_userprofile": {
        "bio", "availability", "hourly_rate", "currency", "weekly_hours", "languages", "working_city_code",
        "company_name", "job_title", "portfolio_url", "search_vector", "search_version",
    },
}  # fmt: skip

CHANGED = [parties for parties in DECLARED.values() if parties.final]
COLUMNS = [
    pytest.param(parties, column, id=f"{parties.table}-{column}")
    for parties in CHANGED
    for column in [*parties.final.split(), *whose_column(parties)]
]


@pytest.fixture(scope="module")
def everything(migrated: Server) -> Iterator[psycopg.Connection[Any]]:
    """A session that sees all rows."""
    with session(migrated, "freelance_migrator") as made:
        made.execute("SET ROLE freelance_owner")
        yield made


# ---- what is declared
def test_every_column_of_a_table_is_declared_once(everything: psycopg.Connection[Any]) -> None:
    for parties in CHANGED:
        declared = [*parties.final.split(), *whose_column(parties), *parties.stamps]
        declared += ["status"] if parties.steps else []
        kept = KEPT.get(parties.table, set()) | BY_POLICY.get(parties.table, set())
        columns = columns_of(everything, parties.table).keys() - kept - {"updated_at"}
        assert sorted(declared) == sorted(columns), parties.table


def test_new_rows_are_dated_by_the_database() -> None:
    assert [table for table, parties in DECLARED.items() if not parties.dated] == []


def test_every_declared_step_is_legal() -> None:
    for parties in DECLARED.values():
        for taken in whose_step(parties):
            before, after = taken.split(">")
            assert after in MODEL_OF[parties.table].next_statuses(before), (parties.table, taken)


@pytest.mark.parametrize("parties", DECLARED.values(), ids=DECLARED)
def test_everybody_whose_row_it_is_has_a_say_in_it(
    world: World, everything: psycopg.Connection[Any], parties: Parties
) -> None:
    table = parties.table
    for person in world.seen_by[table]:
        assert any(acts_as(everything, side, table, world.keys[table], person) for side in parties.sides()), person


# ---- columns
@pytest.mark.parametrize(("parties", "column"), COLUMNS)
def test_a_column_is_written_by_whose_it_is_alone(
    world: World,
    application: psycopg.Connection[Any],
    everything: psycopg.Connection[Any],
    parties: Parties,
    column: str,
) -> None:
    table, side = parties.table, whose_column(parties).get(column)
    values = {
        "key": world.keys[table], "freelancer": world.freelancer.pk, "order": world.order.pk,
        "other_order": other_order(everything, world),
    }  # fmt: skip
    value = other_value(column, columns_of(everything, table)[column])
    change = f"UPDATE {table} SET {column} = {value} WHERE {key_of(table)} = %(key)s"  # noqa: S608 (declared)
    rule = f"{table}_{column}_by_{side.name}" if side else f"{table}_{column}_is_final"
    assert len(rule) < 64
    for person, is_staff in itertools.product(world.seen_by[table], (False, True)):
        theirs = side is not None and acts_as(everything, side, table, world.keys[table], person)
        with as_staff(application, person) if is_staff else as_person(application, person):
            refused = refusal_of(application, change, values)
        if refused is None:
            assert theirs, f"this is not theirs to write (staff: {is_staff})"
        elif refused != HIDDEN:
            assert refused in EARLIER.get(table, set()) | (set() if theirs else {rule})
    with application.transaction(force_rollback=True):
        application.execute("SELECT set_config('app.acts_for_platform', 'on', true)")
        by_platform = None if side and not side.alone else rule
        assert refusal_of(application, change, values) in {by_platform, *EARLIER.get(table, ())}


@contextmanager
def as_staff(of: psycopg.Connection[Any], person: UUID) -> Iterator[None]:
    """A transaction of this person, in which they are staff. It is rolled back."""
    with of.transaction(force_rollback=True):
        of.execute("SELECT set_config('app.acts_for_platform', 'on', true)")
        of.execute("UPDATE accounts_user SET is_staff = true WHERE id = %s", [person])
        of.execute(
            "SELECT set_config('app.acts_for_platform', '', true), set_config(%s, %s, true)", [PERSON, str(person)]
        )
        yield


def other_order(of: psycopg.Connection[Any], world: World) -> Any:
    row = of.execute("SELECT order_id FROM orders_orderreview WHERE id = %s", [world.keys["orders_orderreview"]])
    found = row.fetchone()
    assert found is not None
    return found[0]


# A policy shows the row to who tries, and lets them change none.
HIDDEN = "hidden"


def refusal_of(of: psycopg.Connection[Any], change: str, values: dict[str, Any]) -> str | None:
    """Return the rule that says whose it is, None where that is settled: what a column may hold is asked after it."""
    try:
        with of.transaction():
            return None if of.execute(change, values).rowcount else HIDDEN
    except (errors.IntegrityError, errors.InsufficientPrivilege) as refused:
        # By a trigger, and so with the rule's name for who reads the message alone.
        return re.findall(r"\((\w+)\)$", refused.diag.message_primary or "")[-1] if refused.diag.context else None


# ---- new rows
def authors(parties: Parties) -> list[Side]:
    """Return the sides that write each new row."""
    of_each = [side for side, condition in parties.new.items() if condition == "true"]
    return [*([parties.author] if parties.author else []), *of_each]


@pytest.mark.parametrize("parties", [pytest.param(each, id=table) for table, each in DECLARED.items() if authors(each)])
def test_a_new_row_is_written_by_whose_it_is_alone(
    world: World, application: psycopg.Connection[Any], everything: psycopg.Connection[Any], parties: Parties
) -> None:
    table = parties.table
    columns = ", ".join(columns_of(everything, table))
    found = scalar(everything, f"SELECT to_jsonb(it) FROM {table} AS it WHERE {key_of(table)} = %s", world.keys[table])  # noqa: S608 (declared)
    beginning = {"status": MODEL_OF[table].next_statuses("")[0]} if parties.steps else {}
    row = Jsonb({**found, **beginning, "id": str(uuid4())})
    copy = f"INSERT INTO {table} ({columns}) SELECT {columns} FROM jsonb_populate_record(NULL::{table}, %(row)s)"  # noqa: S608 (declared)
    rules = {f"{table}_new_by_{side.name}" for side in authors(parties)}
    for person, is_staff in itertools.product(world.seen_by[table], (False, True)):
        theirs = all(acts_in(everything, side, table, row, person) for side in authors(parties))
        with as_staff(application, person) if is_staff else as_person(application, person):
            refused = refusal_of(application, copy, {"row": row})
        assert (refused in rules) != theirs, (refused, is_staff)


# ---- steps
STEPS = [
    pytest.param(parties, before, after, id=f"{table}-{before}-{after}")
    for table, parties in DECLARED.items()
    if parties.steps
    for before, afters in MODEL_OF[table].TRANSITIONS.items()
    for after in afters
    if before
]
# A party of the order has to hand something in with this step.
HAS_ITS_ROW = "orders_order_step_has_its_row"


@pytest.mark.parametrize(("parties", "before", "after"), STEPS)
def test_a_step_is_taken_by_whose_it_is_alone(database: Any, parties: Parties, before: str, after: str) -> None:
    table, model = parties.table, MODEL_OF[parties.table]
    row = MODELS[model]()
    go_to(model, row, before)
    side = whose_step(parties).get(f"{before}>{after}", PLATFORM)
    others = {column for column, its in whose_column(parties).items() if its == PLATFORM}
    wanted = {name: value for name, value in needs(model, row, after).items() if name not in others}
    for person, is_staff in itertools.product(people_of(row), (False, True)):
        User.objects.filter(pk=person).update(is_staff=is_staff)
        theirs = acts_as(database, side, table, row.pk, person)
        changes = {"status": after, **(wanted if theirs else {})}
        with acting_as(person):
            refused = refused_by(lambda: model._default_manager.filter(pk=row.pk).update(**changes))  # noqa: B023 (called at once)
        rules = {HIDDEN, f"{table}_status_by_{side.name}", f"{table}_handled_by_no_party"}
        assert refused in ({None, HAS_ITS_ROW} if theirs else rules)
    if side.alone:
        changes = {"status": after, **wanted}
        refused = refused_by(lambda: model._default_manager.filter(pk=row.pk).update(**changes))
        assert refused == f"{table}_status_by_{side.name}"


def people_of(row: Any) -> set[UUID]:
    """Return who has to do with a row."""
    about = row.message.conversation if isinstance(row, MessageAttachment) else getattr(row, "order", row)
    names = (
        "client_id", "freelancer_id", "participant_low_id", "participant_high_id", "user_id", "author_id", "subject_id",
        "reporter_id", "invitee_id",
    )  # fmt: skip
    return {getattr(about, name) for name in names if hasattr(about, name)}


def refused_by(change: Callable[[], int]) -> str | None:
    """Return the rule that refuses a change, None for one that is taken. It is undone."""
    try:
        with transaction.atomic(using="default"):
            changed = change()
            transaction.set_rollback(True, using="default")
    except DatabaseError as refused:
        return str(refused.__cause__.diag.constraint_name)  # type: ignore[union-attr]  # psycopg's own error
    return None if changed else HIDDEN
