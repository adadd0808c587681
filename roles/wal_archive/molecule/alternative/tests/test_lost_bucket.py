"""One of the two buckets is lost: it is closed, and is left out; or it is empty, and the data are gone with it.

In this order: what was left out lacks WAL, until it is made anew; and the last ones begin without any stanza.
"""

import json
import os
import re
import time
from pathlib import Path

import pytest
import yaml
from test_alternative import pgbackrest, play, s3
from test_archive import wait_until

CONVERGE = "molecule/alternative/converge.yml"
DATA = "/var/lib/postgresql/17/main"
# What the server refuses as where a region, a key or an account is gone, or as where a bucket may be read alone.
ANSWER = "sed -i.open 's|location / {|location /freelance-backup { %s } &|' /etc/nginx/conf.d/s3.conf"
CLOSE = ANSWER % "return 403;"
CLOSE_TO_WRITERS = ANSWER % (
    "if ($request_method = PUT) { return 403; } proxy_pass http://127.0.0.1:5000; proxy_set_header Host $http_host;"
)
OPEN = "mv /etc/nginx/conf.d/s3.conf.open /etc/nginx/conf.d/s3.conf"
# Gives a control file another identifier and the numbers of PostgreSQL 16, of its format and its catalog.
AGE = """\
import pathlib, struct, sys
path, identifier, numbers = pathlib.Path(sys.argv[1]), 16, (1300, 202307071)


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0x82F63B78 * (crc & 1)
    return crc ^ 0xFFFFFFFF


def stored(end):
    return struct.unpack_from("<I", data, end)[0]


data = bytearray(path.read_bytes())
(end,) = [end for end in range(16, 512, 4) if stored(end) == crc32c(data[:end])]
struct.pack_into("<QII", data, 0, identifier, *numbers)
struct.pack_into("<I", data, end, crc32c(data[:end]))
path.write_bytes(data)
"""


def psql(host, *statements):
    done = host.run("cd / && sudo -u postgres psql -XqtA " + " ".join(f'-c "{text}"' for text in statements))
    assert done.rc == 0, done.stderr
    return done.stdout.strip()


def info(host):
    [stanza] = json.loads(pgbackrest(host, "--output=json info").stdout)
    return stanza


def newest(host):
    """By repository, the last segment."""
    return {found["database"]["repo-key"]: found["max"] for found in info(host)["archive"]}


def full_backups(host):
    """By repository."""
    return [(found["database"]["repo-key"], found["label"]) for found in info(host)["backup"]]


def converge(*options):
    """Play what the site does; it must succeed. What it said."""
    played = play(*options, playbook=CONVERGE)
    assert played.returncode == 0, played.stdout[-3000:] + played.stderr[-3000:]
    return played.stdout


def files(host):
    """Names of all that lies in the first bucket."""
    listed = json.loads(pgbackrest(host, "--repo=1 --recurse --output=json repo-ls").stdout)
    return [name for name, entry in listed.items() if entry["type"] == "file"]


def purge(host, **bucket):
    """Take the versions away too: moto goes on to list the folders of what was deleted, which S3 does not."""
    listed = s3(host, "", "'?versions'", **bucket).replace("\n", "")
    for name, version in re.findall(r"<Key>([^<]+)</Key><VersionId>([^<]+)</VersionId>", listed):
        s3(host, "--request DELETE", f"'{name}?versionId={version}'", **bucket)


def look(host, repository, as_of):
    """Look as the restore of the whole cluster does."""
    playbooks = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"]) / "../../ansible"
    script = (playbooks / "plugins/support/cluster_restore/look_at_repository.py").read_text("utf-8")
    host.run_test(f"cat > /root/look.py <<'END'\n{script}END")
    return json.loads(host.check_output(f"python3 /root/look.py main {repository} 0 - '{as_of or '-'}'"))


def test_no_play_ends_before_a_segment_has_arrived_in_each_bucket(host):
    host.run_test(f"{CLOSE_TO_WRITERS} && systemctl reload nginx")
    try:
        began = "Start PostgreSQL, as Patroni does on the platform"
        limit = "wal_archive_arrival_timeout_seconds=2"
        played = play("--start-at-task", began, "-e", limit, playbook=CONVERGE)
    finally:
        host.run_test(f"{OPEN} && systemctl reload nginx")
    said = played.stdout + played.stderr
    assert (played.returncode != 0, "Force a segment and wait until each" in said) == (True, True), said[-3000:]
    assert "was not archived before the 2000ms timeout" in said, said[-3000:]
    assert pgbackrest(host, "check").rc == 0


