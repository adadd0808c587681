"""Filters that put in order what hosts say, for the pages that operators read."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Ansible loads a filter by its path, and takes each file beside it for a filter too.
sys.path.append(str(Path(__file__).resolve().parents[1] / "support"))

from platform_pages import backups, capacity
from platform_pages.table import columns


class FilterModule:
    """Ansible's way in: `{{ looks | backups_overview(spans, now, limits) }}`, `{{ rows | columns(head) }}`."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name the filters."""
        return {"backups_overview": backups.overview, "capacity_plan": capacity.plan, "columns": columns}
