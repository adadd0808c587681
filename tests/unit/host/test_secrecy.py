"""What pytest prints of a failed connection, and the page that it writes, hold no secret."""

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.host import redaction

ROOT = Path(__file__).resolve().parents[3]
SECRET = "kept-to:itself-0123456789"
# A test that connects to a port where nobody listens, run with the verification's own hook and page.
PROGRAM = """
import sys
from pathlib import Path
from types import SimpleNamespace
import pytest
from tests.host import redaction, report

class Hooks:
    {hook}

environment = SimpleNamespace(name="lab", hosts=lambda group: ["db1"])
page = report.Report(Path("report.html"), environment)
sys.exit(pytest.main(["-p", "no:cacheprovider", "--showlocals", "test_it.py"], plugins=[Hooks(), page]))
"""
HOOK = """
    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self):
        made = yield
        redaction.redact(made)
        return made
"""


def run(folder: Path, test: str, hook: str) -> str:
    """Run one failing test; returns its output and the page."""
    (folder / "test_it.py").write_text(textwrap.dedent(test), encoding="utf-8")
    program = PROGRAM.format(hook=hook)
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout + done.stderr + (folder / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("hook", ["pass", HOOK.strip()], ids=["alone", "with the hook"])
def test_a_refused_connection_shows_no_password(tmp_path: Path, hook: str) -> None:
    way = {"libpq": "host=127.0.0.1 port=1 user=freelance_user", "secret": "password", "parameters": {}}
    (tmp_path / "secret").write_text(SECRET, encoding="utf-8")
    card = {"connections": {"pooled": way}, "secrets": {"password": {"read": f"cat {tmp_path}/secret"}}}
    (tmp_path / "card.json").write_text(json.dumps(card), encoding="utf-8")
    shown = run(
        tmp_path,
        """
        import json
        from pathlib import Path
        from tests.host import clients

        def test_connect():
            clients.connect(json.loads(Path("card.json").read_text()), "pooled")
        """,
        hook,
    )
    assert "Connection refused" in shown
    assert SECRET not in shown
    assert SECRET.rpartition(":")[2] not in shown


def test_what_was_read_is_hidden_wherever_it_turns_up(tmp_path: Path) -> None:
    shown = run(
        tmp_path,
        f"""
        from tests.host import redaction

        def fail(password):
            print("printed", password)
            assert password == "other", "SCRAM-SHA-256$4096:AAECAw==$c3RvcmVk:c2VydmVy"

        def test_password():
            fail(redaction.remember("{SECRET}"))
        """,
        HOOK.strip(),
    )
    assert "printed (hidden)" in shown
    assert SECRET not in shown
    assert "c3RvcmVk" not in shown


def test_a_skip_keeps_its_reason() -> None:
    report = pytest.TestReport("x", ("x", 1, "test"), {}, "skipped", ("x.py", 1, "Skipped: not yet due"), "call")
    redaction.redact(report)
    assert report.longrepr == ("x.py", 1, "Skipped: not yet due")
