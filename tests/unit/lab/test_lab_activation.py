"""direnv by .envrc and `source activate.sh` give the same shell."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
# Of direnv's own functions those that .envrc calls; an unknown one fails as a command that is not there.
DIRENV = 'source_env_if_exists() { echo "$1" >&2; }; watch_file() { echo "$1" >&2; }'


def sourced(file: str, folder: Path) -> tuple[dict[str, str], list[str]]:
    """What a fresh shell exports once it has sourced a file of ours, and what direnv was asked for."""
    shell = f"set -eu; {DIRENV}; source ./{file}; env --null"
    bare = {"PATH": "/usr/bin:/bin", "HOME": str(folder)}
    done = subprocess.run(["bash", "-c", shell], cwd=ROOT, env=bare, capture_output=True, text=True, check=True)
    return dict(line.split("=", 1) for line in done.stdout.rstrip("\0").split("\0")), done.stderr.splitlines()


def test_envrc_does_what_activate_does_and_is_loaded_again_when_that_changes(tmp_path: Path) -> None:
    activated, _ = sourced("activate.sh", tmp_path)
    by_direnv, asked = sourced(".envrc", tmp_path)
    assert by_direnv == activated
    assert by_direnv["FREELANCE_ROOT"] == str(ROOT)
    assert by_direnv["PATH"].startswith(f"{ROOT}/.venv/bin:")
    assert asked == [".envrc.local", "activate.sh"]
