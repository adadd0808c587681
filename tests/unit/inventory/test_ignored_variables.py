"""What an operator writes has an effect or is refused."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import lookup_loader

ROOT = Path(__file__).resolve().parents[3]
ARGUMENTS = {"backup_cron_retention_days", "pgbouncer_databases", "environment_directory"}
RESTORES = ("restore_cluster", "restore_database", "restore_from_dump", "verify_dump")
WIRED = {"pgbouncer_databases": "group_vars/database.yml", "platform_secure_logging": "group_vars/all.yml"}


def lookup_module() -> Any:
    lookup_loader.add_directory(str(ROOT / "ansible/plugins/lookup"))
    return __import__(type(lookup_loader.get("ignored_variables")).__module__, fromlist=["ignored"])


@pytest.fixture(scope="module")
def ignored() -> Callable[..., list[str]]:
    module = lookup_module()
    return lambda written, extra=(): list(module.ignored(written, extra, ARGUMENTS, WIRED))


def test_what_is_known_or_the_operators_own_passes(ignored: Callable[..., list[str]]) -> None:
    written = {"all.yml": {"environment_directory", "backup_cron_retention_days", "ansible_user", "vault_key", "__own"}}
    assert ignored(written, {"postgresql_allow_restart", "platform_secure_logging", "pgbouncer_databases"}) == []


def test_a_misspelt_name_is_told_with_its_place_and_the_nearest(ignored: Callable[..., list[str]]) -> None:
    assert ignored({"all.yml": {"backup_cron_retention_dais"}}, {"postgresql_alow_restart"}) == [
        "all.yml: there is no setting backup_cron_retention_dais; did you mean backup_cron_retention_days?",
        "-e: there is no setting postgresql_alow_restart; did you mean postgresql_allow_restart?",
    ]


def test_what_the_playbooks_override_is_told_with_the_file_that_does(ignored: Callable[..., list[str]]) -> None:
    written = {"group_vars/all.yml": {"pgbouncer_databases"}, "host_vars/db1.yml": {"pgbouncer_databases"}}
    (told,) = ignored(written)
    assert told.startswith(
        "group_vars/all.yml: pgbouncer_databases has no effect here: group_vars/database.yml sets it"
    )


def test_the_file_that_is_named_is_not_a_link_to_it() -> None:
    module = lookup_module()
    assert module.wired_names()["pgbouncer_database_connections_max"] == "ansible/playbooks/group_vars/database.yml"


def test_the_inventories_of_this_repository_set_settings_only() -> None:
    lookup_loader.add_directory(str(ROOT / "ansible/plugins/lookup"))
    plugin = lookup_loader.get("ignored_variables", loader=DataLoader())
    wired = yaml.safe_load((ROOT / "ansible/playbooks/group_vars/all.yml").read_text(encoding="utf-8"))
    settings, options = (wired[f"__environment_{kind}"] for kind in ("settings", "options"))
    for name in ("lab", "production"):
        assert plugin.run(settings, {"inventory_dir": str(ROOT / "inventories" / name)}) == []
        assert len(plugin.run(settings[1:], {"inventory_dir": str(ROOT / "inventories" / name)})) == 1
    wiring = "".join(path.read_text("utf-8") for path in ROOT.glob("ansible/playbooks/group_vars/*.yml"))
    assert {*settings, *options} >= set(re.findall(r"\benvironment_[a-z_]+", wiring))


def test_what_a_restore_asks_for_may_be_said_by_e() -> None:
    playbooks = ROOT / "ansible/playbooks"
    files = [playbooks / f"{name}.yml" for name in RESTORES]
    files += sorted((playbooks / "tasks/restore_cluster").glob("*.yml"))
    pattern = r"\b((?:restore|verify_dump)_\w+) (?:\||is)"
    asked = {name for path in files for name in re.findall(pattern, path.read_text(encoding="utf-8"))}
    switches = {name for name in lookup_module().SWITCHES if name.startswith(("restore_", "verify_dump_"))}
    assert asked == switches


@pytest.mark.parametrize("name", RESTORES)
def test_a_restore_refuses_a_misspelt_name_before_anything_else(name: str) -> None:
    playbooks = ROOT / "ansible/playbooks"
    (first, *_) = yaml.safe_load((playbooks / f"{name}.yml").read_text(encoding="utf-8"))[0]["tasks"]
    path = playbooks / first["ansible.builtin.import_tasks"]
    while "ignored_variables" not in (text := path.read_text(encoding="utf-8")):
        path = path.parent / yaml.safe_load(text)[0]["ansible.builtin.import_tasks"]
