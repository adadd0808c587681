"""The router with a replica and without one.

A visit is a request of a person who is logged in: a page of a category with its people, the person's own orders and
bookmarks, one transaction by `request_as`. Every tenth visit writes a bookmark first. Statements are counted by alias,
BEGIN, COMMIT and the setting of who acts included; queries are the rest. Everything goes through PgBouncer and HAProxy.

The replica is a standby that streams from the leader on the same host: what is measured is what the way costs, and how
much of the work a replica takes away; its own processors are not there to make anything faster.
"""

import statistics
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from itertools import count
from typing import Any

from apps.accounts.models import User
from apps.common.identity import request_as
from apps.gigs.models import Category, Gig, GigFavorite
from apps.orders.models import Order
from config.router import LEADER, REPLICA, fresh_reader
from django.conf import settings
from django.db import connections
from django.test.utils import CaptureQueriesContext
from standby import standby

from tests.bench.application.host import Bench

TITLE = "The router with and without a replica"
# Of ten visits one writes, and reads from the leader what it may have written.
LIMITS: Mapping[str, tuple[str, float]] = {"with_replica_leader_share_of_queries": ("max", 0.25)}
VISITS, VISITS_SMALL, WRITES_EVERY = 200, 40, 10
THREADS, SECONDS, SECONDS_SMALL = 4, 10.0, 2.0
ROWS = 20
NO_QUERIES = ("BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE", "SELECT set_config")


class Visitors:
    """People who come in turn, and gigs that they bookmark."""

    def __init__(self) -> None:
        self.people = list(User.objects.using("direct").filter(user_type="client").order_by("pk")[:500])
        self.gigs = list(Gig.objects.using("direct").active().order_by("pk")[:500])
        self.categories = list(
            Category.objects.using("direct").filter(gigs__status="active").distinct().order_by("slug")
        )
        self._numbers = count()

    def visit(self, *, writes: bool | None = None) -> None:
        """One request. writes: whether it does; None for every tenth one."""
        number = next(self._numbers)
        person, gig = self.people[number % len(self.people)], self.gigs[number * 7 % len(self.gigs)]
        with fresh_reader(), request_as(person.pk):
            if number % WRITES_EVERY == 0 if writes is None else writes:
                GigFavorite.objects.add(person, gig)
            list(Gig.objects.in_category(self.categories[number % len(self.categories)]).with_people()[:ROWS])
            list(Order.objects.of_client(person.pk)[:ROWS])
            list(GigFavorite.objects.of_user(person.pk)[:ROWS])


@contextmanager
def without_replica() -> Iterator[None]:
    """Settings that name no replica."""
    alias = settings.DATABASES.pop(REPLICA)
    try:
        yield
    finally:
        settings.DATABASES[REPLICA] = alias


WAYS: Mapping[str, Callable[[], AbstractContextManager[None]]] = {"with": nullcontext, "without": without_replica}


def counted(visitors: Visitors, visits: int) -> dict[str, float]:
    """Statements and queries of the visits by alias."""
    figures: dict[str, float] = {}
    aliases = [alias for alias in (LEADER, REPLICA) if alias in settings.DATABASES]
    captured: dict[str, Any] = {alias: CaptureQueriesContext(connections[alias]) for alias in aliases}
    for context in captured.values():
        context.__enter__()
    for _ in range(visits):
        visitors.visit()
    for alias, context in captured.items():
        context.__exit__(None, None, None)
        said = [query["sql"] for query in context.captured_queries]
        name = "leader" if alias == LEADER else "replica"
        figures[f"{name}_statements"] = len(said)
        figures[f"{name}_queries"] = sum(not statement.startswith(NO_QUERIES) for statement in said)
    return figures


def visits_per_s(visitors: Visitors, seconds: float) -> float:
    """How many visits come through at once."""
    done: list[int] = []
    until = time.perf_counter() + seconds

    def visit_on() -> None:
        visits = 0
        try:
            while time.perf_counter() < until:
                visitors.visit()
                visits += 1
        finally:
            connections.close_all()
            done.append(visits)

    threads = [threading.Thread(target=visit_on) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(done) / seconds


def measure(bench: Bench, small: bool) -> dict[str, float]:
    """Statements and queries by alias, milliseconds of a visit, visits a second, with a replica and without."""
    bench.say(f"{bench.seed.rows} rows of the seed are there")
    # Its connections would stay at the server that was the replica before.
    bench.let_go()
    with standby(bench.server):
        return visited(bench, small)


def visited(bench: Bench, small: bool) -> dict[str, float]:
    """The same, with the standby in its place."""
    visitors = Visitors()
    visits, seconds = (VISITS_SMALL, SECONDS_SMALL) if small else (VISITS, SECONDS)
    figures: dict[str, float] = {"visits": visits}
    for name, way in WAYS.items():
        bench.say(f"visits {name} a replica")
        with way():
            took = counted(visitors, visits) | {"visits_per_s": visits_per_s(visitors, seconds)}
        figures |= {f"{name}_replica_{key}": value for key, value in took.items()}
    for kind, writes in (("reading", False), ("writing", True)):
        bench.say(f"{kind} visits, with a replica and without one in turn")
        visit_ms: dict[str, list[float]] = {name: [] for name in WAYS}
        for _ in range(visits):
            for name, way in WAYS.items():
                with way():
                    visit_ms[name].append(1000 * bench.seconds(partial(visitors.visit, writes=writes)))
        for name, every in visit_ms.items():
            figures[f"{name}_replica_{kind}_visit_ms"] = statistics.median(every)
    leader, replica = (figures[f"with_replica_{alias}_queries"] for alias in ("leader", "replica"))
    figures["with_replica_leader_share_of_queries"] = leader / (leader + replica)
    for name in ("leader_statements", "reading_visit_ms", "visits_per_s"):
        ratio = figures[f"with_replica_{name}"] / figures[f"without_replica_{name}"]
        figures[f"{name}_with_over_without_replica"] = ratio
    return figures
