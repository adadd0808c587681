"""No way round the policies: views, functions, partitions. Who should see all rows counts all; pages find an index."""

import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from apps.accounts.models import UserPrivate
from apps.common.encryption.fields import candidates
from factories_world import World
from psycopg import errors
from server import Server
from sessions import as_person, scalar, session
from test_row_security import PROTECTED


def counted(of: psycopg.Connection[Any], table: str) -> int:
    return int(scalar(of, f"SELECT count(*) FROM {table}"))  # noqa: S608 (a table's name)


# ---- other ways
def test_every_view_shows_what_its_reader_may_see(migrated: Server, world: World) -> None:
    of_the_owner = migrated.sql(
        "freelance_platform",
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'v'"
        " AND NOT coalesce(reloptions, '{}') @> '{security_invoker=true}'",
    )
    assert of_the_owner == ""
    script = f"""
        BEGIN;
        SET LOCAL ROLE freelance_owner;
        CREATE VIEW shown WITH (security_invoker = true) AS SELECT * FROM orders_order;
        SELECT count(*) > 0 FROM shown;
        RESET ROLE;
        SET LOCAL ROLE freelance_user;
        SELECT count(*) FROM shown;
        SELECT set_config('app.current_user_id', '{world.client.pk}', true) <> '';
        SELECT count(*) FROM shown WHERE id = '{world.order.pk}';
        ROLLBACK;
    """  # noqa: S608 (keys)
    assert migrated.sql("freelance_platform", script).split() == ["t", "0", "t", "1"]


def test_what_is_kept_for_everybody_is_few_and_known(migrated: Server) -> None:
    kept = migrated.sql(
        "freelance_platform",
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'm' ORDER BY 1",
    )
    # Counts and averages, no row of anybody.
    assert kept.split() == ["orders_categorysummary", "orders_freelancersummary"]


def test_functions_with_the_owners_rights_are_few_and_known(migrated: Server) -> None:
    callable_ones = migrated.sql(
        "freelance_platform",
        "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prosecdef"
        " AND prorettype <> 'trigger'::regtype AND has_function_privilege('freelance_user', oid, 'EXECUTE')",
    ).split()
    # Those of the ledger ask who acts themselves (test_ledger_rights).
    # confirm_contact is for the platform alone, published_reviews_with finds what is published.
    assert set(callable_ones) == {
        "ledger_cancel_withdrawal", "ledger_close_refund", "ledger_deposit", "ledger_fail_withdrawal",
        "ledger_hold_escrow", "ledger_open_wallet", "ledger_refund", "ledger_release_escrow",
        "ledger_request_withdrawal", "ledger_set_wallet_status", "ledger_settle_withdrawal", "ledger_submit_payouts",
        "account_of_contact", "confirm_contact", "published_reviews_with",
    }  # fmt: skip


def test_nobody_runs_the_function_of_a_trigger_or_has_a_table_of_their_own_to_hang_it_on(
    migrated: Server, application: psycopg.Connection[Any]
) -> None:
    runnable = migrated.sql(
        "freelance_platform",
        "SELECT role, proname FROM pg_proc, unnest(ARRAY['public', 'freelance_user', 'freelance_staff',"
        " 'reporting_user', 'freelance_ledger']) AS role WHERE pronamespace = 'public'::regnamespace"
        " AND prorettype = 'trigger'::regtype AND has_function_privilege(role, pg_proc.oid, 'EXECUTE')",
    )
    assert runnable == ""
    for table in ("CREATE TEMPORARY TABLE mine (id uuid)", "CREATE TABLE mine (id uuid)"):
        with pytest.raises(errors.InsufficientPrivilege):
            application.execute(table)


# Of functions without rights of their own, who runs them. All others are for triggers, or an extension's.
RUN = {
    # By policies and triggers, with the rights of who reads or writes.
    "acts_for_platform": ["freelance_staff", "freelance_user"], "gives_rights": ["freelance_staff", "freelance_user"],
    "sees_orders_order": ["freelance_staff", "freelance_user"],
    # The default of keys: whoever inserts runs it.
    "uuidv7": ["audit_owner", "freelance_ledger", "freelance_staff", "freelance_user"],
}  # fmt: skip


