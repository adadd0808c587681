"""A migration runs beside the release before it: no long lock, no rewritten table, no right taken away."""

import json
import subprocess
from pathlib import Path

import pytest
from django.db import connections
from django.db.migrations import Migration
from django.db.migrations.loader import MigrationLoader
from migration_exemptions import LINT
from test_migrations import OWN_APPS

CONFIGURATION = Path(__file__).resolve().parents[2] / "files/app/.squawk.toml"


def name_of(migration: Migration) -> str:
    return f"{migration.app_label}.{migration.name}"


def sql_of(migration: Migration, loader: MigrationLoader) -> str:
    """Return the SQL as `sqlmigrate` writes it."""
    statements = "\n".join(loader.collect_sql([(migration, False)]))
    return f"BEGIN;\n{statements}\nCOMMIT;\n" if migration.atomic else statements


def findings(folder: Path, texts: dict[str, str]) -> set[tuple[str, str]]:
    """Return name and rule of everything that squawk finds in these texts."""
    for name, text in texts.items():
        (folder / f"{name}.sql").write_text(text)
    done = subprocess.run(
        ["squawk", "--config", CONFIGURATION, "--reporter", "json", *(folder / f"{name}.sql" for name in texts)],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode in {0, 1}, done.stderr
    return {(Path(found["file"]).stem, found["rule_name"]) for found in json.loads(done.stdout)}


@pytest.mark.usefixtures("migrated")
def test_no_migration_locks_for_long_or_breaks_the_release_before(tmp_path: Path) -> None:
    loader = MigrationLoader(connections["direct"])
    own = [migration for (app, _), migration in loader.disk_migrations.items() if app in OWN_APPS]
    assert len(own) > 50
    found = findings(tmp_path, {name_of(migration): sql_of(migration, loader) for migration in own})
    assert found - LINT.keys() == set()
    assert LINT.keys() - found == set(), "exemptions of what is not there"


@pytest.mark.parametrize(
    ("statement", "rule"),
    [
        ("ALTER TABLE orders_order ADD COLUMN tax numeric(12, 2) NOT NULL", "adding-required-field"),
        ("ALTER TABLE orders_order ADD COLUMN code uuid DEFAULT uuidv7()", "adding-field-with-default"),
        ("ALTER TABLE orders_order ADD CHECK (quantity < 50)", "constraint-missing-not-valid"),
        ("ALTER TABLE orders_order ALTER COLUMN due_at SET NOT NULL", "adding-not-nullable-field"),
        ("ALTER TABLE orders_order ALTER COLUMN quantity TYPE bigint", "changing-column-type"),
        ("ALTER TABLE orders_order DROP COLUMN due_at", "ban-drop-column"),
        ("ALTER TABLE orders_order RENAME COLUMN due_at TO due", "renaming-column"),
        ("CREATE INDEX orders_by_due ON orders_order (due_at)", "require-concurrent-index-creation"),
    ],
)
def test_what_locks_or_breaks_is_found(tmp_path: Path, statement: str, rule: str) -> None:
    assert ("tried", rule) in findings(tmp_path, {"tried": f"BEGIN;\n{statement};\nCOMMIT;\n"})
