"""One of the two buckets is lost: it is closed, and is left out; or it is empty, and the data are gone with it.

In this order: what was left out lacks WAL, until it is made anew.
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
# What the server refuses as where a region, a key or an account is gone.
CLOSE = "sed -i 's|location / {|location /freelance-backup { return 403; } &|' /etc/nginx/conf.d/s3.conf"
OPEN = "sed -i 's|location /freelance-backup { return 403; } ||' /etc/nginx/conf.d/s3.conf"


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


def purge(host):
    """Take the versions away too: moto goes on to list the folders of what was deleted, which S3 does not."""
    listed = s3(host, "", "'?versions'").replace("\n", "")
    for name, version in re.findall(r"<Key>([^<]+)</Key><VersionId>([^<]+)</VersionId>", listed):
        s3(host, "--request DELETE", f"'{name}?versionId={version}'")


def look(host, repository, as_of):
    """Look as the restore of the whole cluster does."""
    playbooks = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"]) / "../../ansible"
    script = (playbooks / "plugins/support/cluster_restore/look_at_repository.py").read_text("utf-8")
    host.run_test(f"cat > /root/look.py <<'END'\n{script}END")
    return json.loads(host.check_output(f"python3 /root/look.py main {repository} 0 - '{as_of or '-'}'"))


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
        assert not ready.exists
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
    """The last one: it deletes the stanza, beside a server that runs."""
    for number in (1, 2):
        assert pgbackrest(host, f"--repo={number} repo-put freelance-dumps/main/kept.dump </etc/hostname").rc == 0
    for words in ("stop", "--repo=1 --force stanza-delete", "stop", "--repo=2 --force stanza-delete", "start"):
        done = pgbackrest(host, words)
        assert done.rc == 0, done.stdout + done.stderr
    assert (info(host)["db"], info(host)["backup"]) == ([], [])
    for number in (1, 2):
        assert "kept.dump" in pgbackrest(host, f"--repo={number} repo-ls freelance-dumps/main").stdout.split()