def test_a_function_is_run_by_who_needs_it_and_none_by_everybody(owner: Any) -> None:
    with owner.cursor() as cursor:
        cursor.execute(
            "SELECT proname::text, prosecdef, array_agg(coalesce(rolname::text, 'PUBLIC') ORDER BY rolname)"
            " FROM pg_proc, aclexplode(coalesce(proacl, acldefault('f', proowner))) AS given"
            " LEFT JOIN pg_roles AS role ON role.oid = given.grantee"
            " WHERE pronamespace = 'public'::regnamespace AND grantee <> proowner AND NOT EXISTS (SELECT FROM pg_depend"
            " WHERE classid = 'pg_proc'::regclass AND objid = pg_proc.oid AND deptype = 'e') GROUP BY pg_proc.oid"
        )
        found = cursor.fetchall()
    assert [name for name, _, roles in found if "PUBLIC" in roles] == []
    assert {name: roles for name, definer, roles in found if not definer} == RUN


def test_a_report_only_reads(migrated: Server) -> None:
    with session(migrated, "reporting_user") as reader, pytest.raises(errors.ReadOnlySqlTransaction):
        reader.execute("UPDATE orders_order SET quantity = 2")


def test_a_contact_leads_to_the_key_of_an_account_and_to_nothing_else(
    migrated: Server, world: World, application: psycopg.Connection[Any]
) -> None:
    look_up = "SELECT account_of_contact(%s, %s::bytea[])"
    phone = candidates(UserPrivate, "phone_number_index", world.phone)
    assert scalar(application, look_up, "phone", phone) == world.client.pk
    other = candidates(UserPrivate, "phone_number_index", "+8615499999999")
    assert scalar(application, look_up, "phone", other) is None
    # Nobody has shown yet that the address is theirs.
    email = candidates(UserPrivate, "email_index", f"{world.client.username}@example.cn")
    assert scalar(application, look_up, "email", email) is None
    with session(migrated, "freelance_staff") as staff, pytest.raises(errors.InsufficientPrivilege):
        staff.execute(look_up, ["phone", phone])


def test_the_planners_statistics_show_no_value(
    migrated: Server, world: World, application: psycopg.Connection[Any]
) -> None:
    migrated.sql("freelance_platform", "ANALYZE accounts_userprivate; ANALYZE payments_wallet;")
    kept = "SELECT count(*) FROM pg_stats WHERE tablename IN ('accounts_userprivate', 'payments_wallet')"
    assert int(migrated.sql("freelance_platform", kept)) > 0
    with as_person(application, world.client.pk):
        assert scalar(application, kept) == 0


def test_no_role_but_the_owner_reaches_a_partition(migrated: Server) -> None:
    reached = migrated.sql(
        "freelance_platform",
        "SELECT role, relname FROM pg_class, unnest(ARRAY['freelance_user', 'freelance_staff', 'reporting_user',"
        " 'freelance_ledger']) AS role WHERE relispartition AND relkind = 'r'"
        " AND has_table_privilege(role, pg_class.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')",
    )
    assert reached == ""


# ---- who sees all
@pytest.fixture(scope="module")
def everything(migrated: Server, world: World) -> dict[str, int]:  # noqa: ARG001 (it comes first)
    tables = [*PROTECTED, "accounts_user"]
    counts = " UNION ALL ".join(f"SELECT '{table}', count(*) FROM {table}" for table in tables)  # noqa: S608 (names)
    lines = migrated.sql("freelance_platform", counts).splitlines()
    found = {table: int(count) for table, count in (line.split("|") for line in lines)}
    assert min(found.values()) > 0
    return found


DENIED = {
    "freelance_staff": {"accounts_userprivate"},
    "reporting_user": {"accounts_userprivate", "accounts_userverification"},
    "backup": set[str](),
}


@pytest.mark.parametrize("role", DENIED)
def test_staff_reports_and_backup_count_every_row_that_they_may_read(
    migrated: Server, everything: dict[str, int], role: str
) -> None:
    with session(migrated, role) as reader:
        if role == "backup":
            # As a dump does: it fails where policies would hide a row.
            reader.execute("SET row_security = off")
        for table, count in everything.items():
            if table in DENIED[role]:
                with pytest.raises(errors.InsufficientPrivilege, match="permission denied"):
                    counted(reader, table)
            else:
                assert counted(reader, table) == count, table


@pytest.mark.parametrize("role", ["freelance_staff", "reporting_user"])
def test_staff_and_reports_write_nothing(migrated: Server, role: str) -> None:
    with session(migrated, role) as reader:
        # By right, not only by what the session of a report begins with.
        reader.execute("SET default_transaction_read_only = off")
        with pytest.raises(errors.InsufficientPrivilege, match="permission denied"):
            reader.execute("UPDATE orders_order SET quantity = 2")


