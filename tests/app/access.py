"""What role postgresql_access declares, for a host of tests: rights in a database, and the settings of roles."""

from pathlib import Path
from typing import Any

import yaml

VARS = Path(__file__).resolve().parents[2] / "roles/postgresql_access/vars/main.yml"
DECLARED: dict[str, Any] = yaml.safe_load(VARS.read_text())


def settings_of_roles() -> str:
    """Return a script for psql. Time-outs are left out: a test on a machine under load is no session that hangs."""
    return "".join(
        _for_role(role["name"], f"ALTER ROLE {role['name']} SET {setting} = ''{value}''")
        for role in DECLARED["__postgresql_access_roles"]
        for setting, value in role.get("settings", {}).items()
        if not setting.endswith("_timeout")
    )


def rights_in(database: str) -> str:
    """Return a script for psql: a copy of the platform's database has the rights of none."""
    [platform] = [each for each in DECLARED["__postgresql_access_databases"] if each["name"] == "freelance_platform"]
    grants = (_for_role(role, f"GRANT CONNECT ON DATABASE {database} TO {role}") for role in platform["connect"])
    return f"REVOKE ALL ON DATABASE {database} FROM PUBLIC;\n{''.join(grants)}"


def clone(template: str, alias: str) -> str:
    """Return a script for psql: the database freelance_<alias> becomes a copy of freelance_<template>."""
    name = f"freelance_{alias}"
    made = f"CREATE DATABASE {name} TEMPLATE freelance_{template} OWNER freelance_owner;"
    return f"DROP DATABASE IF EXISTS {name} WITH (FORCE); {made} {rights_in(name)}"


def _for_role(role: str, statement: str) -> str:
    """Not every role of the platform is on the host of these tests."""
    return f"SELECT '{statement}' WHERE to_regrole('{role}') IS NOT NULL \\gexec\n"
