"""The KPI of the disk is measured where the database runs, and elsewhere said not to be."""

import errno
import json
import os
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import pytest
from config import measuring
from config.monitoring import run_performance_audit
from django.core.management import CommandError
from django.db import connections
from django.test import override_settings
from test_monitoring import audit, kpi

pytestmark = pytest.mark.usefixtures("migrated")

DISK = "disk_busy_percent"


class Host:
    """What the kernel of a host says: a session's process and the disk of `folder`, busy for `ms` of ten seconds."""

    def __init__(self, folder: Path, title: str, ms: int) -> None:
        self.folder, self.ms, self.seconds = folder, ms, 100.0
        with connections["direct"].cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            (pid,) = cursor.fetchone()
        (folder / str(pid)).mkdir()
        (folder / str(pid) / "cmdline").write_text(title)
        self._write(5_000)

    def _write(self, busy_ms: int) -> None:
        device = self.folder.stat().st_dev
        lines = ["7 0 loop0 0 0 0 0 0 0 0 0 0 999999 0"]
        lines.append(f" {os.major(device)} {os.minor(device)} vdz 11 12 13 14 15 16 17 18 0 {busy_ms} 7777 0 0 0 0 0 0")
        (self.folder / "diskstats").write_text("\n".join(lines))

    def sleep(self, _seconds: float) -> None:
        self.seconds += 10
        self._write(5_000 + self.ms)


@pytest.fixture
def host(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    title, ms = request.param
    made = Host(tmp_path, title, ms)
    monkeypatch.setattr(measuring, "PROC", tmp_path)
    monkeypatch.setattr(measuring, "time", SimpleNamespace(sleep=made.sleep, monotonic=lambda: made.seconds))
    return made


MINE = "postgres: 17/main: freelance_migrator freelance_platform 127.0.0.1(60600) idle"


@pytest.mark.parametrize(
    ("host", "percent", "status"),
    [((MINE, 2_500), 25.0, "met"), ((MINE, 7_100), 71.0, "missed"), ((MINE, 10_040), 100.0, "missed")],
    indirect=["host"],
)
def test_the_disk_of_the_data_directory_is_watched_where_the_database_runs(
    host: Host, percent: float, status: str
) -> None:
    with override_settings(POSTGRESQL_DATA_DIRECTORY=str(host.folder)):
        report = json.loads(audit("--json", "--database", "direct"))
    assert report["disk_busy"] == [{"device": "vdz", "busy_percent": percent}]
    assert (kpi(report, DISK)["value"], kpi(report, DISK)["status"]) == (percent, status)
    assert "disk_busy" not in report["not_measured"]


@pytest.mark.parametrize("host", [(MINE.replace("platform", "other"), 0), ("/usr/sbin/sshd -D", 0)], indirect=True)
def test_a_process_of_the_same_number_is_no_server(host: Host) -> None:
    with override_settings(POSTGRESQL_DATA_DIRECTORY=str(host.folder)):
        found = kpi(run_performance_audit("direct"), DISK)
    assert (found["value"], found["status"]) == (None, "not measured")
    assert "runs on another host" in found["reason"]


@pytest.mark.parametrize("host", [(MINE, 0)], indirect=True)
@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (PermissionError(errno.EACCES, "Permission denied"), "not to be seen: Permission denied"),
        (ProcessLookupError(errno.ESRCH, "No such process"), "not to be seen: No such process"),
    ],
)
def test_a_process_that_is_hidden_or_gone_ends_no_audit(host: Host, error: OSError, reason: str) -> None:
    directory = override_settings(POSTGRESQL_DATA_DIRECTORY=str(host.folder))
    with directory, mock.patch.object(Path, "read_text", side_effect=error):
        found = kpi(run_performance_audit("direct"), DISK)
    assert (found["value"], found["status"]) == (None, "not measured")
    assert reason in found["reason"]


@pytest.mark.parametrize("host", [(MINE, 0)], indirect=True)
@pytest.mark.parametrize(
    ("folder", "reason"),
    [
        ("", "POSTGRESQL_DATA_DIRECTORY is not set"),
        ("/nowhere", "The disk of /nowhere cannot be watched: No such file or directory"),
        ("/dev/pts", "of the data directory is no disk"),
    ],
)
@pytest.mark.usefixtures("host")
def test_what_cannot_be_watched_is_not_measured_with_the_reason(folder: str, reason: str) -> None:
    with override_settings(POSTGRESQL_DATA_DIRECTORY=folder):
        found = kpi(run_performance_audit("direct"), DISK)
    assert (found["value"], found["status"]) == (None, "not measured")
    assert reason in found["reason"]


def test_the_disk_of_another_host_is_not_measured(tmp_path: Path) -> None:
    with override_settings(POSTGRESQL_DATA_DIRECTORY=str(tmp_path)):
        found = kpi(run_performance_audit("direct"), DISK)
    assert "runs on another host" in found["reason"]


def test_a_strict_audit_names_what_was_not_measured_unless_that_is_allowed() -> None:
    with pytest.raises(CommandError) as caught:
        audit("--strict", "--database", "direct")
    assert f"Not measured: pool_use_percent; {DISK}." in str(caught.value)
    assert caught.value.returncode == 1
    with pytest.raises(CommandError) as caught:
        audit("--strict", "--database", "direct", "--allow-not-measured", DISK)
    assert str(caught.value).endswith("Not measured: pool_use_percent.")
    with pytest.raises(CommandError, match="invalid choice: 'disc'"):
        audit("--strict", "--allow-not-measured", "disc")
