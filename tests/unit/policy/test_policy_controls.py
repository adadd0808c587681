"""Each control that the platform answers for is a rule, or listed with the reason why it does not apply."""

from pathlib import Path
from typing import Any

import yaml
from examples_of_rules import ROOT, RULES

REQUIRED: dict[str, list[str]] = yaml.safe_load(Path(__file__).with_name("required_controls.yml").read_text("utf-8"))
NOT_APPLICABLE: dict[str, Any] = yaml.safe_load((ROOT / "pulumi/policy/controls.yml").read_text("utf-8"))[
    "not_applicable"
]
HELD = {control for rule in RULES.values() for control in rule.controls}


def test_each_required_control_is_held_or_said_not_to_apply() -> None:
    required = {control for controls in REQUIRED.values() for control in controls}
    assert required - HELD - set(NOT_APPLICABLE) == set()


def test_what_does_not_apply_has_a_reason_and_no_rule() -> None:
    assert HELD & set(NOT_APPLICABLE) == set()
    assert all(isinstance(reason, str) and len(reason.split()) > 3 for reason in NOT_APPLICABLE.values())


def test_each_rule_names_its_controls_its_limit_and_its_remedy() -> None:
    for name, rule in RULES.items():
        assert rule.controls, name
        assert rule.limit.endswith("."), name
        assert rule.remedy.endswith("."), name
        assert len(name) < 60, name
