"""`lab/run part NAME`: one step of `make up` by itself. Each may be run again at any time."""

import argparse

from lab import environment, packages, stack


def main(words: list[str]) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="lab/run part", description=__doc__)
    parser.add_argument("name", choices=["packages", "test-packages", "environment", "stack", "hosts"])
    given = parser.parse_args(words)
    if given.name in {"packages", "test-packages"}:
        installed = packages.ensure(packages.PACKAGES if given.name == "packages" else packages.TEST_PACKAGES)
        print(f"remark: {len(installed)} installed" if installed else "remark: all there")
    elif given.name == "environment":
        print("remark: installed" if environment.ensure() else "remark: as pinned")
    elif given.name == "stack":
        stack.prepare()
    else:
        stack.bring_up()
    return 0
