"""What a run was kept from loading is found by the next one: the comparison that pgBackRest's roles make, for real."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from jinja2 import Environment

from .role_files import ROOT

ROLES = ("wal_archive", "backup_repository")
UNIT = "/etc/systemd/system/pgbackrest.service"
CONFIG = "/etc/pgbackrest/pgbackrest.conf"
CERTIFICATE = "/etc/ssl/platform/pgbackrest.crt"
AUTHORITY = "/etc/ssl/platform/ca.crt"
STAMPS = ("/run/pgbackrest-server/started", "/run/pgbackrest-server/loaded")


def place(root: Path, path: str, time: int) -> None:
    """Put a file of this age into a root folder."""
    file = root / path.removeprefix("/")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()
    os.utime(file, (time, time))


def found(role: str, root: Path) -> tuple[int, list[str]]:
    """Run the role's own command on the files below `root`; returns its status and the names found."""
    tasks: list[dict[str, Any]] = yaml.safe_load((ROOT / "roles" / role / "tasks/service.yml").read_text())
    [task] = [one for one in tasks if one.get("register") == f"__{role}_waiting"]
    given = {f"{{{{ {role}_certificate_file }}}}": CERTIFICATE, f"{{{{ {role}_ca_file }}}}": AUTHORITY}
    words = [given.get(word, word) for word in task["ansible.builtin.command"]["argv"]]
    words = [f"{root}{word}" if word.startswith("/") else word for word in words]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return done.returncode, [line.removeprefix(str(root)) for line in done.stdout.splitlines()]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A host whose server was started and loaded after all of its files were written."""
    for path in (UNIT, CONFIG, CERTIFICATE, AUTHORITY):
        place(tmp_path, path, 100)
    for path in STAMPS:
        place(tmp_path, path, 200)
    return tmp_path


@pytest.mark.parametrize("role", ROLES)
def test_a_server_that_read_everything_waits_for_nothing(role: str, root: Path) -> None:
    assert found(role, root) == (0, [])


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("path", [UNIT, CONFIG, CERTIFICATE, AUTHORITY])
def test_a_file_that_was_written_and_never_loaded_is_found(role: str, root: Path, path: str) -> None:
    place(root, path, 300)
    assert found(role, root) == (0, [path])


@pytest.mark.parametrize("role", ROLES)
def test_a_reload_does_not_take_over_a_new_unit(role: str, root: Path) -> None:
    place(root, UNIT, 300)
    place(root, CONFIG, 300)
    place(root, STAMPS[1], 400)
    assert found(role, root) == (0, [UNIT])


@pytest.mark.parametrize("role", ROLES)
def test_a_server_whose_unit_left_no_times_is_told_by_the_status(role: str, root: Path) -> None:
    (root / STAMPS[0].removeprefix("/")).unlink()
    assert found(role, root) == (1, [])


@pytest.mark.parametrize("role", ROLES)
def test_the_unit_leaves_the_times_that_are_compared(role: str) -> None:
    unit = (ROOT / "roles" / role / "templates/pgbackrest.service.j2").read_text()
    assert "RuntimeDirectory=pgbackrest-server" in unit
    assert f"ExecStartPre=/usr/bin/touch {' '.join(STAMPS)}" in unit
    # Before the signal: a file that changes meanwhile is loaded once more rather than never.
    assert unit.index(f"ExecReload=/usr/bin/touch {STAMPS[1]}") < unit.index("ExecReload=/bin/kill -HUP")


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(
    ("waiting", "restarts", "reloads"),
    [
        # A run that failed before it looked: a reload would start a server that does not run, by the packaged unit.
        ({}, False, False),
        ({"rc": 0, "stdout": ""}, False, False),
        ({"rc": 0, "stdout": CONFIG}, False, True),
        ({"rc": 0, "stdout": f"{UNIT}\n{CONFIG}"}, True, False),
        ({"rc": 1, "stdout": ""}, True, False),
        ({"rc": 1, "stdout": CERTIFICATE}, True, False),
    ],
)
def test_handlers_go_by_what_waits_and_by_nothing_else(
    role: str, waiting: dict[str, Any], restarts: bool, reloads: bool
) -> None:
    values = yaml.safe_load((ROOT / "roles" / role / "vars/main.yml").read_text())
    given: dict[str, Any] = {f"__{role}_waiting": waiting} if waiting else {}
    for kind, wanted in (("restart", restarts), ("reload", reloads)):
        name = f"__{role}_must_{kind}"
        given[name] = Environment(autoescape=True).from_string(values[name]).render(given) == "True"
        assert given[name] == wanted, kind
    handlers = yaml.safe_load((ROOT / "roles" / role / "handlers/main.yml").read_text())
    conditions = {handler["name"].split()[0].lower(): handler["when"] for handler in handlers}
    assert conditions == {kind: ["not ansible_check_mode", f"__{role}_must_{kind}"] for kind in ("restart", "reload")}
