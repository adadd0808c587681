"""Ctrl-C at a terminal, with real programs: who is in the middle of something ends by itself."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from smoke.commands import Done, real

ROOT = Path(__file__).parents[3]
# As `pulumi up` does: the signal asks it to end, and it needs a while to write down what it has made. What it prints
# meanwhile is more than a pipe holds.
CHILD = """
import pathlib, signal, sys, time
def end(*_):
    print("x" * 1_000_000)
    time.sleep(2)
    pathlib.Path(sys.argv[2]).write_text("the record is whole")
    sys.exit(1)
signal.signal(signal.SIGINT, end)
pathlib.Path(sys.argv[1]).write_text("ready")
while True:
    time.sleep(0.1)  # not signal.pause(): a signal that comes just before it would be waited for for ever
"""
PARENT = """
import signal, sys
from smoke.commands import real
signal.signal(signal.SIGINT, signal.default_int_handler)  # who is started in the background ignores it otherwise
try:
    real([sys.executable, "-c", *sys.argv[2:]], shown=sys.argv[1] == "shown")
except KeyboardInterrupt:
    print("\\ninterrupted")
"""


@pytest.mark.parametrize("shown", ["shown", "kept"])
def test_an_interrupted_program_ends_by_itself_before_anything_else_is_done(tmp_path: Path, shown: str) -> None:
    ready, record = tmp_path / "ready", tmp_path / "record"
    os.mkfifo(ready)
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, shown, CHILD, str(ready), str(record)],
        env={**os.environ, "PYTHONPATH": str(ROOT / "pulumi")},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # a group of their own, as a terminal's foreground has: the signal goes to both
    )
    assert ready.read_text() == "ready"
    os.killpg(parent.pid, signal.SIGINT)
    said, _ = parent.communicate(timeout=300)
    assert said.endswith("interrupted\n")
    assert record.read_text() == "the record is whole"


def test_how_a_program_ended_and_what_it_printed_is_returned() -> None:
    script = "import sys; print(sys.stdin.read().upper()); print('no', file=sys.stderr); sys.exit(3)"
    done = real([sys.executable, "-c", script], given="state")
    assert done == Done(status=3, stdout="STATE\n", stderr="no\n")
