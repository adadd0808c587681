"""PostgreSQL as it runs: settings against the sizing function, access rules, roles, replication."""

import json
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import yaml

from tests.host import access_plan, compare
from tests.host.environment import ROOT, Environment
from tests.loading import load

LAG_BYTES_MAX = 16 * 1024**2
PUBLIC_ROLES = {"freelance_migrator", "freelance_user", "freelance_staff", "reporting_user"}
# Roles that read rows: the application, people, reports and dumps.
READERS = {"backup", "freelance_staff", "freelance_user", "reporting_user"}
# Roles that nobody logs in as.
LEDGER_AND_AUDIT = {"audit_owner", "freelance_ledger"}


@pytest.fixture(scope="module")
def settings() -> ModuleType:
    """Return the module whose settings_drift the role itself uses."""
    return load(ROOT / "ansible/plugins/filter/postgresql_settings.py")


def test_live_settings_are_what_sizing_gives(database_host: SimpleNamespace, settings: ModuleType) -> None:
    declared = database_host.declared
    wanted = {**declared["patroni_parameters_base"], **declared["patroni_parameters"]}
    [recovery] = database_host.queries["in_recovery"]
    if not recovery["value"]:
        # Patroni hands recovery settings to standbys alone: a leader that never was one has none.
        del wanted["restore_command"]
    drift = settings.settings_drift(database_host.queries["settings"], wanted)
    assert drift == [], "drift and pending restarts, setting by setting"


def test_no_setting_waits_for_a_restart(database_host: SimpleNamespace) -> None:
    assert [row["name"] for row in database_host.queries["settings"] if row["pending_restart"]] == []


def test_nobody_overrides_settings_by_alter_system(database_host: SimpleNamespace) -> None:
    assert database_host.queries["overrides"] == []


def test_the_clusters_dynamic_settings_are_the_declared_ones(leader: SimpleNamespace, settings: ModuleType) -> None:
    live = yaml.safe_load(leader.as_postgres["dynamic"])
    assert isinstance(live, dict), leader.as_postgres["dynamic"]
    assert settings.configuration_patch(live, leader.declared["__patroni_dynamic"]) == {}, "what a run would change"


def test_access_rules_are_live_in_the_declared_order(database_host: SimpleNamespace) -> None:
    assert [row["error"] for row in database_host.queries["hba"] if row["error"]] == []
    wanted = [compare.hba_row(rule) for rule in database_host.declared["postgresql_access_hba_rules"]]
    assert compare.rows(database_host.queries["hba"], wanted) == []


def test_system_users_act_as_the_declared_roles_alone(database_host: SimpleNamespace) -> None:
    assert [row["error"] for row in database_host.queries["ident"] if row["error"]] == []
    wanted = [compare.ident_row(rule) for rule in database_host.declared["postgresql_access_ident_rules"]]
    assert compare.rows(database_host.queries["ident"], wanted) == []


def test_the_server_goes_by_the_rules_in_its_files(database_host: SimpleNamespace) -> None:
    assert database_host.queries["unloaded_files"] == [], "written after the last reload"


def test_no_rule_lets_anyone_in_without_tls_or_proof(database_host: SimpleNamespace) -> None:
    for row in database_host.queries["hba"]:
        assert row["type"] in {"local", "hostssl"}, row
        assert row["auth_method"] in {"peer", "scram-sha-256", "cert", "reject"}, row
        assert row["type"] == "local" or row["auth_method"] != "peer", row


def test_roles_are_exactly_the_declared_ones(leader: SimpleNamespace) -> None:
    live = {row["rolname"]: row for row in leader.queries["roles"]}
    declared = {role["name"]: role for role in leader.declared.render(access_plan.ROLES)}
    assert set(live) == {*declared, "postgres"}
    for name, role in declared.items():
        found = live[name]
        assert found["rolcanlogin"] == role.get("login", False), name
        assert found["rolreplication"] == role.get("replication", False), name
        assert found["rolbypassrls"] == role.get("bypassrls", False), name
        assert found["rolconnlimit"] == role.get("connection_limit", -1), name
        assert found["member_of"] == sorted(member["role"] for member in role.get("member_of", [])), name
        assert not found["rolcreaterole"], name
        assert not found["rolcreatedb"], name
        assert found["scram"] in ({True} if role.get("login") else {None, False}), f"{name} has no SCRAM password"


