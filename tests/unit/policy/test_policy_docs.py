"""The page of rules is made from the rules."""

import subprocess
import sys

import yaml
from examples_of_rules import ROOT, RULES


def test_the_tables_are_current() -> None:
    checked = subprocess.run(
        [sys.executable, ROOT / "pulumi/policy/write_docs.py", "--check"], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_both_languages_say_the_same() -> None:
    chinese = yaml.safe_load((ROOT / "pulumi/policy/limits.zh-CN.yml").read_text(encoding="utf-8"))
    controls = yaml.safe_load((ROOT / "pulumi/policy/controls.yml").read_text(encoding="utf-8"))
    assert set(chinese["rules"]) == set(RULES)
    assert set(chinese["not_applicable"]) == set(controls["not_applicable"])
    for name in ("policies.md", "policies.zh-CN.md"):
        text = (ROOT / "docs" / name).read_text(encoding="utf-8")
        assert [rule for rule in RULES if f"| `{rule}` |" not in text] == []
