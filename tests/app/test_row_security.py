"""Nobody reads or writes another person's rows as the application, and no error tells what is in them."""

from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from apps.accounts.models import UserPrivate
from apps.common.identity import acting_as
from django.db import IntegrityError
from factories_world import REAL_NAME, World, key_of
from psycopg import errors
from server import Server
from sessions import as_person, scalar, told

BOTH = {
    "orders_order", "orders_orderstatushistory", "orders_orderextra", "orders_orderrequirement", "orders_delivery",
    "orders_ordermessage", "orders_orderdispute", "orders_ordercancellation", "orders_orderreview", "payments_escrow",
    "payments_paymentrefund", "messaging_conversation", "messaging_message", "messaging_messageattachment",
    "messaging_messagereaction",
}  # fmt: skip
OWN = {
    "accounts_userprivate", "accounts_userverification", "payments_wallet", "payments_transaction",
    "payments_paymentmethod", "payments_withdrawal", "messaging_blockeduser", "messaging_messagereport",
    "messaging_messagetemplate", "accounts_useractivitylog", "gigs_gigreport", "gigs_gigsearchhistory",
    "reviews_reviewreport", "gigs_gigfavorite", "gigs_gigview", "gigs_gigstat", "reviews_reviewinvitation",
}  # fmt: skip
OF_THE_PLATFORM = {"payments_payoutbatch"}
PROTECTED = sorted(BOTH | OWN | OF_THE_PLATFORM)
# What speaks of people and is seen by everybody, written by some alone: test_rights.
PUBLIC = {
    "accounts_user", "accounts_userprofile", "accounts_userskill", "accounts_education", "accounts_workexperience",
    "accounts_portfolio", "gigs_gig", "reviews_review", "reviews_reviewhelpful", "reviews_userrating",
}  # fmt: skip
RIGHTS = {"accounts_user_groups", "accounts_user_user_permissions"}
# What is nobody's: offers and texts are seen by all, figures of the platform by the platform.
CATALOGUE = {
    "accounts_skill", "auth_group", "auth_group_permissions", "auth_permission", "django_content_type",
    "gigs_category", "gigs_gigpackage", "gigs_gigrequirement", "gigs_gigfaq", "gigs_gigextra", "orders_orderstat",
    "payments_paymentstat", "messaging_messagingstat", "reviews_reviewstat", "reviews_reviewtemplate",
}  # fmt: skip
# What is nobody's in them is for everybody: the platform's templates, what visitors search.
NOBODYS = {
    "messaging_messagetemplate": "owner_id IS NULL", "gigs_gigsearchhistory": "user_id IS NULL",
    "gigs_gigview": "viewer_id IS NULL",
}  # fmt: skip

every_table = pytest.mark.parametrize("table", PROTECTED)


def seen(of: psycopg.Connection[Any], table: str, key: UUID) -> int:
    return int(scalar(of, f"SELECT count(*) FROM {table} WHERE {key_of(table)} = %s", key))  # noqa: S608 (a table's name)


# ---- what is protected
def test_every_table_that_speaks_of_people_is_protected_or_known_to_be_public(migrated: Server) -> None:
    forced = migrated.sql(
        "freelance_platform",
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relrowsecurity"
        " AND relforcerowsecurity ORDER BY 1",
    ).split()
    assert forced == sorted({*PROTECTED, *PUBLIC, *RIGHTS, *CATALOGUE})
    about_people = migrated.sql(
        "freelance_platform",
        "SELECT DISTINCT conrelid::regclass FROM pg_constraint WHERE contype = 'f' AND conparentid = 0"
        " AND confrelid = 'accounts_user'::regclass",
    ).split()
    assert set(about_people) - set(PROTECTED) == (PUBLIC | RIGHTS) - {"accounts_user"}


def test_every_table_has_a_row_to_look_for(world: World) -> None:
    assert world.keys.keys() >= set(PROTECTED)


# ---- reading
@every_table
def test_who_does_not_say_who_acts_sees_no_row(world: World, application: psycopg.Connection[Any], table: str) -> None:
    assert seen(application, table, world.keys[table]) == 0
    public = NOBODYS.get(table, "false")
    assert scalar(application, f"SELECT count(*) FROM {table} WHERE NOT ({public})") == 0  # noqa: S608 (a table's name)


@every_table
def test_a_row_is_seen_by_whom_it_concerns_and_by_no_other(
    world: World, application: psycopg.Connection[Any], table: str
) -> None:
    for person in (world.client.pk, world.freelancer.pk, world.stranger.pk):
        with as_person(application, person):
            assert seen(application, table, world.keys[table]) == (person in world.seen_by[table])


