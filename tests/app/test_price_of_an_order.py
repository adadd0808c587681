"""What an order costs: chosen by its client from what is offered, fixed by the platform's fee, and then paid."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import factories as make
import factories_contracts as contracts
import factories_people as people
import pytest
from apps.common.identity import acting_as
from apps.orders.models import Order, OrderExtra
from apps.payments import ledger
from config.router import all_on
from django.core.management import call_command
from django.db import DatabaseError, IntegrityError, connections, transaction
from django.utils import timezone
from steps_back import go_back
from test_constraints import refused
from test_whose_rows import not_theirs

pytestmark = pytest.mark.usefixtures("database")

FEE = Decimal("10.00")


def ordered(client: Any = None, **fields: Any) -> Order:
    """Order as the client, from a package of 199 yuan and 3 days."""
    client, package = client or make.user(), make.package()
    with acting_as(client.pk):
        return make.order(client=client, package=package, **fields)


def test_a_client_orders_at_the_price_of_the_package() -> None:
    package, client = make.package(price=Decimal("5000.00")), make.user()
    with acting_as(client.pk):
        with pytest.raises(IntegrityError) as caught, transaction.atomic(using="default"):
            make.order(client=client, package=package, unit_price=Decimal("1.00"))
        for told in ("1.00", "5000.00", "(orders_order_unit_price_is_the_packages)", "HINT"):
            assert told in str(caught.value)
        order = make.order(client=client, package=package)
        rows = Order.objects.filter(pk=order.pk)
        refused("orders_order_unit_price_is_the_packages", lambda: rows.update(unit_price=Decimal("4999.99")))
        assert rows.update(quantity=2, unit_price=package.price) == 1


def test_a_client_takes_an_extra_as_the_gig_offers_it() -> None:
    order = ordered()
    cheap, dear = (contracts.gig_extra(gig=order.gig, name=f"附加{price}", price=Decimal(price)) for price in (50, 900))
    price, name, days = (
        f"orders_orderextra_{column}_is_the_gigs" for column in ("unit_price", "name", "additional_days")
    )
    with acting_as(order.client_id):
        refused(price, lambda: contracts.order_extra(order=order, gig_extra=dear, unit_price=Decimal("1.00")))
        refused(name, lambda: contracts.order_extra(order=order, gig_extra=cheap, name="源文件+无限次修改"))
        refused(days, lambda: contracts.order_extra(order=order, gig_extra=cheap, additional_days=-30))
        taken = OrderExtra.objects.filter(pk=contracts.order_extra(order=order, gig_extra=cheap).pk)
        refused(price, lambda: taken.update(unit_price=Decimal("49.99")))
        refused(name, lambda: taken.update(name=dear.name))
        refused(days, lambda: taken.update(additional_days=-1))
        refused(price, lambda: taken.update(gig_extra=dear, name=dear.name))
        refused(name, lambda: taken.update(gig_extra=dear, unit_price=dear.price))
        assert taken.update(gig_extra=dear, name=dear.name, unit_price=dear.price) == 1
    # What was agreed is the platform's to write.
    taken.update(unit_price=Decimal("800.00"), name="源文件（含字体）", additional_days=2)
    with acting_as(order.client_id):
        assert taken.update(quantity=2) == 1


def test_the_date_of_a_client_leaves_the_days_that_the_gig_asks_for() -> None:
    order = ordered()
    rows, today = Order.objects.filter(pk=order.pk), timezone.now()
    slow = contracts.gig_extra(gig=order.gig, name="手绘", additional_days=4)
    fast = contracts.gig_extra(gig=order.gig, name="加急", additional_days=-2)
    source = contracts.gig_extra(gig=order.gig, name="源文件")
    name = "orders_order_due_at_leaves_the_days_of_the_gig"

    def due_in(days: int) -> Callable[[], int]:
        return lambda: rows.update(due_at=today + timedelta(days=days))

    with acting_as(order.client_id):
        refused(name, due_in(1))
        contracts.order_extra(order=order, gig_extra=fast)
        assert due_in(2)() == 1
        refused(name, lambda: contracts.order_extra(order=order, gig_extra=slow))
        refused(name, OrderExtra.objects.filter(order=order).delete)
        assert due_in(9)() == 1
        contracts.order_extra(order=order, gig_extra=slow)
        refused(name, due_in(4))
        plain = contracts.order_extra(order=order, gig_extra=source)
    # What was agreed is the platform's to write.
    assert due_in(1)() == 1
    refused(name, lambda: ordered(due_at=today))
    with acting_as(order.client_id):
        # It asked for no days: the date is not in its way.
        assert OrderExtra.objects.filter(pk=plain.pk).delete()[0] == 1


def test_what_waits_for_its_fee_is_found() -> None:
    waiting, later = ordered(), ordered()
    found = Order.objects.filter(pk__in=[waiting.pk, later.pk]).without_fee()
    assert list(found) == [waiting, later]
    later.set_fee(FEE)
    assert list(found.all()) == [waiting]


def test_the_fee_is_written_by_the_platform() -> None:
    client, package = make.user(), make.package()
    fee, name = {"service_fee": FEE}, "orders_order_service_fee_by_platform"
    not_theirs(name, client.pk, lambda: make.order(client=client, package=package, **fee))
    order = ordered(client)
    rows = Order.objects.filter(pk=order.pk)
    assert rows.values_list("service_fee", "total_amount").get() == (None, None)
    for party in (order.client_id, order.freelancer_id):
        for value in (FEE, 0):
            not_theirs(name, party, lambda value=value: rows.update(service_fee=value))  # type: ignore[misc]
    assert rows.update(**fee) == 1
    for instead in (0, None):
        not_theirs(name, order.client_id, lambda instead=instead: rows.update(service_fee=instead))  # type: ignore[misc]
    assert rows.values_list("service_fee", "total_amount").get() == (FEE, Decimal("209.00"))


@pytest.mark.parametrize("fee", [None, 0])
def test_a_client_does_not_pay_before_the_platform_has_written_the_fee(fee: int | None) -> None:
    client = contracts.person("1000.00")
    # 0 is what a column without a value may hold as well.
    order = ordered(client, service_fee=fee)
    for shown in (None, Decimal("199.00")):
        order.total_amount = shown
        with acting_as(client.pk):
            refused("ledger_order_has_its_fee", lambda: ledger.hold_escrow(contracts.key(), order))
    assert contracts.balance(client) == Decimal("1000.00")
    order.set_fee(Decimal(0))
    with acting_as(client.pk):
        ledger.hold_escrow(contracts.key(), order)
    assert contracts.balance(client) == Decimal("801.00")


def test_what_was_priced_stays_until_the_platform_takes_its_fee_back() -> None:
    order = ordered()
    offered, other = (contracts.gig_extra(gig=order.gig, name=name) for name in ("源文件", "加急"))
    with acting_as(order.client_id):
        extra = contracts.order_extra(order=order, gig_extra=offered)
    order.refresh_from_db()
    order.set_fee(FEE)
    rows, extras = Order.objects.filter(pk=order.pk), OrderExtra.objects.filter(pk=extra.pk)
    rows.update(unit_price=Decimal("150.00"))
    date = timezone.now() + timedelta(days=30)
    with acting_as(order.client_id):
        for change in ({"quantity": 99}, {"unit_price": Decimal("199.00")}, {"due_at": date}):
            refused("orders_order_stays_as_priced", lambda change=change: rows.update(**change))  # type: ignore[misc]
        for act in (
            lambda: extras.update(quantity=99),
            lambda: contracts.order_extra(order=order, gig_extra=other),
            extras.delete,
        ):
            refused("orders_orderextra_stays_as_priced", act)
        # What costs nothing is still open.
        assert rows.update(requirements_text="请用深蓝色。") == 1
    order.refresh_from_db()
    assert order.total_amount == Decimal("210.00")
    order.set_fee(None)
    with acting_as(order.client_id):
        assert rows.update(quantity=2, unit_price=Decimal("199.00"), due_at=date) == 1
        assert extras.delete()[0] == 1


def test_a_fee_is_for_the_order_as_it_was_seen() -> None:
    order = ordered()
    offered = contracts.gig_extra(gig=order.gig)
    with acting_as(order.client_id):
        contracts.order_extra(order=order, gig_extra=offered)
    with pytest.raises(DatabaseError, match=order.number):
        order.set_fee(FEE)
    order.refresh_from_db()
    with acting_as(order.client_id):
        Order.objects.filter(pk=order.pk).update(quantity=99)
    with pytest.raises(DatabaseError, match=order.number):
        order.set_fee(FEE)
    order.refresh_from_db()
    assert order.service_fee is None
    order.set_fee(FEE)
    assert order.total_amount == 99 * Decimal("199.00") + Decimal("50.00") + FEE


@pytest.mark.usefixtures("owner")
def test_an_order_that_was_paid_has_a_fee() -> None:
    with all_on("direct"):
        rows = Order.objects.filter(pk=make.order(service_fee=None).pk)
        with pytest.raises(IntegrityError, match="orders_order_service_fee_when_paid"), transaction.atomic("direct"):
            rows.update(status="paid", paid_at=timezone.now())


def test_staff_who_order_have_the_rights_of_a_client() -> None:
    client, package = people.staff(), make.package()
    with acting_as(client.pk):
        refused(
            "orders_order_unit_price_is_the_packages",
            lambda: make.order(client=client, package=package, unit_price=Decimal("1.00")),
        )
    not_theirs(
        "orders_order_service_fee_by_platform", client.pk,
        lambda: make.order(client=client, package=package, service_fee=Decimal("1.00")),
    )  # fmt: skip
    order = ordered(client)
    assert Order.objects.get(pk=order.pk).service_fee is None
    order.set_fee(FEE)
    with acting_as(client.pk):
        refused("orders_order_stays_as_priced", lambda: Order.objects.filter(pk=order.pk).update(quantity=2))


def test_the_client_pays_what_they_saw_or_nothing() -> None:
    order = make.order(client=contracts.person("1000.00"))
    Order.objects.filter(pk=order.pk).update(service_fee=FEE)
    with acting_as(order.client_id):
        refused("ledger_amount_is_as_shown", lambda: ledger.hold_escrow(contracts.key(), order))
    assert contracts.balance(order.client) == Decimal("1000.00")
    with acting_as(order.client_id):
        order.refresh_from_db()
        ledger.hold_escrow(contracts.key(), order)
    assert contracts.balance(order.client) == Decimal("791.00")


def test_an_amount_that_was_not_shown_is_refused() -> None:
    order = make.order(client=contracts.person("1000.00"))

    def pay() -> None:
        with connections["default"].cursor() as cursor:
            cursor.callproc("ledger_hold_escrow", [contracts.key(), order.pk, None])

    with acting_as(order.client_id):
        refused("ledger_amount_is_as_shown", pay)


def test_an_order_of_the_release_before_waits_for_its_fee_and_finds_the_way_back(deployed: str) -> None:
    def fees() -> list[Decimal | None]:
        with connections[deployed].cursor() as cursor:
            cursor.execute("SELECT service_fee FROM orders_order ORDER BY id")
            return [fee for (fee,) in cursor.fetchall()]

    with all_on(deployed):
        make.order(service_fee=None)
        make.order(service_fee=None).advance("cancelled")
        make.order(service_fee=FEE)
    assert fees() == [None, None, FEE]
    go_back(deployed, "orders", "0024_disputes_in_own_name")
    assert fees() == [0, 0, FEE]
    call_command("migrate", database=deployed, verbosity=0)
    assert fees() == [None, 0, FEE]
