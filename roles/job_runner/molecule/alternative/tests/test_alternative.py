"""A failure is mailed by TLS to a server that is checked; what can't be sent is told and changes no outcome."""

import pytest

PROGRAM = """
import sys
from pathlib import Path
sys.path.append('/usr/local/lib/freelance-jobs')
from freelance_jobs import Runner, run_tool
here = Path('/srv/job')
runner = Runner(program='freelance-test', metric_prefix='freelance_test', status_dir=here, metrics_dir=here,
                mail_to='operators@example.test, second@example.test')
sys.exit(runner.run('nightly', lambda: {'bytes': len(run_tool(sys.argv[1:]))}))
"""


@pytest.fixture
def program(host):
    host.run_test("install -d -m 0777 /srv/job")
    host.run_test(f"cat > /srv/job.py <<'EOF'\n{PROGRAM}\nEOF")
    host.run_test("truncate -s 0 /srv/mail")
    yield lambda words: host.run(f"cd / && sudo -u nobody python3 -B /srv/job.py {words}")
    host.run("rm -rf /srv/job /srv/job.py")


def test_a_failure_arrives_with_the_tools_own_words(host, program):
    done = program("ls /not-there")
    assert (done.rc, "no mail" in done.stderr) == (2, False), done.stderr
    mail = host.file("/srv/mail").content_string
    assert "To: operators@example.test, second@example.test" in mail
    assert "Subject: freelance-test: nightly failed on job-runner-alternative-1" in mail
    assert "cannot access '/not-there'" in mail


def test_a_server_whose_certificate_has_another_name_gets_nothing(host, program):
    host.run_test("sed -i 's/^host .*/host elsewhere.test/' /etc/msmtprc")
    try:
        done = program("ls /not-there")
    finally:
        host.run_test("sed -i 's/^host .*/host mail.test/' /etc/msmtprc")
    assert done.rc == 2
    assert "no mail to operators@example.test" in done.stderr
    assert host.file("/srv/mail").content_string == ""
