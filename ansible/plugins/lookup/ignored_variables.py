"""Variables that an operator wrote for nothing: misspelt ones, and those for all hosts that the playbooks override."""

import difflib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.lookup import LookupBase
from ansible.utils.vars import load_extra_vars

DOCUMENTATION = """
name: ignored_variables
short_description: Variables that an operator wrote for nothing
description:
  - Looks at the files in group_vars and host_vars of the inventory in use, and at C(-e).
  - Known are the arguments of all roles, what the playbooks' group_vars set, and the settings of an environment.
  - The playbooks' group_vars win over the inventory's for all hosts, and lose against its narrower groups and hosts.
  - Names that begin with C(ansible_), C(vault_) or C(__) are the operator's own.
options:
  _terms:
    description: Names of the settings of an environment.
    required: true
"""
EXAMPLES = """
- ansible.builtin.assert:
    that: query('ignored_variables', 'environment_directory') == []
"""
RETURN = """
_raw:
  description: For each ignored variable one sentence with where it stands, why it is ignored and what to do.
"""

ROOT = Path(__file__).resolve().parents[3]
OWN_PREFIXES = ("ansible_", "vault_", "__")
# Said by `-e` alone, for one run.
SWITCHES = (
    "postgresql_allow_restart",
    "remake_member_without_wal",
    "restore_cluster_identifier",
    "restore_confirmed",
    "restore_database_file",
    "restore_database_into",
    "restore_database_table",
    "restore_from_dump_file",
    "restore_from_dump_globals",
    "restore_keep_old",
    "restore_repository",
    "restore_repository_time",
    "restore_set",
    "restore_target",
    "restore_target_value",
    "restore_timeline",
    "restore_without_newest",
    "verify_dump_file",
)


def arguments_of_roles(root: Path = ROOT) -> set[str]:
    """Return the names that the roles' specs declare."""
    specs = (yaml.safe_load(path.read_text(encoding="utf-8")) for path in root.glob("roles/*/meta/argument_specs.yml"))
    return {name for spec in specs for name in spec["argument_specs"]["main"]["options"]}


def wired_names(root: Path = ROOT) -> dict[str, str]:
    """Return each name that the playbooks' group_vars set, with its file."""
    # A link is another group with the same wiring: the file is named.
    files = sorted(path for path in root.glob("ansible/playbooks/group_vars/*.yml") if not path.is_symlink())
    return {name: str(path.relative_to(root)) for path in files for name in yaml.safe_load(path.read_text("utf-8"))}


def ignored(
    written: Mapping[str, Collection[str]], extra: Collection[str], arguments: set[str], wired: Mapping[str, str]
) -> Iterator[str]:
    """Yield a sentence for each name of `written` (by file) or `extra` (by `-e`) that has no effect."""
    known = {*arguments, *SWITCHES, *(name for name in wired if not name.startswith("__"))}
    for place, names in [*written.items(), ("-e", extra)]:
        for name in sorted(names):
            if name.startswith(OWN_PREFIXES):
                continue
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1, cutoff=0.0)[0]
                yield f"{place}: there is no setting {name}; did you mean {near}?"
            elif name in wired and "group_vars/all" in place:
                yield f"{place}: {name} has no effect here: {wired[name]} sets it everywhere. Change it there."


def written_names(folder: Path, loader: DataLoader) -> dict[str, set[str]]:
    """Return the names of an inventory's group_vars and host_vars, by file."""
    files = [path for kind in ("group_vars", "host_vars") for path in sorted((folder / kind).rglob("*"))]
    return {
        str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path): set(loader.load_from_file(str(path)) or {})
        for path in files
        if path.is_file() and path.suffix in {"", ".yml", ".yaml", ".json"}
    }


class LookupModule(LookupBase):  # type: ignore[misc]  # Ansible ships no types
    """The plugin as Ansible calls it."""

    def run(self, terms: list[str], variables: Mapping[str, Any] | None = None, **_: Any) -> list[str]:
        """Return the sentences; an empty list when every variable has an effect."""
        folder = Path(str((variables or {})["inventory_dir"]))
        extra = load_extra_vars(self._loader)
        return list(ignored(written_names(folder, self._loader), extra, arguments_of_roles() | {*terms}, wired_names()))
