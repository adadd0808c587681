"""All people of the application are one database role: no session is shown what another one runs or ran."""

from typing import Any

import psycopg
import pytest
from server import Server
from sessions import session

POOLER = 6432
SECRET = "这是别人的私信"
# Each shows the text of running statements, or of those that ran.
VIEWS = [
    "SELECT query FROM pg_stat_activity",
    "SELECT query FROM pg_stat_get_activity(NULL)",
    "SELECT pg_stat_get_backend_activity(id) FROM pg_stat_get_backend_idset() AS id",
    "SELECT query FROM extensions.pg_stat_statements",
]


def shown(client: psycopg.Connection[Any], asked: str) -> str:
    try:
        return str(client.execute(asked.encode()).fetchall())
    except psycopg.errors.InsufficientPrivilege as refused:
        return str(refused)


@pytest.mark.parametrize("asked", VIEWS)
@pytest.mark.parametrize("role", ["freelance_user", "freelance_staff", "reporting_user"])
def test_a_statement_of_another_session_is_not_shown(migrated: Server, role: str, asked: str) -> None:
    with session(migrated, "freelance_user", port=POOLER) as one, session(migrated, role) as other:
        with one.transaction():
            # With its values in it, as Django's psycopg sends it.
            psycopg.ClientCursor(one).execute("SELECT %s::text", [SECRET])
            assert SECRET not in shown(other, asked)
        assert SECRET not in shown(other, asked)


def test_who_watches_the_server_sees_it(migrated: Server) -> None:
    with (
        session(migrated, "freelance_user", port=POOLER) as one,
        session(migrated, "freelance_migrator") as watching,
        one.transaction(),
    ):
        psycopg.ClientCursor(one).execute("SELECT %s::text", [SECRET])
        assert SECRET in shown(watching, VIEWS[0])
