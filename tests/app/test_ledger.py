"""Money moves by the ledger alone: once per request, by the person whose right it is, and never more than there is."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import factories as make
import factories_contracts as contracts
import pytest
from apps.accounts.models import User
from apps.common.identity import PERSON, PLATFORM, acting_as, acting_as_platform
from apps.orders.models import Delivery, Order, OrderDispute
from apps.payments import ledger
from apps.payments.models import Escrow, PaymentMethod, PaymentRefund, PayoutBatch, Transaction, Wallet, Withdrawal
from django.db import DatabaseError, IntegrityError, ProgrammingError, connections, transaction
from test_constraints import refused

pytestmark = pytest.mark.usefixtures("platform")


@pytest.fixture
def platform(database: object) -> Iterator[None]:  # noqa: ARG001 (it comes first)
    """The platform acts, unless the test says which person does."""
    with acting_as_platform():
        yield


def balance(person: User) -> Decimal:
    return Wallet.objects.get(user=person).balance


def entries(order: Order) -> list[tuple[str, Decimal]]:
    return list(order.transactions.order_by("created_at", "id").values_list("kind", "amount"))


class TestWallets:
    def test_a_wallet_comes_into_being_once_and_empty(self) -> None:
        person = make.user()
        assert ledger.open_wallet(person.pk) == ledger.open_wallet(person.pk)
        assert balance(person) == 0

    def test_a_deposit_is_posted_once_per_key(self) -> None:
        person, key = make.user(), contracts.key()
        first = ledger.deposit(key, person.pk, Decimal("100.00"))
        assert ledger.deposit(key, person.pk, Decimal("100.00")) == first
        assert balance(person) == Decimal("100.00")

    def test_a_key_is_not_used_for_another_request(self) -> None:
        person, key = make.user(), contracts.key()
        ledger.deposit(key, person.pk, Decimal("100.00"))
        refused("ledger_key_is_of_one_request", lambda: ledger.deposit(key, person.pk, Decimal("100.01")))
        refused("ledger_key_is_of_one_request", lambda: ledger.deposit(key, make.user().pk, Decimal("100.00")))

    @pytest.mark.parametrize(
        ("constraint", "amount"),
        [
            ("ledger_amount_is_whole_cents", "1.001"),
            ("ledger_amount_is_whole_cents", "NaN"),
            ("payments_transaction_sign_fits_known_kind", "0.00"),
            ("payments_transaction_sign_fits_known_kind", "-5.00"),
        ],
    )
    def test_only_a_positive_amount_of_whole_cents_is_deposited(self, constraint: str, amount: str) -> None:
        person = make.user()
        refused(constraint, lambda: ledger.deposit(contracts.key(), person.pk, Decimal(amount)))

    def test_foreign_currency_is_refused(self) -> None:
        person = make.user()
        refused(
            "payments_transaction_currency_is_cny",
            lambda: ledger.deposit(contracts.key(), person.pk, Decimal("5.00"), currency="USD"),
        )

    @pytest.mark.parametrize("key", ["short", "with space", "k" * 65])
    def test_a_key_has_8_to_60_characters(self, key: str) -> None:
        person = make.user()
        with pytest.raises(DatabaseError, match=r"idempotency_key_shape|value too long"), transaction.atomic("default"):
            ledger.deposit(key, person.pk, Decimal("5.00"))

    def test_a_frozen_wallet_moves_no_money_until_it_is_thawed(self) -> None:
        person = contracts.person("10.00")
        ledger.set_wallet_status(person.pk, "frozen")
        refused("payments_transaction_wallet_is_active", lambda: contracts.withdrawal(person, "5.00"))
        ledger.set_wallet_status(person.pk, "active")
        assert contracts.withdrawal(person, "5.00").pk


class TestEscrow:
    def test_the_clients_money_waits_in_escrow(self) -> None:
        order = contracts.paid_order(unit_price=Decimal("100.00"), service_fee=Decimal("10.00"))
        escrow = Escrow.objects.get(order=order)
        assert (order.status, escrow.status, escrow.held_amount) == ("paid", "held", Decimal("110.00"))
        assert balance(order.client) == 0
        assert entries(order) == [("payment", Decimal("-110.00"))]

    def test_an_order_above_the_balance_is_not_paid(self) -> None:
        order = make.order(client=contracts.person("198.99"))
        with acting_as(order.client_id):
            refused("payments_wallet_balance_not_negative", lambda: ledger.hold_escrow(contracts.key(), order))
        order.refresh_from_db()
        assert (order.status, balance(order.client)) == ("pending_payment", Decimal("198.99"))

    def test_an_order_is_paid_once(self) -> None:
        order = make.order(client=contracts.person("1000.00"))
        key = contracts.key()
        with acting_as(order.client_id):
            assert ledger.hold_escrow(key, order) == ledger.hold_escrow(key, order)
            refused("ledger_order_waits_for_payment", lambda: ledger.hold_escrow(contracts.key(), order))
        assert balance(order.client) == Decimal("801.00")

    def test_acceptance_pays_the_freelancer_less_the_fee(self) -> None:
        order = contracts.completed_order(unit_price=Decimal("100.00"), service_fee=Decimal("10.00"))
        escrow = Escrow.objects.get(order=order)
        assert balance(order.freelancer) == Decimal("100.00")
        assert (escrow.status, escrow.held_amount, escrow.released_amount, escrow.fee_amount) == (
            "released", 0, Decimal("100.00"), Decimal("10.00"),
        )  # fmt: skip
        assert entries(order)[1:] == [("income", Decimal("110.00")), ("fee", Decimal("-10.00"))]
        assert (order.status, order.completed_at is not None) == ("completed", True)
        assert Delivery.objects.get(order=order).status == "accepted"

    def test_an_order_is_accepted_once(self) -> None:
        order, key = contracts.delivered_order(), contracts.key()
        with acting_as(order.client_id):
            assert ledger.release_escrow(key, order) == ledger.release_escrow(key, order)
            refused("ledger_escrow_is_held", lambda: ledger.release_escrow(contracts.key(), order))
        assert balance(order.freelancer) == Decimal("199.00")

    def test_nothing_is_accepted_before_it_is_delivered(self) -> None:
        order = contracts.started_order()
        with acting_as(order.client_id):
            refused("ledger_release_is_after_delivery", lambda: ledger.release_escrow(contracts.key(), order))

    def test_an_unpaid_order_has_nothing_to_release(self) -> None:
        order = make.order()
        refused("ledger_escrow_is_held", lambda: ledger.release_escrow(contracts.key(), order))

    def test_an_order_is_not_paid_by_its_state_alone(self) -> None:
        order = make.order()
        order.advance("paid")
        refused("orders_order_status_fits_escrow", check_at_once)

    def test_an_order_with_its_escrow_passes_the_check_at_the_end(self) -> None:
        contracts.completed_order()
        refunded = contracts.started_order()
        ledger.refund(contracts.key(), contracts.refund(refunded, "199.00"))
        make.order().advance("cancelled")
        check_at_once()


def check_at_once() -> None:
    with connections["default"].cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


class TestRefunds:
    def test_a_part_goes_back_and_the_fee_shrinks_with_it(self) -> None:
        order = contracts.delivered_order(unit_price=Decimal("100.00"), service_fee=Decimal("10.00"))
        ledger.refund(contracts.key(), contracts.refund(order, "33.33"))
        with acting_as(order.client_id):
            ledger.release_escrow(contracts.key(), order)
        escrow = Escrow.objects.get(order=order)
        assert balance(order.client) == Decimal("33.33")
        # 10.00 * 76.67 / 110.00 = 6.97
        assert (escrow.fee_amount, balance(order.freelancer)) == (Decimal("6.97"), Decimal("69.70"))

    def test_all_of_it_goes_back_and_ends_the_order(self) -> None:
        order = contracts.started_order()
        asked, key = contracts.refund(order, "199.00"), contracts.key()
        with acting_as(order.freelancer_id):
            entry = ledger.refund(key, asked)
            assert ledger.refund(key, asked) == entry
        order.refresh_from_db()
        asked.refresh_from_db()
        assert (order.status, order.escrow.status, balance(order.client)) == ("refunded", "refunded", Decimal("199.00"))
        assert (asked.status, asked.transaction_id) == ("completed", entry)

    def test_no_more_is_asked_for_than_was_paid(self) -> None:
        order = contracts.started_order()
        refused("payments_paymentrefund_at_most_payment", lambda: contracts.refund(order, "199.01"))

    def test_no_more_goes_back_than_is_held(self) -> None:
        order = contracts.started_order()
        first, second = contracts.refund(order, "100.00"), contracts.refund(order, "99.01")
        ledger.refund(contracts.key(), first)
        refused("ledger_refund_at_most_held", lambda: ledger.refund(contracts.key(), second))
        assert balance(order.client) == Decimal("100.00")

    def test_a_refund_is_paid_once(self) -> None:
        asked = contracts.refund(contracts.started_order(), "1.00")
        ledger.refund(contracts.key(), asked)
        refused("ledger_refund_is_open", lambda: ledger.refund(contracts.key(), asked))

    def test_nothing_comes_back_from_an_order_that_was_accepted(self) -> None:
        order = contracts.delivered_order()
        asked = contracts.refund(order, "1.00")
        ledger.release_escrow(contracts.key(), order)
        refused("ledger_escrow_is_held", lambda: ledger.refund(contracts.key(), asked))

    def test_a_refund_is_rejected_by_the_freelancer_or_withdrawn_by_its_asker(self) -> None:
        order = contracts.started_order()
        first, second = contracts.refund(order, "1.00"), contracts.refund(order, "2.00")
        with acting_as(order.client_id):
            refused("ledger_refund_is_rejected_by_the_freelancer", lambda: ledger.reject_refund(first))
            ledger.withdraw_refund(first)
        with acting_as(order.freelancer_id):
            refused("ledger_refund_is_withdrawn_by_its_asker", lambda: ledger.withdraw_refund(second))
            ledger.reject_refund(second)
        assert set(PaymentRefund.objects.filter(escrow__order=order).values_list("status", flat=True)) == {
            "withdrawn", "rejected",
        }  # fmt: skip
        refused("ledger_refund_is_open", lambda: ledger.refund(contracts.key(), second))


class TestDisputes:
    def test_money_stays_while_a_dispute_is_open(self) -> None:
        order = contracts.disputed_order()
        asked = contracts.refund(order, "1.00")
        refused("ledger_no_dispute_is_open", lambda: ledger.refund(contracts.key(), asked))
        refused("ledger_no_dispute_is_open", lambda: ledger.release_escrow(contracts.key(), order))

    @pytest.mark.parametrize(
        ("resolution", "amount", "status", "client", "freelancer"),
        [
            ("refund", "199.00", "refunded", "199.00", None),
            ("partial_refund", "50.00", "completed", "50.00", "149.00"),
            ("release", "0", "completed", "0.00", "199.00"),
            ("continue", "0", "in_progress", "0.00", None),
        ],
    )
    def test_a_decision_moves_the_money_with_it(
        self, resolution: str, amount: str, status: str, client: str, freelancer: str | None
    ) -> None:
        order, judge = contracts.disputed_order(), make.user(is_staff=True)
        dispute = contracts.decided_dispute(order, resolution, amount)
        with acting_as(judge.pk):
            ledger.resolve_dispute(contracts.key(), dispute, judge.pk)
        order.refresh_from_db()
        assert (order.status, balance(order.client)) == (status, Decimal(client))
        if freelancer:
            assert balance(order.freelancer) == Decimal(freelancer)
        assert OrderDispute.objects.get(order=order).status == "resolved"
        check_at_once()

    def test_a_decision_of_somebody_else_changes_nothing(self) -> None:
        order, judge = contracts.disputed_order(), make.user(is_staff=True)
        dispute = contracts.decided_dispute(order, "partial_refund", "50.00")
        with acting_as(order.client_id):
            refused(
                "ledger_refund_is_by_the_freelancer",
                lambda: ledger.resolve_dispute(contracts.key(), dispute, judge.pk),
            )
        assert OrderDispute.objects.get(order=order).status == "under_review"
        assert balance(order.client) == 0


class TestWithdrawals:
    def test_money_leaves_the_wallet_at_once(self) -> None:
        person = contracts.person("100.00")
        withdrawal = contracts.withdrawal(person, "30.50")
        assert (balance(person), withdrawal.status, withdrawal.kind) == (Decimal("69.50"), "requested", "alipay")

    def test_no_more_is_withdrawn_than_there_is(self) -> None:
        person = contracts.person("10.00")
        refused("payments_wallet_balance_not_negative", lambda: contracts.withdrawal(person, "10.01"))

    @pytest.mark.parametrize(
        ("constraint", "amount"),
        [
            ("payments_withdrawal_amount_1_to_1_million", "0.99"),
            ("payments_withdrawal_amount_1_to_1_million", "1000000.01"),
            ("payments_transaction_sign_fits_known_kind", "-1.00"),
            ("ledger_amount_is_whole_cents", "1.005"),
        ],
    )
    def test_the_amount_is_1_yuan_to_1_million(self, constraint: str, amount: str) -> None:
        person = contracts.person("2000000.00")
        refused(constraint, lambda: contracts.withdrawal(person, amount))

    def test_foreign_currency_is_refused(self) -> None:
        person = contracts.person("10.00")
        account = contracts.payment_method(user=person)
        with acting_as(person.pk):
            refused(
                "payments_transaction_currency_is_cny",
                lambda: ledger.request_withdrawal(contracts.key(), account, Decimal("5.00"), currency="HKD"),
            )

    def test_money_goes_to_a_verified_account_only(self) -> None:
        person = contracts.person("10.00")
        account = contracts.payment_method(user=person, status="unverified")
        refused("ledger_account_is_verified", lambda: contracts.withdrawal(person, "5.00", account))

    def test_the_same_request_twice_is_one_withdrawal(self) -> None:
        person, key = contracts.person("100.00"), contracts.key()
        account = contracts.payment_method(user=person)
        with acting_as(person.pk):
            first = ledger.request_withdrawal(key, account, Decimal("30.00"))
            assert ledger.request_withdrawal(key, account, Decimal("30.00")) == first
        assert balance(person) == Decimal("70.00")

    def test_a_batch_takes_the_oldest_of_its_kind_and_settles_with_the_last_one(self) -> None:
        people = [contracts.person("100.00") for _ in range(3)]
        paid, failed, later = (contracts.withdrawal(person, "40.00") for person in people)
        batch = ledger.submit_payouts("alipay", limit=2)
        assert batch is not None
        assert (batch.withdrawal_count, batch.total_amount) == (2, Decimal("80.00"))
        assert set(Withdrawal.objects.of_batch(batch.pk, "processing")) == {paid, failed}
        ledger.settle_withdrawal(paid, "2025010122001")
        ledger.settle_withdrawal(paid, "2025010122001")
        assert PayoutBatch.objects.get(pk=batch.pk).status == "submitted"
        key = contracts.key()
        assert ledger.fail_withdrawal(key, failed, "账户异常") == ledger.fail_withdrawal(key, failed, "账户异常")
        assert PayoutBatch.objects.get(pk=batch.pk).status == "settled"
        assert [balance(person) for person in people] == [Decimal("60.00"), Decimal("100.00"), Decimal("60.00")]
        assert Withdrawal.objects.get(pk=later.pk).status == "requested"
        assert ledger.submit_payouts("bank_card") is None

    def test_a_payout_is_settled_or_failed_once(self) -> None:
        withdrawal = contracts.withdrawal(contracts.person("100.00"), "40.00")
        refused("ledger_withdrawal_is_processing", lambda: ledger.settle_withdrawal(withdrawal, "2025010122001"))
        ledger.submit_payouts("alipay")
        ledger.settle_withdrawal(withdrawal, "2025010122001")
        refused("ledger_withdrawal_is_processing", lambda: ledger.settle_withdrawal(withdrawal, "2025010122002"))
        refused(
            "ledger_withdrawal_is_processing",
            lambda: ledger.fail_withdrawal(contracts.key(), withdrawal, "账户异常"),
        )

    def test_a_withdrawal_is_cancelled_before_it_is_on_its_way(self) -> None:
        person = contracts.person("100.00")
        first, second = contracts.withdrawal(person, "40.00"), contracts.withdrawal(person, "50.00")
        with acting_as(person.pk):
            ledger.cancel_withdrawal(contracts.key(), first)
        ledger.submit_payouts("alipay")
        with acting_as(person.pk):
            refused("ledger_withdrawal_is_requested", lambda: ledger.cancel_withdrawal(contracts.key(), second))
        assert balance(person) == Decimal("50.00")


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
