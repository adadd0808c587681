"""Refuse a stack's settings as the program would, from its file alone: `python pulumi/check_settings.py lab`.

Needs neither engine nor state, so `make up` asks it before anything is built.
"""

import argparse
import sys

import yaml
from infra import stack_config, stack_files, topology
from infra.problems import SettingsError


def main() -> int:
    """Exit status 1 with every problem on standard error."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stack", help="the one of Pulumi.<stack>.yaml")
    stack = parser.parse_args().stack
    project = stack_files.project_name()
    try:
        config, secret = stack_files.from_files(stack)
        topology.plan(stack_config.read(config, project=project, stack=stack, secret_keys=secret))
    except (SettingsError, OSError, yaml.YAMLError) as error:
        print(f"Settings of stack {stack} refused (Pulumi.{stack}.yaml):\n{error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
