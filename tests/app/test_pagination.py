"""Pages by position: every row once, forward and back, whatever comes and goes meanwhile, at one query a page."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import factories as make
import factories_people as people
import pytest
from apps.accounts.models import User
from apps.common.pagination import OLDEST_FIRST, BrokenCursorError, Page, page
from apps.gigs.models import Gig, GigSearchHistory
from django.db import connections
from django.db.models import QuerySet
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st
from test_routing import queries

START = datetime(2025, 1, 1, tzinfo=UTC)
CURSOR = "AQAGKpm6DGAANmVxXTW2Tcu_y3V5weKQsftk9A0"

Searches = QuerySet[GigSearchHistory]
in_database = pytest.mark.usefixtures("database")


def searches(user: User, count: int, first_second: int = 0) -> list[GigSearchHistory]:
    """Write searches of a person, three in each second, and return them the newest first."""
    made = [
        GigSearchHistory(
            user=user,
            session_digest=people.SESSION,
            query_text=f"标志设计 {number}",
            result_count=3,
            created_at=START + timedelta(seconds=first_second + number // 3),
        )
        for number in range(count)
    ]
    GigSearchHistory.objects.bulk_create(made)
    return sorted(made, key=lambda row: (row.created_at, row.id), reverse=True)


def of(user: User) -> Searches:
    return GigSearchHistory.objects.of_user(user.pk)


def forward(rows: Searches, cursor: str = "", **options: Any) -> Iterator[Page[GigSearchHistory]]:
    """Walk from a cursor to the end, one query a page."""
    while True:
        with queries("default") as counted:
            found = page(rows, cursor, size=4, **options)
        assert len(counted) == 1
        yield found
        if not (cursor := found.next):
            return


def back(rows: Searches, cursor: str) -> Iterator[Page[GigSearchHistory]]:
    """Walk from a cursor to the beginning, one query a page."""
    while cursor:
        with queries("default") as counted:
            found = page(rows, cursor, size=4)
        assert len(counted) == 1
        yield found
        cursor = found.previous


@in_database
@pytest.mark.parametrize("count", [0, 1, 4, 5, 12, 13])
def test_a_walk_meets_every_row_once_in_order_also_rows_of_the_same_moment(count: int) -> None:
    user = make.user()
    people.search()
    wanted = searches(user, count)
    pages = list(forward(of(user)))
    assert [row for found in pages for row in found.rows] == wanted
    assert [len(found.rows) for found in pages[:-1]] == [4] * (len(pages) - 1)
    assert pages[0].previous == ""


@in_database
def test_the_way_back_meets_the_same_pages() -> None:
    user = make.user()
    searches(user, 16)
    there = [found.rows for found in forward(of(user))]
    last = list(forward(of(user)))[-1]
    assert [found.rows for found in back(of(user), last.previous)] == there[-2::-1]


@in_database
def test_a_page_that_was_gone_back_to_leads_on_to_the_next_one() -> None:
    user = make.user()
    searches(user, 12)
    first, second, third = forward(of(user))
    assert page(of(user), second.previous, size=4) == first
    assert page(of(user), third.previous, size=4) == second
    assert page(of(user), page(of(user), third.previous, size=4).next, size=4) == third


@in_database
def test_rows_written_during_a_walk_move_no_other_row_to_another_page() -> None:
    user = make.user()
    wanted = searches(user, 13)
    met, written = [], []
    for number, found in enumerate(forward(of(user))):
        met += found.rows
        written += searches(user, 3, first_second=100 + number)
        last = found
    assert met == wanted
    # Whoever goes back meets the old ones in their order, then the new ones.
    newer = [row for found in back(of(user), last.previous) for row in found.rows]
    assert set(newer) == {*written, *wanted} - set(last.rows)


@in_database
def test_rows_deleted_during_a_walk_take_no_other_row_with_them() -> None:
    user = make.user()
    wanted = searches(user, 12)
    first = page(of(user), size=4)
    # The row that the cursor was made of as well.
    of(user).filter(id__in=[row.id for row in wanted[:4]]).delete()
    second = page(of(user), first.next, size=4)
    assert second.rows == wanted[4:8]
    assert page(of(user), second.previous, size=4).rows == []


@in_database
def test_the_oldest_first_is_the_other_way_round() -> None:
    user = make.user()
    wanted = searches(user, 9)[::-1]
    met = [row for found in forward(of(user).order_by(*OLDEST_FIRST)) for row in found.rows]
    assert met == wanted


@in_database
def test_an_export_leaves_out_what_may_still_have_older_neighbours() -> None:
    user = make.user()
    settled = [people.search(user=user, created_at=timezone.now() - timedelta(minutes=minutes)) for minutes in (9, 6)]
    people.search(user=user)
    met = [found.rows for found in forward(of(user).order_by(*OLDEST_FIRST), lag=timedelta(minutes=5))]
    assert met == [settled]


@in_database
def test_the_guides_pages_of_active_gigs_come_with_their_people_in_four_queries_each() -> None:
    category = make.category()
    wanted = [make.gig(category=category) for _ in range(5)][::-1]
    make.gig("draft", category=category)
    met, cursor = [], ""
    while True:
        with queries("default") as counted:
            found = page(Gig.objects.in_category(category).with_people(), cursor, size=3)
        assert len(counted) == 4
        met += found.rows
        if not (cursor := found.next):
            break
    assert met == wanted
    assert page(Gig.objects.filter(category=category, status="active"), size=3).rows == wanted[:3]


@in_database
def test_one_index_answers_filter_position_and_order() -> None:
    category = make.category()
    for _ in range(4):
        make.gig(category=category)
    with connections["default"].cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_bitmapscan = off")
    gigs = Gig.objects.in_category(category)
    cursor_text = page(gigs, size=2).next
    with queries("default") as counted:
        page(gigs, cursor_text, size=2)
    with connections["default"].cursor() as cursor:
        cursor.execute("EXPLAIN " + counted[0]["sql"])
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "gigs_in_category_newest" in plan
    assert "ROW(created_at, id) <" in plan.split("Index Cond")[1]
    assert "Sort" not in plan


# ---- what is refused
def refused(cursor: str, rows: Searches | None = None) -> None:
    rows = GigSearchHistory.objects.order_by("-created_at", "-id") if rows is None else rows
    with pytest.raises(BrokenCursorError):
        page(rows, cursor)


@pytest.mark.parametrize(
    "cursor",
    [
        "x", CURSOR[:-1], f"{CURSOR}A", f"{CURSOR}=", f"{CURSOR} ", f" {CURSOR}", "标志设计", "A" * 39, "_" * 39,
        "A" * 9999,
    ],
)  # fmt: skip
def test_what_is_no_cursor_is_refused_before_any_query(cursor: str) -> None:
    refused(cursor)


@given(st.integers(0, len(CURSOR) - 1), st.characters())
def test_a_cursor_with_another_character_is_refused(place: int, character: str) -> None:
    if character != CURSOR[place]:
        refused(f"{CURSOR[:place]}{character}{CURSOR[place + 1 :]}")


@given(st.text(max_size=80))
def test_any_other_text_is_refused(text: str) -> None:
    if text:
        refused(text)


def test_a_cursor_of_the_other_order_is_refused() -> None:
    with pytest.raises(BrokenCursorError, match="of a list in the other order"):
        page(GigSearchHistory.objects.order_by(*OLDEST_FIRST), CURSOR)


def test_a_list_in_another_order_has_no_pages() -> None:
    for order in (["title"], ["created_at"], ["-created_at", "id"], ["?"]):
        with pytest.raises(ValueError, match="Pages are in the order"):
            page(Gig.objects.order_by(*order))
    with pytest.raises(ValueError, match="at least one row, not 0"):
        page(Gig.objects.all(), size=0)
