"""A workspace for the real engine: its own home, its own state, our program and a recording aws provider."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from example_stacks import STACKS, completed
from golden_files import ID_DIGITS, readable

PROVIDER = Path(__file__).with_name("recording_aws.py")
PROVIDER_VERSION = "7.51.1"
ROOT = Path(__file__).parents[2]
POLICY_PACK = ROOT / "pulumi/policy"
Settings = Mapping[str, Any]


@dataclass
class Engine:
    """Runs `pulumi` on a stack of this repository. `settings` are changes to the example stack file."""

    home: Path
    stack: str = "production"
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def project(self) -> Path:
        return self.home / "project"

    @property
    def journal_file(self) -> Path:
        return self.home / "journal"

    def run(
        self,
        *command: str,
        settings: Settings | None = None,
        check: bool = True,
        environment: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run one command; with `check` a failure fails the test and shows what was printed."""
        arguments = ["pulumi", "--non-interactive", "--color", "never", *command, "--stack", self.stack]
        # An example stack is held to the policies, whatever is tested with it.
        own_pack = "--policy-pack" in command
        if command[0] in {"preview", "up"} and self.stack in STACKS and not own_pack:
            arguments += ["--policy-pack", str(POLICY_PACK)]
        if settings is not None:
            self.write_config(settings)
        done = subprocess.run(
            arguments,
            cwd=self.project,
            env={**self.environment, **(environment or {})},
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        if check:
            assert done.returncode == 0, done.stdout + done.stderr
        return done

    def write_config(self, settings: Settings) -> None:
        """Write the example stack's configuration, completed, with changes: `key: value`, `None` takes a key away."""
        config = completed(yaml.safe_load((ROOT / f"Pulumi.{self.stack}.yaml").read_text(encoding="utf-8"))["config"])
        for key, value in settings.items():
            full = key if ":" in key else f"freelance-platform:{key}"
            config.pop(full, None)
            if value is not None:
                config[full] = value
        path = self.project / f"Pulumi.{self.stack}.yaml"
        kept = yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else {}
        path.write_text(yaml.safe_dump({**kept, "config": config}), encoding="utf-8")

    def up(self, **settings: Any) -> subprocess.CompletedProcess[str]:
        return self.run("up", "--yes", "--skip-preview", settings=settings)

    def contract(self) -> dict[str, Any]:
        """Return the exported contract, as the inventory reads it."""
        value: dict[str, Any] = json.loads(self.run("stack", "output", "contract", "--json").stdout)
        return value

    def state(self) -> list[dict[str, Any]]:
        """Return the resources of the state."""
        exported = json.loads(self.run("stack", "export").stdout)
        resources: list[dict[str, Any]] = exported["deployment"].get("resources", [])
        return resources

    def journal(self, since: int = 0) -> list[dict[str, str]]:
        """Return what the provider was asked to change."""
        if not self.journal_file.exists():
            return []
        return [json.loads(line) for line in self.journal_file.read_text(encoding="utf-8").splitlines()[since:]]

    def changes(self, since: int) -> list[tuple[str, str]]:
        """Return what the provider was asked to change, in order: operation and `type name`, the type in short."""
        return [
            (line["operation"], f"{line['type'].rsplit(':', 1)[-1]} {line['name']}") for line in self.journal(since)
        ]

    def declared(self) -> dict[str, dict[str, Any]]:
        """Return the resources of the state in the form of the golden files, without what a state does not tell."""
        resources = [one for one in self.state() if not one["type"].startswith("pulumi:")]
        ids = {one["id"][-ID_DIGITS:]: name_of(one["urn"]) for one in resources if one.get("id")}
        entries = {}
        for one in resources:
            shown = {
                "parent": name_of(one["parent"]),
                "protect": one.get("protect"),
                "retain_on_delete": one.get("retainOnDelete"),
                "inputs": readable(one.get("inputs"), ids),
            }
            entries[f"{one['type']} {name_of(one['urn'])}"] = {key: value for key, value in shown.items() if value}
        return entries


def make_stack(home: Path, stack: str) -> Engine:
    """Return an engine with this stack, which is empty."""
    engine = make_engine(home, stack)
    engine.run("stack", "init", settings={})
    return engine


def name_of(urn: str) -> str:
    """Return the name that a URN ends with; the stack itself has none."""
    return "" if "::pulumi:pulumi:Stack::" in urn else urn.rsplit("::", 1)[-1]


def make_engine(home: Path, stack: str) -> Engine:
    """Return an engine with a state and a home of its own, and the recording provider as its only plugin."""
    directory = subprocess.run(
        [ROOT / "lab/engine/build"], capture_output=True, text=True, check=True, timeout=1800
    ).stdout.strip()
    plugin = home / "plugins" / f"resource-aws-v{PROVIDER_VERSION}"
    plugin.mkdir(parents=True)
    (home / "state").mkdir()
    # The project as it is, but with stack files of its own: the engine writes into those.
    (home / "project").mkdir()
    for name in ("Pulumi.yaml", "pulumi", "lab", ".venv"):
        (home / "project" / name).symlink_to(ROOT / name)
    starter = plugin / "pulumi-resource-aws"
    starter.write_text(f'#!/bin/sh\nexec "{sys.executable}" -u "{PROVIDER}" "$@"\n')
    starter.chmod(0o755)
    passphrase = home / "passphrase"
    passphrase.write_text("only for tests")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PULUMI_", "AWS_"))}
    own = {
        "PULUMI_HOME": str(home),
        "PULUMI_BACKEND_URL": f"file://{home / 'state'}",
        "PULUMI_CONFIG_PASSPHRASE_FILE": str(passphrase),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "PULUMI_IGNORE_AMBIENT_PLUGINS": "true" if directory else "",
        "PATH": os.pathsep.join(filter(None, [directory, os.environ["PATH"]])),
    }
    engine = Engine(home=home, stack=stack, environment={**kept, **own})
    engine.environment["RECORDING_AWS_JOURNAL"] = str(engine.journal_file)
    return engine
