"""Bring roles, databases and privileges of the PostgreSQL server on this host to their declared state."""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible.module_utils.postgresql_access import cluster_plan, database_plan, model
from ansible.module_utils.postgresql_access.changes import Change

try:
    import psycopg2  # type: ignore[import-untyped]  # the host's package brings no types
except ImportError:
    psycopg2 = None

DOCUMENTATION = """
module: postgresql_access_state
short_description: Bring roles, databases and privileges to their declared state
description:
  - Compares the declaration with the catalog, applies the difference in one transaction per database and reads it
    back before committing. On a server in recovery it does nothing, so it may run on every host of a cluster.
  - Connects as the system user postgres through the local socket. Passwords leave the host's memory as SCRAM
    verifiers only, in a session that is not logged.
options:
  roles: {type: list, elements: dict, required: true, description: Roles, as in the role's argument_specs.}
  databases: {type: list, elements: dict, required: true, description: Databases, as in the role's argument_specs.}
  passwords: {type: dict, required: true, description: Clear password by role name.}
  socket_directory: {type: path, default: /run/postgresql, description: Folder of the server's local socket.}
  port: {type: int, default: 5432, description: Port of the server (names the socket).}
author: Platform engineering
"""
EXAMPLES = """
- name: Bring access to its declared state
  become: true
  postgresql_access_state:
    roles: [{name: reader, login: true}]
    databases: [{name: shop, owner: keeper, connect: [reader]}]
    passwords: {reader: "{{ reader_password }}"}
"""
RETURN = """
leader: {type: bool, returned: always, description: Whether this host's server accepts writes.}
changes: {type: list, returned: always, description: What was changed, as subject, before and after. No secrets.}
undeclared_roles: {type: list, returned: on the leader, description: Roles of the server that nobody declared.}
"""

# Neither statements nor verifiers may reach the log, the audit log or pg_stat_statements, and a lock that somebody
# holds ends the run instead of making everybody wait behind it.
SESSION = (
    "-c log_statement=none -c log_min_duration_statement=-1 -c log_min_error_statement=panic -c pgaudit.log=none"
    " -c pg_stat_statements.track=none -c lock_timeout=15s -c statement_timeout=0 -c search_path=pg_catalog"
)
PASSES = 3  # A revoke with CASCADE can take a wanted grant along: the next pass gives it back.

Phase = Callable[[Any], list[Change]]


class Server:
    """Connections to the databases of one server, none of them committed before its state was read back."""

    def __init__(self, params: dict[str, Any], *, apply: bool) -> None:
        self._target = {"host": params["socket_directory"], "port": params["port"], "user": "postgres"}
        self._apply = apply
        self.changes: list[Change] = []

    def connect(self, database: str) -> Any:
        """Open a connection to one database."""
        return psycopg2.connect(dbname=database, options=SESSION, application_name="postgresql_access", **self._target)

    def settle(self, database: str, phases: Sequence[Phase]) -> None:
        """Apply the phases until they find nothing to do; raises DeclarationError when they never agree."""
        connection = self.connect(database)
        try:
            for _ in range(PASSES):
                changes = self._run(connection, phases)
                self.changes += changes
                if not changes or not self._apply:
                    connection.commit() if self._apply else connection.rollback()
                    return
            subjects = ", ".join(sorted({change.subject for change in changes}))
            raise model.DeclarationError(f"still different after {PASSES} passes: {subjects}; nothing was changed")
        finally:
            connection.close()  # Without a commit this rolls back.

    def create(self, changes: list[Change]) -> None:
        """Run statements that cannot stand in a transaction."""
        self.changes += changes
        if not changes or not self._apply:
            return
        connection = self.connect("postgres")
        try:
            connection.autocommit = True
            for change in changes:
                execute(connection, change)
        finally:
            connection.close()

    def query(self, connection: Any, sql: str, values: tuple[Any, ...] | None = None) -> list[tuple[Any, ...]]:
        """Run one query."""
        with connection.cursor() as cursor:
            cursor.execute(sql, values)
            return list(cursor.fetchall())

    def _run(self, connection: Any, phases: Sequence[Phase]) -> list[Change]:
        done: list[Change] = []
        for phase in phases:
            changes = phase(partial(self.query, connection))
            if self._apply:
                for change in changes:
                    execute(connection, change)
            done += changes
        return done


