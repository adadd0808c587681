"""The contract of the last `up` is read while the engine may be writing the stack's state."""

from types import SimpleNamespace
from typing import Any

import pulumi
import pytest
from infra import stack_outputs

EXPORTED = {"version": 2}


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What each read answers, in order: an exception is raised, the last one is repeated."""
    answers: list[Any] = []

    def invoke(*_: object) -> SimpleNamespace:
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        return SimpleNamespace(value=answer)

    monkeypatch.setattr(pulumi.runtime, "invoke", invoke)
    monkeypatch.setattr("infra.stack_outputs.READ_AGAIN_SECONDS", 0)
    for name in ("get_organization", "get_project", "get_stack"):
        monkeypatch.setattr(pulumi, name, lambda: "name")
    return answers


def test_a_half_written_checkpoint_is_read_again(reads: list[Any]) -> None:
    reads += [Exception("failed to load checkpoint: EOF")] * 3 + [{"outputs": {"contract": EXPORTED}}]
    assert stack_outputs.exported_contract() == EXPORTED


def test_a_checkpoint_that_stays_broken_is_told(reads: list[Any]) -> None:
    reads.append(Exception("failed to load checkpoint: EOF"))
    with pytest.raises(Exception, match="failed to load checkpoint"):
        stack_outputs.exported_contract()


def test_any_other_error_is_told_at_once(reads: list[Any]) -> None:
    reads += [Exception("no such backend"), {"outputs": {"contract": EXPORTED}}]
    with pytest.raises(Exception, match="no such backend"):
        stack_outputs.exported_contract()


@pytest.mark.parametrize("answer", [None, {}, {"outputs": None}, {"outputs": {"contract": "?"}}])
def test_a_stack_without_a_contract_has_none(reads: list[Any], answer: dict[str, Any] | None) -> None:
    reads.append(answer)
    assert stack_outputs.exported_contract() is None
