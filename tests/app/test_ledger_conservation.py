"""Whatever happens in whatever order: every cent that came in is in a wallet, in escrow, a fee, or on its way out."""

from collections.abc import Callable
from contextlib import ExitStack
from decimal import Decimal
from typing import Any

import factories as make
import factories_contracts as contracts
import factories_people as people
import pytest
from apps.common.identity import acting_as, acting_as_platform
from apps.orders.models import Delivery, Order, OrderDispute
from apps.payments import ledger
from apps.payments.models import Escrow, PaymentRefund, Transaction, Wallet, Withdrawal
from django.db import IntegrityError, connections, transaction
from django.db.models import F, Sum
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

AMOUNTS = st.decimals(Decimal("0.01"), Decimal("300.00"), places=2)
PRICES = st.decimals(Decimal("1.00"), Decimal("200.00"), places=2)
FEES = st.decimals(Decimal("0.00"), Decimal("20.00"), places=2)
PEOPLE = st.integers(0, 2)


class Marketplace(RuleBasedStateMachine):
    """Three people who buy from each other; what the database refuses must have changed nothing."""

    orders = Bundle("orders")
    refunds = Bundle("refunds")
    withdrawals = Bundle("withdrawals")

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[tuple[Callable[[str], Any], str, Any]] = []
        self.transaction = ExitStack()
        self.transaction.enter_context(transaction.atomic(using="default"))
        self.transaction.callback(transaction.set_rollback, True, using="default")
        # The platform acts, unless a rule says which person does.
        self.transaction.enter_context(acting_as_platform())
        self.people = [make.user(user_type="both") for _ in range(3)]
        self.packages = [make.package(gig=make.gig(freelancer=person)) for person in self.people]
        self.judge = people.staff()
        # A kind that no other test leaves waiting.
        self.accounts = [contracts.payment_method(user=person, kind="unionpay") for person in self.people]
        self.deposited = Decimal(0)
        for person in range(3):
            self.deposit(person, Decimal("500.00"))

    def teardown(self) -> None:
        self.transaction.close()

    def attempt(self, request: Callable[[str], Any], key: str | None = None) -> Any:
        """Send a request; None when it is refused, which has to be under a name."""
        key = key or contracts.key()
        try:
            with transaction.atomic(using="default"):
                answer = request(key)
        except IntegrityError as error:
            if not getattr(getattr(error.__cause__, "diag", None), "constraint_name", None):
                raise
            return None
        self.requests.append((request, key, answer))
        return answer

    def as_person(self, person_id: Any, act: Callable[[str], Any]) -> Callable[[str], Any]:
        def request(key: str) -> Any:
            with acting_as(person_id):
                return act(key)

        return request

    @rule(person=PEOPLE, amount=AMOUNTS)
    def deposit(self, person: int, amount: Decimal) -> None:
        owner = self.people[person].pk
        if self.attempt(lambda key: ledger.deposit(key, owner, amount)):
            self.deposited += amount

    @rule(target=orders, client=PEOPLE, seller=PEOPLE)
    def order(self, client: int, seller: int) -> Any:
        if client == seller:
            return multiple()
        with acting_as(self.people[client].pk):
            return make.order(client=self.people[client], package=self.packages[seller])

    @rule(order=orders, agreed=PRICES, fee=FEES)
    def price(self, order: Order, agreed: Decimal, fee: Decimal) -> None:
        """Write what the two agreed on, and the fee."""

        def write(_key: str) -> None:
            Order.objects.filter(pk=order.pk).update(unit_price=agreed)
            order.refresh_from_db()
            order.set_fee(fee)

        self.attempt(write)

    @rule(order=orders)
    def take_the_fee_back(self, order: Order) -> None:
        order.refresh_from_db()
        self.attempt(lambda _: order.set_fee(None))

    @rule(order=orders, quantity=st.integers(1, 3))
    def choose(self, order: Order, quantity: int) -> None:
        """Change what is ordered; the client does not look at the order again before they pay."""

        def write(_key: str) -> None:
            Order.objects.filter(pk=order.pk).update(quantity=quantity)

        self.attempt(self.as_person(order.client_id, write))

    @rule(order=orders)
    def pay(self, order: Order) -> None:
        self.attempt(self.as_person(order.client_id, lambda key: ledger.hold_escrow(key, order)))

    @rule(order=orders)
    def accept(self, order: Order) -> None:
        self.attempt(self.as_person(order.client_id, lambda key: ledger.release_escrow(key, order)))

    @rule(order=orders)
    def go_on(self, order: Order) -> None:
        """Take an order's next step to its good end: what chance alone would seldom do in this order."""
        order.refresh_from_db()
        if order.status == "pending_payment" and order.service_fee is None:
            order.set_fee(Decimal("9.99"))
        elif order.status == "pending_payment":
            self.pay(order)
        elif order.status == "paid":
            order.advance("in_progress")
            Delivery.objects.submit(order, "初稿，请查收。")
        elif order.status == "delivered":
            self.accept(order)

    @rule(target=refunds, order=orders, percent=st.integers(1, 110))
    def ask_for_a_refund(self, order: Order, percent: int) -> Any:
        if not Escrow.objects.filter(order=order).exists():
            return multiple()
        order.refresh_from_db()
        part = (order.total_amount * percent / 100).quantize(Decimal("0.01"))
        return self.attempt(lambda _: contracts.refund(order, str(part))) or multiple()

    @rule(asked=refunds)
    def refund(self, asked: PaymentRefund) -> None:
        self.attempt(lambda key: ledger.refund(key, asked))

    @rule(order=orders, resolution=st.sampled_from(OrderDispute.Resolution.values), percent=st.integers(1, 99))
    def quarrel(self, order: Order, resolution: str, percent: int) -> None:
        """Dispute what was delivered, and decide about it."""
        order.refresh_from_db()
        escrow = Escrow.objects.filter(order=order, status="held").first()
        if order.status != "delivered" or escrow is None:
            return
        contracts.dispute(order=order)
        order.advance("disputed")
        part = (escrow.held_amount * percent / 100).quantize(Decimal("0.01"))
        amount = {"refund": escrow.held_amount, "partial_refund": part}.get(resolution, Decimal(0))
        self.attempt(
            lambda key: ledger.resolve_dispute(
                key, contracts.decided_dispute(order, resolution, str(amount)), self.judge.pk
            )
        )

    @rule(target=withdrawals, person=PEOPLE, amount=AMOUNTS)
    def withdraw(self, person: int, amount: Decimal) -> Any:
        account = self.accounts[person]
        made = self.attempt(
            self.as_person(account.user_id, lambda key: ledger.request_withdrawal(key, account, amount))
        )
        return Withdrawal.objects.get(pk=made) if made else multiple()

    @rule()
    def pay_out(self) -> None:
        ledger.submit_payouts("unionpay", limit=2)

    @rule(withdrawal=withdrawals)
    def settle(self, withdrawal: Withdrawal) -> None:
        self.attempt(lambda _: ledger.settle_withdrawal(withdrawal, f"ref-{withdrawal.pk}"))

    @rule(withdrawal=withdrawals)
    def fail(self, withdrawal: Withdrawal) -> None:
        self.attempt(lambda key: ledger.fail_withdrawal(key, withdrawal, "账户异常"))

    @rule(withdrawal=withdrawals)
    def cancel(self, withdrawal: Withdrawal) -> None:
        self.attempt(self.as_person(withdrawal.user_id, lambda key: ledger.cancel_withdrawal(key, withdrawal)))

    @precondition(lambda self: self.requests)
    @rule(data=st.data())
    def repeat_a_request(self, data: st.DataObject) -> None:
        request, key, answer = data.draw(st.sampled_from(self.requests))
        if answer is None or isinstance(answer, PaymentRefund):
            return
        before = Transaction.objects.filter(wallet__user__in=self.people).count()
        assert request(key) == answer
        assert Transaction.objects.filter(wallet__user__in=self.people).count() == before

    @invariant()
    def every_cent_is_somewhere(self) -> None:
        wallets = total(Wallet.objects.filter(user__in=self.people), "balance")
        escrow = Escrow.objects.filter(order__client__in=self.people)
        gone = Withdrawal.objects.filter(user__in=self.people, status__in=["requested", "processing", "paid"])
        parts = wallets + total(escrow, "held_amount") + total(escrow, "fee_amount") + total(gone, "amount")
        assert parts == self.deposited

    @invariant()
    def the_ledger_says_the_same(self) -> None:
        entries = Transaction.objects.filter(wallet__user__in=self.people)
        for wallet in Wallet.objects.filter(user__in=self.people):
            assert wallet.balance == total(entries.filter(wallet=wallet), "amount")
        escrow = Escrow.objects.filter(order__client__in=self.people)
        of_orders = entries.filter(kind__in=["payment", "refund", "income"])
        assert total(escrow, "held_amount") == -total(of_orders, "amount")
        assert total(escrow, "fee_amount") == -total(entries.filter(kind="fee"), "amount")

    @invariant()
    def what_was_paid_is_what_was_priced(self) -> None:
        escrow = Escrow.objects.filter(order__client__in=self.people)
        assert not escrow.exclude(amount=F("order__total_amount")).exists()
        assert not escrow.filter(order__service_fee=None).exists()

    @invariant()
    def orders_and_escrows_agree(self) -> None:
        with connections["default"].cursor() as cursor:
            cursor.execute("SET CONSTRAINTS orders_order_status_fits_escrow IMMEDIATE")
            cursor.execute("SET CONSTRAINTS orders_order_status_fits_escrow DEFERRED")


