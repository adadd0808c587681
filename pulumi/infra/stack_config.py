"""From a stack's configuration (keys and texts, as the engine passes them) to Settings. Nothing of Pulumi.

Types, required keys and defaults are the engine's work (the schema in Pulumi.yaml); unknown keys are refused here,
because the engine accepts them in silence.
"""

import difflib
import json
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any, cast, get_args

import yaml

from infra.limits import ETCD_SIZES
from infra.problems import Problem, SettingsError
from infra.settings import Architecture, Connections, HostSize, Settings, Ssh, Target
from infra.settings_rules import TARGETS

PROJECT_FILE = Path(__file__).parents[2] / "Pulumi.yaml"
# Keys of the aws provider that a stack may set; the program itself reads the region alone.
AWS_KEYS = ("region", "profile", "allowedAccountIds", "forbiddenAccountIds", "assumeRoles", "defaultTags", "maxRetries")


@cache
def project() -> Mapping[str, Any]:
    """Return Pulumi.yaml: the project's name and the schema of its settings."""
    return cast("Mapping[str, Any]", yaml.safe_load(PROJECT_FILE.read_text(encoding="utf-8")))


@cache
def known_keys() -> tuple[str, ...]:
    """Return each key that a stack may set, with its namespace."""
    return (*(f"{project()['name']}:{key}" for key in project()["config"]), *(f"aws:{key}" for key in AWS_KEYS))


def from_files(stack: str) -> tuple[dict[str, str], set[str]]:
    """Return a stack's configuration as the engine passes it, from its files, and the keys of its secrets."""
    schema, file = project()["config"], PROJECT_FILE.with_name(f"Pulumi.{stack}.yaml")
    values = {f"{project()['name']}:{key}": entry["default"] for key, entry in schema.items() if "default" in entry}
    values |= (yaml.safe_load(file.read_text(encoding="utf-8")) or {}).get("config") or {}
    secret = {key for key, value in values.items() if isinstance(value, dict) and "secure" in value}
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in values.items()}, secret


def unknown_keys(config: Mapping[str, str], known: tuple[str, ...]) -> Iterator[Problem]:
    """Yield each key that nothing reads, with the nearest one that something does."""
    for key in sorted(set(config) - set(known)):
        if key.startswith("pulumi:"):  # the engine's own, such as pulumi:tags
            continue
        near = difflib.get_close_matches(key, known, n=1, cutoff=0.0)[0]
        yield Problem(key, "no such setting", f"did you mean {near}? (pulumi config rm {key})")


def secret_settings(keys: Collection[str]) -> Iterator[Problem]:
    """Yield each key that is kept as a secret: resources would carry its value into the state in the clear."""
    for key in sorted(keys):
        remedy = f"pulumi config rm {key}; secrets belong into the secret store, the platform names them by reference"
        yield Problem(key, "kept as a secret; a stack's settings are public", remedy)


def read(config: Mapping[str, str], *, project: str, stack: str, secret_keys: Collection[str] = ()) -> Settings:
    """Build the settings. Raises SettingsError for unknown keys, unreadable values and what Settings refuses."""
    reader = _Reader(config, project)
    reader.problems.extend(unknown_keys(config, known_keys()))
    reader.problems.extend(secret_settings(secret_keys))
    try:
        settings = _settings(reader, config, project, stack)
    except SettingsError:
        if reader.problems:  # what could not be read stands for its consequences
            raise SettingsError(reader.problems) from None
        raise
    if reader.problems:
        raise SettingsError(reader.problems)
    return settings


def _settings(reader: "_Reader", config: Mapping[str, str], project: str, stack: str) -> Settings:
    network = reader.network("network")
    hosts = reader.integer("database_hosts")
    return Settings(
        project=project,
        environment=stack,
        region=config.get("aws:region", ""),
        target=cast("Target", reader.choice("target", tuple(TARGETS))),
        network=network,
        operator_network=reader.network("operator_network"),
        zones=reader.texts("zones"),
        clients=reader.networks("clients") or (network,),
        database_hosts=hosts,
        retiring_hosts=reader.texts("retiring_hosts"),
        etcd_members=reader.integer("etcd_members") or (ETCD_SIZES[1] if hosts >= ETCD_SIZES[1] else 1),
        database_size=HostSize(
            cores=reader.integer("database_cores"), memory_mib=reader.integer("database_memory_mib")
        ),
        service_size=HostSize(cores=reader.integer("service_cores"), memory_mib=reader.integer("service_memory_mib")),
        service_serves=reader.texts("service_serves"),
        data_volume_gib=reader.integer("data_volume_gib"),
        wal_volume_gib=reader.integer("wal_volume_gib"),
        etcd_volume_gib=reader.integer("etcd_volume_gib"),
        repository_volume_gib=reader.integer("repository_volume_gib"),
        architecture=cast("Architecture", reader.choice("architecture", get_args(Architecture))),
        connections=Connections(
            max_connections=reader.integer("max_connections"),
            pooler_connections=reader.integer("pooler_connections"),
            direct_connections=reader.integer("direct_connections"),
            reserved_connections=reader.integer("reserved_connections"),
        ),
        ssh=Ssh(
            user=reader.text("ssh_user"),
            private_key_file=reader.text("ssh_private_key_file"),
            known_hosts_file=reader.text("ssh_known_hosts_file"),
            proxy_command=reader.text("ssh_proxy_command"),
            public_key=reader.text("ssh_public_key"),
        ),
        image_id=reader.text("image_id"),
    )


class _Reader:
    """Reads single values and collects what is wrong with them."""

    def __init__(self, config: Mapping[str, str], project: str) -> None:
        self.config, self.project = config, project
        self.problems: list[Problem] = []

    def text(self, key: str) -> str:
        value = self.config.get(f"{self.project}:{key}")
        if value is None:
            self.problems.append(Problem(key, "not set", f"pulumi config set {key} <value>"))
            return ""
        return value

    def integer(self, key: str) -> int:
        value = self.text(key)
        try:
            return int(value or "0")
        except ValueError:
            self.problems.append(Problem(key, f"{value!r}; a whole number is needed", "give one"))
            return 0

    def choice(self, key: str, choices: tuple[str, ...]) -> str:
        value = self.text(key)
        if value and value not in choices:
            near = difflib.get_close_matches(value, choices, n=1, cutoff=0.0)[0]
            self.problems.append(Problem(key, f"{value!r}; one of {', '.join(choices)} is possible", f"take {near}"))
        return value if value in choices else choices[0]

    def texts(self, key: str) -> tuple[str, ...]:
        value = self.text(key) or "[]"
        try:
            items = json.loads(value)
        except ValueError:
            items = None
        if not isinstance(items, list):
            self.problems.append(Problem(key, f"{value!r}; a list is needed", f"pulumi config set --path '{key}[0]' …"))
            return ()
        return tuple(str(item) for item in items)

    def network(self, key: str) -> IPv4Network:
        return self._network(key, self.text(key))

    def networks(self, key: str) -> tuple[IPv4Network, ...]:
        return tuple(self._network(key, value) for value in self.texts(key))

    def _network(self, key: str, value: str) -> IPv4Network:
        try:
            return IPv4Network(value)
        except ValueError as error:
            if value:
                self.problems.append(Problem(key, f"{value!r}; {error}", "write a network like 10.20.0.0/16"))
            return IPv4Network("0.0.0.0/32")
