"""The release's id says what is inside, and a package index that is down ends in a clear sentence."""

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.loading import load

REPOSITORY = Path(__file__).resolve().parents[2]
PROGRAM = REPOSITORY / "roles/schema_migrations/files/build_release.py"
build_release = load(PROGRAM)


@pytest.fixture
def app(tmp_path: Path) -> Path:
    folder = tmp_path / "app"
    (folder / "apps/gigs/migrations").mkdir(parents=True)
    (folder / "manage.py").write_text("print('hello')\n")
    (folder / "requirements.txt").write_text("")
    (folder / "apps/gigs/migrations/0001_initial.py").write_text("")
    return folder


def identity(app: Path, python: str = "3.13", architecture: str = "x86_64") -> str:
    return str(build_release.release_id(app, python, architecture))


def test_the_id_is_the_same_for_the_same_content(app: Path) -> None:
    before = identity(app)
    for leftover in ("__pycache__/x.pyc", ".mypy_cache/x", ".env", "apps/gigs/x.pyc"):
        (app / leftover).parent.mkdir(exist_ok=True)
        (app / leftover).write_text("noise")
    assert identity(app) == before


def test_the_id_changes_with_content_name_mode_and_target(app: Path) -> None:
    seen = {identity(app), identity(app, python="3.14"), identity(app, architecture="aarch64")}
    (app / "manage.py").write_text("print('bye')\n")
    seen.add(identity(app))
    (app / "manage.py").chmod(0o755)
    seen.add(identity(app))
    (app / "manage.py").rename(app / "other.py")
    (app / "manage.py").touch()
    seen.add(identity(app))
    assert len(seen) == 6


def run(app: Path, cache: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "DB_"))}
    return subprocess.run(
        [sys.executable, str(PROGRAM), f"--app={app}", f"--cache={cache}", "--python=3.13", "--architecture=x86_64",
         "--pause=0.1", "--attempts=2", *words],
        capture_output=True, text=True, check=False, timeout=120, env={**clean, **environment},
    )  # fmt: skip


def test_the_archive_is_built_once_and_always_the_same(app: Path, tmp_path: Path) -> None:
    first = json.loads(run(app, tmp_path / "one").stdout)
    again = json.loads(run(app, tmp_path / "one").stdout)
    other = json.loads(run(app, tmp_path / "two").stdout)
    assert (first["built"], again["built"]) == (True, False)
    assert Path(first["archive"]).read_bytes() == Path(other["archive"]).read_bytes()
    assert first["migrations"] == ["gigs.0001_initial"]
    with tarfile.open(first["archive"]) as archive:
        assert archive.getnames() == [
            "app/apps/gigs/migrations/0001_initial.py",
            "app/manage.py",
            "app/requirements.txt",
        ]


def test_a_plan_downloads_and_writes_nothing(app: Path, tmp_path: Path) -> None:
    assert json.loads(run(app, tmp_path / "cache", "--plan-only").stdout)["built"] is False
    assert not (tmp_path / "cache").exists()


def test_a_package_index_that_is_down_is_asked_again_and_then_named(app: Path, tmp_path: Path) -> None:
    (app / "requirements.txt").write_text(f"django==5.2.19 --hash=sha256:{'0' * 64}\n")
    index = "http://127.0.0.1:9/simple"
    result = run(app, tmp_path / "cache", PIP_INDEX_URL=index, PIP_RETRIES="0", PIP_CONFIG_FILE=os.devnull)
    assert result.returncode == 1
    assert "attempt 1 of 2" in result.stderr
    last = result.stderr.splitlines()[-1]
    assert last.startswith("pip could not download the application's wheels in 2 attempts: ERROR")
    assert "nothing was changed on any host" in last
    assert not list((tmp_path / "cache").rglob("*.tar"))
    assert not list((tmp_path / "cache/wheels").iterdir())


def test_a_folder_without_an_application_is_refused(tmp_path: Path) -> None:
    result = run(tmp_path, tmp_path / "cache")
    assert result.returncode == 1
    assert "has no manage.py" in result.stderr
