"""A program of a few lines gets by the library what jobs are owed, with the host's own Python and packages."""

import json

import pytest

PROGRAM = """
import sys, time
from pathlib import Path
sys.path.append('/usr/local/lib/freelance-jobs')
from freelance_jobs import Runner, run_tool
here = Path('/srv/job')
runner = Runner(program='freelance-test', metric_prefix='freelance_test', status_dir=here, metrics_dir=here, mail_to='')
if sys.argv[1] == 'missed':
    runner.answered('nightly', time.time() - 2 * 86400)
    runner.answered('yearly', time.time())
    print(runner.missed({'nightly': '0 2 * * *', 'yearly': '0 2 1 1 *'}, time.time()))
else:
    sys.exit(runner.run('nightly', lambda: {'bytes': len(run_tool(sys.argv[1:]))}))
"""


@pytest.fixture
def program(host):
    host.run_test("install -d -o nobody /srv/job")
    host.run_test(f"cat > /srv/job.py <<'EOF'\n{PROGRAM}\nEOF")
    yield lambda words: host.run(f"cd / && sudo -u nobody python3 -B /srv/job.py {words}")
    host.run("rm -rf /srv/job /srv/job.py")


def test_a_job_leaves_its_outcome(host, program):
    done = program("echo four")
    assert done.rc == 0, done.stderr
    outcome = json.loads(host.file("/srv/job/nightly.json").content_string)
    assert (outcome["exit_status"], outcome["bytes"]) == (0, 5)
    assert host.file("/srv/job/freelance_test_nightly.prom").mode == 0o644


def test_a_failure_is_in_the_journal_with_the_tools_own_words(host, program):
    assert program("ls /not-there").rc == 2
    assert "cannot access '/not-there'" in host.run("journalctl --no-pager | grep 'nightly failed' -A 3").stdout


def test_a_missed_job_is_named_and_no_other(program):
    assert program("missed").stdout == "['nightly']\n"


def test_cron_runs_now_and_at_boot_and_nobody_is_mailed_to(host):
    assert host.service("cron").is_running
    assert host.service("cron").is_enabled
    assert not host.file("/usr/sbin/sendmail").exists
    assert not host.file("/etc/msmtprc").exists


def test_jobs_weigh_a_tenth_of_what_other_services_do(host):
    shown = host.check_output("systemctl show cron.service --property=CPUWeight,NeedDaemonReload").splitlines()
    assert sorted(shown) == ["CPUWeight=10", "NeedDaemonReload=no"]


def test_the_library_is_roots(host):
    library = host.file("/usr/local/lib/freelance-jobs/freelance_jobs.py")
    assert (library.user, library.mode) == ("root", 0o644)
