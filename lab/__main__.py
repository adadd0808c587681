"""The lab's command line: `lab/run COMMAND …`."""

import importlib
import sys

from lab.errors import LabError

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


def main(words: list[str]) -> int:
    """Run one command. Status 1 with one line on standard error when it is refused or fails."""
    if not words or words[0] not in COMMANDS:
        print(f"usage: lab/run {{{','.join(COMMANDS)}}} …", file=sys.stderr)
        return 2
    try:
        return int(importlib.import_module(COMMANDS[words[0]]).main(words[1:]))
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("lab: interrupted; run the same command again to go on", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
