"""UUIDv7 (RFC 9562): version and variant bits, the time inside, and strictly increasing within one generator."""

import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest import mock

import factories as make
import pytest
from apps.common.keys import Uuid7Generator
from django.apps import apps
from django.db import connections, transaction


def milliseconds(value: uuid.UUID) -> int:
    return value.int >> 80


def assert_version_7(value: uuid.UUID) -> None:
    assert value.version == 7
    assert value.variant == uuid.RFC_4122
    assert abs(milliseconds(value) - time.time_ns() // 1_000_000) < 60_000


class TestOfTheOrm:
    def test_has_version_variant_and_time(self) -> None:
        assert_version_7(Uuid7Generator()())

    def test_increases_strictly_within_a_millisecond(self) -> None:
        generate = Uuid7Generator()
        values = [generate() for _ in range(20_000)]
        assert values == sorted(set(values))
        assert len({milliseconds(value) for value in values}) < len(values)

    def test_increases_when_the_clock_stands_still_or_steps_back(self) -> None:
        generate = Uuid7Generator()
        start = time.time_ns()
        with mock.patch("apps.common.keys.time.time_ns", side_effect=[start, start, start - 10**9, start - 1, start]):
            values = [generate() for _ in range(5)]
        assert values == sorted(set(values))

    def test_threads_never_share_a_value(self) -> None:
        generate = Uuid7Generator()
        with ThreadPoolExecutor(4) as pool:
            values = list(pool.map(lambda _: generate(), range(20_000)))
        assert len(set(values)) == len(values)

    def test_random_part_differs(self) -> None:
        generate = Uuid7Generator()
        assert len({generate().int & ((1 << 62) - 1) for _ in range(1000)}) == 1000


def generated(alias: str, count: int) -> list[uuid.UUID]:
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT uuidv7() FROM generate_series(1, %s)", [count])
        return [value for (value,) in cursor.fetchall()]


class TestOfTheDatabase:
    def test_has_version_variant_and_time(self, database: Any) -> None:  # noqa: ARG002 (it comes first)
        for value in generated("default", 100):
            assert_version_7(value)

    def test_increases_strictly_within_a_session(self, database: Any) -> None:  # noqa: ARG002 (it comes first)
        values = generated("default", 10_000) + generated("default", 10_000)
        assert values == sorted(set(values))

    def test_increases_across_transactions_and_a_rollback(self, migrated: object) -> None:  # noqa: ARG002
        values = []
        for rolled_back in (False, True, False):
            with transaction.atomic(using="default"):
                values += generated("default", 500)
                transaction.set_rollback(rolled_back, using="default")
        assert values == sorted(set(values))

    def test_increases_when_the_clock_steps_back(self, database: Any) -> None:
        ahead = (time.time_ns() // 1_000_000 + 60_000) * 4096
        with database.cursor() as cursor:
            cursor.execute("SELECT set_config('uuidv7.last_tick', %s, false)", [str(ahead)])
        values = generated("default", 1000)
        assert values == sorted(set(values))
        assert milliseconds(values[0]) == ahead >> 12
        with database.cursor() as cursor:
            cursor.execute("SELECT set_config('uuidv7.last_tick', '', false)")

    def test_connections_never_share_a_value(self, database: Any) -> None:  # noqa: ARG002 (it comes first)
        values = generated("default", 5000) + generated("replica", 5000)
        assert len(set(values)) == len(values)


def test_every_table_of_ours_has_such_keys_whoever_writes(database: Any) -> None:
    own = [model for model in apps.get_models() if model.__module__.startswith("apps.")]
    with database.cursor() as cursor:
        cursor.execute(
            "SELECT table_name FROM information_schema.columns WHERE table_schema = 'public' AND column_name = 'id'"
            " AND data_type = 'uuid' AND column_default = 'uuidv7()'"
        )
        by_database = {name for (name,) in cursor.fetchall()}
    without = {"UserPrivate", "UserProfile"}  # their key is the account's
    linked = {"User_groups", "User_user_permissions"}  # Django's own links
    wanted = {model._meta.db_table for model in own if model.__name__ not in without | linked}
    assert wanted <= by_database


@pytest.mark.usefixtures("database")
def test_rows_are_in_the_order_of_their_making() -> None:
    keys = [make.category().pk for _ in range(50)]
    assert keys == sorted(keys)
