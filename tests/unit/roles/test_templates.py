"""Each template of each role renders with Ansible's own templar; an undefined variable is a failure."""

from functools import cache
from pathlib import Path
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import filter_loader, init_plugin_loader, lookup_loader
from ansible.template import Templar, trust_as_template

from .role_files import ROLES, ROOT, Role

TEMPLATES = [(role, path) for role in ROLES for path in sorted(role.path.glob("templates/**/*.j2"))]
# Files whose readers know no comments: JSON, and the access list of Valkey.
WITHOUT_COMMENTS = (".json.j2", ".acl.j2")
ADDRESS = "10.98.0.11"


@pytest.fixture(scope="module", autouse=True)
def plugins() -> None:
    """The filters and lookups that a play of this repository finds."""
    init_plugin_loader()
    filter_loader.add_directory(str(ROOT / "ansible/plugins/filter"))
    lookup_loader.add_directory(str(ROOT / "ansible/plugins/lookup"))
    for role in ROLES:
        filter_loader.add_directory(str(role.path / "filter_plugins"))


def load(path: Path) -> Any:
    """YAML whose texts Ansible takes as templates; {} when the file is missing."""
    return DataLoader().load_from_file(str(path), trusted_as_template=True) if path.exists() else {}


def scenario(path: Path) -> dict[str, Any]:
    """Variables that a molecule scenario gives to all of its hosts, and to the first one."""
    given = load(path)
    inventory = given.get("provisioner", {}).get("inventory", {})
    first = given["platforms"][0]["name"]
    names = [platform["name"] for platform in given["platforms"]]
    return {
        **inventory.get("group_vars", {}).get("all", {}),
        **inventory.get("host_vars", {}).get(first, {}),
        "inventory_hostname": first,
        "hostvars": {name: {"ansible_host": ADDRESS, "inventory_hostname": name} for name in names},
        "groups": {"all": names},
        "ansible_play_hosts_all": names,
        "ansible_play_hosts": names,
    }


@cache
def examples() -> dict[str, Any]:
    """Variables of all roles' default scenarios and all defaults: one role's example may name another's variable."""
    values: dict[str, Any] = {}
    for path in sorted((ROOT / "roles").glob("*/molecule/default/molecule.yml")):
        values |= scenario(path)
    for other in ROLES:
        values |= load(other.path / "defaults/main.yml") or {}
    return values


def variables(role: Role, scenario_file: Path) -> dict[str, Any]:
    """What a template of the role sees: examples of all roles, then its own scenario and internals."""
    values = examples() | scenario(scenario_file)
    values |= load(role.path / "vars/main.yml") or {}
    # Registered results and loop variables have no place of their own: the scenario's folder may name examples.
    values |= load(scenario_file.parent / "vars/template_examples.yml") or {}
    return {"ansible_managed": "Ansible managed", "ansible_host": ADDRESS, "ansible_check_mode": False, **values}


def render(role: Role, path: Path, scenario_file: Path, **others: Any) -> str:
    """The template's text, with other values than the scenario's."""
    loader = DataLoader()
    loader.set_basedir(str(role.path / "templates"))
    given = variables(role, scenario_file) | {
        "ansible_search_path": [str(role.path), str(role.path / "templates")],
        "role_path": str(role.path),
        "role_name": role.name,
        **others,
    }
    templar = Templar(loader=loader, variables=given)
    return str(templar.template(trust_as_template(path.read_text())))


CASES = [
    pytest.param(role, path, scenario_file, id=f"{role.name}-{scenario_file.parent.name}-{path.name}")
    for role, path in TEMPLATES
    for scenario_file in sorted(role.path.glob("molecule/*/molecule.yml"))
]


@pytest.mark.parametrize(("role", "path", "scenario_file"), CASES)
def test_a_template_renders_with_nothing_undefined(role: Role, path: Path, scenario_file: Path) -> None:
    text = render(role, path, scenario_file)
    if not path.name.endswith(WITHOUT_COMMENTS):
        assert "Ansible managed" in text, "its first line is {{ ansible_managed | comment }}"
    assert "{{" not in text
    assert "{%" not in text


@pytest.mark.parametrize(("key_type", "keys"), [({"key_type": "shared"}, 2), ({"key_type": "auto"}, 0), ({}, 0)])
def test_a_bucket_is_kept_as_declared_and_the_instance_profile_signs_where_no_key_does(
    key_type: dict[str, str], keys: int
) -> None:
    (role,) = (role for role in ROLES if role.name == "wal_archive")
    bucket = {"type": "s3", "bucket": "kept", "region": "cn-north-1", "kms_key_arn": "arn:1", **key_type}
    scenario_file = role.path / "molecule/alternative/molecule.yml"
    template = role.path / "templates/pgbackrest.conf.j2"
    text = render(role, template, scenario_file, wal_archive_repositories=[bucket])
    lines = set(text.splitlines())
    wanted = {
        *("repo1-s3-endpoint=s3.cn-north-1.amazonaws.com.cn", "repo1-s3-kms-key-id=arn:1"),
        *("repo1-bundle=y", "repo1-block=y"),
        *("repo1-retention-full-type=time", "repo1-retention-full=30", "repo1-retention-diff=7"),
        *("repo1-cipher-type=aes-256-cbc", "compress-type=zst", "compress-level=1", "process-max=3"),
        *("archive-async=y", "archive-get-queue-max=256MiB", "spool-path=/var/spool/pgbackrest"),
        f"repo1-s3-key-type={key_type.get('key_type', 'auto')}",
    }
    assert wanted - lines == set()
    assert "[global:backup]\nprocess-max=1\n" in text
    assert len([line for line in lines if line.startswith(("repo1-s3-key=", "repo1-s3-key-secret="))]) == keys


@pytest.mark.parametrize("name", ["wal_archive", "backup_repository"])
def test_a_connection_whose_other_end_died_is_given_up_within_a_minute(name: str) -> None:
    (role,) = (role for role in ROLES if role.name == name)
    text = render(role, role.path / "templates/pgbackrest.conf.j2", role.path / "molecule/default/molecule.yml")
    keep_alive = [line for line in text.splitlines() if line.startswith("tcp-keep-alive")]
    # The first question after 30 s of silence, then 3 without an answer.
    assert keep_alive == ["tcp-keep-alive-idle=30", "tcp-keep-alive-interval=10", "tcp-keep-alive-count=3"]
    # Of each command: pgBackRest's servers and its clients both wait.
    silence = [line for line in text.splitlines() if "-timeout" in line]
    assert {"db-timeout=240", "protocol-timeout=300"} <= set(silence)
    assert text.index("[global]") < text.index("tcp-keep-alive") < text.index("\n[", text.index("[global]"))


def test_an_undefined_variable_is_a_failure(tmp_path: Path) -> None:
    template = tmp_path / "wrong.j2"
    template.write_text("{{ ansible_managed | comment }}\n{{ host_baseline_misspelt }}\n")
    role = next(role for role in ROLES if role.name == "host_baseline")
    with pytest.raises(Exception, match="host_baseline_misspelt"):
        render(role, template, role.path / "molecule/default/molecule.yml")
