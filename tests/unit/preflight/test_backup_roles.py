"""Bad input of the backup and cache roles is refused with the value, the limit and the remedy."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
SECRET = "0123456789" * 3
FILES = {"certificate_file": "/x.crt", "key_file": "/x.key", "ca_file": "/ca.crt"}
S3 = {"type": "s3", "bucket": "freelance", "region": "eu-central-1", "kms_key_arn": "arn:aws:kms:eu:1:key/1"}

SECOND = S3 | {"bucket": "freelance-second", "region": "eu-west-1"}
HOST = {"type": "host", "host": "service1"}
BUCKETS = {"hosts": ["db1"], "cipher_passphrase": SECRET}


def prefixed(role: str, values: dict[str, Any]) -> dict[str, Any]:
    return {f"{role}_{name}": value for name, value in values.items()}


BASES: dict[str, dict[str, Any]] = {
    "wal_archive": {"stanza": "main", "repositories": [HOST], "host": "db1", **FILES},
    "backup_repository": {"stanza": "main", "hosts": ["db1"], "cipher_passphrase": SECRET, **FILES},
    "backup_cron": {"stanza": "main", "jobs": ["dump"]},
    "job_runner": {},
    "maintenance_cron": {},
    "cache": {
        "app_password": SECRET,
        "operator_password": f"{SECRET}x",
        "memory_mib": 128,
        "host_memory_mib": 512,
        **FILES,
    },
}
# role, what is wrong with it, what the refusal has to say.
CASES: list[tuple[str, dict[str, Any], list[str]]] = [
    ("wal_archive", {}, []),
    ("wal_archive", {"repositories": [{"type": "host"}]}, ["names no host", "no command that pretends"]),
    ("wal_archive", {"repositories": [S3]}, ["wal_archive_hosts=[]", "at least 20", "initialise_secrets.yml"]),
    ("wal_archive", {"repositories": [S3], **BUCKETS}, []),
    ("wal_archive", {"repositories": [S3 | {"kms_key_arn": ""}], **BUCKETS}, ["kms_key_arn"]),
    ("wal_archive", {"repositories": [S3, SECOND], **BUCKETS}, []),
    ("wal_archive", {"repositories": [HOST, S3], **BUCKETS}, ["only beside a bucket", "leave one out"]),
    ("wal_archive", {"repositories": []}, ["wal_archive_repositories=[]", "one or two", "pretends"]),
    ("wal_archive", {"repositories": [S3, S3 | {"region": "x"}], **BUCKETS}, ["no two alike", "another bucket"]),
    ("wal_archive", {"repositories": [HOST, HOST | {"host": "service2"}]}, ["only beside a bucket"]),
    ("wal_archive", {"repositories": [S3 | {"key_type": "shared"}], **BUCKETS}, ["s3_key has 0", "key_type=auto"]),
    ("wal_archive", {"compress_level": 99}, ["wal_archive_compress_level=99", "1 to 22"]),
    ("wal_archive", {"backup_cpu_percent": 0}, ["wal_archive_backup_cpu_percent=0", "at least 5"]),
    ("backup_repository", {}, []),
    ("backup_repository", {"hosts": []}, ["backup_repository_hosts=[]", "contract"]),
    ("backup_repository", {"hosts": "db1,db2"}, ["backup_repository_hosts=db1,db2", "a list"]),
    ("backup_repository", {"cipher_passphrase": "short"}, ["5 characters", "minimum is 20", "initialise_secrets.yml"]),
    ("backup_repository", {"retention_full_days": 0}, ["retention_full_days=0", "at least 1"]),
    ("backup_cron", {}, []),
    ("backup_cron", {"jobs": []}, ["backup_cron_jobs=[]", "at least one job"]),
    ("backup_cron", {"databases": ["shop; rm"]}, ["shop; rm", "a-z, 0-9 and _"]),
    ("backup_cron", {"retention_days": 7}, ["retention_days=7", "more than that"]),
    ("backup_cron", {"dumps_kept_min": 0}, ["dumps_kept_min=0", "at least 1"]),
    ("backup_cron", {"leader_name": "direct.test"}, ["leader_name=direct.test", "it has 0", "leave the name empty"]),
    ("backup_cron", {"leader_name": "direct.test", "leader_password": SECRET}, []),
    ("backup_cron", {"dump_schedule": "daily"}, ['"daily"', "five fields", "0 2 * * *"]),
    ("backup_cron", {"jobs": ["verify"], "verify_schedule": "weekly"}, ['verify_schedule="weekly"', "five fields"]),
    ("backup_cron", {"catch_up_schedule": "often"}, ['catch_up_schedule="often"', "five fields"]),
    ("backup_cron", {"repositories": 3}, ["backup_cron_repositories=3", "1 or 2"]),
    ("backup_cron", {"mail_to": "a@b.test\\nBcc: c"}, ["backup_cron_mail_to", "addresses with commas"]),
    ("backup_cron", {"drill_application_command": ["check"]}, ["application_role= (", "or no command"]),
    ("backup_cron", {"drill_application_command": "check"}, ["command=check (a list)"]),
    ("backup_cron", {"drill_application_environment": {"PORT": 1}}, ["{'PORT': 1} (texts"]),
    ("backup_cron", {"drill_application_command": ["check"], "drill_application_role": "shop"}, []),
    ("job_runner", {}, []),
    ("job_runner", {"mail_to": ["a@b.test"]}, ["smtp_host=,", "leave the list empty"]),
    ("job_runner", {"mail_to": ["a@b.test"], "smtp_host": "mail.test", "mail_from": "c@b.test"}, []),
    ("job_runner", {"mail_to": "a@b.test"}, ["mail_to=a@b.test", "a list of addresses"]),
    ("job_runner", {"smtp_port": 0}, ["smtp_port=0", "1 to 65535"]),
    ("maintenance_cron", {}, []),
    ("maintenance_cron", {"databases": ["shop; rm"]}, ["shop; rm", "a-z, 0-9 and _"]),
    ("maintenance_cron", {"window_end_hour": 24}, ["window_end_hour=24", "0 to 23"]),
    ("maintenance_cron", {"reindex_density_percent_min": 90}, ["density_percent_min=90", "1 to 80"]),
    ("maintenance_cron", {"statement_minutes_max": 0}, ["statement_minutes_max=0", "at least 1 each"]),
    ("maintenance_cron", {"report_schedule": "daily"}, ["daily", "five fields", "0 2 * * *"]),
    ("maintenance_cron", {"jobs": ["capacity"]}, []),
    ("maintenance_cron", {"jobs": ["capcity"]}, ["capcity", "analyze, vacuum, reindex"]),
    ("maintenance_cron", {"capacity_folders": ["/data,/wal"]}, ["/data,/wal", "without a comma"]),
    ("cache", {}, []),
    ("cache", {"memory_mib": 400}, ["cache_memory_mib=400", "16 to 384 MiB", "more memory"]),
    ("cache", {"app_password": "short"}, ["has 5", "at least 20", "initialise_secrets.yml"]),
    ("cache", {"operator_password": SECRET}, ["two different"]),
    ("cache", {"app_user": 'a" on'}, ['a" on', "a-z, 0-9, _ and -"]),
]


def play_one(number: int, role: str, values: dict[str, Any]) -> dict[str, Any]:
    """Write a block that plays a role's preflight and remembers what it said, nothing for "not refused"."""

    def remember(text: str) -> dict[str, Any]:
        return {"set_fact": {"told": f"{{{{ told | default({{}}) | combine({{'{number}': {text}}}) }}}}"}}

    variables = prefixed(role, BASES[role] | values)
    preflight = {"include_role": {"name": role, "tasks_from": "preflight"}, "vars": variables}
    return {"block": [preflight, remember("''")], "rescue": [remember("ansible_failed_result.msg")]}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Play all cases in one run of Ansible: starting it takes longer than a case."""
    folder = tmp_path_factory.mktemp("refusals")
    tasks = [play_one(number, role, values) for number, (role, values, _) in enumerate(CASES)]
    tasks.append({"copy": {"dest": str(folder / "told.json"), "content": "{{ told | to_json }}", "mode": "0600"}})
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}
    (folder / "play.json").write_text(json.dumps([play]), encoding="utf-8")
    played = subprocess.run(
        ["ansible-playbook", "-i", "localhost,", str(folder / "play.json")],
        cwd=ROOT,
        env=os.environ | {"ANSIBLE_INVENTORY_ENABLED": "host_list", "ANSIBLE_ROLES_PATH": str(ROOT / "roles")},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert played.returncode == 0, played.stdout[-3000:] + played.stderr[-3000:]
    result: dict[str, str] = json.loads((folder / "told.json").read_text(encoding="utf-8"))
    return result


@pytest.mark.parametrize(
    ("number", "words"),
    [pytest.param(str(number), words, id=f"{role}-{number}") for number, (role, _, words) in enumerate(CASES)],
)
def test_bad_input_is_refused_and_good_input_is_not(told: dict[str, str], number: str, words: list[str]) -> None:
    assert bool(told[number]) == bool(words), told[number]
    assert not [word for word in words if word not in told[number]], told[number]


def test_no_refusal_shows_a_secret(told: dict[str, str]) -> None:
    assert SECRET not in "".join(told.values())
