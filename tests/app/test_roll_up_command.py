"""`manage.py roll_up_statistics`: which days, and that it may be stopped, repeated and run twice at once."""

import io
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from unittest import mock

import factories_people as people
import factories_talk as talk
import pytest
from apps.common.management.commands import roll_up_statistics
from apps.common.rollup import ADVISORY_LOCK, RollUp, fill, roll_ups
from concurrency import at_once
from config.router import all_on
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connections, transaction
from test_deployment import other_session
from test_statistics import DAY, NOON, conversation_at, review_at

DAILY = [each.table for each in roll_ups() if each.daily]
TABLES = [each.table for each in roll_ups()]
YESTERDAY = "2019-03-05"


@pytest.fixture
def filled(deployed: str) -> Iterator[str]:
    """Alias of a database with facts of one day, committed."""
    with all_on(deployed), transaction.atomic(using=deployed):
        review = review_at()
        people.view(gig=review.gig, created_at=NOON)
        people.favorite(gig=review.gig, created_at=NOON)
        talk.message(conversation_at(), created_at=NOON)
    # 00:30 of the next day in China.
    with mock.patch("django.utils.timezone.now", return_value=datetime(2019, 3, 5, 16, 30, tzinfo=UTC)):
        yield deployed


def run(alias: str, *options: str) -> dict[str, Any]:
    output = io.StringIO()
    call_command("roll_up_statistics", "--database", alias, *options, stdout=output)
    return dict(json.loads(output.getvalue().splitlines()[-1]))


def rows(alias: str, *without: str) -> dict[str, list[dict[str, Any]]]:
    """Return every row of the tables, in order, without these columns."""
    found: dict[str, list[dict[str, Any]]] = {}
    with connections[alias].cursor() as cursor:
        for table in TABLES:
            cursor.execute(f"SELECT to_jsonb(t) - %s::text[] AS row FROM {table} AS t ORDER BY 1", [list(without)])  # noqa: S608 (names of roll-ups)
            found[table] = [json.loads(row) if isinstance(row, str) else row for (row,) in cursor.fetchall()]
    return found


def test_without_a_day_it_is_yesterday_in_china(filled: str) -> None:
    report = run(filled)
    assert (report["from"], report["to"], report["days"]) == (YESTERDAY, YESTERDAY, 1)
    # The review's order was placed today, by the clock of the database.
    assert report["written"] == {table: 0 if table == "orders_orderstat" else 1 for table in TABLES}
    assert [row["view_count"] for row in rows(filled)["gigs_gigstat"]] == [1]


def test_a_second_run_writes_nothing_not_even_the_time_of_the_last_change(filled: str) -> None:
    run(filled)
    before = rows(filled)
    assert set(run(filled, "--day", YESTERDAY)["written"].values()) == {0}
    assert rows(filled) == before


def test_several_days_are_rolled_up_with_both_ends(filled: str) -> None:
    report = run(filled, "--from", "2019-03-03", "--to", YESTERDAY)
    assert (report["days"], report["written"]["payments_paymentstat"]) == (3, 3)
    assert [row["day"] for row in rows(filled)["messaging_messagingstat"]] == ["2019-03-03", "2019-03-04", YESTERDAY]
    assert run(filled, "--from", "2019-03-02")["written"]["payments_paymentstat"] == 1


def test_a_run_that_was_killed_ends_the_same_when_it_is_run_again(filled: str) -> None:
    days = ("--from", "2019-03-04", "--to", YESTERDAY)
    steps = iter(range(100))

    def killed(roll_up: RollUp, alias: str, day: date | None = None) -> int:
        if next(steps) == len(DAILY) + 2:
            with connections[alias].cursor() as cursor:
                cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        return fill(roll_up, alias, day)

    with (
        mock.patch.object(roll_up_statistics, "fill", killed),
        pytest.raises(CommandError, match=rf"(?s){DAILY[2]} of {YESTERDAY}: .*What came before it stays"),
    ):
        run(filled, *days)
    connections[filled].close()
    left = rows(filled)
    assert left[DAILY[0]] == []
    assert [row["day"] for row in left["messaging_messagingstat"]] == ["2019-03-04"]
    assert left["reviews_userrating"] == []

    again = run(filled, *days)["written"]
    assert again["gigs_gigstat"] == 0
    assert again["messaging_messagingstat"] == 1
    whole = rows(filled, "id", "created_at", "updated_at")
    with connections[filled].cursor() as cursor:
        cursor.execute("UPDATE gigs_gig SET rating_average = 0, rating_count = 0")
        for table in set(TABLES) - {"gigs_gig"}:
            cursor.execute(f"DELETE FROM {table}")  # noqa: S608 (names of roll-ups)
    run(filled, *days)
    assert rows(filled, "id", "created_at", "updated_at") == whole


def test_two_at_once_write_each_row_once(filled: str) -> None:
    one, other = at_once(lambda: run(filled)["written"], lambda: run(filled)["written"])
    assert {table: one[table] + other[table] for table in DAILY} == {
        table: len(found) for table, found in rows(filled).items() if table in DAILY
    }
    assert 0 in {sum(one.values()), sum(other.values())}


def test_a_second_run_waits_and_then_names_the_first(filled: str) -> None:
    with other_session(filled) as holder:
        holder.execute("SELECT pg_advisory_lock(%s)", [ADVISORY_LOCK])
        with pytest.raises(CommandError, match=r"Another roll-up holds the lock: process [0-9]+"):
            run(filled, "--wait", "0")
        assert rows(filled)["payments_paymentstat"] == []


def test_a_lock_is_free_after_an_error(filled: str) -> None:
    with (
        mock.patch.object(roll_up_statistics, "plan", return_value=[(RollUp(table="t", statement="SELECT 1/0"), DAY)]),
        pytest.raises(CommandError, match="t of 2019-03-05: division by zero"),
    ):
        run(filled)
    with other_session(filled) as session:
        assert session.execute("SELECT pg_try_advisory_lock(%s)", [ADVISORY_LOCK]).fetchone() == (True,)


# ---- what is refused
TOMORROW = str(date.today() + timedelta(days=2))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--day", TOMORROW), f"{TOMORROW} is in the future: in China it is"),
        (("--from", "2019-03-05", "--to", TOMORROW), f"{TOMORROW} is in the future"),
        (("--from", TOMORROW), f"{TOMORROW} is in the future"),
        (("--day", "2019-02-30"), "'2019-02-30' is no day: YYYY-MM-DD is expected"),
        (("--day", "yesterday"), "'yesterday' is no day"),
        (("--from", "2019-03-05", "--to", "2019-03-04"), "--from 2019-03-05 is after --to 2019-03-04"),
        (("--to", "2019-03-05"), "name the first one with --from"),
        (("--day", "2019-03-05", "--from", "2019-03-04"), "give one or the other"),
        (("--day", "2019-03-05", "--to", "2019-03-06"), "give one or the other"),
        (("--database", "nowhere"), "There is no database alias nowhere"),
    ],
)
def test_a_day_that_cannot_be_meant_is_refused(options: tuple[str, ...], message: str) -> None:
    with pytest.raises(CommandError, match=message):
        call_command("roll_up_statistics", *options, stdout=io.StringIO())


def test_without_the_direct_endpoint_it_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(settings.DATABASES, "direct")
    with pytest.raises(CommandError, match="DB_DIRECT_HOST, DB_DIRECT_USER and DB_DIRECT_PASSWORD"):
        call_command("roll_up_statistics", stdout=io.StringIO())
