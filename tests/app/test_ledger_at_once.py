"""Money under real parallel connections: what can happen once happens once, and nothing is lost in between."""

import threading
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

import factories as make
import factories_contracts as contracts
import pytest
from apps.accounts.models import User
from apps.common.identity import acting_as, acting_as_platform
from apps.common.retry import retried
from apps.orders.models import Delivery, Order
from apps.payments import ledger
from apps.payments.models import Escrow, PaymentMethod, PayoutBatch, Transaction, Wallet, Withdrawal
from concurrency import act_for_nobody, act_for_the_platform, at_once, until_somebody_waits
from django.db import DatabaseError
from django.db.models import Sum

# Makes an action somebody's.
Act = Callable[[Callable[[], Any]], Callable[[], Any]]


@pytest.fixture(autouse=True)
def committed(migrated: object) -> Iterator[None]:  # noqa: ARG001 (it comes first)
    """Rows are committed, so that all connections see them. They stay: the ledger keeps what it has."""
    act_for_the_platform()
    yield
    act_for_nobody()


def as_person(person_id: UUID, act: Callable[[], Any]) -> Callable[[], Any]:
    def action() -> Any:
        with acting_as(person_id):
            return act()

    return action


def as_platform(act: Callable[[], Any]) -> Callable[[], Any]:
    def action() -> Any:
        with acting_as_platform():
            return act()

    return action


def balance(person: User) -> Decimal:
    wallet = Wallet.objects.using("default").get(user=person)
    total = Transaction.objects.using("default").filter(wallet=wallet).aggregate(total=Sum("amount"))["total"]
    assert wallet.balance == (total or 0), "a wallet holds what its entries say"
    return wallet.balance


def test_two_orders_are_not_paid_with_the_same_money() -> None:
    client = contracts.person("200.00")
    orders = [make.order(client=client) for _ in range(2)]
    outcomes = at_once(*[as_person(client.pk, partial(ledger.hold_escrow, contracts.key(), order)) for order in orders])
    assert outcomes.count("payments_wallet_balance_not_negative") == 1
    assert balance(client) == Decimal("1.00")
    assert Order.objects.using("default").filter(client=client, status="paid").count() == 1


def test_one_wallet_is_not_withdrawn_twice_over() -> None:
    person = contracts.person("100.00")
    account = contracts.payment_method(user=person)
    withdraw = as_person(person.pk, lambda: ledger.request_withdrawal(contracts.key(), account, Decimal("80.00")))
    assert at_once(withdraw, withdraw, withdraw).count("payments_wallet_balance_not_negative") == 2
    assert balance(person) == Decimal("20.00")


def test_two_payments_of_one_order_are_one() -> None:
    client = contracts.person("1000.00")
    order = make.order(client=client)
    pay = as_person(client.pk, lambda: ledger.hold_escrow(contracts.key(), order))
    assert at_once(pay, pay).count("ledger_order_waits_for_payment") == 1
    assert balance(client) == Decimal("801.00")


def second_outcome(first_as: Act, first: Callable[[], Any], second_as: Act, second: Callable[[], Any]) -> Any:
    """Do the one, and the other in a second connection before the first one commits; return what became of it."""
    done = threading.Event()

    def begin() -> None:
        first()
        done.set()
        until_somebody_waits()

    def follow() -> Any:
        assert done.wait(timeout=20)
        return second()

    return at_once(first_as(begin), second_as(follow))[1]


@pytest.mark.parametrize("paid_first", [True, False])
def test_a_price_that_changes_meanwhile_is_not_paid(paid_first: bool) -> None:
    client = contracts.person("1000.00")
    order = make.order(client=client)
    pay = partial(as_person, client.pk), partial(ledger.hold_escrow, contracts.key(), order)
    change = as_platform, partial(Order.objects.filter(pk=order.pk).update, service_fee=Decimal("10.00"))
    if paid_first:
        assert second_outcome(*pay, *change) == "orders_order_contract_is_fixed"
    else:
        assert second_outcome(*change, *pay) == "ledger_amount_is_as_shown"
    assert balance(client) == Decimal("801.00" if paid_first else "1000.00")


