"""Pages of a category's 200,000 active gigs: by position (keyset) against OFFSET.

`page(Gig.objects.in_category(category), cursor)` against `in_category(category)[first:last]`, 20 rows each, by the
application's role through PgBouncer. Both read the same rows, which is checked.
"""

from collections.abc import Mapping
from functools import partial

from apps.common.pagination import PAGE_ROWS, page
from apps.gigs.models import Category, Gig

from tests.bench.application.host import Bench
from tests.bench.application.many_gigs import GIGS, GIGS_SMALL, many_gigs

TITLE = "Pages by position against OFFSET"
# Half of what was seen.
LIMITS: Mapping[str, tuple[str, float]] = {"offset_over_keyset": ("min", 80.0)}
RUNS = 9


def measure(bench: Bench, small: bool) -> dict[str, float]:
    """Milliseconds of the first page, one in between and the last one, which is the 10,000th."""
    category = many_gigs(bench)
    gigs = Gig.objects.using("default").in_category(category)
    last = (GIGS_SMALL if small else GIGS) // PAGE_ROWS
    figures = {}
    for number in (1, last // 100, last):
        bench.say(f"page {number}")
        cursor = _cursor(category, (number - 1) * PAGE_ROWS)
        by_position = partial(page, gigs, cursor)
        by_offset = partial(_counted_off, category, number)
        if by_position().rows != by_offset():
            raise AssertionError(f"page {number} has other rows by position than by OFFSET")
        figures[f"keyset_page_{number}_ms"] = bench.median_ms(by_position, RUNS)
        figures[f"offset_page_{number}_ms"] = bench.median_ms(by_offset, RUNS)
    return figures | {"offset_over_keyset": figures[f"offset_page_{last}_ms"] / figures[f"keyset_page_{last}_ms"]}


def _counted_off(category: Category, number: int) -> list[Gig]:
    gigs = Gig.objects.using("default").in_category(category)
    return list(gigs[(number - 1) * PAGE_ROWS : number * PAGE_ROWS])


def _cursor(category: Category, rows_before: int) -> str:
    """The cursor that leads past so many rows: a reader has it from the page before."""
    positions = Gig.objects.using("default").in_category(category).only("created_at", "id")
    return page(positions, size=rows_before).next if rows_before else ""
