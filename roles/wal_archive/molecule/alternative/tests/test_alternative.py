"""What holds for two buckets alone; test_archive.py has what holds for any repository."""

import json
import os
import subprocess
from pathlib import Path

import pytest

CONFIG = "/etc/pgbackrest/pgbackrest.conf"


def pgbackrest(host, arguments):
    return host.run(f"cd / && sudo -u postgres pgbackrest --stanza=main {arguments}")


def test_no_setting_is_unknown_to_pgbackrest(host):
    said = pgbackrest(host, "info")
    assert (said.rc, "WARN" in said.stdout + said.stderr) == (0, False), said.stdout + said.stderr


def test_each_bucket_is_kept_as_declared_and_sent_to_apart_from_the_server(host):
    lines = set(host.file(CONFIG).content_string.splitlines())
    assert {"archive-async=y", "archive-get-queue-max=256MiB", "process-max=3"} <= lines
    assert "[global:backup]\nprocess-max=1\n" in host.file(CONFIG).content_string
    kept = {"bundle=y", "block=y", "retention-full-type=time", "retention-full=30", "retention-diff=7"}
    kept |= {"cipher-type=aes-256-cbc"}
    assert {f"repo{number}-{line}" for number in (1, 2) for line in kept} | {"compress-type=zst"} <= lines


def test_a_backup_reads_its_own_host_through_the_server_whose_processors_have_a_limit(host):
    begun = host.check_output("grep 'backup command begin' /var/log/pgbackrest/main-backup.log").splitlines()
    assert begun
    through_it = "--pg1-host=wal-archive-alternative-1 ", "--pg1-host-type=tls"
    assert all(words in line for words in through_it for line in begun), begun


def test_what_lies_in_each_bucket_is_encrypted_twice_with_its_own_key(host):
    for number, key in enumerate(("cn-north-1:123456789012:key/0a1b", "cn-northwest-1:123456789012:key/2c3d"), start=1):
        assert pgbackrest(host, f"--repo={number} repo-ls --filter=backup.info backup/main").stdout.strip()
        bucket = ("freelance-backup", "freelance-second")[number - 1]
        answer = host.check_output(
            "curl --silent --fail --cacert /etc/ssl/platform/ca.crt --dump-header - --output /root/backup.info "
            f"-H 'Authorization: AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE/20260101/cn-north-1/s3/aws4_request' "
            f"https://wal-archive-alternative-1:9443/{bucket}/main/backup/main/backup.info"
        )
        assert f"x-amz-server-side-encryption-aws-kms-key-id: arn:aws-cn:kms:{key}" in answer, answer
        assert host.file("/root/backup.info").content.startswith(b"Salted__")


def test_no_key_and_no_passphrase_is_in_a_command_line_a_log_or_an_open_file(host):
    assert host.file(CONFIG).mode == 0o640
    for secret in ("secret-of-this-scenario", "only-of-this-scenario"):
        assert secret not in host.check_output("ps axww -o args")
        assert secret not in host.check_output("journalctl --no-pager | grep -v 'sudo\\['")
        assert host.run(f"grep -rl {secret} /var/log/pgbackrest").stdout == ""


def test_a_certificate_of_another_authority_is_refused(host):
    said = pgbackrest(host, "--repo=1 --repo1-storage-ca-file=/etc/ssl/certs/ca-certificates.crt --io-timeout=5 info")
    assert "unable to verify certificate" in said.stdout + said.stderr, said.stdout + said.stderr


def s3(host, words, path, bucket="freelance-backup", region="cn-north-1"):
    """Ask the server of a bucket, as its owner."""
    return host.check_output(
        "curl --silent --fail --cacert /etc/ssl/platform/ca.crt "
        "-H 'Authorization: AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE/20260101/"
        f"{region}/s3/aws4_request' {words} https://wal-archive-alternative-1:9443/{bucket}/{path}"
    )


def test_what_was_deleted_from_a_bucket_with_versions_is_restored_as_of_before(host):
    sealed = (
        "-H 'x-amz-server-side-encryption: aws:kms' -H 'x-amz-server-side-encryption-aws-kms-key-id: "
        "arn:aws-cn:kms:cn-north-1:123456789012:key/0a1b'"
    )
    restore = "--repo=1 --pg1-path=/var/cache/tampered {} --type=immediate restore"
    listed = json.loads(pgbackrest(host, "--repo=1 --recurse --output=json repo-ls backup/main").stdout)
    files = [f"main/backup/main/{name}" for name, entry in listed.items() if entry["type"] == "file"]
    before = host.check_output("date --utc '+%Y-%m-%d %H:%M:%S+00'")
    host.run_test("sleep 2")
    host.run_test("install -d -o postgres -m 700 /var/cache/tampered /var/cache/kept")
    for name in files:
        host.run_test(f"install -D /dev/null /var/cache/kept/{name}")
        s3(host, f"--output /var/cache/kept/{name}", name)
        s3(host, "--request DELETE", name)
    try:
        lost = pgbackrest(host, restore.format(""))
        assert lost.rc != 0, lost.stdout
        assert "backup.info" in lost.stdout + lost.stderr
        found = pgbackrest(host, restore.format(f"--repo-target-time='{before}'"))
        assert found.rc == 0, found.stdout + found.stderr
        assert host.file("/var/cache/tampered/global/pg_control").exists
    finally:
        for name in files:
            s3(host, f"{sealed} --upload-file /var/cache/kept/{name}", name)
        host.run_test("rm -r /var/cache/tampered /var/cache/kept")
    assert json.loads(pgbackrest(host, "--repo=1 --output=json info").stdout)[0]["status"]["code"] == 0


