"""The benchmark of backups: the disk is asked first, pgBackRest's times become phases, goals stand beside figures."""

import json
import queue
import threading
from collections import namedtuple
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.bench.backup import copies, hosts, page, traffic

Usage = namedtuple("Usage", "total used free")
SAID = """2026-11-29 09:27:35.000 P00   INFO: backup command begin 2.55.1: --stanza=main
2026-11-29 09:27:35.200 P00   WARN: unable to find a standby to perform the backup, using primary instead
2026-11-29 09:27:35.500 P00   INFO: execute non-exclusive backup start: backup begins after the requested checkpoint
2026-11-29 09:27:36.500 P00   INFO: backup start archive = 000000010000000000000015, lsn = 0/15000028
2026-11-29 09:27:46.500 P00   INFO: execute non-exclusive backup stop and wait for all WAL segments to archive
2026-11-29 09:27:47.500 P00   INFO: new backup label = 20261129-092735F
2026-11-29 09:27:47.750 P00   INFO: backup command end: completed successfully (12750ms)
2026-11-29 09:27:47.800 P00   INFO: expire command begin 2.55.1: --stanza=main
"""


def test_phases_last_from_what_begins_them_to_the_next_and_fill_the_whole_time() -> None:
    found = copies.phases(SAID)
    assert found == {
        "looks for hosts, files and the backup before": pytest.approx(0.5),
        "waits for the checkpoint": pytest.approx(1.0),
        "reads, compresses, encrypts, sends, stores": pytest.approx(10.0),
        "waits for the last WAL in the archive": pytest.approx(1.0),
        "finishes its records, flushes folders": pytest.approx(0.25),
    }
    assert copies.phases("pg_dump says nothing") == {}


def test_a_disk_that_is_too_small_is_told_before_anything_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    needed = sum(hosts.sizes(5).values()) + 1
    made: list[str] = []
    monkeypatch.setattr(hosts, "molecule", lambda action, _: made.append(action))
    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage(0, 0, (needed - 1) * 2**30))
    with pytest.raises(SystemExit, match=rf"{needed - 1}\.0 GiB free .* 5 GB needs {needed} GiB"), hosts.pair(5):
        pass
    assert made == []
    # What the volumes hold at most: the database, its copy or restored dump, the dump and the WAL beside it.
    assert hosts.sizes(5)["BENCH_DATA_GIB"] >= 5 + 5 + 5 / 2 + 2
    # What the repository holds: a full backup by the role, one alone, one in each round; each two fifths of 6 GB.
    assert hosts.sizes(5)["BENCH_REPOSITORY_GIB"] >= (2 + traffic.ROUNDS) * 0.4 * 6 + 3


@pytest.mark.parametrize("given", ["five", "0", "-1", "nan", "inf"])
def test_a_size_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv("GIGABYTES", given)
    with pytest.raises(SystemExit, match=f"GIGABYTES is '{given}' and has to be a number above 0"):
        hosts.wanted_gigabytes()
    monkeypatch.delenv("GIGABYTES")
    with pytest.raises(SystemExit, match=f"GIGABYTES is '{given}' and has to be a number above 0"):
        hosts.wanted_gigabytes(given)  # of --gigabytes


def results(**seconds: float) -> dict[str, Any]:
    ways = {
        name: {"seconds": 10.0, "bytes": 100 * 2**20, "cpu_s": {"db": 8.0, "repo": 2.0}, "phases": {}}
        for name in ("cp -a", "full backup", "full restore", "incremental backup", "incremental backup, each table")
    }
    for name, value in seconds.items():
        ways[name.replace("_", " ")]["seconds"] = value
    ways["incremental backup, each table"]["seconds"] = 1.0
    ways["full backup"]["phases"] = {"waits for the checkpoint": 1.25}
    alone, beside = (
        {"when": "alone", "tps": 100.0, "median_ms": 1.0, "p99_ms": 5.0},
        {"when": "beside a full backup", "tps": 85.0, "median_ms": 1.5, "p99_ms": 9.25, "backup_s": 12.5},
    )
    return {
        **dict.fromkeys(("command", "machine", "date"), "x"),
        "load_before": 0.1,
        "cores": 2,
        "trial": False,
        "rows": 1_234_567,
        "seed_s": 30.4,
        "ways": ways,
        "clients": [alone, beside, alone, beside, alone, beside, alone],
        "clients_count": 4,
        "backup_processes": 1,
        "backup_cpu_percent": 25,
        "window_s": 7,
        "stored": {
            "full": {"database": 2**20, "repository": 2**18},
            "that of one table": {"database": 3 * 2**20, "repository": 2**18},
        },
    }


def test_the_page_has_each_figure_beside_its_goal() -> None:
    found = results(incremental_backup=1.0, full_restore=14.0)
    text = page.page(found)
    assert page.held(found)
    assert "| rate of the full restore / `cp -a` | 0.71 | ≥ 0.70 | reached |" in text
    assert "| transactions a second beside a full backup / alone | 0.85 | ≥ 0.85 | reached |" in text
    assert "| cp -a | 10.0 | 10 | 8.0 | 2.0 | 50 % |" in text
    assert "| full backup | 1.2 | waits for the checkpoint |" in text
    assert "| 2 | beside a full backup | 85 | 1.5 | 9.2 | 12.5 |" in text
    assert "each of the mean of its neighbours alone: 0.85, 0.85, 0.85. Their median" in text
    assert "differ by 0 % (median); beyond 15 %," in text
    assert "The worst window beside one had 0.85 of the transactions and a 99th percentile of 9.2 ms." in text
    assert "1,234,567 rows" in text
    assert "**A trial**" not in text
    assert "**The machine had other work**" not in text
    assert "**A trial**" in page.page(found | {"trial": True})
    assert "takes 25 % of the database's size" in text
    assert "that of one table read 3 MiB and stored 0.2 MiB." in text
    assert set(page.plots(found)) == {"backup-rates", "backup-phases", "backup-clients"}


