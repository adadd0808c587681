"""Runs on a host, as root, with the standard library alone: prints what it knows of backups as JSON. Changes nothing.

Arguments: name of the host, stanza ("-": this host asks no repository), folder of status files, folder of dumps, and
the jobs that the host has.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

SECONDS_MAX = 60
CRONTAB = Path("/etc/cron.d/freelance-backup")


def as_postgres(*argv: str) -> tuple[int, str]:
    """Run a program as the database's system user; return its status, and its output or what it complains of."""
    command = ["runuser", "-u", "postgres", "--", "env", "-C", "/", *argv]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS_MAX, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return 1, str(error)
    return done.returncode, done.stdout if done.returncode == 0 else done.stderr.strip()


def read(folder: str) -> dict[str, Any]:
    """Return the JSON files of a folder by their names; None for one that is none."""
    found: dict[str, Any] = {}
    for path in sorted(Path(folder).glob("*.json")):
        try:
            found[path.stem] = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            found[path.stem] = None
    return found


def shipped(stanza: str, info: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what lies of dumps in each repository that can be asked and lists them, by its number."""
    found: dict[str, Any] = {}
    for repository in [repo["key"] for known in info for repo in known["repo"] if not repo["status"]["code"]]:
        asking = ["pgbackrest", f"--stanza={stanza}", f"--repo={repository}", "--output=json"]
        # The folder that backup_cron sends them to.
        status, said = as_postgres(*asking, "repo-ls", f"freelance-dumps/{stanza}")
        if status == 0:
            found[str(repository)] = json.loads(said or "{}")
    return found


def main(host: str, stanza: str, status_dir: str, dump_dir: str, *jobs: str) -> dict[str, Any]:
    """Collect everything of this host."""
    seen: dict[str, Any] = {"host": host, "info": None, "error": "", "shipped": {}, "status": read(status_dir)}
    if stanza != "-":
        status, said = as_postgres("pgbackrest", f"--stanza={stanza}", "--output=json", "info")
        if status == 0:
            seen["info"] = json.loads(said)
            seen["shipped"] = shipped(stanza, seen["info"])
        else:
            seen["error"] = said
    # Since then they come due.
    seen |= {"jobs": jobs, "jobs_since": CRONTAB.stat().st_mtime if CRONTAB.exists() else None}
    # Written once, when the job was deployed.
    since = Path(status_dir) / "drill.since"
    seen["drill_since"] = since.stat().st_mtime if since.exists() else None
    files = [path for path in sorted(Path(dump_dir).glob("*")) if path.is_file()]
    seen["dumps"] = [
        {"name": path.name, "bytes": path.stat().st_size, "finished": path.stat().st_mtime} for path in files
    ]
    return seen


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
