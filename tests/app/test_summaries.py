"""Materialized views of statistics: what they count, and that they are refreshed beside their readers."""

import io
import json
import threading
from typing import Any

import factories as make
import pytest
from apps.common import deployment
from apps.common.materialized import ADVISORY_LOCK, materialized_views
from apps.orders.models import CategorySummary, FreelancerSummary, Order
from concurrency import act_for_nobody, act_for_the_platform
from config.router import all_on
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.db import ProgrammingError, connections, transaction
from test_caching import seconds_left
from test_deployment import other_session
from test_routing import queries
from test_statistics import order_at


def refresh(alias: str, *options: str) -> dict[str, Any]:
    output = io.StringIO()
    call_command("refresh_statistics_views", "--database", alias, *options, stdout=output)
    return dict(json.loads(output.getvalue().splitlines()[-1]))


def ordered(alias: str) -> Order:
    """Commit an order in this database."""
    with all_on(alias), transaction.atomic(using=alias):
        return make.order()


def test_a_refresh_brings_the_views_to_what_the_tables_say(deployed: str) -> None:
    order = ordered(deployed)
    with all_on(deployed):
        assert FreelancerSummary.objects.filter(freelancer=order.freelancer_id).first() is None
        report = refresh(deployed)
        assert set(report["refreshed_seconds"]) == {"orders_categorysummary", "orders_freelancersummary"}
        person = FreelancerSummary.objects.get(freelancer=order.freelancer_id)
        assert (person.order_count, person.completed_order_count, person.client_count) == (1, 0, 1)
        category = CategorySummary.objects.get(category=order.gig.category_id)
        assert (category.active_gig_count, category.freelancer_count, category.order_count) == (1, 1, 1)
        assert category.average_price is None


def test_an_average_price_says_nothing_of_one_order(deployed: str) -> None:
    with all_on(deployed), transaction.atomic(using=deployed):
        package = make.package()
    for number in range(1, 6):
        with all_on(deployed), transaction.atomic(using=deployed):
            done = order_at("completed", package=package)
        refresh(deployed)
        category = CategorySummary.objects.using(deployed).get(category=package.gig.category_id)
        assert category.completed_order_count == number
        assert category.average_price == (done.total_amount if number == 5 else None)


def test_a_reader_goes_on_while_a_view_is_refreshed(deployed: str) -> None:
    ordered(deployed)
    refresh(deployed)
    order = ordered(deployed)
    with other_session(deployed) as reader, reader.cursor() as cursor:
        # An open transaction that has read holds its lock: a plain refresh would wait for it, and new readers behind.
        cursor.execute("BEGIN")
        cursor.execute("SELECT count(*) FROM orders_freelancersummary")
        done = threading.Event()

        def run() -> None:
            try:
                refresh(deployed)
                done.set()
            finally:
                connections[deployed].close()

        thread = threading.Thread(target=run)
        thread.start()
        thread.join(timeout=20)
        assert done.is_set()
        cursor.execute("COMMIT")
    with all_on(deployed):
        assert FreelancerSummary.objects.filter(freelancer=order.freelancer_id).count() == 1


@pytest.mark.parametrize(("lock", "holder_is"), [(ADVISORY_LOCK, "refresh"), (deployment.ADVISORY_LOCK, "deployment")])
def test_a_refresh_meets_no_other_and_no_deployment(deployed: str, lock: int, holder_is: str) -> None:
    with other_session(deployed) as session, session.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [lock])
        with pytest.raises(CommandError, match=f"Another {holder_is} holds the lock"):
            refresh(deployed, "--wait", "0")
    refresh(deployed)


def test_a_check_names_the_views_and_refreshes_none(deployed: str) -> None:
    order = ordered(deployed)
    assert refresh(deployed, "--check") == {"to_refresh": ["orders_categorysummary", "orders_freelancersummary"]}
    assert not FreelancerSummary.objects.using(deployed).filter(freelancer=order.freelancer_id).exists()


def test_every_view_has_the_unique_index_that_a_refresh_beside_readers_needs(owner: Any) -> None:
    with owner.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname::text, pg_get_userbyid(c.relowner) FROM pg_class AS c JOIN pg_index AS i"
            " ON i.indrelid = c.oid WHERE c.relkind = 'm' AND i.indisunique AND i.indpred IS NULL ORDER BY 1"
        )
        found = cursor.fetchall()
    assert found == sorted((view._meta.db_table, "freelance_owner") for view in materialized_views())


def test_the_application_reads_the_views_and_remembers_them(migrated: Any) -> None:  # noqa: ARG001 (it comes first)
    cache.clear()
    act_for_the_platform()
    order = make.order()
    act_for_nobody()
    assert FreelancerSummary.objects.of(order.freelancer_id) is None
    refresh("direct")
    found = FreelancerSummary.objects.of(order.freelancer_id)
    assert found is not None
    assert found.order_count == 1
    names = [row.category.name for row in CategorySummary.objects.busiest()]
    assert order.gig.category.name in names
    with queries("default") as leader, queries("replica") as replica:
        assert [row.category.name for row in CategorySummary.objects.busiest()] == names
        assert FreelancerSummary.objects.of(order.freelancer_id) == found
    assert (len(leader), len(replica)) == (0, 0)
    # Ten minutes, as the guide has it for statistics.
    left = [seconds_left("busiest-categories"), seconds_left(f"freelancer-summary:{order.freelancer_id}")]
    assert all(540 < seconds <= 600 for seconds in left)
    cache.clear()


def test_nobody_writes_a_view(database: Any) -> None:
    with pytest.raises(ProgrammingError, match="cannot change materialized view"), database.cursor() as cursor:
        cursor.execute("DELETE FROM orders_freelancersummary")
