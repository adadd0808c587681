"""What passes between Pulumi's SDK and the rules."""

import datetime
from typing import Any

import pytest
from examples_of_rules import RULES
from policy import pack
from policy.model import UNKNOWN
from pulumi_policy import EnforcementLevel, ResourceValidationPolicy, StackValidationPolicy, proxy


def test_what_a_preview_does_not_know_arrives_as_such_and_hides_nothing_else() -> None:
    given: dict[str, Any] = {
        "encrypted": False,
        "kmsKeyId": proxy.UNKNOWN_STRING_VALUE,
        "list": [1.0, proxy.UNKNOWN_NUMBER_VALUE, {"inner": proxy.UNKNOWN_OBJECT_VALUE, "known": "x"}],
    }
    assert pack.plain(proxy.unknown_checking_proxy(given)) == {
        "encrypted": False,
        "kmsKeyId": UNKNOWN,
        "list": [1.0, UNKNOWN, {"inner": UNKNOWN, "known": "x"}],
    }


@pytest.mark.parametrize("name", RULES)
def test_each_rule_becomes_a_policy_of_its_level(name: str) -> None:
    rule = RULES[name]
    made = pack.policy(rule, [], datetime.date(2026, 11, 28))
    assert (made.name, made.description) == (name, rule.limit)
    assert made.enforcement_level == EnforcementLevel(rule.level)
    assert isinstance(made, ResourceValidationPolicy if rule.types else StackValidationPolicy)
