"""Dumps in pgBackRest's repositories: sent there encrypted by its own repo-put, read back, let go when they are old.

Of each run of `dump` a repository gets the files, SQL compressed, and at last `sums_WHEN.sha256`: what that names is
whole. Only who holds the repository removes and reads: the repository's host, or with a bucket any database host.
"""

import calendar
import configparser
import gzip
import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, cast

from freelance_dumps import NAME, RESERVE_PERCENT, Config
from freelance_jobs import LAST_LINES, JobError, run_tool
from freelance_physical import each_repository, pgbackrest

DAY_S = 86_400
SUMS = re.compile(r"(?P<what>sums)_(?P<when>\d{8}_\d{6})\.sha256")
# AES-CBC of pgBackRest: 16 bytes with the salt before, and padding to the next block of 16.
CIPHER_BYTES_MAX = 32
SETTINGS = ("/etc/pgbackrest.conf", "/etc/pgbackrest/pgbackrest.conf")  # where pgBackRest itself looks
NAMED_MAX = 5
# What decrypts repositories, when it was given to this program: for repo-get, and in no other one's environment.
GIVEN: dict[str, str] = {}


def when(name: str) -> str:
    """Say when the run of a file was started, as its name does; empty for a stranger's name."""
    found = NAME.fullmatch(name) or SUMS.fullmatch(name)
    return found["when"] if found else ""


def age_days(stamp: str, now: float) -> float:
    """Tell the age of a run."""
    return (now - calendar.timegm(time.strptime(stamp, "%Y%m%d_%H%M%S"))) / DAY_S


def address(config: Config, name: str = "") -> str:
    """Name a file within a repository, or the folder of all of them."""
    return "/".join([str(config.shipping["folder"]), *([name] if name else [])])


def held(config: Config, repository: int) -> dict[str, int]:
    """List what a repository holds, with its size there."""
    found = json.loads(pgbackrest(config, repository, "--output=json", "repo-ls", address(config)) or "{}")
    return {name: int(entry["size"]) for name, entry in found.items() if entry["type"] == "file" and when(name)}


def runs(names: Iterable[str]) -> dict[str, list[str]]:
    """Put the files of each run together, the newest run first."""
    found: dict[str, list[str]] = {}
    for name in sorted(names):
        if stamp := when(name):
            found.setdefault(stamp, []).append(name)
    return dict(sorted(found.items(), reverse=True))


def sha256(path: Path) -> str:
    """Sum up a local file."""
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def put(config: Config, repository: int, name: str, path: Path) -> None:
    """Send one file."""
    sending = ["pgbackrest", f"--stanza={config.stanza}", f"--repo={repository}", "repo-put", address(config, name)]
    run_tool(sending, stdin_path=path)


def send(config: Config, repository: int, stamp: str, names: Iterable[str]) -> int:
    """Send the files of a run and what sums them up; return the bytes. What did not arrive whole raises JobError."""
    sizes, lines = {}, []
    with tempfile.TemporaryDirectory(dir=config.dump_dir, prefix="shipping.") as folder:
        for name in names:
            path = Path(config.dump_dir) / name
            if path.suffix == ".sql":
                path = Path(folder) / f"{name}.gz"
                with (Path(config.dump_dir) / name).open("rb") as source, gzip.open(path, "wb") as target:
                    shutil.copyfileobj(source, target)
            put(config, repository, path.name, path)
            sizes[path.name] = path.stat().st_size
            lines.append(f"{sha256(path)}  {path.name}\n")
        arrived = held(config, repository)
        for name, size in sizes.items():
            if not 0 <= arrived.get(name, -1) - size <= CIPHER_BYTES_MAX:
                there = f"has {arrived[name]} bytes there" if name in arrived else "is not there"
                raise JobError(f"{address(config, name)} {there} after {size} were sent: it is sent again next time")
        sums = Path(folder) / f"sums_{stamp}.sha256"
        sums.write_text("".join(lines), encoding="utf-8")
        put(config, repository, sums.name, sums)
    if sums.name not in held(config, repository):
        raise JobError(f"{address(config, sums.name)} is not there after it was sent: the run is sent again next time")
    return sum(sizes.values())


def ship(config: Config, names: Iterable[str]) -> dict[str, float]:
    """Send the dumps of a run to each repository, and those before that one lacks while they are of an age to stay."""
    now = time.time()
    for leftover in Path(config.dump_dir).glob("shipping.*"):
        shutil.rmtree(leftover)
    here = runs([path.name for path in Path(config.dump_dir).iterdir()])
    tonight = runs(names)

    def send_missing(repository: int) -> int:
        there = held(config, repository)
        wanted = {
            stamp: files
            for stamp, files in {**here, **tonight}.items()
            if f"sums_{stamp}.sha256" not in there
            and (stamp in tonight or age_days(stamp, now) <= config.retention_days)
        }
        return sum(send(config, repository, stamp, files) for stamp, files in wanted.items())

    return {"shipped_bytes": each_repository(config, send_missing)}


