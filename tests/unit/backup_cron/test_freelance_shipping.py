"""Dumps in a repository: what is sent and looked at, what is sent later, what is let go, what damage is named."""

import contextlib
import dataclasses
import gzip
import io
import os
import stat
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.loading import load

ROLES = Path(__file__).parents[3] / "roles"
sys.path += [str(ROLES / "job_runner/files"), str(ROLES / "backup_cron/files")]
DAY = 86_400
# Stands in for pgBackRest: a folder for each repository, and 16 bytes more for what was asked with a passphrase.
PGBACKREST = """#!/usr/bin/python3 -IB
import json, os, pathlib, sys
*options, command, name = sys.argv[1:]
[number] = [word.partition("=")[2] for word in options if word.startswith("--repo=")]
root = pathlib.Path(os.environ["REPOSITORIES"]) / number
if not root.is_dir():
    sys.exit("ERROR: [103]: the repository does not answer")
path = root / name
if command == "repo-put":
    path.parent.mkdir(parents=True, exist_ok=True)
    data = sys.stdin.buffer.read()
    path.write_bytes(data[: int(os.environ.get("CUT", len(data)))])
elif command == "repo-get":
    if os.environ.get("PGBACKREST_CIPHER_PASS") != "key":
        sys.exit("ERROR: [032]: unable to determine cipher passphrase")
    sys.stdout.buffer.write(path.read_bytes())
elif command == "repo-rm":
    path.unlink()
else:
    files = {one.name: {"type": "file", "size": one.stat().st_size} for one in path.glob("*")}
    print(json.dumps({".": {"type": "path"}, **files}))
"""

shipping = load(ROLES / "backup_cron/files/freelance_shipping.py")
program = load(ROLES / "backup_cron/files/freelance_restore.py", "freelance_restore_shipping")


def stamp(age_days: float) -> str:
    return time.strftime("%Y%m%d_%H%M%S", time.gmtime(time.time() - age_days * DAY))


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    for name in ("bin", "dumps", "repositories/1/x", "repositories/2/x"):
        (tmp_path / name).mkdir(parents=True)
    program = tmp_path / "bin/pgbackrest"
    program.write_text(PGBACKREST, encoding="utf-8")
    program.chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("REPOSITORIES", str(tmp_path / "repositories"))
    monkeypatch.setattr(shipping, "SETTINGS", [str(tmp_path / "pgbackrest.conf")])
    (tmp_path / "pgbackrest.conf").write_text(
        "[global]\nrepo1-cipher-pass=key\nrepo2-cipher-pass=key\ntls-server-auth=a=b\ntls-server-auth=c=b\n[main]\n"
    )
    names = dict.fromkeys(shipping.Config.__dataclass_fields__, "")
    return shipping.Config(
        **{
            **names,
            "stanza": "main",
            "dump_dir": str(tmp_path / "dumps"),
            "scratch_dir": str(tmp_path),
            "dumps_kept_min": 1,
            "retention_days": 30,
            "repositories": 2,
            "shipping": {"folder": "freelance-dumps/main"},
        }
    )


def made(config: Any, age_days: float) -> list[str]:
    """Files that a run of that age left on the host."""
    when = stamp(age_days)
    names = [f"globals_{when}.sql", f"full_backup_shop_{when}.dump", f"schema_shop_{when}.sql"]
    for name in names:
        Path(config.dump_dir, name).write_bytes(name.encode() * 50)
    return names


def there(tmp_path: Path, repository: int = 1) -> dict[str, Path]:
    return {path.name: path for path in (tmp_path / f"repositories/{repository}/freelance-dumps/main").glob("*")}


def test_a_run_lies_in_each_repository_and_can_be_read_back(config: Any, tmp_path: Path) -> None:
    names = made(config, 0)
    [when] = {shipping.when(name) for name in names}
    sent = shipping.ship(config, names)
    wanted = {f"globals_{when}.sql.gz", f"full_backup_shop_{when}.dump", f"schema_shop_{when}.sql.gz"}
    for repository in (1, 2):
        files = there(tmp_path, repository)
        assert files.keys() == wanted | {f"sums_{when}.sha256"}
        assert gzip.decompress(files[f"globals_{when}.sql.gz"].read_bytes()) == names[0].encode() * 50
    assert sent["shipped_bytes"] == sum(path.stat().st_size for name, path in files.items() if name in wanted) * 2
    assert shipping.verify(config) == {"shipped_bytes": sent["shipped_bytes"]}
    assert sorted(path.name for path in Path(config.dump_dir).iterdir()) == sorted(names)
    fetched = shipping.fetch(config, f"full_backup_shop_{when}.dump", tmp_path)
    assert fetched.read_bytes() == names[1].encode() * 50


def test_what_a_repository_lacks_is_sent_by_the_next_run(config: Any, tmp_path: Path) -> None:
    (tmp_path / "repositories/2").rename(tmp_path / "gone")
    before = made(config, 1)
    with pytest.raises(shipping.JobError, match=r"(?s)repository 2: .*does not answer"):
        shipping.ship(config, before)
    assert len(there(tmp_path, 1)) == 4
    (tmp_path / "gone").rename(tmp_path / "repositories/2")
    made(config, 31)  # too old to stay there
    shipping.ship(config, made(config, 0))
    assert there(tmp_path, 1).keys() == there(tmp_path, 2).keys()
    assert len(there(tmp_path, 2)) == 8


