"""Who may move money: the person whose right it is, the platform where it says so, and only by the ledger."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import factories as make
import factories_contracts as contracts
import pytest
from apps.accounts.models import User
from apps.common.identity import PERSON, PLATFORM, acting_as, acting_as_platform
from apps.orders.models import Order
from apps.payments import ledger
from apps.payments.models import Escrow, PaymentMethod, PaymentRefund, PayoutBatch, Transaction, Wallet, Withdrawal
from django.db import IntegrityError, ProgrammingError, connections, transaction
from django.utils import timezone
from test_constraints import refused
from test_whose_rows import not_theirs

pytestmark = pytest.mark.usefixtures("database")


Act = Callable[[], Any]


def acts_on_anothers_money() -> list[tuple[str, Act, bool]]:
    """Return each act with the constraint that refuses a stranger, and whether nobody (the platform) may do it."""
    unpaid, delivered, started = make.order(), contracts.delivered_order(), contracts.started_order()
    person = contracts.person("100.00")
    account = PaymentMethod.objects.get(pk=contracts.payment_method(user=person).pk)
    asked, waiting = contracts.refund(started, "1.00"), contracts.withdrawal(person, "5.00", account)
    key, one = contracts.key, Decimal("1.00")
    return [
        ("ledger_wallet_is_opened_by_its_owner", lambda: ledger.open_wallet(person.pk), True),
        ("ledger_wallet_is_frozen_by_the_platform", lambda: ledger.set_wallet_status(person.pk, "active"), True),
        ("ledger_deposit_is_by_the_platform", lambda: ledger.deposit(key(), person.pk, one), True),
        ("ledger_payment_is_by_the_client", lambda: ledger.hold_escrow(key(), unpaid), False),
        ("ledger_release_is_by_the_client", lambda: ledger.release_escrow(key(), delivered), True),
        ("ledger_refund_is_by_the_freelancer", lambda: ledger.refund(key(), asked), True),
        ("ledger_withdrawal_is_by_the_owner", lambda: ledger.request_withdrawal(key(), account, one), False),
        ("ledger_withdrawal_is_by_the_owner", lambda: ledger.cancel_withdrawal(key(), waiting), False),
        ("ledger_payout_is_by_the_platform", lambda: ledger.submit_payouts("alipay"), True),
        ("ledger_payout_is_by_the_platform", lambda: ledger.settle_withdrawal(waiting, "2025010122001"), True),
    ]


def test_nobody_moves_another_persons_money() -> None:
    stranger, acts = make.user(), acts_on_anothers_money()
    for constraint, act, _ in acts:
        with acting_as(stranger.pk):
            refused(constraint, act)
        with nobody():
            refused(constraint, act)
    for constraint, act, by_platform in acts:
        if by_platform:
            act()
        else:
            refused(constraint, act)


@pytest.mark.parametrize(
    ("made", "status"),
    [
        (make.order, "paid"), (contracts.delivered_order, "completed"), (contracts.disputed_order, "completed"),
        (contracts.paid_order, "refunded"), (contracts.started_order, "refunded"),
        (contracts.disputed_order, "refunded"),
    ],
)  # fmt: skip
def test_no_state_of_money_is_reached_without_the_ledger(made: Callable[[], Order], status: str) -> None:
    order, rule = made(), "orders_order_status_by_ledger"
    needs = {"completed_at": timezone.now()} if status == "completed" else {}
    for person in (order.client_id, order.freelancer_id, make.user(is_staff=True).pk):
        not_theirs(rule, person, lambda: Order.objects.filter(pk=order.pk).update(status=status, **needs))
    with pytest.raises(ProgrammingError, match=rule), acting_as_platform():
        Order.objects.filter(pk=order.pk).update(status=status, **needs)


@contextmanager
def nobody() -> Iterator[None]:
    """A transaction that does not say who acts."""
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT set_config(%s, '', true), set_config(%s, '', true)", [PERSON, PLATFORM])
        yield
        cursor.execute("SELECT set_config(%s, 'on', true)", [PLATFORM])


def test_identity_ends_with_its_block_and_after_an_error() -> None:
    def seen() -> list[str]:
        with connections["default"].cursor() as cursor:
            cursor.execute("SELECT current_setting(%s, true), current_setting(%s, true)", [PERSON, PLATFORM])
            return list(cursor.fetchone())

    first, second = make.user(), make.user()
    with acting_as(first.pk):
        with acting_as(second.pk):
            assert seen() == [str(second.pk), ""]
        assert seen() == [str(first.pk), ""]
        with pytest.raises(IntegrityError), acting_as_platform():
            User.objects.filter(pk=first.pk).update(user_type="robot")
        assert seen() == [str(first.pk), ""]
    assert seen() == ["", "on"]


def test_a_freelancer_does_not_accept_their_own_work() -> None:
    order = contracts.delivered_order()
    with acting_as(order.freelancer_id):
        refused("ledger_release_is_by_the_client", lambda: ledger.release_escrow(contracts.key(), order))


def test_a_dismissed_member_of_the_staff_is_a_stranger() -> None:
    order, judge = contracts.delivered_order(), make.user(is_staff=True)
    judge.status = "suspended"
    judge.save()
    with acting_as(judge.pk):
        refused("ledger_release_is_by_the_client", lambda: ledger.release_escrow(contracts.key(), order))


LEDGER_TABLES = [Wallet, Transaction, Escrow, Withdrawal, PayoutBatch]


@pytest.mark.parametrize("model", [*LEDGER_TABLES, PaymentRefund])
@pytest.mark.parametrize("statement", ["UPDATE {} SET id = id", "DELETE FROM {}", "TRUNCATE {} CASCADE"])
def test_the_application_does_not_change_what_is_the_ledgers(model: type[Any], statement: str) -> None:
    denied(statement.format(model._meta.db_table))


@pytest.mark.parametrize("model", LEDGER_TABLES)
def test_the_application_does_not_write_what_is_the_ledgers(model: type[Any]) -> None:
    denied(f"INSERT INTO {model._meta.db_table} DEFAULT VALUES")


@pytest.mark.parametrize(
    "call",
    [
        "ledger_post('key-00000001', 'deposit', NULL, NULL, 5, 'CNY', '')",
        "ledger_lock_wallet(NULL)",
        "ledger_return_withdrawal('key-00000001', NULL, 'paid', 'failed', '')",
        "ledger_settle_batch(NULL)",
    ],
)
def test_the_application_does_not_reach_the_inside_of_the_ledger(call: str) -> None:
    denied(f"SELECT {call}")


def denied(statement: str) -> None:
    with (
        pytest.raises(ProgrammingError, match="permission denied"),
        transaction.atomic(using="default"),
        connections["default"].cursor() as cursor,
    ):
        cursor.execute(statement)
