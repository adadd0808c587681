"""What clients notice of a backup: pgbench as fast as it goes, in turn alone and while a full backup runs."""

import re
import statistics
import threading
import time
from typing import Any

from tests.bench.backup.copies import BACKUP
from tests.bench.backup.hosts import SCRATCH, Pair

CLIENTS, THREADS = 4, 2
SCALE_PER_GB = 10  # 150 MB for each GB of the marketplace
SECONDS_MIN = 5
# A full backup has to last longer than the run beside it.
SHARE = 0.35
# How often a full backup runs; alone is before and after each. What drifts in time then weighs on both alike.
ROUNDS = 5
ALONE, BESIDE = "alone", "beside a full backup"


def run(pair: Pair, seconds: int) -> dict[str, float]:
    """Transactions a second, and the latency (ms) that one in two and one in a hundred exceed."""
    options = f"--client={CLIENTS} --jobs={THREADS} --time={seconds} --log --log-prefix={SCRATCH}/log"
    pair.db.sh(f"mkdir -p -m 700 {SCRATCH}")
    said = pair.db.sh(f"pgbench --no-vacuum {options} pgbench 2>&1")
    found = re.search(r"tps = ([\d.]+)", said)
    if found is None:
        raise LookupError(f"pgbench tells no tps: {said}")
    latencies_us = [int(line) for line in pair.db.sh(f"cut -d ' ' -f 3 {SCRATCH}/log.*").split()]
    pair.db.sh(f"rm -rf {SCRATCH}")
    parts = statistics.quantiles(latencies_us, n=100)
    return {"tps": float(found[1]), "median_ms": parts[49] / 1000, "p99_ms": parts[98] / 1000}


def window_s(full_s: float) -> int:
    """Seconds of a window, by those that a full backup takes."""
    return max(SECONDS_MIN, round(full_s * SHARE))


def measure(pair: Pair, gigabytes: float, full_s: float) -> list[dict[str, Any]]:
    """Figures of each window, in their order. RuntimeError when a backup was over before the window beside it."""
    seconds = window_s(full_s)
    scale = max(1, round(gigabytes * SCALE_PER_GB))
    pair.db.sh(f"createdb pgbench; pgbench --initialize --quiet --scale={scale} pgbench 2>&1; psql -c CHECKPOINT")
    run(pair, SECONDS_MIN)  # fills the caches
    windows = [{"when": ALONE, **run(pair, seconds)}]
    for _ in range(ROUNDS):
        windows += [{"when": BESIDE, **beside(pair, seconds)}, {"when": ALONE, **run(pair, seconds)}]
    return windows


def beside(pair: Pair, seconds: int) -> dict[str, float]:
    """Figures of a window that begins with a full backup, and how long that took (s); both are over afterwards."""
    failed: list[Exception] = []
    backup = threading.Thread(target=_backup, args=(pair, failed))
    began = time.monotonic()
    backup.start()
    figures = run(pair, seconds)
    lasted = backup.is_alive()
    backup.join()
    if failed:
        raise failed[0]
    if not lasted:
        raise RuntimeError(f"the backup was over before {seconds} s of pgbench: measure with more GIGABYTES")
    return {**figures, "backup_s": time.monotonic() - began}


def _backup(pair: Pair, failed: list[Exception]) -> None:
    try:
        pair.repo.sh(f"{BACKUP}full")
    except Exception as error:
        failed.append(error)