def test_what_did_not_arrive_whole_fails_and_counts_as_not_sent(
    config: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = made(config, 0)
    monkeypatch.setenv("CUT", "20")
    with pytest.raises(shipping.JobError, match=r"has 20 bytes there after .* sent again next time"):
        shipping.ship(config, names)
    assert not [name for name in there(tmp_path) if name.startswith("sums")]
    monkeypatch.delenv("CUT")
    assert shipping.ship(config, names)["shipped_bytes"]


@pytest.mark.parametrize(
    ("ages", "left"), [([31, 29], [29]), ([40, 35], [35]), ([1, 2], [1, 2])], ids=["old", "all old", "young"]
)
def test_old_runs_go_but_for_the_newest(config: Any, tmp_path: Path, ages: list[int], left: list[int]) -> None:
    now = time.time()
    for age in ages:
        names = made(config, age)
        shipping.ship(config, names)
    stranger = tmp_path / "repositories/1/freelance-dumps/main/notes.txt"
    stranger.write_text("not ours")
    shipping.expire(config, now)
    kept = {shipping.when(name) for name in there(tmp_path)} - {""}
    assert kept == {stamp for age in left for stamp in [stamp_of(config, age)]}
    assert stranger.exists()


def stamp_of(config: Any, age_days: float) -> str:
    """Stamp of the run of about that age."""
    now = time.time()
    [found] = {
        shipping.when(path.name)
        for path in Path(config.dump_dir).iterdir()
        if round(shipping.age_days(shipping.when(path.name), now)) == age_days
    }
    return str(found)


@pytest.mark.parametrize("damage", ["bytes", "missing"])
def test_damage_is_named_and_another_repository_still_gives_the_file(config: Any, tmp_path: Path, damage: str) -> None:
    names = made(config, 0)
    shipping.ship(config, names)
    path = there(tmp_path)[names[1]]
    if damage == "bytes":
        path.write_bytes(b"x" * path.stat().st_size)
    else:
        path.unlink()
    said = {"bytes": "invalid checksum", "missing": "file missing"}[damage]
    with pytest.raises(shipping.JobError, match=f"(?s)repository 1: .*{said} freelance-dumps/main/{names[1]}"):
        shipping.verify(config)
    assert shipping.fetch(config, names[1], tmp_path).read_bytes() == names[1].encode() * 50


def test_a_wrong_passphrase_is_a_clear_error(config: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    names = made(config, 0)
    shipping.ship(config, names)
    monkeypatch.setitem(shipping.GIVEN, "PGBACKREST_CIPHER_PASS", "other")
    with pytest.raises(shipping.JobError, match=r"(?s)sums_.*can't be read.*cipher passphrase"):
        shipping.verify(config)


def test_what_decrypts_a_repository_is_given_to_who_reads_it_alone(
    config: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = made(config, 0)
    shipping.ship(config, names)
    # A repository host keeps it to itself.
    (tmp_path / "pgbackrest.conf").write_text("[global]\n", encoding="utf-8")
    environments: list[str] = []

    def work(*_: Any) -> dict[str, str]:
        assert shipping.fetch(config, names[1], tmp_path).stat().st_size
        environments.append(shipping.run_tool(["env"]))
        return {}

    monkeypatch.setitem(shipping.GIVEN, "PGBACKREST_CIPHER_PASS", "")
    monkeypatch.setattr("sys.stdin", io.StringIO("key\n"))
    for what in ("os.umask", "os.chdir", "signal.signal"):
        monkeypatch.setattr(what, lambda *_: None)
    monkeypatch.setattr("os.geteuid", lambda: 101)
    monkeypatch.setattr(program, "work", work)
    monkeypatch.setattr(program.Config, "load", lambda _: dataclasses.replace(config, status_dir=str(tmp_path)))
    assert program.main(["--passphrase-stdin", "verify", names[1]]) == 0
    [environment] = environments
    assert "PATH=" in environment
    assert "CIPHER" not in environment


def test_a_dump_that_is_nowhere_is_refused_with_those_that_are(config: Any, tmp_path: Path) -> None:
    names = made(config, 0)
    shipping.ship(config, names)
    with pytest.raises(shipping.JobError, match=f"holds no full_backup_shop_20200101_000000.dump; .*{names[1]}"):
        shipping.fetch(config, "full_backup_shop_20200101_000000.dump", tmp_path)


@pytest.mark.parametrize(("spare", "refused"), [(99, True), (100, False)], ids=["too little", "enough"])
def test_what_is_fetched_leaves_room_to_the_live_server(
    config: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spare: int, refused: bool
) -> None:
    names = made(config, 0)
    shipping.ship(config, names)
    size = there(tmp_path)[names[1]].stat().st_size
    monkeypatch.setattr(shipping.shutil, "disk_usage", lambda _: SimpleNamespace(free=size + spare, total=1000))
    said = f"{size + 99} bytes free, {size + 100} wanted .{size} of {names[1]}, 10 % of the volume in reserve"
    with pytest.raises(shipping.JobError, match=said) if refused else contextlib.nullcontext():
        shipping.fetch(config, names[1], tmp_path)
    assert (tmp_path / names[1]).exists() is not refused


def test_what_is_read_is_never_in_memory_as_a_whole() -> None:
    parts = [len(part) for part in shipping.streamed(["head", "--bytes=3M", "/dev/zero"])]
    assert (sum(parts), max(parts)) == (3 << 20, 1 << 20)
    with pytest.raises(shipping.JobError, match=r"(?s)head ended with exit status 1:.*/none"):
        list(shipping.streamed(["head", "/none"]))