def test_roles_grants_settings_and_default_privileges_are_exactly_the_declared_ones(
    leader: SimpleNamespace, environment: Environment
) -> None:
    assert access_plan.differences(environment, leader.name) == [], "what a run of the role would change"


def test_nobody_but_postgres_is_superuser_and_it_has_no_password(leader: SimpleNamespace) -> None:
    supers = [row for row in leader.queries["roles"] if row["rolsuper"]]
    assert [(row["rolname"], row["scram"]) for row in supers] == [("postgres", None)]


def test_database_has_checksums_and_a_locale_that_knows_chinese(leader: SimpleNamespace) -> None:
    live = {row["name"]: row["setting"] for row in leader.queries["settings"]}
    assert live["data_checksums"] == "on"
    found = {row["datname"]: row for row in leader.queries["databases"]}["freelance_platform"]
    assert (found["owner"], found["datlocprovider"], found["datlocale"], found["encoding"]) == (
        "freelance_owner",
        "b",
        "C.UTF-8",
        "UTF8",
    )


def test_extensions_are_the_declared_ones(leader: SimpleNamespace) -> None:
    databases = {database["name"]: database for database in leader.declared.render(access_plan.DATABASES)}
    wanted = {extension["name"] for extension in databases["freelance_platform"]["extensions"]}
    assert {row["extname"] for row in leader.queries["extensions"]} >= wanted


def test_public_may_not_create_in_the_schema(leader: SimpleNamespace) -> None:
    public = {row["nspname"]: row for row in leader.queries["schema_acl"]}["public"]
    assert public["owner"] == "freelance_owner"
    entries = public["acl"].strip("{}").split(",")
    assert [entry for entry in entries if entry.startswith("=")] == []


def test_tables_belong_to_the_owner_and_nobody_truncates(leader: SimpleNamespace) -> None:
    assert {row["owner"] for row in leader.queries["table_owners"]} <= {"freelance_owner"}
    for row in leader.queries["privileges"]:
        assert {"TRUNCATE", "TRIGGER", "REFERENCES"} & set(row["privileges"]) == set(), row
        if row["grantee"] == "reporting_user":
            assert row["privileges"] == ["SELECT"]
    assert {row["grantee"] for row in leader.queries["privileges"]} <= PUBLIC_ROLES | LEDGER_AND_AUDIT


def test_who_logs_in_and_reads_no_rows_reaches_no_table_partition_or_sequence(leader: SimpleNamespace) -> None:
    reached = {row["rolname"]: row["relations"] for row in leader.queries["reached"]}
    logging_in = {role["name"] for role in leader.declared.render(access_plan.ROLES) if role.get("login")}
    assert {name: reached.pop(name) > 0 for name in READERS} == dict.fromkeys(READERS, True)
    assert reached == dict.fromkeys(logging_in - READERS, 0)


def test_no_privileged_function_is_open_to_all(leader: SimpleNamespace) -> None:
    assert leader.queries["public_execute"] == []


def test_no_index_is_invalid(leader: SimpleNamespace) -> None:
    assert leader.queries["invalid_indexes"] == []


def test_each_standby_streams_over_tls_and_one_acknowledges(leader: SimpleNamespace, environment: Environment) -> None:
    others = sorted(set(environment.hosts("database")) - {leader.name})
    if not others:
        pytest.skip("one database host: there is nothing to replicate to")
    rows: list[dict[str, Any]] = leader.queries["replication"]
    assert sorted(row["application_name"] for row in rows if row["state"] == "streaming") == others
    assert [row for row in rows if row["sync_state"] in {"quorum", "sync"}], f"no quorum standby: {rows}"
    assert [row for row in rows if row["lag_bytes"] > LAG_BYTES_MAX] == []
    assert [row for row in leader.queries["replication_tls"] if row["client_addr"] and not row["ssl"]] == []


def test_patroni_lists_one_leader_and_a_quorum_standby(leader: SimpleNamespace, environment: Environment) -> None:
    members = json.loads(leader.as_postgres["members"])
    assert sorted(member["Member"] for member in members) == sorted(environment.hosts("database"))
    roles = [member["Role"] for member in members]
    assert roles.count("Leader") == 1
    assert {member["State"] for member in members} <= {"running", "streaming"}
    if len(members) > 1:
        assert "Quorum Standby" in roles, members
    assert not [member for member in members if member.get("Pending restart")], members
