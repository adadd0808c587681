"""When upkeep has to wait, and what configuration it takes."""

import fcntl
import importlib
import json
import sys
from pathlib import Path
from typing import Any

import pytest

ROLES = Path(__file__).parents[3] / "roles"


@pytest.fixture(scope="module")
def program() -> Any:
    """The program with what it stands on, under their own names as on a host."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROLES / "job_runner/files"))
        patch.syspath_prepend(str(ROLES / "maintenance_cron/files"))
        patch.setattr(sys, "dont_write_bytecode", True)
        yield importlib.import_module("freelance_maintenance")
        for name in [name for name in sys.modules if name.startswith("freelance_")]:
            del sys.modules[name]


def test_a_lock_that_another_job_holds_is_named(program: Any, tmp_path: Path) -> None:
    lock = tmp_path / "dump.lock"
    paths = [str(tmp_path / "absent.lock"), str(lock)]
    assert program.busy_file(paths) == ""
    with lock.open("w", encoding="utf-8") as held:
        assert program.busy_file(paths) == ""
        fcntl.flock(held, fcntl.LOCK_EX)
        assert program.busy_file(paths) == str(lock)


def test_a_configuration_with_an_unknown_key_is_refused(program: Any, tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"databases": ["shop"], "surprise": 1, "limits": {}}), encoding="utf-8")
    with pytest.raises(ValueError, match="surprise"):
        program.Config.load(str(path))
