"""The drill's private server and its scratch folder; and the marker rows, written by the host that leads alone."""

import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.signals import heeded

ROLES = Path(__file__).parents[3] / "roles"
sys.path += [str(ROLES / "job_runner/files"), str(ROLES / "backup_cron/files")]

servers = importlib.import_module("freelance_drill_server")
markers = importlib.import_module("freelance_markers")
program = importlib.import_module("freelance_backup")
CONTROL = """\
Bytes per WAL segment:                16777216
max_connections setting:              100
max_worker_processes setting:         8
max_wal_senders setting:              10
max_prepared_xacts setting:           0
max_locks_per_xact setting:           64
"""


class Live:
    """Stands in for the live server: what it was asked, and what it answers."""

    def __init__(self, answer: str = "50") -> None:
        self.answer, self.asked = answer, [""]

    def ask(self, *statements: str) -> str:
        self.asked += statements
        return "/usr/lib/postgresql/17/bin" if "BINDIR" in statements[0] else self.answer


@pytest.fixture
def scratch(tmp_path: Path) -> Any:
    return servers.Scratch(tmp_path, stanza="main", repository=2, timeout_seconds=5)


@pytest.fixture
def server(scratch: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(servers, "run_tool", lambda *_, **__: CONTROL)
    return servers.Server(scratch, Live(), ["backup", "shopkeeper"])


def test_the_private_server_is_reached_by_its_socket_alone_and_archives_nothing(server: Any, tmp_path: Path) -> None:
    text = server.settings("2026-11-29 06:00:00+00")
    for line in (
        "listen_addresses = ''",
        f"unix_socket_directories = '{tmp_path}/socket'",
        "unix_socket_permissions = '0700'",
        "archive_mode = 'off'",
        "recovery_target_time = '2026-11-29 06:00:00+00'",
        "recovery_target_action = 'pause'",
    ):
        assert f"{line}\n" in text
    (fetch,) = [line for line in text.splitlines() if line.startswith("restore_command")]
    assert "--repo=2 " in fetch
    assert fetch.endswith('--no-archive-async archive-get %f "%p"\'')


def test_nobody_but_the_readers_is_let_in_besides_the_superuser(
    server: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "data").mkdir()
    monkeypatch.setattr(servers, "run_gently", lambda *_, **__: "")
    server.start("")
    assert (tmp_path / "pg_hba.conf").read_text().splitlines() == [
        "local all postgres peer",
        "local all backup peer map=drill",
        "local all shopkeeper peer map=drill",
    ]
    assert (tmp_path / "pg_ident.conf").read_text() == "drill postgres backup\ndrill postgres shopkeeper\n"


@pytest.fixture
def ran(server: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The server, with programs that are run for real."""
    monkeypatch.undo()
    monkeypatch.setattr(servers, "GENTLY", ["nice"])
    return server


@pytest.mark.parametrize(
    ("script", "said"), [('echo first; echo "at $HOST"', "at {}/socket"), ("true", "exit status 0")]
)
def test_an_application_is_told_where_the_server_is_and_its_last_line_is_kept(
    ran: Any, tmp_path: Path, script: str, said: str
) -> None:
    check = {"command": ["sh", "-c", script], "environment": {"HOST": "{socket}"}, "role": "shopkeeper"}
    assert ran.checked_by(check) == f"sh -c {script}: {said.format(tmp_path)}"


def test_an_application_that_refuses_ends_the_drill_with_its_words(ran: Any) -> None:
    check = {"command": ["sh", "-c", "echo no such role >&2; exit 3"], "environment": {}, "role": "nobody"}
    with pytest.raises(servers.JobError, match=r"(?s)^sh ended with exit status 3:.*no such role") as caught:
        ran.checked_by(check)
    assert caught.value.status == 3


def test_each_index_of_each_database_is_checked_against_its_whole_table(
    server: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ran: list[list[str]] = []
    monkeypatch.setattr(servers, "run_gently", lambda argv, **_: ran.append(argv))
    server.amcheck(["postgres", "shop"])
    assert [argv[0] for argv in ran] == ["/usr/lib/postgresql/17/bin/pg_amcheck"] * 2
    assert [argv[-1] for argv in ran] == ["postgres", "shop"]
    wanted = {"--heapallindexed", "--install-missing", f"--host={tmp_path}/socket"}
    assert [wanted - set(argv) for argv in ran] == [set(), set()]


def test_it_has_at_least_what_the_restored_and_the_live_server_have(server: Any) -> None:
    text = server.settings("")
    assert "max_connections = '100'\n" in text
    assert "max_prepared_transactions = '50'\n" in text
    assert "recovery_target_action = 'promote'\n" in text


def test_the_segment_where_the_wal_ended_has_the_name_of_its_last_byte(
    server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for last_byte, name in ((2**24 - 1, "0" * 16), (2**24, "0000000000000001"), (2**32 + 5, "0000000100000000")):
        monkeypatch.setattr(server, "socket", Live(f"2026-11-29|12.5|{last_byte}"))
        assert server.replayed_to() == ("2026-11-29", 12.5, name)


@pytest.mark.parametrize(
    ("last", "following"),
    [
        ("000000010000000000000005", "000000010000000000000006"),
        ("0000000100000000000000FF", "000000010000000100000000"),
        # Timeline 2 was left within the segment in which it began, and 3 goes on there.
        ("000000010000000100000007", "000000030000000100000008"),
        ("000000030000000100000008", "000000030000000100000009"),
    ],
    ids=["beside it", "of the next log", "of the next timeline", "of the same timeline"],
)
def test_the_segment_that_did_not_come_is_named(scratch: Any, last: str, following: str) -> None:
    assert str(scratch.told("it ended")) == "it ended"
    names = ["00000002.history", "00000003.history", "000000010000000000000004", last]
    text = "".join(f'LOG:  restored log file "{name}" from archive\n' for name in names)
    end = "FATAL:  recovery ended before configured recovery target was reached"
    scratch.log.write_text(f"{text}{end}\n")
    (scratch.data / "pg_wal").mkdir(parents=True)
    (scratch.data / "pg_wal/00000003.history").write_text("1\t1/8000100\tone\n2\t1/8000200\ttwo\n")
    said = str(scratch.told("it ended"))
    assert said.startswith(f"it ended\nThe archive gave all segments up to {last}, and not the next one, {following}.")
    assert said.endswith(end)


def test_of_a_replay_that_was_only_slow_nothing_is_said_to_be_missing(scratch: Any) -> None:
    scratch.log.write_text('LOG:  restored log file "000000010000000000000004" from archive\n')
    assert "\nThe archive gave all segments up to 000000010000000000000004.\n" in str(scratch.told("it took too long"))


def test_without_its_history_the_segment_is_named_on_the_timeline_of_the_one_before(scratch: Any) -> None:
    names = ("00000003.history", "000000010000000100000007")
    text = "".join(f'LOG:  restored log file "{name}" from archive\n' for name in names)
    scratch.log.write_text(f"{text}LOG:  selected new timeline ID: 4\n")
    assert "the next one, 000000010000000100000008." in str(scratch.told("it ended"))


@pytest.fixture
def left_running(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that a killed drill has left, and one that is none of the drill's."""
    (tmp_path / "data").mkdir()
    words = ["60", f"{tmp_path}/data"]
    script = "while :; do sleep 0.1; done"
    with (
        heeded(),
        subprocess.Popen(["postgres", "-c", script, *words], executable="/bin/sh") as ours,
        subprocess.Popen(["other", "-c", script, *words], executable="/bin/sh") as other,
    ):
        try:
            yield ours
            assert other.poll() is None
        finally:
            for process in (ours, other):
                process.kill()


def test_what_a_killed_drill_left_goes_and_nothing_else(
    scratch: Any, left_running: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(servers.time, "sleep", lambda _: left_running.poll())
    scratch.clear()
    assert left_running.poll() is not None
    assert list(tmp_path.iterdir()) == []


def test_a_failure_names_the_tool_and_not_what_made_it_gentle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "GENTLY", ["nice"])
    with pytest.raises(servers.JobError, match=r"^false ended with exit status 1:$"):
        servers.run_gently(["false"])


@pytest.mark.parametrize(("answer", "leads"), [("f", True), ("t", False)])
def test_the_host_that_leads_writes_markers(answer: str, leads: bool) -> None:
    assert markers.leads(Live(answer)) is leads


def test_each_statement_of_a_marker_is_a_transaction_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[list[str]] = []

    def run_tool(argv: list[str], **_: Any) -> str:
        ran.append(argv)
        return "7\n"

    monkeypatch.setattr(markers, "run_tool", run_tool)
    assert markers.write_marker(markers.Socket(folder="/run/postgresql", port=5432)) == {"markers": 7.0}
    (written,) = [argv for argv in ran if any("INSERT" in word for word in argv)]
    commands = [word.partition("=")[2][:6] for word in written if word.startswith("--command=")]
    assert commands == ["INSERT", "DELETE", "SELECT"]
    assert {"--host=/run/postgresql", "--username=postgres", "--no-password"} <= set(written)


def test_a_marker_is_written_under_its_own_lock_and_mails_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = SimpleNamespace(socket_dir="/run", port=1)
    runner = program.Runner(
        program="x", metric_prefix="x", status_dir=tmp_path, metrics_dir=tmp_path, mail_to="ops@example.org"
    )
    monkeypatch.setattr(program.Runner, "_tell", lambda self, *_: pytest.fail("mailed") if self.mail_to else None)
    monkeypatch.setattr(program, "leads", lambda _: True)
    monkeypatch.setattr(program, "write_marker", lambda _: 1 / 0)
    assert program.perform(config, runner, "marker") == 1
    monkeypatch.setattr(program, "leads", lambda _: False)
    assert program.perform(config, runner, "marker") == 0
    assert (tmp_path / "marker.lock").exists()