def test_the_owner_and_the_ledger_see_and_keep_every_row(
    migrated: Server, owner: Any, everything: dict[str, int]
) -> None:
    with owner.cursor() as cursor:
        for table, count in everything.items():
            cursor.execute(f"SELECT count(*) FROM {table}")  # noqa: S608 (names)
            assert cursor.fetchone() == (count,), table
    of_the_ledger = [table for table in everything if table.startswith("payments_")] + ["orders_order", "accounts_user"]
    counts = "; ".join(f"SELECT count(*) FROM {table}" for table in of_the_ledger)  # noqa: S608 (names)
    # Its column grants leave out the hash of the password.
    lines = migrated.sql("freelance_platform", f"SET ROLE freelance_ledger; {counts}").split()
    assert [int(line) for line in lines] == [everything[table] for table in of_the_ledger]


# ---- speed
@pytest.fixture(scope="module")
def marketplace(migrated: Server, seeded: str) -> Iterator[psycopg.Connection[Any]]:
    """The application's role in a database with a few thousand rows."""
    with session(migrated, "freelance_user", database=f"freelance_{seeded}") as made:
        yield made


@pytest.mark.parametrize(
    ("table", "index"),
    [("gigs_gig", "gigs_by_words"), ("accounts_userprofile", "profiles_by_words"), ("reviews_review", None)],
)
def test_words_find_their_index_where_everybody_sees_every_row(
    marketplace: psycopg.Connection[Any], table: str, index: str | None
) -> None:
    """Of reviews not everybody does: these are found by a function (reviews.0014), with the rights of the owner."""
    with marketplace.transaction(force_rollback=True):
        marketplace.execute("SET LOCAL enable_seqscan = off")
        query = f"EXPLAIN (COSTS OFF) SELECT * FROM {table} WHERE search_vector @@ '设计'::tsquery"  # noqa: S608 (a table's name)
        lines = [line.split()[-1] for (line,) in marketplace.execute(query) if "Index Scan" in line]
    assert lines == ([index] if index else [])


def test_a_search_of_reviews_finds_the_same_whoever_asks(
    migrated: Server, seeded: str, marketplace: psycopg.Connection[Any]
) -> None:
    condition = "FROM reviews_review WHERE status = 'published' AND search_vector @@ '沟通'::tsquery"
    published = int(migrated.sql(f"freelance_{seeded}", f"SELECT count(*) {condition}"))
    assert published > 0
    assert scalar(marketplace, "SELECT count(*) FROM published_reviews_with('沟通'::tsquery)") == published


# What a page asks for, and the index that finds it whoever asks.
PAGES = {
    "orders_of_client_newest": "SELECT * FROM orders_order WHERE client_id = %(client)s AND status = 'completed'"
    " ORDER BY created_at DESC, id DESC LIMIT 20",
    "orders_order_pkey": "SELECT * FROM orders_order WHERE id = %(order)s",
    "order_messages_newest": "SELECT * FROM orders_ordermessage WHERE order_id = %(order)s"
    " ORDER BY created_at DESC, id DESC LIMIT 20",
    "orders_delivery_number_once_per_order": "SELECT * FROM orders_delivery WHERE order_id = %(order)s ORDER BY number",
    "messaging_message_number_unique_in_conversation": "SELECT * FROM messaging_message"
    " WHERE conversation_id = %(conversation)s AND number < 100 ORDER BY number DESC LIMIT 20",
    "messages_unread": "SELECT count(*) FROM messaging_message WHERE conversation_id = %(conversation)s"
    " AND read_at IS NULL AND sender_id <> %(client)s",
    "transactions_of_wallet_newest": "SELECT * FROM payments_transaction WHERE wallet_id = %(wallet)s"
    " ORDER BY created_at DESC, id DESC LIMIT 20",
}


@pytest.mark.parametrize("index", PAGES)
def test_a_page_under_policies_is_found_by_its_index(
    migrated: Server, seeded: str, marketplace: psycopg.Connection[Any], index: str
) -> None:
    values = json.loads(
        migrated.sql(
            f"freelance_{seeded}",
            """
            SELECT json_build_object('client', o.client_id, 'order', o.id, 'wallet', w.id, 'conversation', c.id)
            FROM orders_order AS o JOIN payments_wallet AS w ON w.user_id = o.client_id
                JOIN messaging_conversation AS c ON o.client_id IN (c.participant_low_id, c.participant_high_id)
            WHERE o.status = 'completed' LIMIT 1
            """,
        )
    )
    with as_person(marketplace, values["client"]):
        # So few rows would be read from the first to the last: whether the index can be used is the question.
        for way in ("enable_seqscan", "enable_bitmapscan", "enable_sort"):
            marketplace.execute(f"SET LOCAL {way} = off")
        lines = [line for (line,) in marketplace.execute(f"EXPLAIN (COSTS OFF) {PAGES[index]}", values)]
    assert [line for line in lines if index in line], lines
    assert not [line for line in lines if "Seq Scan" in line], lines
