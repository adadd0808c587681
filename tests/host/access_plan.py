"""What the role postgresql_access would change now: its own plan, asked on the leader's host. Nothing is applied."""

import json
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from psycopg import sql

from tests.host import redaction
from tests.host.environment import ROOT, Environment

sys.path.insert(0, str(ROOT / "roles/postgresql_access/module_utils"))

from postgresql_access import (  # type: ignore[import-not-found]  # found by the line above
    cluster_plan,
    database_plan,
    model,
)

SECONDS_MAX = 10
MARK = "@@@ end of rows @@@"
# As the role's module has it, and read only.
OPTIONS = "-c search_path=pg_catalog -c default_transaction_read_only=on -c statement_timeout=30s"
ROLES = "{{ __postgresql_access_roles + postgresql_access_roles }}"
DATABASES = "{{ __postgresql_access_databases + postgresql_access_databases }}"
CLUSTER_PHASES = (
    cluster_plan.plan_roles,
    cluster_plan.plan_memberships,
    cluster_plan.plan_settings,
    database_plan.plan_databases,
)
DATABASE_PHASES = (
    database_plan.plan_schemas,
    database_plan.plan_extensions,
    database_plan.plan_functions,
    database_plan.plan_relations,
    database_plan.plan_default_privileges,
)


class Catalog:
    """Runs queries through one psql; rows come back as tuples, as from a driver."""

    def __init__(self, argv: Sequence[str]) -> None:
        self._psql = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def __call__(self, query: str, values: tuple[Any, ...] | None = None) -> list[tuple[Any, ...]]:
        """Run one query; `%s` stands for a value."""
        if values is not None:
            query %= tuple(sql.Literal(value).as_string(None) for value in values)
        answer = self._ask(f"select coalesce(json_agg(row_to_json(row(t.*))), '[]') from ({query}) t")  # noqa: S608 - the role's queries
        return [tuple(row.values()) for row in json.loads(answer)]

    def _ask(self, statement: str) -> str:
        assert self._psql.stdin
        assert self._psql.stdout
        try:
            self._psql.stdin.write(f"{statement};\n\\echo {MARK}\n")
            self._psql.stdin.flush()
        except BrokenPipeError:
            pass  # What psql said before it ended is read below.
        lines: list[str] = []
        for line in self._psql.stdout:
            if line.strip() == MARK:
                return "".join(lines)
            lines.append(line)
        raise RuntimeError(f"the catalog can't be read: {redaction.redacted(''.join(lines))}")

    def close(self) -> None:
        """End psql."""
        try:
            self._psql.communicate(timeout=SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self._psql.kill()
            self._psql.wait()


@contextmanager
def catalog_of(environment: Environment, host: str, database: str) -> Iterator[Catalog]:
    """Open a catalog on a host, as the system user postgres."""
    psql = ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-P", "pager=off", "-d", database]
    remote = ["sudo", "-n", "runuser", "-u", "postgres", "--", "env", "-C", "/", f"PGOPTIONS={OPTIONS}", *psql]
    catalog = Catalog([*environment.ssh(host), shlex.join(remote)])
    try:
        yield catalog
    finally:
        catalog.close()


def declaration(declared: Any) -> Any:
    """Return what is declared for a host's cluster, in the role's words."""
    passwords: Mapping[str, str] = declared["postgresql_access_passwords"]
    for password in passwords.values():
        redaction.remember(password)
    return model.parse(declared.render(ROLES), declared.render(DATABASES), passwords)


def relations(schema: Any, query: Any) -> tuple[list[Any], list[Any]]:
    """Return the tables and the sequences that the rules of a schema are about."""
    read, scope = database_plan.catalog.read_relations, (schema.name, schema.objects_of)
    return read(query, *scope, database_plan.TABLE_KINDS), read(query, *scope, database_plan.SEQUENCE_KINDS)


def differences(environment: Environment, leader: str) -> list[str]:
    """List what a run of the role would change now, and the roles that nobody declared."""
    try:
        return _differences(environment, leader)
    except Exception as error:  # Its own frames would show passwords and verifiers as arguments.
        raise AssertionError(redaction.redacted(f"{type(error).__name__}: {error}")) from None


def _differences(environment: Environment, leader: str) -> list[str]:
    wanted = declaration(environment.declared(leader))
    with catalog_of(environment, leader, "postgres") as query:
        absent = database_plan.missing_databases(wanted, query)
        changes = absent + [change for phase in CLUSTER_PHASES for change in phase(wanted, query)]
        strangers = cluster_plan.undeclared_roles(wanted, query)
    created = {change.subject for change in absent}
    for database in wanted.databases:
        if f"database {database.name}" not in created:
            with catalog_of(environment, leader, database.name) as query:
                changes += [change for phase in DATABASE_PHASES for change in phase(database, query)]
    told = [f"{change.subject}: {change.before} -> {change.after}" for change in changes]
    return told + [f"role {name}: nobody declared it" for name in strangers]
