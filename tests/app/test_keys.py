"""UUIDv7 (RFC 9562): version and variant bits, the time inside, and strictly increasing within one generator."""

import os
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest import mock

import factories as make
import pytest
from apps.common.keys import TICKS_PER_MILLISECOND, Uuid7Generator
from concurrency import at_once
from django.apps import apps
from django.db import connections, transaction

MINUTE_MS = 60_000


def milliseconds(value: uuid.UUID) -> int:
    return value.int >> 80


def tick(value: uuid.UUID) -> int:
    """Return the first 48 bits and the 12 after the version: milliseconds and their fraction, as ticks since 1970."""
    return milliseconds(value) * TICKS_PER_MILLISECOND | value.int >> 64 & 0xFFF


def assert_version_7(value: uuid.UUID) -> None:
    assert value.version == 7
    assert value.variant == uuid.RFC_4122
    assert abs(milliseconds(value) - time.time_ns() // 1_000_000) < MINUTE_MS


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

    def test_a_step_back_of_an_hour_costs_a_tick_a_key_and_is_forgotten_when_the_clock_is_there_again(self) -> None:
        generate = Uuid7Generator()
        before, hour = time.time_ns(), 3600 * 10**9
        with mock.patch("apps.common.keys.time.time_ns", return_value=before):
            last = generate()
        with mock.patch("apps.common.keys.time.time_ns", return_value=before - hour):
            behind = [generate() for _ in range(5000)]
        assert [tick(value) - tick(last) for value in behind] == list(range(1, 5001))
        with mock.patch("apps.common.keys.time.time_ns", return_value=before + hour):
            assert milliseconds(generate()) == (before + hour) // 1_000_000

    def test_the_fraction_of_a_millisecond_stands_behind_the_version(self) -> None:
        # 2^60 ns and a bit: a moment whose parts are known.
        nanoseconds = 1_152_921_504_606_846_976 + 250_000
        with mock.patch("apps.common.keys.time.time_ns", return_value=nanoseconds):
            value = Uuid7Generator()()
        whole, rest = divmod(nanoseconds, 1_000_000)
        assert (milliseconds(value), tick(value) % TICKS_PER_MILLISECOND) == (whole, rest * 4096 // 1_000_000)

    def test_threads_never_share_a_value_and_each_sees_its_own_in_order(self) -> None:
        generate = Uuid7Generator()
        with ThreadPoolExecutor(4) as pool:
            parts = list(pool.map(lambda _: [generate() for _ in range(5000)], range(4)))
        assert all(part == sorted(part) for part in parts)
        assert len({value for part in parts for value in part}) == 20_000

    def test_a_forked_process_goes_on_with_other_values(self) -> None:
        generate = Uuid7Generator()
        generate()
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            os.write(write, b"".join(generate().bytes for _ in range(1000)))
            os._exit(0)
        os.close(write)
        here = {generate() for _ in range(1000)}
        with os.fdopen(read, "rb") as pipe:
            packed = pipe.read()
        os.waitpid(child, 0)
        there = {uuid.UUID(bytes=packed[place : place + 16]) for place in range(0, len(packed), 16)}
        assert len(there) == 1000
        assert here.isdisjoint(there)

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

    def test_increases_across_transactions_and_a_rollback(self, migrated: object) -> None:  # noqa: ARG002 (it comes first)
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

    def test_a_step_back_costs_a_tick_a_key_and_is_forgotten_when_the_clock_is_there_again(self, database: Any) -> None:
        ahead = (time.time_ns() // 1_000_000 + MINUTE_MS) * TICKS_PER_MILLISECOND
        with database.cursor() as cursor:
            cursor.execute("SELECT set_config('uuidv7.last_tick', %s, true)", [str(ahead)])
            assert [tick(value) - ahead for value in generated("default", 5000)] == list(range(1, 5001))
            # A minute later: the session's last key lies behind the clock.
            behind = (time.time_ns() // 1_000_000 - MINUTE_MS) * TICKS_PER_MILLISECOND
            cursor.execute("SELECT set_config('uuidv7.last_tick', %s, true)", [str(behind)])
        assert_version_7(generated("default", 1)[0])

    def test_the_time_inside_lies_between_the_moments_around_it(self, database: Any) -> None:
        microseconds = "extract(epoch FROM clock_timestamp()) * 1000000"
        with database.cursor() as cursor:
            cursor.execute(f"SELECT {microseconds}, uuidv7(), {microseconds}")
            before, key, after = cursor.fetchone()
        # Ticks are cut off, not rounded; a key of this session may be one tick ahead of the clock.
        assert int(before) - 1 <= tick(key) * 1000 / TICKS_PER_MILLISECOND <= int(after) + 1

    def test_connections_at_once_never_share_a_value_and_each_sees_its_own_in_order(self, migrated: object) -> None:  # noqa: ARG002 (it comes first)
        parts = at_once(*[lambda: generated("default", 5000)] * 4)
        assert all(part == sorted(set(part)) for part in parts)
        assert len({value for part in parts for value in part}) == 20_000

    def test_a_key_is_above_those_of_other_connections_some_milliseconds_ago(self, database: Any) -> None:  # noqa: ARG002 (it comes first)
        values = []
        for alias in ("default", "replica", "direct") * 3:
            values += generated(alias, 1)
            # What the sessions do not share is the last tick; what they share is the server's clock.
            time.sleep(0.005)
        connections["direct"].close()
        assert values == sorted(values)


def by_the_orm(count: int) -> list[uuid.UUID]:
    generate = Uuid7Generator()
    return [generate() for _ in range(count)]


def by_the_database(count: int) -> list[uuid.UUID]:
    return generated("default", count)


@pytest.mark.parametrize("generate", [by_the_orm, by_the_database])
class TestOfEveryGenerator:
    def test_the_bits_are_those_of_the_standard(
        self,
        database: Any,  # noqa: ARG002 (it comes first)
        generate: Callable[[int], list[uuid.UUID]],
    ) -> None:
        values = generate(5000)
        # RFC 9562, 5.7: bits 48 to 51 are 0111, bits 64 and 65 are 10, counted from the left.
        assert {value.int >> 76 & 0xF for value in values} == {0b0111}
        assert {value.int >> 62 & 0b11 for value in values} == {0b10}
        # Of the 62 bits behind them every one is chance: 5000 keys without a bit that stands still.
        chance = [value.int & (1 << 62) - 1 for value in values]
        assert len(set(chance)) == 5000
        ones = [sum(number >> place & 1 for number in chance) for place in range(62)]
        assert all(2000 < count < 3000 for count in ones), ones

    def test_postgresql_sees_the_version(self, database: Any, generate: Callable[[int], list[uuid.UUID]]) -> None:
        with database.cursor() as cursor:
            # NULL for another variant.
            cursor.execute(
                "SELECT DISTINCT uuid_extract_version(key) FROM unnest(%s::uuid[]) AS k (key)", [generate(100)]
            )
            assert cursor.fetchall() == [(7,)]

    def test_postgresql_sorts_them_as_they_were_made(
        self, database: Any, generate: Callable[[int], list[uuid.UUID]]
    ) -> None:
        values = generate(5000)
        with database.cursor() as cursor:
            cursor.execute("SELECT key FROM unnest(%s::uuid[]) AS k (key) ORDER BY key", [values[::-1]])
            assert [key for (key,) in cursor.fetchall()] == values


def test_every_table_of_ours_has_such_keys_whoever_writes(owner: Any) -> None:
    own = [model for model in apps.get_models() if model._meta.managed and model.__module__.startswith("apps.")]
    # As the owner: others are shown the columns that they may read.
    with owner.cursor() as cursor:
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
