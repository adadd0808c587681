"""The declared access and how it is compared, without a server: what a catalog would answer is given by the test."""

import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "roles/postgresql_access/module_utils"))

from postgresql_access import (  # type: ignore[import-not-found]  # found by the line above
    changes,
    cluster_plan,
    database_plan,
    model,
    scram,
)

PASSWORDS = {"reader": "long-enough"}
READER = {"name": "reader", "login": True}
KEEPER = {"name": "keeper"}
SHOP = {"name": "shop", "owner": "keeper", "connect": ["reader"]}

printable = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=40)
names = st.sampled_from(["reader", "keeper", "writer", "PUBLIC"])
grants = st.frozensets(st.tuples(names, st.sampled_from(["SELECT", "INSERT", "UPDATE"])), max_size=6)


def declared(**changed: Any) -> model.Declaration:
    """A small declaration, with something changed."""
    parts: dict[str, Any] = {"roles": [READER, KEEPER], "databases": [SHOP], "passwords": PASSWORDS, **changed}
    return model.parse(parts["roles"], parts["databases"], parts["passwords"])


def test_the_verifier_is_the_one_of_rfc_7677() -> None:
    # RFC 7677, section 3: user "user", password "pencil"; keys worked out by PostgreSQL from the same salt.
    verifier = scram.build_verifier("pencil", salt=bytes(range(16)))
    assert scram.is_verifier_of("pencil", verifier)
    assert verifier.startswith("SCRAM-SHA-256$4096:AAECAwQFBgcICQoLDA0ODw==$")


@given(printable, printable)
def test_a_verifier_belongs_to_one_password(password: str, other: str) -> None:
    verifier = scram.build_verifier(password, iterations=1)
    assert scram.is_verifier_of(password, verifier)
    assert scram.is_verifier_of(other, verifier) == (other == password)


@pytest.mark.parametrize("stored", [None, "", "md5abc", "SCRAM-SHA-256$4096:x"])
def test_what_is_no_verifier_belongs_to_no_password(stored: str | None) -> None:
    assert not scram.is_verifier_of("password", stored)


@pytest.mark.parametrize("password", ["", "two words", "密码"])
def test_a_password_that_clients_may_normalise_is_refused(password: str) -> None:
    with pytest.raises(ValueError, match="printable ASCII"):
        scram.build_verifier(password)


@pytest.mark.parametrize("name", ["o'hara", 'say"so', "Reader", "1st", "", "a" * 64, "drop table", None])
def test_a_name_that_needs_quotes_is_refused(name: str | None) -> None:
    with pytest.raises(model.DeclarationError, match="rename it"):
        declared(roles=[{"name": name}, READER, KEEPER])


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"passwords": {}}, "has no password"),
        ({"roles": [READER, KEEPER, KEEPER]}, "declared twice: keeper"),
        ({"passwords": {**PASSWORDS, "ghost": "long-enough"}}, "not declared: ghost"),
        ({"databases": [{**SHOP, "connect": ["ghost"]}]}, "not declared: ghost"),
        ({"roles": [{"name": "pg_reader"}]}, "cluster's own roles"),
        ({"roles": [{"name": "postgres"}]}, "cluster's own roles"),
    ],
)
def test_a_contradiction_is_refused(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(model.DeclarationError, match=message):
        declared(**changed)


def test_truncate_can_be_granted_to_nobody() -> None:
    schema = {"name": "public", "owner": "keeper", "tables": [{"role": "reader", "privileges": ["TRUNCATE"]}]}
    with pytest.raises(model.DeclarationError, match="TRUNCATE for reader"):
        declared(databases=[{**SHOP, "schemas": [schema]}])


@given(grants, grants)
def test_the_changes_lead_from_what_is_held_to_what_is_wanted(wanted: model.Grants, before: model.Grants) -> None:
    held = frozenset((*grant, False) for grant in before)
    planned = changes.grant_changes(subject="t", target="TABLE t", wanted=wanted, held=held)
    after = set(before)
    for change in planned:
        verb, _, rest = change.sql.partition(" ")
        privileges, _, tail = rest.partition(" ON TABLE t ")
        grantee = tail.split()[1].strip('"')
        touched = {(grantee, privilege) for privilege in privileges.split(", ")}
        after = after | touched if verb == "GRANT" else after - touched
    assert after == wanted
    assert (planned == []) == (wanted == before)


def test_a_privilege_that_may_be_passed_on_loses_that() -> None:
    wanted = frozenset({("reader", "SELECT")})
    held = frozenset({("reader", "SELECT", True)})
    (change,) = changes.grant_changes(subject="t", target="TABLE t", wanted=wanted, held=held)
    assert change.sql == 'REVOKE GRANT OPTION FOR SELECT ON TABLE t FROM "reader" CASCADE'


@given(st.text(min_size=1, max_size=20).filter(lambda text: text != "PUBLIC"))
def test_a_foreign_name_is_quoted(name: str) -> None:
    quoted = changes.quoted(name)
    assert quoted[0] == quoted[-1] == '"'
    assert quoted[1:-1].replace('""', "") == name.replace('"', "")


def role_row(name: str, **changed: Any) -> tuple[Any, ...]:
    """A row as catalog.read_roles asks for it."""
    login = name == "reader"
    row = {"flags": [login, False, False, True, False, False], "super": False, "limit": -1, "until": None, "hash": None}
    row |= changed
    return (name, row["flags"], row["super"], row["limit"], row["until"], row["hash"])


def test_an_unchanged_role_is_no_change_and_a_changed_password_is_one() -> None:
    verifier = scram.build_verifier("long-enough", iterations=1)
    rows = [role_row("reader", hash=verifier), role_row("keeper")]
    assert cluster_plan.plan_roles(declared(), lambda *_: rows) == []
    (change,) = cluster_plan.plan_roles(declared(passwords={"reader": "a-new-one"}), lambda *_: rows)
    assert change.after.endswith("password set")
    assert "SCRAM" not in change.before + change.after
    assert "a-new-one" not in change.sql


def test_a_superuser_is_none_afterwards() -> None:
    verifier = scram.build_verifier("long-enough", iterations=1)
    rows = [role_row("reader", hash=verifier, super=True), role_row("keeper")]
    (change,) = cluster_plan.plan_roles(declared(), lambda *_: rows)
    assert "NOSUPERUSER" in change.sql


@pytest.mark.parametrize(
    ("table", "partition", "privileges"),
    [
        ("orders", False, {"SELECT"}),
        ("orders_2026", True, set()),
        ("people", False, set()),
    ],
)
def test_an_exception_overrides_the_rule_of_all_tables(table: str, partition: bool, privileges: set[str]) -> None:
    schema = {
        "name": "public",
        "owner": "keeper",
        "tables": [{"role": "reader", "privileges": ["SELECT"]}],
        "table_exceptions": [
            {"table": "*", "role": "reader", "privileges": [], "partitions_only": True},
            {"table": "people", "role": "reader", "privileges": ["SELECT"], "except_columns": ["password"]},
        ],
    }
    (parsed,) = declared(databases=[{**SHOP, "schemas": [schema]}]).databases[0].schemas
    relation = database_plan.Relation(name=table, partition=partition, held=frozenset(), columns=("id", "password"))
    planned = database_plan._table_changes(parsed, relation)
    whole = {change.sql.split()[1] for change in planned if "(" not in change.sql}
    assert whole == privileges
    columns = [change.sql for change in planned if "(" in change.sql]
    assert columns == (['GRANT SELECT ("id") ON TABLE "public"."people" TO "reader"'] if table == "people" else [])
