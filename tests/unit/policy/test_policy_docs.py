"""The page of rules is made from the rules."""

import subprocess
import sys

from examples_of_rules import ROOT, RULES


def test_the_tables_are_current() -> None:
    checked = subprocess.run(
        [sys.executable, ROOT / "pulumi/policy/write_docs.py", "--check"], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_both_languages_list_each_rule() -> None:
    for name in ("policies.md", "policies.zh-CN.md"):
        text = (ROOT / "docs" / name).read_text(encoding="utf-8")
        assert [rule for rule in RULES if f"| `{rule}` |" not in text] == []
