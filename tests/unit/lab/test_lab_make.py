"""`make help` is the list of what can be done: each target once, in words."""

import re
import subprocess

from lab.paths import ROOT

MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def test_help_lists_every_target_with_its_words() -> None:
    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    listed = dict(re.findall(r"(?m)^  \x1b\[1m(\S+) *\x1b\[0m (.+)$", shown))
    targets = re.findall(r"(?m)^([a-z][\w-]*):(?!=)", MAKEFILE)
    assert list(listed) == targets
    phony = re.search(r"(?m)^\.PHONY: (.*)$", MAKEFILE)
    assert phony
    assert sorted(phony[1].split()) == sorted(targets), "a file of that name would hide the target"
