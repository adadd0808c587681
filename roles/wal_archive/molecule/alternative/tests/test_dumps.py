"""Dumps lie in both buckets too: what backup_cron sends there is read back, verified and let go."""

import json
import os
import time
from pathlib import Path

import pytest
from test_alternative import pgbackrest

FOLDER = "/var/cache/shipping"
PROGRAMS = ("backup_cron/files/freelance_dumps.py", "backup_cron/files/freelance_physical.py")
PROGRAMS += ("backup_cron/files/freelance_shipping.py", "job_runner/files/freelance_jobs.py")
OLD = "20110102_030405"
# What the program is told of this host, and what it is to do.
SCRIPT = """\
import json, pathlib, time, types
import freelance_shipping as shipping
folder = pathlib.Path("{folder}")
config = types.SimpleNamespace(stanza="main", repositories=2, dump_dir=str(folder / "dumps"), retention_days=30)
config.dumps_kept_min, config.shipping = 1, {{"folder": "freelance-dumps/main"}}
print(json.dumps({expression}))
"""


@pytest.fixture
def shipping(host):
    """Do something with the program, as postgres does."""
    roles = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"]).parent
    host.run_test(f"install -d -o postgres -m 700 {FOLDER} {FOLDER}/dumps {FOLDER}/library")
    for program in PROGRAMS:
        text = (roles / program).read_text("utf-8")
        host.run_test(f"cat > {FOLDER}/library/{Path(program).name} <<'END'\n{text}END")

    def run(expression):
        script = SCRIPT.format(folder=FOLDER, expression=expression)
        return host.run(f"cd / && sudo -u postgres PYTHONPATH={FOLDER}/library python3 -B - <<'END'\n{script}END")

    yield run
    host.run(f"rm -r {FOLDER}")


def test_dumps_are_sent_to_both_buckets_read_back_verified_and_let_go(host, shipping):
    new = time.strftime("%Y%m%d_%H%M%S", time.gmtime())
    names = [name.format(stamp) for stamp in (OLD, new) for name in ("full_backup_shop_{}.dump", "globals_{}.sql")]
    for name in names:
        host.run_test(f"echo {name} > {FOLDER}/dumps/{name} && chown postgres {FOLDER}/dumps/{name}")
    sent = shipping(f"shipping.ship(config, {names})")
    assert (sent.rc, "shipped_bytes" in sent.stdout) == (0, True), sent.stderr
    dump = f"full_backup_shop_{new}.dump"
    fetched = shipping(f"shipping.fetch(config, '{dump}', folder).read_text()")
    assert (fetched.rc, json.loads(fetched.stdout or "0")) == (0, f"{dump}\n"), fetched.stderr

    assert pgbackrest(host, f"--repo=2 repo-put freelance-dumps/main/{dump} </etc/hostname").rc == 0
    verified = shipping("shipping.verify(config)")
    assert verified.rc != 0
    named = f"repository 2: dumps that it holds can't be restored:\ninvalid checksum freelance-dumps/main/{dump}"
    assert (named in verified.stderr, "repository 1" in verified.stderr) == (True, False), verified.stderr

    let_go = shipping("shipping.expire(config, time.time())")
    assert let_go.rc == 0, let_go.stderr
    for repository in (1, 2):
        left = pgbackrest(host, f"--repo={repository} repo-ls freelance-dumps/main").stdout.split()
        assert [name for name in left if OLD in name] == []
        assert {dump, f"globals_{new}.sql.gz", f"sums_{new}.sha256"} <= set(left)
