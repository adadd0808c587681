"""The lab's command line: `lab/run COMMAND …`."""

import importlib
import os
import sys

from lab import preflight
from lab.errors import LabError
from lab.paths import CACHE, LOGS, ROOT
from lab.shell import as_root

# Command to the module whose main(words) it is: imported on use, so a broken one breaks no other.
COMMANDS = {
    "up": "lab.commands.up",
    "down": "lab.commands.down",
    "destroy": "lab.commands.destroy",
    "status": "lab.commands.status",
    "ssh": "lab.commands.connect",
    "psql": "lab.commands.psql",
    "hosts": "lab.adhoc",
    "image": "lab.commands.image",
    "part": "lab.commands.part",
    "sandbox": "lab.commands.sandbox",
}

# Namespaces, routes and images are root's; keys, state and volumes belong to whoever runs the rest.
ROOT_COMMANDS = {"destroy", "down", "image", "sandbox"}
# What a user may have set for them; sudo drops everything else.
KEPT = ("LAB_DISK_FREE_GIB_MIN", "LAB_LOCK", "PYTHONDONTWRITEBYTECODE", "YES")


def main(words: list[str]) -> int:
    """Run one command. Status 1 with one line on standard error when it is refused or fails."""
    if not words or words[0] not in COMMANDS:
        print(f"usage: lab/run {{{','.join(COMMANDS)}}} …", file=sys.stderr)
        return 2
    try:
        if words[0] in ROOT_COMMANDS and os.geteuid():
            preflight.refuse_no_root()
            for folder in (CACHE, LOGS):
                # Before root does: what needs no root's rights writes beside what root puts there.
                folder.mkdir(parents=True, exist_ok=True)
            os.execvp("sudo", as_root(again(words)))  # noqa: S606  the same command, with root's rights
        return int(importlib.import_module(COMMANDS[words[0]]).main(words[1:]))
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("lab: interrupted; run the same command again to go on", file=sys.stderr)
        return 130


def again(words: list[str]) -> list[str]:
    """The same command of this very clone, whatever the working directory, for a user whose environment is dropped."""
    kept = [f"{name}={os.environ[name]}" for name in KEPT if name in os.environ]
    return ["env", *kept, f"PYTHONPATH={ROOT}", f"FREELANCE_CACHE={CACHE}", sys.executable, "-P", "-m", "lab", *words]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