@pytest.mark.parametrize(
    ("constraint", "choose"),
    [
        ("orders_order_stays_as_priced", lambda order, _: Order.objects.filter(pk=order.pk).update(quantity=2)),
        ("orders_orderextra_stays_as_priced", lambda order, extra: contracts.order_extra(order=order, gig_extra=extra)),
    ],
)
def test_what_is_chosen_meanwhile_has_no_fee(constraint: str, choose: Callable[[Order, Any], Any]) -> None:
    for fee_first in (True, False):
        order = make.order(service_fee=None)
        choice = partial(as_person, order.client_id), partial(choose, order, contracts.gig_extra(gig=order.gig))
        fee = as_platform, partial(order.set_fee, Decimal("10.00"))
        if fee_first:
            assert second_outcome(*fee, *choice) == constraint
        else:
            with pytest.raises(DatabaseError, match=order.number):
                second_outcome(*choice, *fee)


def test_a_withdrawal_goes_to_the_account_that_was_verified() -> None:
    person = contracts.person("100.00")
    changed, kept = (contracts.payment_method(user=person) for _ in range(2))

    def withdraw(account: PaymentMethod) -> Callable[[], Any]:
        return partial(ledger.request_withdrawal, contracts.key(), account, Decimal("5.00"))

    def change(account: PaymentMethod) -> Callable[[], Any]:
        return partial(PaymentMethod.objects.filter(pk=account.pk).update, kind="wechat_pay")

    me = partial(as_person, person.pk)
    assert second_outcome(me, change(changed), me, withdraw(changed)) == "ledger_account_is_verified"
    assert second_outcome(me, withdraw(kept), me, change(kept)) == (
        "payments_paymentmethod_stays_while_money_is_on_its_way"
    )


def test_two_accepts_of_one_order_pay_once() -> None:
    order = contracts.delivered_order()
    accept = as_person(order.client_id, lambda: ledger.release_escrow(contracts.key(), order))
    assert at_once(accept, accept).count("ledger_escrow_is_held") == 1
    assert balance(order.freelancer) == Decimal("199.00")


@pytest.mark.parametrize("calls", [2, 4])
def test_the_same_request_sent_at_once_gets_one_answer(calls: int) -> None:
    order, key = contracts.delivered_order(), contracts.key()
    accept = as_person(order.client_id, lambda: ledger.release_escrow(key, order))
    assert len(set(at_once(*[accept] * calls))) == 1
    assert balance(order.freelancer) == Decimal("199.00")


def test_one_key_for_two_wallets_at_once_is_posted_once() -> None:
    people, key = [make.user(), make.user()], contracts.key()
    outcomes = at_once(*[as_platform(partial(ledger.deposit, key, person.pk, Decimal("5.00"))) for person in people])
    assert {"payments_transaction_posted_once", "ledger_key_is_of_one_request"} & set(outcomes)
    assert Transaction.objects.using("default").filter(idempotency_key=key).count() == 1


def test_an_accept_and_a_refund_at_once_give_the_money_to_one_side() -> None:
    order = contracts.delivered_order()
    part = contracts.refund(order, "100.00")
    outcomes = at_once(
        as_person(order.client_id, lambda: ledger.release_escrow(contracts.key(), order)),
        as_person(order.freelancer_id, lambda: ledger.refund(contracts.key(), part)),
    )
    escrow = Escrow.objects.using("default").get(order=order)
    contracts.deposit(order.client_id, Decimal("1.00"))
    assert escrow.held_amount == 0
    assert balance(order.client) + balance(order.freelancer) == Decimal("200.00")
    assert outcomes[1] == "ledger_escrow_is_held" or escrow.refunded_amount == Decimal("100.00")


def test_two_refunds_at_once_give_back_no_more_than_is_held() -> None:
    order = contracts.started_order()
    asked = [contracts.refund(order, "150.00") for _ in range(2)]
    outcomes = at_once(*[as_platform(partial(ledger.refund, contracts.key(), part)) for part in asked])
    assert outcomes.count("ledger_refund_at_most_held") == 1
    assert balance(order.client) == Decimal("150.00")


