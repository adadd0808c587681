"""What a client does: connects by the card's parameters, or by altered ones that must be refused."""

import json
import subprocess
from pathlib import Path
from typing import Any

import psycopg

from tests.host.environment import ROOT, Environment


def card(environment: Environment) -> dict[str, Any]:
    """Return the connection card of an environment, as show_card.yml wrote it."""
    folder = environment.declared(environment.hosts("all")[0])["environment_directory"]
    return dict(json.loads((ROOT / folder / "card.json").read_text(encoding="utf-8")))


def password(card: dict[str, Any], way: str) -> str:
    """Read the secret of a way by the command that the card names, from the root of the repository."""
    command = card["secrets"][card["connections"][way]["secret"]]["read"]
    argv = ["/bin/sh", "-c", command]
    return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


def connect(card: dict[str, Any], way: str, **changes: object) -> psycopg.Connection:
    """Connect by the card's libpq line; `changes` replace single parameters."""
    settings: dict[str, Any] = {"password": password(card, way), "autocommit": True, **changes}
    return psycopg.connect(card["connections"][way]["libpq"], **settings)


def only(card: dict[str, Any], way: str, index: int) -> dict[str, Any]:
    """Return the parameters that choose one endpoint of a list."""
    parameters = card["connections"][way]["parameters"]
    return {key: parameters[key].split(",")[index] for key in ("host", "hostaddr", "port") if key in parameters}


def written_card(environment: Environment) -> Path:
    """Return where the card lies."""
    return ROOT / str(environment.declared(environment.hosts("all")[0])["environment_directory"]) / "card.json"
