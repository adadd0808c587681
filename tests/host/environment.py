"""An environment as Ansible sees it: hosts and groups of the contract, and each host's rendered variables."""

import os
import shlex
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import testinfra  # type: ignore[import-untyped] # ships no types
import yaml
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import filter_loader, init_plugin_loader, lookup_loader
from ansible.template import Templar, trust_as_template
from ansible.vars.manager import VariableManager

from tests.host import redaction

ROOT = Path(__file__).resolve().parents[2]
SOCKETS = Path.home() / ".ansible/freelance-ssh"  # the directory that ansible.cfg names


class Declared(Mapping[str, Any]):
    """Variables of one host, rendered when asked for. A role's defaults count where nobody sets a value."""

    def __init__(self, environment: "Environment", host: str) -> None:
        self._values = {
            **environment.role_defaults,
            **environment.variables.get_vars(host=environment.inventory.get_host(host), include_hostvars=True),
        }
        self._loader = environment.loader
        self._templar = Templar(loader=self._loader, variables=self._values)

    def __getitem__(self, name: str) -> Any:
        return self._templar.template(self._values[name])

    def render(self, template: str) -> Any:
        """Render a template that the tests wrote, with the host's variables."""
        return self._templar.template(trust_as_template(template))

    def file(self, role: str, template: str) -> str:
        """Render a template file of a role, as the role writes it."""
        values = {**self._values, "ansible_search_path": [str(ROOT / "roles" / role)]}
        templar = Templar(loader=self._loader, variables=values)
        return str(templar.template(trust_as_template(f"{{{{ lookup('ansible.builtin.template', '{template}') }}}}")))

    def __iter__(self) -> Any:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


class Environment:
    """Inventory, variables and connections of one environment. Raises AnsibleError for a contract that is refused."""

    def __init__(self, name: str) -> None:
        os.environ.setdefault("ANSIBLE_CONFIG", str(ROOT / "ansible.cfg"))
        init_plugin_loader()
        for folder in sorted(ROOT.glob("roles/*/filter_plugins")):
            filter_loader.add_directory(str(folder))
        self.name = name
        self.loader = DataLoader()
        self.inventory = InventoryManager(loader=self.loader, sources=[str(ROOT / "inventories" / name)])
        # Variables beside the playbooks count, as in ansible-playbook.
        self.loader.set_basedir(str(ROOT / "ansible" / "playbooks"))
        self.variables = VariableManager(loader=self.loader, inventory=self.inventory)
        self._declared: dict[str, Declared] = {}

    @cached_property
    def role_defaults(self) -> dict[str, Any]:
        """The defaults and constants of all roles: their names are prefixed, so they never collide."""
        values: dict[str, Any] = {}
        for path in sorted([*ROOT.glob("roles/*/defaults/main.yml"), *ROOT.glob("roles/*/vars/main.yml")]):
            values |= self.loader.load_from_file(str(path), trusted_as_template=True) or {}
        return values

    def hosts(self, group: str) -> list[str]:
        """Return the names of a group's hosts in the contract's order; retiring hosts run nothing."""
        groups: dict[str, list[str]] = self.inventory.get_groups_dict()
        return [name for name in groups.get(group, []) if name not in groups.get("retiring", [])]

    def declared(self, host: str) -> Declared:
        """Return the variables of a host."""
        return self._declared.setdefault(host, Declared(self, host))

    def tunnel_problems(self) -> list[str]:
        """Return what keeps this machine from opening tunnels to the hosts, in check_site.yml's own words."""
        commands = [self.declared(host)["platform_host"]["connect"]["proxy_command"] for host in self.hosts("all")]
        return list(lookup_loader.get("aws_cli_problems").run(commands))

    def connection(self, host: str) -> Any:
        """Return a testinfra host over ssh. One connection is kept open and shared with Ansible's settings."""
        values = self.declared(host)
        return testinfra.get_host(
            f"ssh://{values['ansible_user']}@{values['ansible_host']}:{values['ansible_port']}",
            sudo=True,
            ssh_identity_file=values["ansible_ssh_private_key_file"],
            ssh_extra_args=self._ssh_options(values),
        )

    def ssh(self, host: str) -> list[str]:
        """Return the ssh command line that a remote command is appended to, for what talks with a program there."""
        values = self.declared(host)
        target = ["-p", str(values["ansible_port"]), f"{values['ansible_user']}@{values['ansible_host']}"]
        return [
            "ssh",
            "-i",
            str(values["ansible_ssh_private_key_file"]),
            *shlex.split(self._ssh_options(values)),
            *target,
        ]

    @staticmethod
    def _ssh_options(values: Mapping[str, Any]) -> str:
        SOCKETS.mkdir(mode=0o700, parents=True, exist_ok=True)
        options = f"-o ControlMaster=auto -o ControlPersist=300s -o ControlPath={SOCKETS}/%C"
        alive = f"-o ConnectTimeout={values['ansible_ssh_timeout']} -o BatchMode=yes"
        alive += " -o ServerAliveInterval=5 -o ServerAliveCountMax=3"
        return f"{options} {alive} {values['ansible_ssh_common_args']}"

    def authority_file(self) -> Path:
        """Return the CA certificate that show_card.yml wrote on this machine."""
        return ROOT / str(self.declared(self.hosts("all")[0])["environment_directory"]) / "ca.crt"

    def secret(self, name: str) -> str:
        """Return the value of a secret of the lab or production; the tests never print it."""
        values = self.declared(self.hosts("database")[0])
        value = str(values.render(f"{{{{ lookup('platform_secret', platform_secrets['{name}']) }}}}"))
        return redaction.remember(value)


def settings_of(name: str) -> dict[str, Any]:
    """Return the inventory plugin's own settings of an environment."""
    return dict(yaml.safe_load((ROOT / "inventories" / name / "pulumi_stack.yml").read_text(encoding="utf-8")))