def test_no_segment_is_acknowledged_while_the_buckets_are_out_of_reach(host):
    wal = "/var/cache/pg/pg_wal/000000010000000000000001"
    host.run("install -d -o postgres /var/cache/pg /var/cache/pg/pg_wal /var/cache/pg/global")
    host.run(f"sudo -u postgres sh -c 'head -c 16777216 /dev/zero > {wal}'")
    host.run_test("systemctl stop nginx")
    try:
        push = pgbackrest(host, f"--pg1-path=/var/cache/pg --no-archive-async --io-timeout=5 archive-push {wal}")
        assert push.rc != 0, push.stdout
    finally:
        host.run_test("systemctl start nginx")
        host.run("rm -r /var/cache/pg")


def play(*options, playbook="../../lab/molecule/converge_role.yml"):
    """Play the role once more; returns the finished command."""
    playbook = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"]) / playbook
    inventory = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "inventory"
    environment = {**os.environ, "ANSIBLE_NOCOLOR": "1"}
    return subprocess.run(
        ["ansible-playbook", "-i", inventory, playbook, *options],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )


@pytest.mark.parametrize(
    ("path", "restarts"), [(CONFIG, False), ("/etc/systemd/system/pgbackrest.service", True)], ids=["reload", "restart"]
)
def test_a_load_that_a_run_was_kept_from_is_made_up_for(host, path, restarts):
    before = host.check_output("systemctl show -P MainPID pgbackrest")
    host.run("touch %s", path)
    assert "changed=1" in play("--check").stdout
    mended = play()
    assert "changed=2" in mended.stdout, mended.stdout  # what was found, and its handler
    assert (host.check_output("systemctl show -P MainPID pgbackrest") != before) == restarts
    assert "changed=0" in play("--check").stdout


def test_a_passphrase_that_the_buckets_were_not_made_with_is_refused_before_it_lands(host, tmp_path):
    given, wrong = tmp_path / "wrong.json", "another-of-this-scenario-0123456789"
    given.write_text(json.dumps({"wal_archive_cipher_passphrase": wrong}))
    before = host.file(CONFIG).sha256sum
    for options in ([], ["--check"]):
        refused = play("-e", f"@{given}", *options)
        said = " ".join((refused.stdout + refused.stderr).split())
        assert refused.returncode != 0
        assert "in freelance-backup, freelance-second does not open with this configuration, which was not inst" in said
        assert "If wal_archive_cipher_passphrase changed, put the one back" in said
        assert wrong not in said
    assert wrong not in host.check_output("journalctl --no-pager | grep -v 'sudo\\['")
    assert host.file(CONFIG).sha256sum == before
    assert pgbackrest(host, "check").rc == 0


def test_the_repositories_of_another_cluster_are_refused_and_left_alone(host):
    """A new cluster in the place of the old one: the same version, another system identifier."""
    data = "/var/lib/postgresql/17/main"

    def held():
        # Without "archive": the old cluster's last segment may arrive late.
        [stanza] = json.loads(pgbackrest(host, "--output=json info").stdout)
        return stanza["db"], stanza["backup"]

    before = held()
    host.run_test("systemctl stop postgresql@17-main")
    host.run_test(f"mv {data} {data}.kept")
    try:
        host.run_test(f"sudo -u postgres /usr/lib/postgresql/17/bin/initdb --pgdata={data}")
        refused = play(playbook="molecule/alternative/converge.yml")
        said = " ".join((refused.stdout + refused.stderr).split())
        assert "holds another cluster: repository 1, 2" in said, refused.stderr[-3000:]
        tool = "pgbackrest --stanza=main"
        deletes = "".join(f"{tool} stop; {tool} --repo={number} --force stanza-delete; " for number in (1, 2))
        assert f"sudo -u postgres sh -c '{deletes}{tool} start'" in said
        assert refused.returncode != 0
        assert held() == before
    finally:
        host.run_test("systemctl stop postgresql@17-main")
        host.run_test(f"rm -r {data}")
        host.run_test(f"mv {data}.kept {data}")
        host.run_test("systemctl start postgresql@17-main")