def test_private_data_is_not_even_the_platforms(world: World, application: psycopg.Connection[Any]) -> None:
    with application.transaction():
        application.execute("SELECT set_config('app.acts_for_platform', 'on', true)")
        assert seen(application, "orders_order", world.order.pk) == 1
        assert seen(application, "accounts_userprivate", world.client.pk) == 0


def test_a_person_does_not_act_for_the_platform_by_saying_so(
    world: World, application: psycopg.Connection[Any]
) -> None:
    with as_person(application, world.stranger.pk):
        application.execute("SELECT set_config('app.acts_for_platform', 'on', true)")
        assert seen(application, "orders_order", world.order.pk) == 0


# ---- writing
@every_table
@pytest.mark.parametrize("who", ["stranger", "nobody"])
@pytest.mark.parametrize(
    "statement", ["UPDATE {0} SET {1} = {1} WHERE {1} = %s RETURNING *", "DELETE FROM {0} WHERE {1} = %s RETURNING *"]
)
def test_a_stranger_changes_no_row_and_gets_none_back(
    world: World, application: psycopg.Connection[Any], table: str, statement: str, who: str
) -> None:
    with as_person(application, world.stranger.pk if who == "stranger" else uuid4()):
        if who == "nobody":
            application.execute("SELECT set_config('app.current_user_id', '', true)")
        try:
            with application.transaction():
                changed = application.execute(statement.format(table, key_of(table)), [world.keys[table]])
        except errors.InsufficientPrivilege:
            return
        assert (changed.rowcount, changed.fetchall()) == (0, [])


NEW_ROWS = [
    "INSERT INTO accounts_userprivate (user_id) VALUES (%(other)s)",
    "INSERT INTO accounts_userverification (user_id, kind, status, document_keys, rejection_reason)"
    " VALUES (%(other)s, 'education', 'submitted', '[]', '')",
    "INSERT INTO payments_paymentmethod (user_id, kind, label, last_characters, bank_code, bank_name, status,"
    " is_default) VALUES (%(other)s, 'alipay', '', '8000', '', '', 'unverified', false)",
    "INSERT INTO orders_ordermessage (order_id, sender_id, body, attachment_url)"
    " VALUES (%(order)s, %(other)s, '同意退款', '')",
    "INSERT INTO orders_order (number, client_id, freelancer_id, gig_id, package_id, status, unit_price, quantity,"
    " service_fee, requirements_text) SELECT 'FP9999999999999999', %(other)s, freelancer_id, gig_id, package_id,"
    " 'pending_payment', unit_price, 1, 0, '' FROM orders_order WHERE id = %(order)s",
    "INSERT INTO messaging_message (conversation_id, sender_id, body) VALUES (%(conversation)s, %(other)s, '您好')",
    "INSERT INTO messaging_blockeduser (blocker_id, blocked_id, note) VALUES (%(other)s, %(me)s, '')",
    "INSERT INTO messaging_messagereaction (message_id, user_id, emoji) VALUES (%(message)s, %(other)s, '🎉')",
    "INSERT INTO messaging_messagetemplate (owner_id, occasion, title, body, sort_order, is_active)"
    " VALUES (NULL, 'greeting', '平台的', '您好', 0, true)",
]


@pytest.mark.parametrize("statement", NEW_ROWS, ids=lambda text: text.split()[2])
def test_nobody_writes_in_anothers_name(world: World, application: psycopg.Connection[Any], statement: str) -> None:
    # The freelancer is a party of all of it, and yet not the client.
    values = {
        "me": world.freelancer.pk, "other": world.client.pk, "order": world.order.pk,
        "conversation": world.keys["messaging_conversation"], "message": world.keys["messaging_message"],
    }  # fmt: skip
    with (
        as_person(application, world.freelancer.pk),
        pytest.raises(errors.InsufficientPrivilege, match=r"row-level security|_new_by_"),
    ):
        application.execute(statement, values)


def test_who_sent_a_message_does_not_move_it_out_of_their_sight(
    world: World, application: psycopg.Connection[Any]
) -> None:
    (order,) = (statement for statement in NEW_ROWS if statement.startswith("INSERT INTO orders_order ("))
    move = "UPDATE orders_ordermessage SET order_id = %s WHERE sender_id = %s AND order_id = %s"
    with application.transaction(force_rollback=True):
        application.execute("SELECT set_config('app.acts_for_platform', 'on', true)")
        values = {"other": world.stranger.pk, "order": world.order.pk}
        elsewhere = application.execute(f"{order} RETURNING id", values).fetchone()
        application.execute("SELECT set_config('app.current_user_id', %s, true)", [str(world.client.pk)])
        assert elsewhere
        assert not seen(application, "orders_order", elsewhere[0])
        with pytest.raises(errors.InsufficientPrivilege, match="there is no orders_order"):
            application.execute(move, [elsewhere[0], world.client.pk, world.order.pk])


