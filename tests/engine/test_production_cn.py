"""The Chinese example stack: a first `up` that fails in the middle, and a second one that makes what is missing."""

import json

from engine_workspace import Engine
from golden_checks import assert_first_preview, assert_golden, assert_order, assert_settled

STACK = "production-cn"
FAILS = "db2-instance"


def test_a_first_preview_is_judged_and_changes_nothing(engine: Engine) -> None:
    assert_first_preview(engine)


def test_an_up_that_fails_in_the_middle_is_finished_by_the_next_one(engine: Engine) -> None:
    failed = engine.run("up", "--yes", "--skip-preview", check=False, environment={"RECORDING_AWS_FAILS": FAILS})
    assert failed.returncode != 0
    assert f"InsufficientInstanceCapacity: {FAILS}" in failed.stdout + failed.stderr
    first = engine.changes(0)
    assert len(first) > 20
    engine.run("up", "--yes", "--skip-preview")
    every = engine.changes(0)
    assert ("create", f"Instance {FAILS}") in every[len(first) :]
    assert {operation for operation, _ in every} == {"create"}
    assert len(set(every)) == len(every)  # nothing was made twice
    assert_golden(engine)


def test_each_resource_is_made_after_what_it_needs(engine: Engine) -> None:
    assert_order(engine)


def test_a_finished_stack_is_settled(engine: Engine) -> None:
    assert_settled(engine)


def test_nothing_is_of_the_other_partition(engine: Engine) -> None:
    text = json.dumps([{**one, "urn": ""} for one in engine.state()])
    assert "arn:aws-cn:" in text
    assert "arn:aws:" not in text
    assert "eu-central-1" not in text
