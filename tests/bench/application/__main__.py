"""What the application's design costs and gains: ratios of one run on one small host, made for it in the lab.

    python -m tests.bench.application [SUBJECT…] [--results FOLDER] [--small]      about 15 minutes; the lab must run

Results are kept in docs/results, unless they are a trial's (some subjects, or --small): these go where --results says,
or nowhere. Exit status 1 when a limit is exceeded (--small has none) or a subject fails; the others' figures are there
all the same.
"""

import argparse
import importlib
import os
import platform
import signal
import sys
import time
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol, cast

from tests.bench.application import host, page

# In this order: the history needs an empty server, the seed an empty database, and the others the seed.
SUBJECTS = ("history", "seeding", "keys", "searching", "pages", "partitions", "routing", "safeguards")


class Subject(Protocol):
    """A module of this package. LIMITS: by a figure's name, whether its limit is "min" or "max", and the limit."""

    TITLE: str
    LIMITS: Mapping[str, tuple[str, float]]

    def measure(self, bench: host.Bench, small: bool) -> dict[str, float]:
        """Figures by their names, which have the unit in them."""


def measured(name: str, bench: host.Bench) -> dict[str, Any]:
    """One subject's part of the results. What goes wrong is told and noted in the place of its figures."""
    bench.say(f"--- {name}")
    began, date = time.monotonic(), datetime.now(UTC).isoformat(timespec="minutes")
    part: dict[str, Any] = {"title": name, "about": "", "limits": {}, "figures": {}, "failed": ""}
    try:
        # Imported here: models need Django, and one subject's mistake is no other one's.
        subject = cast("Subject", importlib.import_module(f"{__package__}.{name}"))
        part |= {"title": subject.TITLE, "about": _about(subject)}
        # Limits are those of whole sizes.
        part["limits"] = {} if bench.small else dict(subject.LIMITS)
        figures = subject.measure(bench, bench.small)
        if missing := subject.LIMITS.keys() - figures.keys():
            raise LookupError(f"no figure to hold against the limit: {', '.join(sorted(missing))}")
        part["figures"] = figures
    except Exception as error:  # whatever it is, the others' figures are kept
        traceback.print_exc()
        part["failed"] = f"{type(error).__name__}: {error}".strip().splitlines()[0]
        bench.let_go()
    return part | {"date": date, "seconds": round(time.monotonic() - began, 1), "postgresql": dict(bench.postgresql)}


def _about(subject: object) -> str:
    """The second paragraph on of its docstring, each as one line."""
    _, *paragraphs = (subject.__doc__ or "").strip().split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def main() -> int:
    """Measure, keep the results, tell whether the limits hold."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.application",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("subjects", nargs="*", metavar="SUBJECT", choices=[*SUBJECTS, []], help=", ".join(SUBJECTS))
    parser.add_argument("--results", type=Path, help="folder for application.json, its page and plots")
    parser.add_argument("--small", action="store_true", help="a trial with small sizes and no limits, of some minutes")
    given = parser.parse_args()
    trial = given.small or bool(given.subjects)
    results: dict[str, Any] = {
        "command": " ".join(["python -m tests.bench.application", *sys.argv[1:]]),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
        "load_before": round(os.getloadavg()[0], 1),
        "date": datetime.now(UTC).isoformat(timespec="minutes"),
        "trial": trial,
    }
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # the host is removed all the same
    with host.bench(small=given.small) as bench:
        results["subjects"] = {name: measured(name, bench) for name in given.subjects or SUBJECTS}
    folder = given.results or (None if trial else host.ROOT / "docs" / "results")
    if folder:
        page.write(results, folder)
    print(page.page(results))
    return 0 if page.held(results) else 1


if __name__ == "__main__":
    sys.exit(main())