def total(rows: Any, column: str) -> Decimal:
    return rows.aggregate(total=Sum(column))["total"] or Decimal(0)


@pytest.mark.usefixtures("migrated")
def test_any_sequence_of_requests_conserves_money() -> None:
    run_state_machine_as_test(
        Marketplace,
        settings=settings(
            max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )


@pytest.mark.usefixtures("migrated")
def test_a_sequence_with_every_kind_of_entry_conserves_money() -> None:
    market = Marketplace()

    def check(answer: Any = None) -> Any:
        market.every_cent_is_somewhere()
        market.the_ledger_says_the_same()
        market.what_was_paid_is_what_was_priced()
        market.orders_and_escrows_agree()
        return answer

    try:
        accepted, refunded, disputed = (market.order(0, 1) for _ in range(3))
        for order in (accepted, refunded, disputed):
            check(market.pay(order))
            check(market.price(order, Decimal("100.00"), Decimal("9.99")))
            check(market.choose(order, 3))
            check(market.go_on(order))
        check(market.refund(check(market.ask_for_a_refund(accepted, 33))))
        check(market.refund(check(market.ask_for_a_refund(refunded, 100))))
        check(market.go_on(accepted))
        check(market.go_on(accepted))
        check(market.go_on(disputed))
        check(market.quarrel(disputed, "partial_refund", 33))
        paid, failed, cancelled = (check(market.withdraw(person, Decimal("20.00"))) for person in range(3))
        check(market.cancel(cancelled))
        check(market.pay_out())
        check(market.settle(paid))
        check(market.fail(failed))
        kinds = Transaction.objects.filter(wallet__user__in=market.people).values_list("kind", flat=True)
        assert {*kinds} == {"deposit", "payment", "income", "fee", "refund", "withdrawal", "reversal"}
        orders = Order.objects.filter(client__in=market.people).order_by("created_at")
        assert list(orders.values_list("status", flat=True)) == ["completed", "refunded", "completed"]
        assert set(orders.values_list("total_amount", flat=True)) == {Decimal("109.99")}
        rows = Withdrawal.objects.filter(user__in=market.people).order_by("created_at")
        assert list(rows.values_list("status", flat=True)) == ["paid", "failed", "cancelled"]
    finally:
        market.teardown()
