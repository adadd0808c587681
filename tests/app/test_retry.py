"""A transaction that the database chose as the victim of a conflict is tried again, a bounded number of times."""

import threading
from collections.abc import Iterator
from typing import Any

import factories as make
import factories_people as people
import pytest
from apps.common.identity import acting_as_platform
from apps.common.retry import retried
from apps.gigs.models import Category, GigSearchHistory
from concurrency import at_once
from django.db import IntegrityError, OperationalError, connections, transaction


@pytest.fixture
def categories(migrated: object) -> Iterator[list[Category]]:  # noqa: ARG001 (it comes first)
    """Two committed rows: two connections have to see them."""
    with acting_as_platform():
        made = [make.category(sort_order=0), make.category(sort_order=0)]
    yield made
    connections["default"].close()


def test_two_transactions_in_a_deadlock_both_succeed_in_the_end(categories: list[Category]) -> None:
    both_hold_one = threading.Barrier(2)
    tries = {"there": 0, "back": 0}

    def raise_both(name: str, first: Category, second: Category) -> None:
        def action() -> None:
            tries[name] += 1
            raise_one(first)
            if tries[name] == 1:
                both_hold_one.wait(timeout=20)
            raise_one(second)

        retried(action)

    at_once(lambda: raise_both("there", *categories), lambda: raise_both("back", *reversed(categories)))
    assert sorted(tries.values()) == [1, 2]
    orders = Category.objects.using("default").filter(pk__in=[row.pk for row in categories])
    assert list(orders.values_list("sort_order", flat=True)) == [2, 2]


def raise_one(row: Category) -> None:
    with connections["default"].cursor() as cursor:
        cursor.execute("UPDATE gigs_category SET sort_order = sort_order + 1 WHERE id = %s", [row.pk])


def conflict(sqlstate: str) -> None:
    with connections["default"].cursor() as cursor:
        cursor.execute(f"DO $$ BEGIN RAISE EXCEPTION 'conflict' USING ERRCODE = '{sqlstate}'; END $$")


@pytest.mark.usefixtures("migrated")
class TestBounds:
    @pytest.mark.parametrize("sqlstate", ["40P01", "40001"])
    def test_it_gives_up_after_the_last_attempt(self, sqlstate: str) -> None:
        tries: list[int] = []

        def action() -> None:
            tries.append(1)
            conflict(sqlstate)

        with pytest.raises(OperationalError, match="conflict"):
            retried(action, attempts=3, pause_seconds=0.001)
        assert len(tries) == 3

    @pytest.mark.parametrize(("sqlstate", "error"), [("23514", IntegrityError), ("55P03", OperationalError)])
    def test_what_would_fail_again_is_not_tried_again(self, sqlstate: str, error: type[Exception]) -> None:
        tries: list[int] = []

        def action() -> None:
            tries.append(1)
            conflict(sqlstate)

        with pytest.raises(error, match="conflict"):
            retried(action)
        assert len(tries) == 1

    def test_what_the_victim_did_is_undone(self) -> None:
        made: list[GigSearchHistory] = []

        def action() -> GigSearchHistory:
            made.append(people.search())
            if len(made) == 1:
                conflict("40P01")
            return made[-1]

        kept = retried(action, pause_seconds=0.001)
        found: Any = GigSearchHistory.objects.using("default").filter(id__in=[row.id for row in made])
        assert list(found) == [kept]

    def test_it_refuses_to_start_inside_a_transaction(self) -> None:
        with pytest.raises(RuntimeError, match="outside of atomic"), transaction.atomic(using="default"):
            retried(lambda: None)
