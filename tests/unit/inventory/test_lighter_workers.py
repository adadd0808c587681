"""What Ansible's workers inherit: Jinja's filters and tests, read once by the process that forks them."""

import configparser
import gc
import importlib.util
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.plugins.loader import filter_loader, test_loader

ROOT = Path(__file__).parents[3]
NAME = "lighter_workers"
PLUGIN = ROOT / f"ansible/plugins/callback/{NAME}.py"


@pytest.mark.parametrize("loader", [filter_loader, test_loader], ids=["filters", "tests"])
def test_they_are_there_before_the_first_task_of_a_play(loader: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # As roles leave it that bring filters of their own.
    monkeypatch.setattr(loader, "_cached_non_collection_wrappers", {})
    specification = importlib.util.spec_from_file_location(NAME, PLUGIN)
    assert specification
    assert specification.loader
    plugin: Any = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(plugin)
    try:
        plugin.CallbackModule().v2_playbook_on_play_start(None)
        assert gc.get_freeze_count()
    finally:
        gc.unfreeze()
    assert loader._cached_non_collection_wrappers


def test_a_playbook_finds_it(tmp_path: Path) -> None:
    (tmp_path / "play.yml").write_text("[{hosts: localhost, gather_facts: false, tasks: []}]")
    done = subprocess.run(
        ["ansible-playbook", "-i", "localhost,", tmp_path / "play.yml"],
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")},
        capture_output=True,
        text=True,
        check=True,
        timeout=240,
    )
    assert "Skipping callback plugin" not in done.stdout + done.stderr


def test_playbooks_and_the_tests_of_roles_ask_for_it() -> None:
    config = configparser.ConfigParser()
    config.read(ROOT / "ansible.cfg")
    molecule = yaml.safe_load((ROOT / ".config/molecule/config.yml").read_text("utf-8"))
    for defaults in (config["defaults"], molecule["ansible"]["cfg"]["defaults"]):
        assert NAME in defaults["callbacks_enabled"].split(", ")
        assert defaults["callback_plugins"].partition(":")[0].endswith("ansible/plugins/callback")
        assert float(defaults["internal_poll_interval"]) == 0.01
