"""The host of the benchmark, made by the machinery of tests/app, with PostgreSQL as Debian delivers it.

The tests' own host is fast because it may lose everything; this one keeps what it commits.
"""

import io
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT / "files" / "app"), str(ROOT / "tests" / "app")]

import access  # noqa: E402 (the path comes first)
import aliases  # noqa: E402 (the same)
import endpoints  # noqa: E402 (the same)
import large_tables  # noqa: E402 (the same)
import server as server_module  # noqa: E402 (the same)
from django.core.management import call_command  # noqa: E402 (the same)
from django.db import connections  # noqa: E402 (the same)
from server import Server  # noqa: E402 (the same)

NAME = "bench"
# The defaults of PostgreSQL 17 on Debian 13, in the place of what makes tests fast.
POSTGRESQL = {
    "shared_buffers": "128MB",
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "max_wal_size": "1GB",
    "checkpoint_timeout": "5min",
    "deadlock_timeout": "1s",
}
PEOPLE, PEOPLE_SMALL = 18_000, 600


@dataclass(frozen=True, kw_only=True)
class Seed:
    """What filling the database with a marketplace took."""

    rows: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Bench:
    """The host with the application's schema in freelance_platform, behind the aliases `default`, `replica`, `direct`.

    small: sizes for a trial, seconds a subject. postgresql: version and settings of the server, as it runs with them.
    """

    server: Server
    small: bool
    postgresql: Mapping[str, str]

    @cached_property
    def seed(self) -> Seed:
        """The marketplace in freelance_platform, about 57 rows a person: made when it is asked for first."""
        return self.fill(PEOPLE_SMALL if self.small else PEOPLE)

    def fill(self, users: int) -> Seed:
        """Write a marketplace of so many people into freelance_platform."""
        output = io.StringIO()
        self.say(f"seeding a marketplace of {users} people")
        # The months that it falls into.
        self.rows("direct", large_tables.MONTHS)
        began = time.perf_counter()
        call_command("seed_marketplace", users=users, seed=1, stdout=output)
        seconds = time.perf_counter() - began
        self.server.sql("freelance_platform", "VACUUM ANALYZE;")
        return Seed(rows=json.loads(output.getvalue().splitlines()[-1])["rows"], seconds=seconds)

    def say(self, what: str) -> None:
        """Tell who waits what is done now."""
        print(f"{datetime.now(UTC):%H:%M:%S}  {what}", flush=True)

    def rows(self, alias: str, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Run SQL by a Django alias; its rows, none where it has no result."""
        with connections[alias].cursor() as cursor:
            cursor.execute(query, parameters or None)
            return list(cursor.fetchall()) if cursor.description else []

    def seconds(self, run: Callable[[], object]) -> float:
        """How long one run takes."""
        began = time.perf_counter()
        run()
        return time.perf_counter() - began

    def median_ms(self, run: Callable[[], object], times: int) -> float:
        """The median of so many runs, in milliseconds, after one that is not counted."""
        run()
        return 1000 * statistics.median(self.seconds(run) for _ in range(times))

    def wal_mib(self) -> float:
        """MiB of WAL that this server has ever written: the difference of two calls is what is of interest."""
        return float(self.server.sql("postgres", "SELECT pg_current_wal_insert_lsn() - '0/0'")) / 2**20

    @contextmanager
    def database(self, name: str) -> Iterator[str]:
        """Alias of a new, empty database freelance_<name>, as the tables' owner. It is gone afterwards."""
        drop = f"DROP DATABASE IF EXISTS freelance_{name} WITH (FORCE);"
        made = f"CREATE DATABASE freelance_{name} OWNER freelance_owner;"
        self.server.sql("postgres", f"{drop} {made} {access.rights_in(f'freelance_{name}')}")
        self.server.sql(f"freelance_{name}", aliases.EMPTY)
        with aliases.alias_of(name) as alias:
            yield alias
        self.server.sql("postgres", drop)

    def let_go(self) -> None:
        """Close the connections: whoever failed may have left one in the middle of something."""
        connections.close_all()


def deployed(name: str) -> Server:
    """A host whose application is deployed and has no people yet; aliases lead to it. `set_up` was called before.

    SystemExit where the lab does not run.
    """
    try:
        made, authority = server_module.create(name)
    except AssertionError as error:
        raise SystemExit(
            f"{error}\nThe benchmark makes one host beside those of the lab, whose sandbox must run."
        ) from error
    lines = "".join(f"{name} = {value}\n" for name, value in POSTGRESQL.items())
    made.run("tee", "/etc/postgresql/17/main/conf.d/zz-bench.conf", script=lines)
    made.run("systemctl", "restart", "postgresql@17-main")
    endpoints.start(made)
    aliases.lead_to(made, authority)
    made.sql("postgres", access.settings_of_roles() + access.rights_in("freelance_platform"))
    made.sql("freelance_platform", aliases.EMPTY)
    call_command("deploy_release", release="bench", verbosity=0, stdout=io.StringIO())
    return made


@contextmanager
def bench(*, small: bool) -> Iterator[Bench]:
    """The host with an application that is deployed and has no people yet. SystemExit where the lab does not run.

    KEEP_APP_HOST=1 keeps the host afterwards: the next run starts faster.
    """
    aliases.set_up()
    try:
        made = deployed(NAME)
        yield Bench(server=made, small=small, postgresql=_postgresql(made))
    finally:
        connections.close_all()
        if not os.environ.get("KEEP_APP_HOST"):
            server_module.destroy(NAME)


def _postgresql(made: Server) -> dict[str, str]:
    names = ", ".join(f"'{name}'" for name in ("server_version", *POSTGRESQL, "data_checksums"))
    query = f"SELECT name || '=' || current_setting(name) FROM pg_settings WHERE name IN ({names}) ORDER BY name"  # noqa: S608 (named here)
    return dict(line.split("=", 1) for line in made.sql("postgres", query).splitlines())
