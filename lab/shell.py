"""Run programs: argument lists, captured output, errors that show what was said."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from lab.errors import LabError

TIMEOUT_S = 120.0


def with_sbin(path: str) -> str:
    """A search path on which losetup, nft and apt-cacher-ng are found: Debian's users have none of their folders."""
    have = path.split(os.pathsep)
    return os.pathsep.join([*have, *(folder for folder in ("/usr/sbin", "/sbin") if folder not in have)])


os.environ["PATH"] = with_sbin(os.environ.get("PATH", os.defpath))  # for every program that this one starts


def run(  # noqa: PLR0913  each is an option of subprocess.run
    argv: Sequence[str | Path],
    *,
    check: bool = True,
    stdin: str | None = None,
    timeout: float | None = TIMEOUT_S,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run `argv` to its end; it reads `stdin` and never what was meant for us.

    LabError when it is missing, too slow, or (with `check`) exits with another status.
    """
    command = [str(word) for word in argv]
    try:
        done = subprocess.run(
            command, input=stdin or "", capture_output=True, text=True, check=False, timeout=timeout, env=env, cwd=cwd
        )
    except FileNotFoundError as error:
        raise LabError(f"{command[0]}: not found; `make up` installs what the lab needs") from error
    except subprocess.TimeoutExpired as error:
        raise LabError(f"{' '.join(command)}: no answer within {timeout:g} s") from error
    if check and done.returncode:
        raise LabError(
            f"{' '.join(command)}: exit status {done.returncode}: {done.stderr.strip() or done.stdout.strip()}"
        )
    return done


def as_root(argv: Sequence[str | Path]) -> list[str]:
    """The same command with root's rights: as it is for root, by sudo (asking nothing) for anybody else."""
    command = [str(word) for word in argv]
    return command if os.geteuid() == 0 else ["sudo", "--non-interactive", *command]