@pytest.mark.parametrize("turn", range(3))
def test_a_refund_and_a_withdrawal_at_once_lose_nothing(turn: int) -> None:
    order = contracts.started_order(unit_price=Decimal(200 + turn))
    client = order.client
    contracts.deposit(client.pk, Decimal("50.00"))
    account, asked = contracts.payment_method(user=client), contracts.refund(order, "100.00")
    outcomes = at_once(
        as_platform(lambda: ledger.refund(contracts.key(), asked)),
        as_person(client.pk, lambda: ledger.request_withdrawal(contracts.key(), account, Decimal("120.00"))),
    )
    refused = outcomes[1] == "payments_wallet_balance_not_negative"
    assert balance(client) == (Decimal("150.00") if refused else Decimal("30.00"))
    assert Withdrawal.objects.using("default").filter(user=client).count() == (0 if refused else 1)


def test_two_deposits_to_a_person_without_a_wallet_open_one() -> None:
    person = make.user()
    at_once(*[lambda: contracts.deposit(person.pk, Decimal("5.00"))] * 4)
    assert balance(person) == Decimal("20.00")


def test_two_payout_jobs_at_once_take_each_withdrawal_once() -> None:
    people = [contracts.person("10.00") for _ in range(6)]
    waiting = [contracts.withdrawal(person, "5.00", unionpay(person)) for person in people]
    batches = at_once(*[as_platform(lambda: ledger.submit_payouts("unionpay", limit=3))] * 3)
    taken = Withdrawal.objects.using("default").filter(pk__in=[row.pk for row in waiting], status="processing")
    # A job skips what another one holds: what was left over is taken next time.
    with acting_as_platform():
        while (more := ledger.submit_payouts("unionpay")) is not None:
            batches.append(more)
    assert taken.count() == 6
    assert sum(batch.withdrawal_count for batch in batches if batch) == 6
    assert sum(batch.total_amount for batch in batches if batch) == Decimal("30.00")


def unionpay(person: User) -> Any:
    return contracts.payment_method(user=person, kind="unionpay")


def test_the_last_two_of_a_batch_settle_it_whoever_comes_last() -> None:
    rows = [
        contracts.withdrawal(person, "5.00", contracts.payment_method(user=person, kind="wechat_pay"))
        for person in (contracts.person("10.00"), contracts.person("10.00"))
    ]
    with acting_as_platform():
        batch = ledger.submit_payouts("wechat_pay")
    assert batch is not None
    settled = threading.Event()

    def settle_one() -> None:
        ledger.settle_withdrawal(rows[0], f"ref-{rows[0].pk}")
        settled.set()
        until_somebody_waits()

    def fail_the_other() -> None:
        assert settled.wait(timeout=20)
        ledger.fail_withdrawal(contracts.key(), rows[1], "账户异常")

    at_once(as_platform(settle_one), as_platform(fail_the_other))
    assert PayoutBatch.objects.using("default").get(pk=batch.pk).status == "settled"


def test_two_deliveries_at_once_are_numbered_one_after_the_other() -> None:
    order = contracts.started_order()
    outcomes = at_once(*[lambda: Delivery.objects.submit(order, "初稿，请查收。")] * 2)
    assert "orders_delivery_order_is_in_work" in outcomes
    assert Delivery.objects.using("default").filter(order=order).count() == 1


def test_requests_that_lock_two_wallets_in_opposite_order_all_come_through() -> None:
    people = [make.user(), make.user()]

    def deposits(first: User, second: User) -> Callable[[], None]:
        def both() -> None:
            contracts.deposit(first.pk, Decimal("1.00"))
            contracts.deposit(second.pk, Decimal("1.00"))

        def twenty_times() -> None:
            for _ in range(20):
                # The other one never rests: on a busy machine it wins more than the default of five times in a row.
                retried(both, attempts=12)

        return twenty_times

    at_once(deposits(*people), deposits(*reversed(people)))
    assert [balance(person) for person in people] == [Decimal("40.00")] * 2
