"""The role's own plan as the verification asks it: the same phases, its rows as tuples, and no secret in what fails."""

import re
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.host import access_plan
from tests.host.environment import Environment

ROOT = Path(__file__).resolve().parents[3]
# Stands for psql: prints the answer of a file for each statement, and appends the statement to another.
PSQL = """
import pathlib, sys
folder = pathlib.Path(sys.argv[1])
for line in sys.stdin:
    if line.startswith("\\\\echo "):
        print(line.removeprefix("\\\\echo ").strip(), flush=True)
        continue
    with (folder / "asked").open("a") as asked:
        asked.write(line)
    if (folder / "broken").exists():
        sys.exit((folder / "broken").read_text())
    print((folder / "answer").read_text())
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "psql.py").write_text(PSQL, encoding="utf-8")
    (tmp_path / "answer").write_text('[{"f1":"db","f2":["a","b"]}, \n {"f1":null,"f2":[]}]', encoding="utf-8")
    return tmp_path


@pytest.fixture
def catalog(folder: Path) -> Any:
    found = access_plan.Catalog([sys.executable, str(folder / "psql.py"), str(folder)])
    yield found
    found.close()


def test_every_phase_of_the_roles_module_is_asked() -> None:
    module = (ROOT / "roles/postgresql_access/library/postgresql_access_state.py").read_text(encoding="utf-8")
    phases = re.findall(r"(?:cluster_plan|database_plan)\.(plan_\w+)", module)
    assert [phase.__name__ for phase in (*access_plan.CLUSTER_PHASES, *access_plan.DATABASE_PHASES)] == phases


def test_rows_come_back_as_tuples_and_values_are_quoted(folder: Path, catalog: Any) -> None:
    assert catalog("SELECT 1") == [("db", ["a", "b"]), (None, [])]
    catalog("SELECT x FROM y WHERE a = %s AND kind = ANY (%s)", ("o'hara", ["r", "p"]))
    asked = (folder / "asked").read_text(encoding="utf-8").splitlines()
    assert "from (SELECT 1) t" in asked[0]
    assert "a = 'o''hara' AND kind = ANY ('{r,p}')" in asked[1]


def test_a_broken_query_ends_in_psqls_own_words(folder: Path, catalog: Any) -> None:
    (folder / "broken").write_text("ERROR:  permission denied", encoding="utf-8")
    with pytest.raises(RuntimeError, match="permission denied"):
        catalog("SELECT 1")


def test_what_would_change_is_told_by_subject(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    change = SimpleNamespace(subject="role x", before="connections 5", after="connections 8", sql="PASSWORD 'secret'")
    answer_with(monkeypatch, [change], ["stranger"])
    assert access_plan.differences(environment, "db1") == [
        "role x: connections 5 -> connections 8",
        "role stranger: nobody declared it",
    ]
    answer_with(monkeypatch, [], [])
    assert access_plan.differences(environment, "db1") == []


def test_what_fails_shows_no_password(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    answer_with(monkeypatch, [], [])

    def fail(declaration: Any, _: Any) -> Any:
        raise ValueError(f"{declaration} SCRAM-SHA-256$4096:AAEC$c3Rv:c2Vy")

    monkeypatch.setattr(access_plan, "CLUSTER_PHASES", (fail,))
    with pytest.raises(AssertionError, match="freelance_user") as caught:
        access_plan.differences(environment, "db1")
    assert "kept-to-itself" not in str(caught.value)
    assert "c3Rv" not in str(caught.value)
    assert "kept-to-itself" not in str(caught.getrepr(showlocals=True))


def answer_with(monkeypatch: pytest.MonkeyPatch, changes: list[Any], strangers: list[str]) -> None:
    """Let the role's plan find these changes and strangers, without a server."""
    monkeypatch.setattr(access_plan, "CLUSTER_PHASES", (lambda *_: changes,))
    monkeypatch.setattr(access_plan, "DATABASE_PHASES", ())
    monkeypatch.setattr(access_plan, "Catalog", lambda _: SimpleNamespace(close=lambda: None))
    monkeypatch.setattr("tests.host.access_plan.database_plan.missing_databases", lambda *_: [])
    monkeypatch.setattr("tests.host.access_plan.cluster_plan.undeclared_roles", lambda *_: strangers)
