"""The lab's stack: always in the lab's own backend, which holds nothing else when it is removed."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from lab import keys, preflight, sandbox, stack
from lab.commands import destroy
from lab.errors import LabError


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The folder of the stacks' states in an empty backend."""
    monkeypatch.setattr(stack, "BACKEND", tmp_path)
    return tmp_path / ".pulumi" / "stacks"


def keep(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("{}")


def test_a_backend_with_the_lab_alone_or_without_any_stack_may_go(backend: Path) -> None:
    stack.refuse_other_stacks()
    keep(backend, "freelance-platform/lab.json", "freelance-platform/lab.json.bak", "freelance-platform/lab.json.attrs")
    stack.refuse_other_stacks()


@pytest.mark.parametrize("file", ["freelance-platform/production.json", "freelance-platform/production.json.gz"])
def test_the_state_of_another_stack_is_named_with_the_way_out(backend: Path, file: str) -> None:
    keep(backend, "freelance-platform/lab.json", file)
    with pytest.raises(LabError, match="holds the state of freelance-platform/production too") as refusal:
        stack.refuse_other_stacks()
    assert "pulumi stack export --stack production" in str(refusal.value)
    assert "PULUMI_BACKEND_URL" in str(refusal.value)


def test_the_same_name_in_another_project_is_another_stack(backend: Path) -> None:
    keep(backend, "elsewhere/lab.json")
    with pytest.raises(LabError, match="elsewhere/lab"):
        stack.refuse_other_stacks()


def test_the_labs_backend_is_used_whatever_the_shell_has_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen: list[dict[str, str]] = []

    def run(argv: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        seen.append(options["env"])
        answer = "[]" if "ls" in argv else json.dumps({"deployment": {}})
        return subprocess.CompletedProcess(argv, 0, answer, "")

    for name in ("STATE", "BACKEND", "PULUMI_HOME"):
        monkeypatch.setattr(stack, name, tmp_path)
    for name in ("PASSPHRASE_FILE", "CONTRACT"):
        monkeypatch.setattr(stack, name, tmp_path / name.lower())
    monkeypatch.setattr(keys, "ensure_key", lambda: None)
    monkeypatch.setattr(stack, "run", run)
    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setenv("PULUMI_BACKEND_URL", "s3://production-state")
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "production's")
    monkeypatch.setenv("PULUMI_STACK", "production")
    stack.prepare()
    stack.bring_up()
    assert len(seen) == 5
    for environment in seen:
        assert environment["PULUMI_BACKEND_URL"] == f"file://{tmp_path}"
        assert environment["PULUMI_CONFIG_PASSPHRASE_FILE"] == str(tmp_path / "passphrase_file")
        assert not {"PULUMI_CONFIG_PASSPHRASE", "PULUMI_STACK"} & set(environment)


def test_destroy_does_not_even_ask_while_another_stack_is_there(monkeypatch: pytest.MonkeyPatch, backend: Path) -> None:
    keep(backend, "freelance-platform/production.json")
    monkeypatch.setattr(preflight, "refuse_no_root", lambda: None)
    monkeypatch.setattr(sandbox, "refuse_other_owner", lambda: None)
    monkeypatch.setattr(destroy, "_confirm", lambda: pytest.fail("it would go on"))
    with pytest.raises(LabError, match="production"):
        destroy.main([])
