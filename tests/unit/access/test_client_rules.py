"""Rules of pg_hba.conf and pg_ident.conf are refused before a file is written."""

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "roles/postgresql_access/filter_plugins"))

from client_rules import hba_problems, ident_problems  # type: ignore[import-not-found]  # found by the line above

RULE = {
    "type": "hostssl",
    "databases": ["shop"],
    "roles": ["reader"],
    "address": "10.0.0.0/8",
    "method": "scram-sha-256",
}
LOCAL = {"type": "local", "databases": ["all"], "roles": ["postgres"], "method": "peer"}


@pytest.mark.parametrize(
    "rule",
    [
        RULE,
        LOCAL,
        {**RULE, "address": "all", "method": "reject"},
        {**RULE, "address": "2001:db8::/32", "roles": ["+readers", "all"], "databases": ["all", "replication"]},
        {**RULE, "options": {"clientcert": "verify-full"}},
        {**LOCAL, "options": {"map": "platform"}},
    ],
)
def test_a_sound_rule_has_no_problem(rule: dict[str, Any]) -> None:
    assert hba_problems([rule]) == []


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"type": "host"}, "rule 2: type 'host': use local or hostssl"),
        ({"method": "trust"}, "method 'trust' of a hostssl rule: use one of scram-sha-256, cert, reject"),
        ({"method": "md5"}, "method 'md5'"),
        ({"method": "peer"}, "method 'peer'"),
        ({"roles": ["o'hara"]}, 'roles "o\'hara"'),
        ({"roles": ['say"so']}, "rename it"),
        ({"roles": ["a b"]}, "rename it"),
        ({"roles": []}, "at least one name"),
        ({"databases": "shop"}, "give a list"),
        ({"address": None}, "address/bits"),
        ({"address": "10.0.0.1/8"}, "has host bits set"),
        ({"address": "10.0.0.1"}, "address/bits"),
        ({"address": "everywhere"}, "give a network"),
        ({"options": {"clientcert": "maybe"}}, "clientcert=maybe"),
        ({"options": {"ldapserver": "x"}}, "option ldapserver=x"),
        ({"comment": "two\nlines"}, "one line"),
    ],
)
def test_a_wrong_rule_is_named_with_value_and_remedy(changed: dict[str, Any], message: str) -> None:
    (problem,) = hba_problems([LOCAL, {**RULE, **changed}])
    assert problem.startswith("rule 2: ")
    assert message in problem


def test_a_local_rule_has_no_address() -> None:
    assert "take it away" in hba_problems([{**LOCAL, "address": "all"}])[0]


def test_a_map_with_a_quote_is_refused() -> None:
    assert ident_problems([{"map": "platform", "system_user": "postgres", "role": "backup"}]) == []
    assert "use a-z" in ident_problems([{"map": "platform", "system_user": "postgres", "role": "o'hara"}])[0]
