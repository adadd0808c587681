"""The history of migrations leaves the schema that the platform promises."""

import json
import re
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
import yaml
from apps.common.models import StatefulModel
from django.apps import apps
from django.core.management import call_command
from django.db import connections
from test_audit import AUDITED

REPOSITORY = Path(__file__).resolve().parents[2]
OWN_APPS = ("common", "accounts", "gigs", "orders", "payments", "messaging", "reviews")
# What CREATE EXTENSION made is the superuser's.
NOT_OF_AN_EXTENSION = (
    "NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_proc'::regclass AND objid = pg_proc.oid AND deptype = 'e')"
)


def rows(connection: Any, query: str, *parameters: Any) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(query, parameters or None)
        return list(cursor.fetchall())


def sorted_rights(column: str) -> str:
    """Return the expression of a column of rights, which have no order."""
    return f"ARRAY(SELECT given::text FROM unnest({column}) AS given ORDER BY 1)"  # noqa: S608 (named below)


# Owners and rights are part of a definition: what a step takes away comes back with it.
OBJECTS = f"""
SELECT 'relation', concat_ws(' ', relname, relkind, relowner::regrole, {sorted_rights("relacl")}, reloptions,
        relrowsecurity, relforcerowsecurity, pg_get_expr(relpartbound, oid), pg_get_partkeydef(oid))
    FROM pg_class WHERE relnamespace = 'public'::regnamespace
UNION ALL SELECT 'view', relname || ' ' || pg_get_viewdef(oid)
    FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('v', 'm')
UNION ALL SELECT 'index', concat_ws(' ', pg_get_indexdef(indexrelid), indisvalid)
    FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid WHERE relnamespace = 'public'::regnamespace
UNION ALL SELECT 'policy', concat_ws(' ', tablename, policyname, permissive, cmd, roles, qual, with_check)
    FROM pg_policies WHERE schemaname = 'public'
UNION ALL SELECT 'column', concat_ws(' ', attrelid::regclass || '.' || attname, format_type(atttypid, atttypmod),
        attnotnull, attidentity, attgenerated, {sorted_rights("attacl")}, pg_get_expr(adbin, adrelid))
    FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
    LEFT JOIN pg_attrdef ON (adrelid, adnum) = (attrelid, attnum)
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'm') AND attnum > 0 AND NOT attisdropped
UNION ALL SELECT 'constraint', concat_ws(' ', conrelid::regclass, conname, pg_get_constraintdef(oid))
    FROM pg_constraint WHERE connamespace = 'public'::regnamespace
UNION ALL SELECT 'trigger', concat_ws(' ', pg_get_triggerdef(oid), tgenabled) FROM pg_trigger WHERE NOT tgisinternal
UNION ALL SELECT 'function', concat_ws(' ', pg_get_functiondef(oid), proowner::regrole, {sorted_rights("proacl")})
    FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND {NOT_OF_AN_EXTENSION}
ORDER BY 1, 2
"""  # noqa: S608 (named above)


def objects(connection: Any) -> list[tuple[str, str]]:
    """Return kind and definition of everything in the schema public but Django's own book-keeping."""
    return [(kind, text) for kind, text in rows(connection, OBJECTS) if "django_migrations" not in text]


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE gigs_gig ALTER title DROP NOT NULL",
        "ALTER TABLE gigs_gig ALTER title SET DEFAULT '-'",
        "ALTER TABLE gigs_gig ALTER id DROP DEFAULT",
        "DROP INDEX favorites_of_gig_newest; CREATE INDEX favorites_of_gig_newest ON gigs_gigfavorite (gig_id)",
        "ALTER INDEX favorites_of_gig_newest SET (fillfactor = 50)",
        "ALTER MATERIALIZED VIEW orders_categorysummary RENAME average_price TO price",
        "ALTER TABLE gigs_gig DISABLE TRIGGER USER",
        "ALTER TABLE gigs_gigview DETACH PARTITION gigs_gigview_default",
        "GRANT SELECT (title) ON gigs_gig TO freelance_ledger",
        "REVOKE EXECUTE ON FUNCTION account_of_contact FROM freelance_user",
        "ALTER FUNCTION account_of_contact OWNER TO audit_owner",
    ],
)
def test_what_a_step_would_leave_behind_is_seen(owner: Any, change: str) -> None:
    before = objects(owner)
    with owner.cursor() as cursor:
        cursor.execute("GRANT CREATE ON SCHEMA public TO audit_owner")
        cursor.execute(change)
    assert objects(owner) != before


@pytest.mark.usefixtures("migrated")
def test_models_and_migrations_say_the_same() -> None:
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


def test_everything_belongs_to_the_owner(owner: Any) -> None:
    found = rows(
        owner,
        f"""
        SELECT DISTINCT relowner::regrole::text FROM pg_class WHERE relnamespace = 'public'::regnamespace
        UNION SELECT DISTINCT proowner::regrole::text FROM pg_proc
        WHERE pronamespace = 'public'::regnamespace AND NOT proname ~ '^(ledger|audit)_' AND {NOT_OF_AN_EXTENSION}
        """,  # noqa: S608 (named here)
    )
    assert found == [("freelance_owner",)]