@pytest.mark.parametrize("slower", [{"incremental_backup": 1.1}, {"incremental_backup": 1.0, "full_restore": 14.4}])
def test_a_goal_that_is_missed_is_told(slower: dict[str, float]) -> None:
    found = results(**slower)
    assert not page.held(found)
    assert page.page(found).count("**missed**") == 1


@pytest.mark.parametrize(
    ("alone_tps", "beside_tps", "rounds", "verdict"),
    [
        # The machine is slower for a while: the windows around those beside a backup tell.
        ([100, 90, 90, 100], [85, 76.5, 85], [85 / 95, 0.85, 85 / 95], "reached"),
        # Single rounds may lie below the goal, or above it: their median counts.
        ([100, 100, 100, 100], [70, 86, 99], [0.70, 0.86, 0.99], "reached"),
        ([100, 100, 100, 100], [70, 84, 99], [0.70, 0.84, 0.99], "missed"),
        # Alone it goes up and down by more than a backup may cost.
        ([100, 140, 100, 140], [110, 110, 110], [110 / 120] * 3, "not steady"),
    ],
)
def test_the_median_counts_where_the_windows_alone_are_steady(
    tmp_path: Path, alone_tps: list[float], beside_tps: list[float], rounds: list[float], verdict: str
) -> None:
    found = results(incremental_backup=1.0)
    for number, window in enumerate(found["clients"]):
        tps = (beside_tps if number % 2 else alone_tps)[number // 2]
        found["clients"][number] = {**window, "tps": tps}
    page.write(found, tmp_path)
    text = (tmp_path / "backup.md").read_text(encoding="utf-8")
    kept = json.loads((tmp_path / "backup.json").read_text(encoding="utf-8"))
    assert page.held(found) is (verdict == "reached")
    assert ("≥ 0.85 | **not steady** |" in text) is (verdict == "not steady")
    assert kept["verdicts"][page.TPS] == verdict
    assert kept["rounds"] == pytest.approx(rounds)
    assert kept["clients"] == found["clients"]
    # What was kept makes the same page again.
    assert page.page(kept) == text


def test_clients_are_measured_in_turn_alone_and_beside_a_backup(monkeypatch: pytest.MonkeyPatch) -> None:
    pair: Any = SimpleNamespace(db=SimpleNamespace(sh=lambda _: ""))
    monkeypatch.setattr(traffic, "SHARE", 0.7)
    monkeypatch.setattr(traffic, "ROUNDS", 3)
    monkeypatch.setattr(traffic, "run", lambda _, seconds: {"tps": seconds})
    monkeypatch.setattr(traffic, "beside", lambda _, seconds: {"tps": -seconds})
    alone, beside = {"when": traffic.ALONE, "tps": 14}, {"when": traffic.BESIDE, "tps": -14}
    assert traffic.measure(pair, 5, 20.0) == [alone, beside, alone, beside, alone, beside, alone]


class Backup(threading.Thread):
    """A backup that is at work until somebody waits for its end."""

    def __init__(self, **how: Any) -> None:
        super().__init__(daemon=True, **how)
        self.awaited = threading.Event()

    def join(self, timeout: float | None = None) -> None:
        self.awaited.set()
        super().join(timeout)


@pytest.mark.parametrize(
    ("lasts", "error", "told"),
    [
        (True, None, ""),
        (True, OSError("the repository is full"), "the repository is full"),
        (False, None, "the backup was over before 7 s of pgbench: measure with more GIGABYTES"),
    ],
)
def test_a_window_beside_a_backup_counts_when_the_backup_lasted_and_was_good(
    monkeypatch: pytest.MonkeyPatch, lasts: bool, error: Exception | None, told: str
) -> None:
    begun: queue.Queue[Backup] = queue.Queue()

    def back_up(script: str) -> str:
        assert script.endswith("--type=full")
        thread = threading.current_thread()
        assert isinstance(thread, Backup)
        begun.put(thread)
        thread.awaited.wait()
        if error:
            raise error
        return ""

    def pgbench(_: Any, seconds: int) -> dict[str, float]:
        backup = begun.get(timeout=30)
        if not lasts:
            backup.join()
        return {"tps": seconds}

    clock = iter([100.0, 112.5])
    monkeypatch.setattr(traffic, "run", pgbench)
    monkeypatch.setattr(traffic, "threading", SimpleNamespace(Thread=Backup))
    monkeypatch.setattr(traffic, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    pair: Any = SimpleNamespace(repo=SimpleNamespace(sh=back_up))
    if told:
        with pytest.raises((OSError, RuntimeError), match=told):
            traffic.beside(pair, 7)
    else:
        assert traffic.beside(pair, 7) == {"tps": 7, "backup_s": 12.5}
