"""The application against a real PostgreSQL 17 behind PgBouncer and HAProxy, with a Valkey beside it.

The host is made once, each test rolls back what it wrote.

KEEP_APP_HOST=1 keeps the host after the run: the next one starts faster.
"""

import io
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

HERE = Path(__file__).resolve().parent
APP = HERE.parents[1] / "files" / "app"
sys.path[:0] = [str(APP), str(HERE)]

import access  # noqa: E402 (the path comes first)
import aliases  # noqa: E402 (the same)
import endpoints  # noqa: E402 (the same)
import keyring  # noqa: E402 (the same)
import large_tables  # noqa: E402 (the same)
import server as server_module  # noqa: E402 (the same)
from aliases import EMPTY, alias_of  # noqa: E402 (the same)

aliases.set_up()

from apps.common.encryption.known_keys import enlist  # noqa: E402 (Django comes first)
from apps.common.identity import PERSON, PLATFORM  # noqa: E402 (the same)
from concurrency import act_for_nobody  # noqa: E402 (the same)
from django.conf import settings  # noqa: E402 (the same)
from django.core.management import call_command  # noqa: E402 (the same)
from django.db import connections, transaction  # noqa: E402 (the same)
from factories_world import World  # noqa: E402 (the same)
from factories_world import world as make_world  # noqa: E402 (the same)
from sessions import POOLER, session  # noqa: E402 (the same)


@pytest.fixture(scope="session")
def server() -> Iterator[server_module.Server]:
    """A PostgreSQL 17 host whose two databases are empty."""
    made, authority = server_module.create(in_memory=True)
    endpoints.start(made)
    aliases.lead_to(made, authority)
    for name in ("deployed", "seeded", "large"):
        made.sql("postgres", f"DROP DATABASE IF EXISTS freelance_{name};")
    made.sql("postgres", access.settings_of_roles())
    for name in ("freelance_platform", "freelance_scratch"):
        made.sql("postgres", access.rights_in(name))
    made.sql("freelance_platform", EMPTY)
    yield made
    connections.close_all()
    if not os.environ.get("KEEP_APP_HOST"):
        server_module.destroy()


@pytest.fixture(scope="session")
def migrated(server: server_module.Server) -> server_module.Server:
    """The host with the application's schema in freelance_platform."""
    call_command("migrate", verbosity=0)
    enlist(connections["direct"])
    connections["direct"].close()
    return server


@pytest.fixture
def database(migrated: server_module.Server) -> Iterator[Any]:  # noqa: ARG001 (it comes first)
    """Connection of the application's role, inside a transaction that is rolled back.

    The platform acts, unless the test says which person does.
    """
    with transaction.atomic(using="default"):
        with connections["default"].cursor() as cursor:
            cursor.execute("SELECT set_config(%s, 'on', true)", [PLATFORM])
        yield connections["default"]
        transaction.set_rollback(True, using="default")


@pytest.fixture
def owner(migrated: server_module.Server) -> Iterator[Any]:  # noqa: ARG001 (it comes first)
    """Connection of the tables' owner, inside a transaction that is rolled back."""
    with transaction.atomic(using="direct"):
        yield connections["direct"]
        transaction.set_rollback(True, using="direct")
    connections["direct"].close()


@pytest.fixture(scope="session")
def world(migrated: server_module.Server) -> World:  # noqa: ARG001 (it comes first)
    """Committed rows of a few people, which every connection sees and nobody changes."""
    made = make_world()
    act_for_nobody()
    return made


@pytest.fixture(scope="session")
def _clients(migrated: server_module.Server) -> Iterator[tuple[psycopg.Connection[Any], psycopg.Connection[Any]]]:
    """Two sessions of the application's role past Django, through the pooler."""
    with (
        session(migrated, "freelance_user", port=POOLER) as one,
        session(migrated, "freelance_user", port=POOLER) as two,
    ):
        yield one, two


@pytest.fixture
def application(
    world: World, _clients: tuple[psycopg.Connection[Any], psycopg.Connection[Any]]
) -> psycopg.Connection[Any]:
    """A session of the application's role past Django, through the pooler.

    The server connection that it gets next is the one in which the world's client has just acted.
    """
    neighbour, made = _clients
    with neighbour.transaction():
        neighbour.execute("SELECT set_config(%s, %s, true)", [PERSON, str(world.client.pk)])
    return made


@pytest.fixture
def key_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A key file that a test may change."""
    file = keyring.write(tmp_path / "keys.json")
    monkeypatch.setitem(settings.ENCRYPTION, "KEY_FILE", str(file))
    return file


@pytest.fixture
def scratch(server: server_module.Server) -> Iterator[str]:
    """Alias of an empty database, as the owner, on the direct endpoint."""
    server.sql("freelance_scratch", EMPTY)
    with alias_of("scratch") as alias:
        yield alias


@pytest.fixture(scope="session")
def first_deployment(server: server_module.Server) -> dict[str, Any]:
    """Report of the deployment of release r1 to an empty database, of which the tests that need it have clones."""
    server.sql("freelance_scratch", EMPTY)
    said = io.StringIO()
    with alias_of("scratch") as alias:
        call_command("deploy_release", "--release", "r1", "--database", alias, verbosity=0, stdout=said)
    server.sql("postgres", access.clone("scratch", "deployed"))
    report: dict[str, Any] = json.loads(said.getvalue().splitlines()[-1])
    return report


@pytest.fixture(scope="session")
def _deployed_template(first_deployment: dict[str, Any]) -> None:
    """The database that clones are made of."""


@pytest.fixture
def deployed(server: server_module.Server, _deployed_template: None) -> Iterator[str]:
    """Alias like `scratch`, whose database has release r1 already: a clone, so it is there at once."""
    server.sql("postgres", access.clone("deployed", "scratch"))
    with alias_of("scratch") as alias:
        yield alias


@pytest.fixture(scope="session")
def seeded(server: server_module.Server, _deployed_template: None) -> Iterator[str]:
    """Alias like `deployed`, of a database of its own with a small marketplace that nobody changes."""
    server.sql("postgres", access.clone("deployed", "seeded"))
    with alias_of("seeded") as alias:
        call_command("seed_marketplace", users=200, seed=1, database=alias, stdout=io.StringIO())
        yield alias


@pytest.fixture(scope="module")
def large(server: server_module.Server, _deployed_template: None) -> Iterator[str]:
    """Alias like `seeded`, whose big tables have a million rows and the daily ones a week. Nobody changes it."""
    server.sql("postgres", access.clone("deployed", "large"))
    with alias_of("large") as alias:
        with connections[alias].cursor() as cursor:
            cursor.execute(large_tables.MONTHS)
        call_command("seed_marketplace", users=3000, seed=1, database=alias, stdout=io.StringIO())
        call_command(
            "roll_up_statistics", "--from", "2026-06-24", "--to", "2026-06-30", database=alias, stdout=io.StringIO()
        )
        large_tables.fill(server, "freelance_large")
        yield alias
    # A standby would have to copy it.
    server.sql("postgres", "DROP DATABASE freelance_large;")