def test_the_functions_of_the_ledger_belong_to_it_and_serve_the_application_alone(owner: Any) -> None:
    functions = rows(
        owner,
        "SELECT proname::text, proowner::regrole::text, prosecdef, proconfig::text, ARRAY(SELECT grantee::regrole::text"
        " FROM aclexplode(proacl) WHERE grantee <> proowner ORDER BY 1) FROM pg_proc"
        " WHERE pronamespace = 'public'::regnamespace AND starts_with(proname, 'ledger_')",
    )
    assert len(functions) > 15
    for name, owned_by, definer, settings, executed_by in functions:
        assert (owned_by, settings) == ("freelance_ledger", '{"search_path=pg_catalog, pg_temp"}'), name
        # What runs with the ledger's rights is called by the application, what it is made of by nobody else.
        assert executed_by == (["freelance_user"] if definer else []), name


def test_the_functions_of_the_audit_belong_to_it_and_serve_the_owner_alone(owner: Any) -> None:
    functions = rows(
        owner,
        "SELECT proname::text, proowner::regrole::text, prosecdef, proconfig::text, ARRAY(SELECT grantee::regrole::text"
        " FROM aclexplode(proacl) WHERE grantee <> proowner ORDER BY 1) FROM pg_proc"
        " WHERE pronamespace = 'public'::regnamespace AND starts_with(proname, 'audit_') ORDER BY 1",
    )
    settings = '{"search_path=pg_catalog, pg_temp"}'
    names = sorted(["audit_forget", "audit_write", *(f"audit_update_of_{table}" for table in AUDITED)])
    assert functions == [(name, "audit_owner", True, settings, ["freelance_owner"]) for name in names]
    assert rows(owner, "SELECT has_schema_privilege('audit_owner', 'public', 'CREATE')") == [(False,)]


def test_the_ledger_makes_nothing_of_its_own_and_nobody_else_writes_for_it(owner: Any) -> None:
    assert rows(owner, "SELECT has_schema_privilege('freelance_ledger', 'public', 'CREATE')") == [(False,)]
    writers = rows(
        owner,
        "SELECT DISTINCT grantee::regrole::text FROM pg_class, aclexplode(relacl) WHERE relname IN"
        " ('payments_wallet', 'payments_transaction', 'payments_escrow', 'payments_withdrawal', 'payments_payoutbatch')"
        " AND privilege_type IN ('INSERT', 'UPDATE', 'DELETE') ORDER BY 1",
    )
    assert writers == [("freelance_ledger",), ("freelance_owner",)]


def test_no_rule_of_ours_is_named_by_its_columns(owner: Any) -> None:
    # Django makes the tables of many-to-many fields itself.
    unnamed = rows(
        owner,
        """
        SELECT conname::text FROM pg_constraint
        WHERE connamespace = 'public'::regnamespace AND contype = 'u' AND conname ~ '_(key|uniq)$'
            AND conrelid::regclass::text ~ '^(common|accounts|gigs|orders|payments|messaging|reviews)_'
            AND conrelid::regclass::text !~ '^accounts_user_(groups|user_permissions)$'
        """,
    )
    assert unnamed == []


def test_every_foreign_key_of_ours_is_indexed(owner: Any) -> None:
    bare = rows(
        owner,
        """
        SELECT conrelid::regclass::text, conname FROM pg_constraint AS c
        WHERE contype = 'f' AND connamespace = 'public'::regnamespace AND NOT EXISTS (
            SELECT FROM pg_index AS i WHERE i.indrelid = c.conrelid AND i.indpred IS NULL AND i.indkey[0] = c.conkey[1])
        """,
    )
    assert bare == []


def test_no_index_repeats_the_beginning_of_another(owner: Any) -> None:
    doubled = rows(
        owner,
        """
        SELECT a.indexrelid::regclass::text, b.indexrelid::regclass::text
        FROM pg_index AS a JOIN pg_index AS b ON a.indrelid = b.indrelid AND a.indexrelid <> b.indexrelid
        JOIN pg_class AS t ON t.oid = a.indrelid
        WHERE t.relnamespace = 'public'::regnamespace
            AND t.relname ~ '^(common|accounts|gigs|orders|payments|messaging|reviews)_'
            AND t.relname !~ '^accounts_user_(groups|user_permissions)$'
            AND NOT a.indisunique AND a.indpred IS NULL AND b.indpred IS NULL AND a.indexprs IS NULL
            AND b.indkey::text || ' ' LIKE a.indkey::text || ' %'
        """,
    )
    assert doubled == []


