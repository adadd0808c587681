"""What a client does: connects by the card's parameters, or by altered ones that must be refused."""

import json
import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.host import redaction
from tests.host.environment import ROOT, Environment

# A row that tests may write: of the catalogue, where the platform alone does. Who acts is said in the same statement.
INSERT_SKILL = (
    "insert into accounts_skill (name, slug, area, sort_order, is_active) select %(slug)s, %(slug)s, 'data', 0, false"
    " from set_config('app.acts_for_platform', 'on', true)"
)


def card(environment: Environment) -> dict[str, Any]:
    """Return the connection card of an environment, as show_card.yml wrote it."""
    folder = environment.declared(environment.hosts("all")[0])["environment_directory"]
    return dict(json.loads((ROOT / folder / "card.json").read_text(encoding="utf-8")))


def password(card: dict[str, Any], way: str) -> str:
    """Read the secret of a way by the command that the card names, from the root of the repository."""
    command = card["secrets"][card["connections"][way]["secret"]]["read"]
    argv = ["/bin/sh", "-c", command]
    answer = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    return redaction.remember(answer)


def shell(line: str, *, given: str = "", seconds_max: float = 300) -> str:
    """Run a command line as a user does, in the repository's root with its tools; it must succeed. What it printed."""
    done = subprocess.run(
        ["bash", "-c", f"source activate.sh && {line}"],
        input=given,
        capture_output=True,
        text=True,
        timeout=seconds_max,
        cwd=ROOT,
        check=False,
    )
    if done.returncode:  # an assertion on `done` would show all of it
        pytest.fail(redaction.redacted(f"{line}: {done.returncode}\n{done.stderr[-3000:]}{done.stdout[-3000:]}"))
    return done.stdout


def connect(card: dict[str, Any], way: str, **changes: object) -> psycopg.Connection:
    """Connect by the card's libpq line; `changes` replace single parameters.

    The password comes from a file that only this user can read: as an argument it would stand in the traceback of a
    connection that failed.
    """
    settings: dict[str, Any] = {"autocommit": True, **changes}
    with tempfile.TemporaryDirectory() as folder:
        passfile = write_passfile(Path(folder), card, way)
        return psycopg.connect(card["connections"][way]["libpq"], passfile=str(passfile), **settings)


def delete_skills(connection: psycopg.Connection, slugs: str) -> None:
    """Delete what INSERT_SKILL wrote under slugs of this pattern."""
    with connection.transaction():
        connection.execute("select set_config('app.acts_for_platform', 'on', true)")
        connection.execute("delete from accounts_skill where slug like %s", [slugs])


def write_passfile(folder: Path, card: dict[str, Any], way: str) -> Path:
    """Write the password of a way as libpq reads it; nobody else may read the file."""
    file = folder / "pgpass"
    file.touch(0o600)
    escaped = re.sub(r"([:\\])", r"\\\1", password(card, way))
    file.write_text(f"*:*:*:*:{escaped}\n", encoding="utf-8")
    return file


def only(card: dict[str, Any], way: str, index: int) -> dict[str, Any]:
    """Return the parameters that choose one endpoint of a list."""
    parameters = card["connections"][way]["parameters"]
    return {key: parameters[key].split(",")[index] for key in ("host", "hostaddr", "port") if key in parameters}


def each(card: dict[str, Any], way: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each endpoint of a way with the parameters that choose it alone."""
    for index, endpoint in enumerate(card["connections"][way]["endpoints"]):
        yield endpoint, only(card, way, index)


def written_card(environment: Environment) -> Path:
    """Return where the card lies."""
    return ROOT / str(environment.declared(environment.hosts("all")[0])["environment_directory"]) / "card.json"