def test_what_waits_for_a_closed_bucket_is_archived_once_it_is_left_out(host):
    scenario = yaml.safe_load((Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"]) / "molecule.yml").read_text("utf-8"))
    second = scenario["provisioner"]["inventory"]["group_vars"]["all"]["wal_archive_repositories"][1]
    kept = [label for number, label in full_backups(host) if number == 2]
    host.run_test(f"{CLOSE} && systemctl reload nginx")
    try:
        psql(host, "select pg_logical_emit_message(true, 'test', 'a segment')")
        segment = psql(host, "select pg_walfile_name(pg_switch_wal())")
        wait_until(lambda: newest(host)[2] >= segment)
        refused = pgbackrest(host, "--archive-timeout=5 check")
        assert (refused.rc != 0, "403" in refused.stdout + refused.stderr) == (True, True), refused.stdout
        ready = host.file(f"{DATA}/pg_wal/archive_status/{segment}.ready")
        assert ready.exists

        converge("-e", json.dumps({"wal_archive_repositories": [second]}))
        # All that waits is sent at once, and PostgreSQL hears of each in turn.
        wait_until(lambda: not ready.exists)
        assert [(state["key"], state["status"]["code"]) for state in info(host)["repo"]] == [(1, 0)]
        assert full_backups(host) == [(1, label) for label in kept]
    finally:
        host.run_test(f"{OPEN} && systemctl reload nginx")
        converge()
    assert [state["status"]["code"] for state in info(host)["repo"]] == [0, 0]
    assert min(newest(host).values()) > segment


@pytest.mark.parametrize(("repository", "past"), [(2, False), (1, True)], ids=["the-second", "its-own-past"])
def test_all_data_and_the_first_bucket_are_lost_and_come_back(host, repository, past):
    psql(host, "drop table if exists kept", "create table kept as select 42 as answer", "select pg_switch_wal()")
    assert pgbackrest(host, "check").rc == 0
    as_of = host.check_output("date --utc '+%Y-%m-%d %H:%M:%S+00'") if past else ""
    time.sleep(2)
    host.run_test(f"systemctl stop postgresql@17-main && find {DATA} -mindepth 1 -delete")
    for name in files(host):
        s3(host, "--request DELETE", f"main/{name}")
    assert files(host) == []

    seen = look(host, repository, as_of)
    assert (seen["error"], [found["newest"] for found in seen["reach"].values()]) == ("", [True])
    options = f"--repo={repository}" + (f" --repo-target-time='{as_of}'" if past else "")
    restored = pgbackrest(host, f"{options} restore")
    assert restored.rc == 0, restored.stdout + restored.stderr
    # What replays asks the same.
    recovery = host.file(f"{DATA}/postgresql.auto.conf").content_string
    assert (f"--repo={repository}" in recovery, as_of in recovery) == (True, True)
    host.run_test("systemctl start postgresql@17-main")
    wait_until(lambda: psql(host, "select pg_is_in_recovery()") == "f")
    assert psql(host, "select answer from kept") == "42"
    purge(host)
    assert "Create the stanza" in converge()
    assert [state["status"]["code"] for state in info(host)["repo"]] == [0, 0]
    assert sorted(number for number, _ in full_backups(host)) == [1, 2]
    assert "changed=0" in converge()


def test_what_a_foreign_stanza_is_refused_with_leaves_the_dumps_that_were_shipped(host):
    """It deletes the stanza, beside a server that runs."""
    for number in (1, 2):
        assert pgbackrest(host, f"--repo={number} repo-put freelance-dumps/main/kept.dump </etc/hostname").rc == 0
    for words in ("stop", "--repo=1 --force stanza-delete", "stop", "--repo=2 --force stanza-delete", "start"):
        done = pgbackrest(host, words)
        assert done.rc == 0, done.stdout + done.stderr
    assert (info(host)["db"], info(host)["backup"]) == ([], [])
    for number in (1, 2):
        assert "kept.dump" in pgbackrest(host, f"--repo={number} repo-ls freelance-dumps/main").stdout.split()


def test_a_stanza_of_an_older_major_version_is_taken_along(host):
    """Debian has no PostgreSQL 16 beside 17: pgBackRest reads the version in a control file, which is made up."""
    host.run_test("install -d -o postgres -m 700 /var/cache/old /var/cache/old/global")
    host.run_test(f"install -o postgres -m 600 {DATA}/global/pg_control /var/cache/old/global/pg_control")
    host.run_test(f"python3 - /var/cache/old/global/pg_control <<'END'\n{AGE}END")
    purge(host)
    purge(host, bucket="freelance-second", region="cn-northwest-1")
    made = pgbackrest(host, "--no-online --pg1-path=/var/cache/old stanza-create")
    assert made.rc == 0, made.stdout + made.stderr
    old = [(number, 1, "16") for number in (1, 2)]
    assert [(found["repo-key"], found["id"], found["version"]) for found in info(host)["db"]] == old

    converge()
    held = info(host)
    both = sorted([*old, (1, 2, "17"), (2, 2, "17")])
    assert [(found["repo-key"], found["id"], found["version"]) for found in held["db"]] == both
    new = [{"id": 2, "repo-key": number} for number in (1, 2)]
    assert [found["database"] for found in held["backup"]] == new
    assert [found["database"] for found in held["archive"] if found["max"]] == new
    assert "changed=0" in converge()