def test_every_moment_has_a_time_zone_and_money_two_decimals(owner: Any) -> None:
    columns = rows(
        owner,
        "SELECT table_name || '.' || column_name, data_type, numeric_precision, numeric_scale"
        " FROM information_schema.columns WHERE table_schema = 'public'"
        " AND (data_type LIKE 'timestamp%%' OR data_type = 'numeric')",
    )
    assert {kind for _, kind, *_ in columns} == {"timestamp with time zone", "numeric"}
    money = {name: (precision, scale) for name, kind, precision, scale in columns if kind == "numeric"}
    ratings = {money.pop(name) for name in list(money) if ".rating_" in name}
    assert ratings == {(3, 2)}
    # A day of the whole platform may be more than one person can ever have.
    platform = {name for name in money if name.startswith(("orders_orderstat.", "payments_paymentstat."))}
    assert {money[name] for name in platform} == {(18, 2)}
    assert {money[name] for name in money.keys() - platform} == {(12, 2)}


STATEFUL = [model for model in apps.get_models() if issubclass(model, StatefulModel)]


@pytest.mark.parametrize("model", STATEFUL)
def test_the_triggers_know_the_steps_of_the_model(owner: Any, model: type[StatefulModel]) -> None:
    wanted = {f"{before}>{after}" for before, nexts in model.TRANSITIONS.items() for after in nexts}
    found = rows(
        owner,
        "SELECT encode(tgargs, 'escape') FROM pg_trigger WHERE tgrelid = %s::regclass"
        " AND tgname LIKE '%%status_transition%%'",
        model._meta.db_table,
    )
    assert len(found) == 2
    for (arguments,) in found:
        assert set(arguments.split("\\000")) - {"", f"{model._meta.db_table}_status_transition"} == wanted


def test_chinese_names_everywhere() -> None:
    for app in OWN_APPS:
        for model in apps.get_app_config(app).get_models():
            named = [
                model._meta.verbose_name,
                *(f.verbose_name for f in model._meta.concrete_fields if f.model is model),
            ]
            own = [str(name) for name in named]
            assert all(re.search("[\u4e00-\u9fff]", name) for name in own if name), (model, own)


def test_declared_exceptions_are_what_the_migrations_leave(owner: Any) -> None:
    declared = yaml.safe_load((REPOSITORY / "ansible/playbooks/group_vars/database.yml").read_text())
    exceptions = declared["postgresql_access_table_exceptions"]
    tables = rows(
        owner,
        "SELECT relname::text, relispartition FROM pg_class"
        " WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')",
    )
    fitted = set()
    for table, is_partition in tables:
        fitting = {
            exception["role"]: number  # the last that fits wins
            for number, exception in enumerate(exceptions)
            if fnmatchcase(table, exception["table"]) and (is_partition or not exception.get("partitions_only"))
        }
        for number in fitting.values():
            assert_held(owner, table, exceptions[number])
        fitted |= set(fitting.values())
    assert fitted == set(range(len(exceptions)))


def assert_held(owner: Any, table: str, exception: dict[str, Any]) -> None:
    """Assert that the role of a declared exception holds just these privileges on the table."""
    role, hidden = exception["role"], exception.get("except_columns", [])
    named = "SELECT attname::text FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped"
    for (column,) in rows(owner, named, table):
        for privilege in ("SELECT", "INSERT", "UPDATE"):
            wanted = privilege in exception["privileges"] and column not in hidden
            held = rows(owner, "SELECT has_column_privilege(%s, %s, %s, %s)", role, table, column, privilege)
            assert held == [(wanted,)], (role, table, column, privilege)
    held = rows(owner, "SELECT has_table_privilege(%s, %s, 'DELETE, TRUNCATE')", role, table)
    assert held == [(False,)], (role, table)


def test_initial_data_is_realistic_and_loads_twice(deployed: str) -> None:
    call_command("loaddata", "initial_data", database=deployed, verbosity=0)
    connection = connections[deployed]
    assert rows(connection, "SELECT count(*) FROM accounts_skill")[0][0] >= 150
    assert rows(connection, "SELECT count(*) FROM messaging_messagetemplate WHERE owner_id IS NULL")[0][0] >= 20
    stars = rows(connection, "SELECT DISTINCT author_role, rating FROM reviews_reviewtemplate")
    assert len(stars) == 2 * 5
    assert rows(connection, "SELECT count(*) FROM reviews_reviewtemplate")[0][0] >= 20
    levels = dict(rows(connection, "SELECT level, count(*) FROM gigs_category GROUP BY level"))
    assert levels[1] == 10
    assert levels[3] > levels[2] > levels[1]
    created = rows(connection, "SELECT DISTINCT created_at::date::text FROM gigs_category")
    assert created == [("2024-12-31",)]


def test_keys_of_initial_data_are_version_7_and_in_order() -> None:
    data = json.loads((REPOSITORY / "files/app/fixtures/initial_data.json").read_text())
    keys = [entry["pk"] for entry in data]
    assert keys == sorted(set(keys))
    assert {key[14] for key in keys} == {"7"}