@contextmanager
def acting_as(name: str) -> Iterator[None]:
    """Be another system user for a while: the server asks the socket who is there."""
    user = pwd.getpwnam(name)
    before = os.geteuid(), os.getegid()
    os.setegid(user.pw_gid)
    os.seteuid(user.pw_uid)
    try:
        yield
    finally:
        os.seteuid(before[0])
        os.setegid(before[1])


def execute(connection: Any, change: Change) -> None:
    """Run a change; its error names the subject and never the statement, which may hold a verifier."""
    try:
        with connection.cursor() as cursor:
            cursor.execute(change.sql)
    except psycopg2.Error as error:
        reason = error.diag.message_primary or type(error).__name__
        raise model.DeclarationError(f"{change.subject} ({change.before} -> {change.after}): {reason}") from None


def bring_to_state(server: Server, declaration: model.Declaration) -> list[str]:
    """Bring the server to the declared state; returns the names of undeclared roles."""
    server.settle(
        "postgres",
        [
            partial(phase, declaration)
            for phase in (cluster_plan.plan_roles, cluster_plan.plan_memberships, cluster_plan.plan_settings)
        ],
    )
    connection = server.connect("postgres")
    try:
        query = partial(server.query, connection)
        absent = database_plan.missing_databases(declaration, query)
        undeclared = cluster_plan.undeclared_roles(declaration, query)
    finally:
        connection.close()
    server.create(absent)
    server.settle("postgres", [partial(database_plan.plan_databases, declaration)])
    created = {change.subject for change in absent}
    for database in declaration.databases:
        # What would be in a database that does not exist cannot be compared: --check names the database alone.
        if f"database {database.name}" in created and not server._apply:
            continue
        server.settle(
            database.name,
            [
                partial(phase, database)
                for phase in (
                    database_plan.plan_schemas,
                    database_plan.plan_extensions,
                    database_plan.plan_functions,
                    database_plan.plan_relations,
                    database_plan.plan_default_privileges,
                )
            ],
        )
    return list(undeclared)


def obstacle() -> str:
    """What is missing on a host that PostgreSQL has not been installed on, or nothing."""
    if psycopg2 is None:
        return str(missing_required_lib("psycopg2"))
    if not [entry for entry in pwd.getpwall() if entry.pw_name == "postgres"]:
        return "there is no system user postgres: install PostgreSQL first"
    return ""


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "roles": {"type": "list", "elements": "dict", "required": True},
            "databases": {"type": "list", "elements": "dict", "required": True},
            "passwords": {"type": "dict", "required": True, "no_log": True},
            "socket_directory": {"type": "path", "default": "/run/postgresql"},
            "port": {"type": "int", "default": 5432},
        },
        supports_check_mode=True,
    )
    not_yet = {"changed": True, "leader": True, "changes": [], "msg": "No server yet: everything would be created"}
    if reason := obstacle():
        if module.check_mode:
            module.exit_json(**not_yet)
        module.fail_json(msg=reason)
    try:
        declaration = model.parse(module.params["roles"], module.params["databases"], module.params["passwords"])
        server = Server(module.params, apply=not module.check_mode)
        with acting_as("postgres"):
            connection = server.connect("postgres")
            in_recovery = server.query(connection, "SELECT pg_is_in_recovery()")[0][0]
            connection.close()
            undeclared = [] if in_recovery else bring_to_state(server, declaration)
        # Not above: what ends a module loads more of itself, from a file that is root's.
        if in_recovery:
            module.exit_json(changed=False, leader=False, changes=[], msg="A standby: the leader's host does the work")
    except model.DeclarationError as error:
        module.fail_json(msg=str(error))
    except psycopg2.OperationalError as error:
        if module.check_mode:
            module.exit_json(**not_yet)
        module.fail_json(msg=f"PostgreSQL does not answer by its local socket: {str(error).strip()}")
    except psycopg2.Error as error:
        module.fail_json(msg=f"The catalog could not be read: {error.diag.message_primary}")
    for name in undeclared:
        module.warn(f"role {name} exists and is not declared: declare it or drop it")
    changes = [{"subject": item.subject, "before": item.before, "after": item.after} for item in server.changes]
    module.exit_json(
        changed=bool(changes),
        leader=True,
        changes=changes,
        undeclared_roles=undeclared,
        diff={side: "".join(f"{item['subject']}: {item[side]}\n" for item in changes) for side in ("before", "after")},
    )


if __name__ == "__main__":
    main()