def expire(config: Config, now: float) -> None:
    """Remove what is older than `retention_days`, but for the newest `dumps_kept_min` runs."""

    def remove(repository: int) -> int:
        removed = 0
        for number, (stamp, files) in enumerate(runs(held(config, repository)).items()):
            if number >= config.dumps_kept_min and age_days(stamp, now) > config.retention_days:
                for name in sorted(files, reverse=True):  # the sums before the rest: half a run is none
                    pgbackrest(config, repository, "repo-rm", address(config, name))
                    removed += 1
        return removed

    each_repository(config, remove)


def passphrase(repository: int) -> str:
    """Give what decrypts a repository: what was given, else of pgBackRest's own settings; empty without any.

    repo-get knows the passphrases of backups and of the archive alone, and asks for that of other files.
    """
    settings = configparser.ConfigParser(strict=False, interpolation=None, delimiters=["="])
    settings.read(SETTINGS)
    own = settings.get("global", f"repo{repository}-cipher-pass", fallback="")
    return GIVEN.get("PGBACKREST_CIPHER_PASS") or own


def streamed(argv: Sequence[str], environment: Mapping[str, str] | None = None) -> Iterator[bytes]:
    """Run a program, its environment enlarged, and give its output in parts; at last, JobError where it failed."""
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(
            argv,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=said,
        ) as tool,
    ):
        output = cast(BinaryIO, tool.stdout)
        while part := output.read(1 << 20):
            yield part
        if status := tool.wait():
            said.seek(0)
            lines = said.read().decode(errors="replace").strip().splitlines()[-LAST_LINES:]
            raise JobError("\n".join([f"{argv[0]} ended with exit status {status}:", *lines]))


def read(config: Config, repository: int, name: str, target: BinaryIO) -> str:
    """Copy a file out of a repository and return its sum."""
    getting = ["pgbackrest", f"--stanza={config.stanza}", f"--repo={repository}", "repo-get", address(config, name)]
    key = passphrase(repository)
    digest = hashlib.sha256()
    try:
        for part in streamed(getting, {"PGBACKREST_CIPHER_PASS": key} if key else {}):
            digest.update(part)
            target.write(part)
    except JobError as error:
        raise JobError(f"{address(config, name)} can't be read: {error}") from error
    return digest.hexdigest()


def sums_of(config: Config, repository: int, stamp: str) -> dict[str, str]:
    """Read what a run consists of: names with their sums."""
    with tempfile.TemporaryFile() as target:
        read(config, repository, f"sums_{stamp}.sha256", target)
        target.seek(0)
        pairs = [line.split("  ", 1) for line in target.read().decode().splitlines()]
    return {name: digest for digest, name in pairs}


def verify(config: Config) -> dict[str, float]:
    """Read all whole runs back and compare them with what was sent; what is damaged or missing is named."""

    def check(repository: int) -> int:
        there, wrong, total = held(config, repository), [], 0
        for stamp in [stamp for stamp in runs(there) if f"sums_{stamp}.sha256" in there]:
            try:
                wanted = sums_of(config, repository, stamp)
            except JobError as error:
                wrong.append(str(error))
                continue
            for name, digest in wanted.items():
                if name not in there:
                    wrong.append(f"file missing {address(config, name)}")
                    continue
                with Path(os.devnull).open("wb") as nowhere:
                    try:
                        whole = read(config, repository, name, nowhere) == digest
                    except JobError as error:
                        wrong.append(str(error))
                        continue
                if not whole:
                    wrong.append(f"invalid checksum {address(config, name)}")
                total += there[name]
        if wrong:
            raise JobError("\n".join(["dumps that it holds can't be restored:", *wrong]))
        return total

    return {"shipped_bytes": each_repository(config, check)}


def fetch(config: Config, name: str, folder: Path) -> Path:
    """Copy a shipped file into a folder, of the first repository that gives it whole."""
    errors = []
    for repository in range(1, config.repositories + 1):
        try:
            there = held(config, repository)
            if name not in there:
                full = sorted((one for one in there if one.endswith(".dump")), key=when, reverse=True)[:NAMED_MAX]
                raise JobError(f"it holds no {name}; the newest dumps there: {', '.join(full) or 'none'}")
            usage = shutil.disk_usage(folder)
            # The live server, whose volume it may be, goes on writing.
            if usage.free < (wanted := there[name] + usage.total * RESERVE_PERCENT // 100):
                raise JobError(
                    f"{folder}: {usage.free} bytes free, {wanted} wanted ({there[name]} of {name},"
                    f" {RESERVE_PERCENT} % of the volume in reserve): make room, or give a folder on a larger volume:"
                    " backup_cron_scratch_dir"
                )
            digest = sums_of(config, repository, when(name)).get(name)
            with (folder / name).open("wb") as target:
                if read(config, repository, name, target) != digest:
                    raise JobError(f"{address(config, name)} is not what was sent: take another dump")
        except JobError as error:
            errors.append(f"repository {repository}: {error}")
            continue
        return folder / name
    raise JobError("\n".join(errors))
