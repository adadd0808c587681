"""Read a secret by its reference, and refuse one that is missing, a placeholder or open to other users."""

import json
import stat
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from ansible.errors import AnsibleError
from ansible.plugins.loader import lookup_loader
from ansible.plugins.lookup import LookupBase

DOCUMENTATION = """
name: platform_secret
short_description: Read a secret by its reference
description:
  - Returns the value behind each reference. Values are never logged by this plugin; the task that uses one hides it.
options:
  _terms:
    description:
      - V(file:PATH#NAME) is the value NAME of a YAML file; V(file:PATH) is a whole file.
      - V(aws-secretsmanager:ARN) is a secret's text; V(aws-secretsmanager:ARN#KEY) is KEY of its JSON text.
      - A relative PATH counts from the repository's root.
    required: true
"""
EXAMPLES = """
- ansible.builtin.debug:
    msg: "{{ lookup('platform_secret', 'file:.lab/secrets.yml#monitor_password') | length }}"
"""
RETURN = """
_raw:
  description: The values, in the order of the references.
"""

ROOT = Path(__file__).resolve().parents[3]
# Modules get it from there by ansible.cfg; a plugin runs in Ansible's own process.
sys.path.append(str(ROOT / "ansible/plugins/module_utils"))
PLAYBOOK = "ansible/playbooks/initialise_secrets.yml"
PLACEHOLDER = "CHANGE_ME"
CERTIFICATE = "-----BEGIN CERTIFICATE-----"
# What the group and others must not be able to do: anything.
FOREIGN_ACCESS = stat.S_IRWXG | stat.S_IRWXO


def remedy(variables: Mapping[str, Any]) -> str:
    """Name the command that makes secrets, with the inventory in use: another one would make another's."""
    words = [
        f"-i {Path(source).relative_to(ROOT) if Path(source).is_relative_to(ROOT) else source}"
        for source in variables.get("ansible_inventory_sources") or ()
    ]
    return " ".join(["run: ansible-playbook", *words, PLAYBOOK])


class UnreadableError(AnsibleError):  # type: ignore[misc]  # Ansible ships no types
    """A secret is not there; the command that makes secrets is the remedy."""


def checked(value: object, reference: str) -> str:
    """Give the value back as text unless it is missing or a placeholder."""
    text = "" if value is None else str(value)
    if not text.strip():
        raise UnreadableError(f"secret {reference}: it is missing or empty")
    if text.strip().upper().startswith(PLACEHOLDER):
        raise UnreadableError(f"secret {reference}: it is still the placeholder {PLACEHOLDER}…")
    return text


def read_file(location: str, reference: str) -> str:
    """Read `PATH` or `PATH#NAME`. Only a certificate, which is public, may be readable by other users."""
    name_of_file, _, name = location.partition("#")
    path = ROOT / Path(name_of_file).expanduser()
    try:
        mode, text = path.stat().st_mode, path.read_text(encoding="utf-8")
    except OSError as error:
        raise UnreadableError(f"secret {reference}: {path}: {error.strerror}") from None
    if mode & FOREIGN_ACCESS and not text.lstrip().startswith(CERTIFICATE):
        raise AnsibleError(
            f"secret {reference}: {path} has mode {stat.S_IMODE(mode):04o}, at most 0600 is allowed;"
            f" run: chmod 600 {path}, and replace what others may have read"
        )
    if not name:
        return checked(text, reference)
    try:
        names = yaml.safe_load(text)
    except yaml.YAMLError:
        # Without the cause: the parser's own message quotes lines of the file.
        raise UnreadableError(f"secret {reference}: {path} is no YAML; mend it or delete it") from None
    if not isinstance(names, dict):
        raise UnreadableError(f"secret {reference}: {path} holds no names; mend it or delete it")
    return checked(names.get(name), reference)


def read_aws(location: str, reference: str, loader: Any, templar: Any) -> str:
    """Read `ARN` or `ARN#KEY` from Secrets Manager, in the region that the ARN names."""
    arn, _, key = location.partition("#")
    parts = arn.split(":")
    if len(parts) < 7 or parts[0] != "arn" or parts[2] != "secretsmanager":  # noqa: PLR2004  arn:p:secretsmanager:region:account:secret:name
        raise AnsibleError(f"secret {reference}: {arn} is no ARN of Secrets Manager; mend the stack's reference")
    # Loaded only here: an environment without AWS needs no boto3.
    plugin = lookup_loader.get("amazon.aws.secretsmanager_secret", loader=loader, templar=templar)
    if plugin is None:
        raise AnsibleError(f"secret {reference}: the collection amazon.aws is not installed; install requirements.txt")
    try:
        answer = plugin.run([arn], variables={}, region=parts[3], on_missing="error", on_deleted="error")
    except AnsibleError as error:
        from aws_refusal import explain  # noqa: PLC0415 - it loads botocore, which a controller without AWS lacks

        refusal = explain(error.__context__ or error, arn)
        if refusal.missing:
            raise UnreadableError(f"secret {reference}: {refusal.cause}") from None
        raise AnsibleError(f"secret {reference}: {refusal}") from None
    text = "".join(answer)
    if not key:
        return checked(text, reference)
    try:
        names = json.loads(text)
    except ValueError:
        raise UnreadableError(f"secret {reference}: its text is no JSON, so it has no key {key}") from None
    return checked(names.get(key) if isinstance(names, dict) else None, reference)


class LookupModule(LookupBase):  # type: ignore[misc]  # Ansible ships no types
    """`lookup('platform_secret', 'file:.lab/secrets.yml#name')`."""

    def run(self, terms: list[str], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[str]:  # noqa: ARG002  Ansible's own signature
        """Return the value of each reference."""
        try:
            return [self._read(reference) for reference in terms]
        except UnreadableError as error:
            raise AnsibleError(f"{error}; {remedy(variables or {})}") from None

    def _read(self, reference: str) -> str:
        kind, separator, location = str(reference).partition(":")
        if separator and kind == "file":
            return read_file(location, reference)
        if separator and kind == "aws-secretsmanager":
            return read_aws(location, reference, self._loader, self._templar)
        raise AnsibleError(
            f"secret reference {reference!r}: known are file:PATH#NAME, file:PATH, aws-secretsmanager:ARN"
        )