def test_a_party_does_not_decide_their_own_dispute(world: World, application: psycopg.Connection[Any]) -> None:
    with as_person(application, world.client.pk), pytest.raises(errors.InsufficientPrivilege):
        application.execute(
            "UPDATE orders_orderdispute SET status = 'under_review' WHERE order_id = %s", [world.order.pk]
        )


UPSERTS = {
    "accounts_userprivate": "INSERT INTO accounts_userprivate (user_id) VALUES (%(key)s)"
    " ON CONFLICT (user_id) DO {} RETURNING real_name_sealed",
    "payments_paymentmethod": "INSERT INTO payments_paymentmethod (id, user_id, kind, label, last_characters,"
    " bank_code, bank_name, status, is_default) VALUES (%(key)s, %(me)s, 'alipay', '', '9999', '', '', 'unverified',"
    " false) ON CONFLICT (id) DO {} RETURNING last_characters",
    "messaging_messagetemplate": "INSERT INTO messaging_messagetemplate (id, owner_id, occasion, title, body,"
    " sort_order, is_active) VALUES (%(key)s, %(me)s, 'greeting', '我的', '您好', 0, true) ON CONFLICT (id) DO {}"
    " RETURNING body",
}
SETS = {
    "accounts_userprivate": "UPDATE SET real_name_sealed = 'stolen'",
    "payments_paymentmethod": "UPDATE SET label = 'stolen'",
    "messaging_messagetemplate": "UPDATE SET body = 'stolen'",
}


@pytest.mark.parametrize("table", UPSERTS)
def test_a_conflict_with_anothers_row_changes_and_shows_nothing(
    world: World, application: psycopg.Connection[Any], table: str
) -> None:
    values = {"key": world.keys[table], "me": world.stranger.pk}
    with as_person(application, world.stranger.pk), pytest.raises(errors.InsufficientPrivilege) as caught:
        application.execute(UPSERTS[table].format(SETS[table]), values)
    assert not [secret for secret in (world.phone, REAL_NAME, "8000", "请稍候") if secret in told(caught.value)]
    with as_person(application, world.stranger.pk):
        try:
            with application.transaction():
                kept = application.execute(UPSERTS[table].format("NOTHING"), values)
        except errors.InsufficientPrivilege:
            return
        assert kept.fetchall() == []


# ---- what errors tell
OF_THE_ORDER = [
    "INSERT INTO orders_delivery (order_id, number, status, message, files, feedback)"
    " VALUES (%(order)s, 9, 'submitted', '初稿', '[]', '')",
    "INSERT INTO orders_orderextra (order_id, gig_extra_id, name, unit_price, quantity, additional_days)"
    " SELECT %(order)s, id, '加急', 10, 1, 0 FROM gigs_gigextra LIMIT 1",
    "INSERT INTO orders_orderrequirement (order_id, question, kind, is_required, sort_order, answer, answer_file_url)"
    " VALUES (%(order)s, '问题？', 'text', true, 9, '', '')",
    "INSERT INTO orders_ordermessage (order_id, sender_id, body, attachment_url)"
    " VALUES (%(order)s, %(me)s, '您好', '')",
    "INSERT INTO orders_orderdispute (order_id, raised_by_id, reason, description, status, resolution, refund_amount,"
    " resolution_note) VALUES (%(order)s, %(me)s, 'late', '逾期未交付，请平台介入。', 'open', '', 1000000000, '')",
    "INSERT INTO orders_ordercancellation (order_id, requested_by_id, reason, note, status, answer)"
    " VALUES (%(order)s, %(me)s, 'no_answer', '', 'requested', '')",
    "INSERT INTO orders_orderreview (order_id, requested_by_id, reviewer_id, status, message, reminders, expires_at)"
    " VALUES (%(order)s, %(me)s, %(other)s, 'requested', '', 0, now() + interval '1 day')",
    "INSERT INTO payments_paymentrefund (escrow_id, requested_by_id, amount, reason, status)"
    " VALUES (%(escrow)s, %(me)s, 1000000000, 'goodwill', 'requested')",
    "INSERT INTO reviews_review (order_id, gig_id, author_id, subject_id, rating_overall, rating_communication,"
    " rating_quality, rating_timeliness, content, is_anonymous, status, reply_text)"
    " SELECT %(order)s, id, %(other)s, freelancer_id, 5, 5, 5, 5, '沟通顺畅，按时交付。', false, 'pending', ''"
    " FROM gigs_gig LIMIT 1",
]


