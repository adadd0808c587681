#!/usr/bin/python3 -B
"""Make something of a logical dump: `verify` it, restore it `beside` the live database, or into an empty `cluster`.

DUMP is a path on this host, or the bare name of a dump that lies in the folder of dumps or else in a repository.
Started as the user postgres. Everything that can be refused is refused before anything changes; --check ends there.
Only what a killed run of its own has left in the scratch folder is removed in any case.
"""

import argparse
import dataclasses
import fcntl
import os
import shutil
import signal
import sys
import syslog
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

# Beside this file in the repository, in folders of their own on a host.
sys.path += [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[2] / "job_runner/files")]
sys.path += ["/usr/local/lib/freelance-backup", "/usr/local/lib/freelance-jobs"]

from freelance_dump_files import find, globals_of, look, took
from freelance_dump_targets import restore_beside, restore_cluster
from freelance_dump_verification import remove_server, verify
from freelance_dumps import Config
from freelance_jobs import JobError, log
from freelance_shipping import GIVEN


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="/etc/freelance-backup.json", help="default: %(default)s")
    parser.add_argument("--check", action="store_true", help="refuse what is to be refused, and change nothing")
    parser.add_argument("--passphrase-stdin", action="store_true", help="read what decrypts the repository there")
    commands = parser.add_subparsers(dest="command", required=True)
    for command in ("verify", "beside", "cluster"):
        one = commands.add_parser(command)
        one.add_argument("dump", metavar="DUMP")
        if command == "beside":
            one.add_argument("--into", required=True, metavar="NAME", help="the new database")
            one.add_argument("--table", default="", metavar="SCHEMA.TABLE", help="of one table the rows alone")
        else:
            one.add_argument("--globals", default="", metavar="FILE", help="roles; default: those of the dump's run")
    return parser.parse_args(argv)


def work(config: Config, arguments: argparse.Namespace) -> Mapping[str, float | str]:
    """Find the files and do what was asked."""
    # Scratch that a killed run left goes before anything is asked of its room, also where only a check is asked for.
    for leftover in Path(config.scratch_dir).glob("fetched.*"):
        shutil.rmtree(leftover)
    remove_server(config)
    with tempfile.TemporaryDirectory(dir=config.scratch_dir, prefix="fetched.") as name:
        folder = Path(name)
        dump = look(config, find(config, arguments.dump, folder))
        dump = dataclasses.replace(dump, took_bytes=took(config, dump, arguments.dump, folder))
        if arguments.command == "beside":
            return restore_beside(config, dump, arguments.into, arguments.table, check=arguments.check)
        roles = globals_of(config, dump.path, arguments.dump, arguments.globals, folder)
        if arguments.command == "verify":
            return verify(config, dump, roles, check=arguments.check)
        return restore_cluster(config, dump, roles, check=arguments.check)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command, alone on this host; return its exit status."""
    arguments = parse(argv)
    syslog.openlog("freelance-restore", syslog.LOG_PID)
    if os.geteuid() == 0:
        log(syslog.LOG_ERR, "started as root, it runs as postgres: sudo -u postgres freelance-restore …")
        return 1
    os.umask(0o077)
    os.chdir("/")
    # Ended from outside, it still removes what it made.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGHUP, lambda *_: sys.exit(129))
    if arguments.passphrase_stdin and (key := sys.stdin.readline().strip()):
        GIVEN["PGBACKREST_CIPHER_PASS"] = key
    try:
        config = Config.load(arguments.config)
        with (Path(config.status_dir) / "restore.lock").open("w", encoding="utf-8") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise JobError("another freelance-restore is at work on this host: wait for its end") from None
            measured = work(config, arguments)
    except (JobError, OSError, ValueError) as error:
        log(syslog.LOG_ERR, f"{arguments.command} failed: {error}")
        return 1
    told = ", ".join(f"{name} {value}" for name, value in measured.items()) or "nothing speaks against it"
    log(syslog.LOG_INFO, f"{arguments.command} of {arguments.dump}: {told}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
