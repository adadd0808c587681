"""Exceptions: data with a reason and an end."""

import datetime
from pathlib import Path

import pytest
from examples_of_rules import RULES
from policy import accepted
from policy.accepted import ExceptionsError
from policy.model import Resource
from policy.rule import Violation

TODAY = datetime.date(2026, 11, 28)
ENTRY = {"rule": "ec2-detailed-monitoring", "resource": "db1-*", "reason": "costs", "until": "2026-11-28"}
VIOLATION = Violation(
    rule=RULES["ec2-detailed-monitoring"],
    resource=Resource(
        type="aws:ec2/instance:Instance",
        name="db1-instance",
        urn="urn:pulumi:production::freelance-platform::freelance:compute:Host$aws:ec2/instance:Instance::db1-instance",
        inputs={},
    ),
    found="monitoring is not set",
)


def written(folder: Path, **changes: str | None) -> Path:
    entry = {key: value for key, value in {**ENTRY, **changes}.items() if value is not None}
    path = folder / "exceptions.yml"
    path.write_text("exceptions:\n- " + "\n  ".join(f"{key}: {value}" for key, value in entry.items()))
    return path


def judged(path: Path, today: datetime.date = TODAY) -> str | None:
    return accepted.judge(VIOLATION, accepted.read(RULES, path), today)


@pytest.mark.parametrize("resource", ["db1-instance", "db1-*", "urn:pulumi:production::*::db1-instance"])
def test_a_violation_is_accepted_to_the_last_day(tmp_path: Path, resource: str) -> None:
    assert judged(written(tmp_path, resource=f"'{resource}'")) is None


def test_an_exception_that_ended_counts_and_says_so(tmp_path: Path) -> None:
    message = judged(written(tmp_path), TODAY + datetime.timedelta(days=1))
    assert message == f"{VIOLATION} The exception ended on 2026-11-28 (costs)."


@pytest.mark.parametrize(("key", "value"), [("rule", "ec2-ebs-optimised"), ("resource", "db2-*"), ("resource", "db1")])
def test_an_exception_covers_nothing_else(tmp_path: Path, key: str, value: str) -> None:
    assert judged(written(tmp_path, **{key: value})) == str(VIOLATION)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rule": "ec2-detailed-monitring"}, "entry 1: no rule 'ec2-detailed-monitring'"),
        ({"reason": "''"}, "entry 1: reason ''; a text is needed"),
        ({"reason": None}, "exactly rule, resource, reason, until are needed"),
        ({"untill": "2026-11-28"}, "exactly rule, resource, reason, until are needed"),
        ({"until": "'2026-11-28'"}, "entry 1: until '2026-11-28'; a day is needed"),
        ({"until": "2026-11-28 12:00:00"}, "a day is needed"),
        ({"resource": "7"}, "entry 1: resource 7; a text is needed"),
    ],
    ids=str,
)
def test_a_wrong_entry_is_refused(tmp_path: Path, changes: dict[str, str | None], message: str) -> None:
    with pytest.raises(ExceptionsError) as refused:
        accepted.read(RULES, written(tmp_path, **changes))
    assert message in str(refused.value)


def test_a_file_without_a_list_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "exceptions.yml"
    path.write_text("---\n")
    with pytest.raises(ExceptionsError, match="a list under `exceptions` is needed"):
        accepted.read(RULES, path)


def test_what_is_no_yaml_is_refused_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(ExceptionsError, match=r"exceptions\.yml is no YAML: .*\n.*line 3"):
        accepted.read(RULES, written(tmp_path, resource="*"))


def test_the_files_own_exceptions_are_readable() -> None:
    assert isinstance(accepted.read(RULES), list)
