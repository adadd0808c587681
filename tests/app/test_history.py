"""One history that runs forward, back and forward again, and takes nothing from the release before."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import access
import pytest
from aliases import alias_of
from config.router import all_on
from django.db import connections
from django.db.migrations import Migration
from django.db.migrations.executor import MigrationExecutor
from migration_exemptions import REWRITES, TAKES_RIGHTS
from server import Server
from steps_back import steps_back, take_back
from test_migration_safety import name_of
from test_migrations import objects, rows

# Files of tables, which a rewrite makes anew, and what the application may do: with every row, unless policies choose.
TABLES = """
SELECT relname::text, pg_relation_filenode(oid), ARRAY(
    SELECT privilege_type FROM aclexplode(relacl) WHERE grantee = 'freelance_user'::regrole
    UNION ALL SELECT 'every row' WHERE NOT relrowsecurity
    ORDER BY 1)
FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
"""


@dataclass
class History:
    """What a run of the whole history did, and what stood in the schema after each of its three ways.

    The first is the deployment's; the files of tables and rights are looked at on the last.
    """

    rewritten: set[tuple[str, str]] = field(default_factory=set)
    taken: set[str] = field(default_factory=set)
    tables: dict[str, tuple[Any, list[str]]] = field(default_factory=dict)
    stood: list[list[tuple[str, str]]] = field(default_factory=list)


@pytest.fixture(scope="module")
def history(server: Server, _deployed_template: None) -> History:
    """Both tests look at one run, which goes on from a deployment: it takes longer than all that is asked about it."""
    server.sql("postgres", access.clone("deployed", "scratch"))
    made = History()
    with alias_of("scratch") as alias, all_on(alias):
        connection = connections[alias]

        def compare(action: str, migration: Migration | None = None, _fake: bool | None = None) -> None:
            if action != "apply_success" or migration is None:
                return
            after = {table: (file, rights) for table, file, rights in rows(connection, TABLES)}
            for table in made.tables.keys() & after.keys():
                if made.tables[table][0] != after[table][0]:
                    made.rewritten.add((name_of(migration), table))
                if set(made.tables[table][1]) - set(after[table][1]):
                    made.taken.add(name_of(migration))
            made.tables = after

        made.stood.append(objects(connection))
        # All apps at once: the command takes them one by one, and draws the models of the whole history for each.
        back = MigrationExecutor(connection)
        back.migrate([(app, None) for app in sorted(back.loader.migrated_apps)])
        made.stood.append(objects(connection))
        forward = MigrationExecutor(connection, progress_callback=compare)
        forward.migrate(forward.loader.graph.leaf_nodes())
        made.stood.append(objects(connection))
    return made


def test_history_runs_forward_back_and_forward_again(history: History) -> None:
    first, none, second = history.stood
    assert len(first) > 200
    assert none == []
    assert second == first


def test_no_migration_rewrites_a_table_or_takes_a_right_of_the_release_before(history: History) -> None:
    assert len(history.tables) > 50
    assert history.rewritten == REWRITES.keys()
    assert history.taken == TAKES_RIGHTS.keys()


@pytest.fixture(scope="module")
def steps(server: Server, _deployed_template: None) -> Iterator[str]:
    """Alias of a clone of its own: each step goes back and forth, so the next one finds what it found."""
    server.sql("postgres", access.clone("deployed", "steps"))
    with alias_of("steps") as alias, all_on(alias):
        yield alias
    server.sql("postgres", "DROP DATABASE freelance_steps;")


@pytest.mark.parametrize("app", ["accounts", "gigs", "orders", "payments", "messaging", "reviews"])
def test_the_last_step_alone_goes_back_and_forth(steps: str, app: str) -> None:
    connection = connections[steps]
    executor = MigrationExecutor(connection)
    before = executor.loader.applied_migrations.keys()
    *_, last_but_one, last = sorted(step for step in before if step[0] == app)
    first = objects(connection)
    undone = steps_back(executor, last_but_one)
    take_back(executor, undone)
    assert last not in MigrationExecutor(connection).loader.applied_migrations
    for migration, state in reversed(undone):
        executor.apply_migration(state.clone(), migration)
    assert MigrationExecutor(connection).loader.applied_migrations.keys() == before
    assert objects(connection) == first
