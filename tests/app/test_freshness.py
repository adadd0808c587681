"""On a standby that lags nobody sees less than what they wrote, and everybody else is served by it."""

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import endpoints
import factories as make
import pytest
from apps.accounts.models import User
from config import monitoring
from config.router import LEADER, REPLICA, fresh_reader
from django.db import connections
from django.http import HttpRequest, HttpResponse
from factories_world import World
from server import Server
from standby import Standby, standby
from test_endpoints import reaches
from test_identity import answered, request_of

FROM_THE_LEADER, FROM_THE_REPLICA = {LEADER: 1}, {REPLICA: 1}


@pytest.fixture(scope="module")
def replica(migrated: Server) -> Iterator[Standby]:
    for alias in (LEADER, REPLICA):
        connections[alias].close()
    with standby(migrated) as made:
        yield made
    connections[REPLICA].close()


@pytest.fixture
def person(replica: Standby) -> User:
    """Somebody new, whom the replica knows by a former name."""
    with fresh_reader():
        made = make.user(nickname="before")
    replica.catch_up()
    return made


def renamed(person: User) -> dict[str, str]:
    """Run a request that changes the person's name, and return the cookies that the browser gets."""

    def view(_request: HttpRequest) -> HttpResponse:
        User.objects.filter(pk=person.pk).update(nickname="after")
        return HttpResponse()

    return answered(person, view)


def seen(reader: User, person: User, cookies: Mapping[str, str] | None = None) -> tuple[str, dict[str, int]]:
    """Return the person's name as a request of the reader shows it, and the queries for it by alias."""
    counted: Counter[str] = Counter()

    def count(execute: Any, statement: str, values: Any, many: bool, context: Any) -> Any:
        counted[context["connection"].alias] += 1
        return execute(statement, values, many, context)

    def view(_request: HttpRequest) -> HttpResponse:
        with connections[LEADER].execute_wrapper(count), connections[REPLICA].execute_wrapper(count):
            return HttpResponse(User.objects.get(pk=person.pk).nickname)

    return request_of(reader, view, cookies).content.decode(), dict(counted)


def test_the_replica_is_another_server_that_follows(replica: Standby) -> None:
    with connections[REPLICA].cursor() as cursor:
        cursor.execute("SELECT pg_is_in_recovery(), current_setting('cluster_name')")
        assert cursor.fetchone() == (True, "standby")
    assert replica.server.sql("postgres", "SELECT application_name, state FROM pg_stat_replication;") == (
        "standby|streaming"
    )


def test_who_wrote_reads_it_on_the_leader_until_the_replica_has_it_and_others_the_replica(
    replica: Standby, person: User, world: World
) -> None:
    with replica.paused():
        cookies = renamed(person)
        assert seen(person, person, cookies) == ("after", FROM_THE_LEADER)
        # Another person, and another browser of the same one.
        assert seen(world.stranger, person) == ("before", FROM_THE_REPLICA)
        assert seen(person, person) == ("before", FROM_THE_REPLICA)
    assert seen(person, person, cookies) == ("after", FROM_THE_REPLICA)
    assert seen(world.stranger, person) == ("after", FROM_THE_REPLICA)


def test_a_replica_that_has_the_write_serves_the_writer_however_far_it_is_behind_now(
    replica: Standby, person: User
) -> None:
    cookies = renamed(person)
    replica.catch_up()
    with replica.paused():
        make.user()
        assert seen(person, person, cookies) == ("after", FROM_THE_REPLICA)


@pytest.mark.parametrize(
    "written",
    [
        pytest.param("pg_logical_emit_message(false, 'tests', ''), pg_switch_wal()", id="padding of a segment"),
        pytest.param("pg_logical_emit_message(false, 'tests', repeat('x', 20000))", id="first pages of a record"),
    ],
)
@pytest.mark.usefixtures("person")
def test_a_replica_that_has_all_there_is_to_replay_is_healthy(
    replica: Standby, written: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nothing is committed meanwhile: whoever takes the age of the last commit for a lag calls it late.
    monkeypatch.setattr(monitoring, "COOKIE_SECONDS", 1)
    time.sleep(1.1)
    loop = f"FOR _ IN 1..20 LOOP PERFORM {written}; PERFORM pg_sleep(0.1); END LOOP;"
    statuses = []
    with ThreadPoolExecutor(1) as other:
        writing = other.submit(replica.server.sql, "postgres", f"DO $$ BEGIN {loop} END $$;")
        while not writing.done():
            statuses.append(monitoring.HealthChecker.check_database_health()["status"])
    writing.result()
    assert statuses
    assert set(statuses) == {"healthy"}


def test_when_the_replica_dies_everything_comes_from_the_leader(replica: Standby, person: User, world: World) -> None:
    """The last one: it leaves no replica."""
    assert seen(person, person) == ("before", FROM_THE_REPLICA)
    replica.die()
    # As Patroni does. Until the balancer has asked, a request waits in the pooler.
    endpoints.replica_is(replica.server, "none")
    cookies = renamed(person)
    assert [seen(person, person, cookies)[0], seen(world.stranger, person)[0]] == ["after", "after"]
    assert reaches(endpoints.LEADER_ADDRESS)
