"""What keeps the AWS CLI of this machine from opening tunnels to hosts, in sentences that name the remedy."""

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ansible.plugins.lookup import LookupBase

DOCUMENTATION = """
name: aws_cli_problems
short_description: What keeps the AWS CLI from opening tunnels to hosts
description:
  - Of ProxyCommands, those that call C(aws ec2-instance-connect open-tunnel) need the AWS CLI 2.12.0 or newer here.
  - Each such program is asked once for its version. Nothing is connected to.
options:
  _terms:
    description: ProxyCommands of the hosts; an empty one stands for none.
    required: true
"""
EXAMPLES = """
- ansible.builtin.assert:
    that: query('aws_cli_problems', *platform_proxy_commands) == []
"""
RETURN = """
_raw:
  description: One sentence for each program that is missing, too old or unknown, with the version that is needed.
"""

# Sources: https://github.com/aws/aws-cli/pull/7971 (version 2 alone), /issues/7986 (its first release is 2.12.0).
VERSION_MIN = (2, 12, 0)
VERSION = re.compile(r"^aws-cli/(\d+)\.(\d+)\.(\d+)")
VERSION_SECONDS_MAX = 60
ANSWER_CHARACTERS = 80
REMEDY = (
    f"the hosts are reached by `aws ec2-instance-connect open-tunnel`, which needs the AWS CLI "
    f"{'.'.join(map(str, VERSION_MIN))} or newer. Install version 2 by AWS's own installer (AWS CLI user guide, "
    "'Installing or updating to the latest version of the AWS CLI') and put it first on PATH: pip has version 1 only "
    "and Debian 12 has 2.9. Or reach the hosts otherwise (reach: bastion or vpn)"
)


def tunnel_programs(commands: Iterable[str]) -> list[str]:
    """Return the programs that open tunnels, each once."""
    split = [shlex.split(command or "") for command in commands]
    tunnels = [words for words in split if {"ec2-instance-connect", "open-tunnel"} <= set(words)]
    return list(dict.fromkeys(words[0] for words in tunnels if Path(words[0]).name == "aws"))


def problems(commands: Iterable[str]) -> Iterator[str]:
    """Yield a sentence for each program that can't open a tunnel."""
    for program in tunnel_programs(commands):
        if not (found := shutil.which(program)):
            yield f"{program}: not on PATH; {REMEDY}"
        elif finding := _finding(found):
            yield f"{found}: {finding}; {REMEDY}"


def _finding(program: str) -> str | None:
    argv = [program, "--version"]
    try:
        # Some releases of version 1 answered on stderr.
        done = subprocess.run(
            argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=VERSION_SECONDS_MAX, check=False
        )
    except subprocess.TimeoutExpired:
        return f"`--version` gave no answer in {VERSION_SECONDS_MAX} s"
    except OSError as error:
        return f"it can't be run ({error.strerror})"
    answer = done.stdout.decode(errors="replace").strip()
    version = VERSION.match(answer)
    if done.returncode or not version:
        return f"`--version` ended with {done.returncode} and answered {answer[:ANSWER_CHARACTERS]!r}"
    numbers = tuple(map(int, version.groups()))
    return None if numbers >= VERSION_MIN else f"version {'.'.join(version.groups())}"


class LookupModule(LookupBase):  # type: ignore[misc]  # Ansible ships no types
    """The plugin as Ansible calls it."""

    def run(self, terms: list[str], variables: Any = None, **_: Any) -> list[str]:  # noqa: ARG002  Ansible's own signature
        """Return the sentences; an empty list when every tunnel can be opened."""
        return list(problems(terms))