@pytest.mark.parametrize("statement", OF_THE_ORDER, ids=lambda text: text.split()[2])
def test_a_stranger_who_writes_to_an_order_learns_nothing_of_it(
    world: World, application: psycopg.Connection[Any], statement: str
) -> None:
    order = world.order
    values = {
        "order": order.pk, "me": world.stranger.pk, "other": world.client.pk, "escrow": world.keys["payments_escrow"],
    }  # fmt: skip
    secrets = [order.number, order.status, str(order.total_amount), str(order.freelancer_id)]
    with as_person(application, world.stranger.pk), pytest.raises(errors.InsufficientPrivilege) as caught:
        application.execute(statement, values)
    assert not [secret for secret in secrets if secret in told(caught.value)], told(caught.value)
    # The same as for an order that does not exist.
    missing = uuid4()
    with as_person(application, world.stranger.pk), pytest.raises(errors.InsufficientPrivilege) as none_there:
        application.execute(statement, {**values, "order": missing, "escrow": missing})
    assert str(none_there.value).replace(str(missing), "") == str(caught.value).replace(
        str(values["escrow"] if "escrow" in statement else order.pk), ""
    )


def test_a_stranger_who_writes_to_a_conversation_learns_nothing_of_it(
    world: World, application: psycopg.Connection[Any]
) -> None:
    statement = "INSERT INTO messaging_message (conversation_id, sender_id, body) VALUES (%s, %s, '您好')"
    with (
        as_person(application, world.stranger.pk),
        pytest.raises(errors.InsufficientPrivilege, match="there is no messaging_c"),
    ):
        application.execute(statement, [world.keys["messaging_conversation"], world.client.pk])


def test_a_value_that_is_taken_is_refused_without_the_row_that_has_it(world: World) -> None:
    with pytest.raises(IntegrityError) as caught, acting_as(world.stranger.pk):
        UserPrivate.objects.create(user=world.stranger, phone_number=world.phone)
    refused = caught.value.__cause__
    assert isinstance(refused, errors.UniqueViolation)
    assert refused.diag.message_detail is None
    assert world.phone not in told(refused)


# ---- accounts
def test_an_account_is_seen_by_all_and_changed_by_its_person(
    world: World, application: psycopg.Connection[Any]
) -> None:
    people = [world.client.pk, world.freelancer.pk, world.stranger.pk]
    assert scalar(application, "SELECT count(*) FROM accounts_user WHERE id = ANY (%s)", people) == 3
    rename = "UPDATE accounts_user SET nickname = '新名' WHERE id = ANY (%s)"
    assert application.execute(rename, [people]).rowcount == 0
    with as_person(application, world.stranger.pk):
        assert application.execute(rename, [people]).rowcount == 1
        assert application.execute("DELETE FROM accounts_user WHERE id = %s", [world.client.pk]).rowcount == 0


SIGN_UP = (
    "INSERT INTO accounts_user (username, password, nickname, user_type, status, avatar_url, headline, region_code,"
    " is_staff, is_superuser) VALUES (%s, '', '', 'client', 'active', '', '', '', %s, false) RETURNING id"
)


def test_anybody_signs_up_and_nobody_as_staff(application: psycopg.Connection[Any]) -> None:
    with application.transaction(force_rollback=True):
        assert scalar(application, SIGN_UP, "newcomer", False)
        with pytest.raises(errors.InsufficientPrivilege), application.transaction():
            application.execute(SIGN_UP, ["newstaff", True])


def test_a_person_does_not_make_themselves_staff(world: World, application: psycopg.Connection[Any]) -> None:
    for column in ("is_staff", "is_superuser"):
        with as_person(application, world.stranger.pk), pytest.raises(errors.CheckViolation) as caught:
            application.execute(f"UPDATE accounts_user SET {column} = true WHERE id = %s", [world.stranger.pk])  # noqa: S608 (named above)
        assert caught.value.diag.constraint_name == "accounts_user_rights_are_given_by_a_superuser"


def test_a_person_does_not_approve_their_own_papers(world: World, application: psycopg.Connection[Any]) -> None:
    with as_person(application, world.client.pk):
        statement = "UPDATE accounts_userverification SET status = 'in_review' WHERE user_id = %s"
        assert application.execute(statement, [world.client.pk]).rowcount == 0
