"""Money moves by the ledger alone: once per request, by the person whose right it is, and never more than there is."""

from decimal import Decimal
from functools import partial
from typing import Any

import factories as make
import factories_contracts as contracts
import psycopg
import pytest
from apps.common.identity import acting_as
from apps.orders.models import Delivery, Order, OrderDispute
from apps.payments import ledger
from apps.payments.models import Escrow, PaymentMethod, PaymentRefund
from config.router import all_on
from django.db import IntegrityError, ProgrammingError, connections, transaction
from sessions import told
from test_constraints import refused

pytestmark = pytest.mark.usefixtures("database")


def entries(order: Order) -> list[tuple[str, Decimal]]:
    return list(order.transactions.order_by("created_at", "id").values_list("kind", "amount"))


class TestWallets:
    def test_a_wallet_comes_into_being_once_and_empty(self) -> None:
        person = make.user()
        assert ledger.open_wallet(person.pk) == ledger.open_wallet(person.pk)
        assert contracts.balance(person) == 0

    def test_a_deposit_is_posted_once_per_key(self) -> None:
        person, key = make.user(), contracts.key()
        first = ledger.deposit(key, person.pk, Decimal("100.00"))
        assert ledger.deposit(key, person.pk, Decimal("100.00")) == first
        assert contracts.balance(person) == Decimal("100.00")

    def test_a_key_is_not_used_for_another_request(self) -> None:
        person, key = make.user(), contracts.key()
        ledger.deposit(key, person.pk, Decimal("100.00"))
        refused("ledger_key_is_of_one_request", lambda: ledger.deposit(key, person.pk, Decimal("100.01")))
        refused("ledger_key_is_of_one_request", lambda: ledger.deposit(key, make.user().pk, Decimal("100.00")))

    def test_what_a_key_was_used_for_is_told_to_the_owner_of_the_wallet_alone(self) -> None:
        person, key = contracts.person("100.00"), contracts.key()
        account, other = (contracts.payment_method(user=each) for each in (person, contracts.person("9.00")))

        def error_of(method: PaymentMethod) -> str:
            with (
                pytest.raises(IntegrityError) as caught,
                transaction.atomic(using="default"),
                acting_as(method.user_id),
            ):
                ledger.request_withdrawal(key, method, Decimal("7.50"))
            assert isinstance(caught.value.__cause__, psycopg.Error)
            return told(caught.value.__cause__)

        with acting_as(person.pk):
            ledger.request_withdrawal(key, account, Decimal("41.20"))
        assert "a withdrawal of -41.20" in error_of(account)
        refusal = error_of(other)
        assert "used for another request" in refusal
        assert not [secret for secret in ("41.20", "withdrawal of", str(person.pk)) if secret in refusal]

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
        refused("payments_transaction_idempotency_key_shape", lambda: ledger.deposit(key, person.pk, Decimal("5.00")))

    @pytest.mark.parametrize(
        ("constraint", "missing"),
        [
            ("payments_transaction_idempotency_key_is_given", {"key": None}),
            ("payments_wallet_user_id_is_given", {"user_id": None}),
            ("payments_transaction_amount_is_given", {"amount": None}),
            ("payments_transaction_currency_is_given", {"currency": None}),
            ("payments_transaction_note_is_given", {"note": None}),
        ],
    )
    def test_nothing_is_left_out(self, constraint: str, missing: dict[str, None]) -> None:
        given: dict[str, Any] = {"key": contracts.key(), "user_id": make.user().pk, "amount": Decimal("5.00")}
        refused(constraint, lambda: ledger.deposit(**{**given, **missing}))

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
        assert contracts.balance(order.client) == 0
        assert entries(order) == [("payment", Decimal("-110.00"))]

    def test_an_order_above_the_balance_is_not_paid(self) -> None:
        order = make.order(client=contracts.person("198.99"))
        with acting_as(order.client_id):
            refused("payments_wallet_balance_not_negative", lambda: ledger.hold_escrow(contracts.key(), order))
        order.refresh_from_db()
        assert (order.status, contracts.balance(order.client)) == ("pending_payment", Decimal("198.99"))

    def test_an_order_is_paid_once(self) -> None:
        order = make.order(client=contracts.person("1000.00"))
        key = contracts.key()
        with acting_as(order.client_id):
            assert ledger.hold_escrow(key, order) == ledger.hold_escrow(key, order)
            refused("ledger_order_waits_for_payment", lambda: ledger.hold_escrow(contracts.key(), order))
        assert contracts.balance(order.client) == Decimal("801.00")

    def test_acceptance_pays_the_freelancer_less_the_fee(self) -> None:
        order = contracts.completed_order(unit_price=Decimal("100.00"), service_fee=Decimal("10.00"))
        escrow = Escrow.objects.get(order=order)
        assert contracts.balance(order.freelancer) == Decimal("100.00")
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
        assert contracts.balance(order.freelancer) == Decimal("199.00")

    def test_nothing_is_accepted_before_it_is_delivered(self) -> None:
        order = contracts.started_order()
        with acting_as(order.client_id):
            refused("ledger_release_is_after_delivery", lambda: ledger.release_escrow(contracts.key(), order))

    def test_an_unpaid_order_has_nothing_to_release(self) -> None:
        order = make.order()
        refused("ledger_escrow_is_held", lambda: ledger.release_escrow(contracts.key(), order))

    @pytest.mark.usefixtures("owner")
    def test_an_order_is_not_paid_by_its_state_alone(self) -> None:
        with all_on("direct"):
            make.order().advance("paid")
            refused("orders_order_status_fits_escrow", partial(check_at_once, "direct"), using="direct")

    def test_an_order_with_its_escrow_passes_the_check_at_the_end(self) -> None:
        contracts.completed_order()
        refunded = contracts.started_order()
        ledger.refund(contracts.key(), contracts.refund(refunded, "199.00"))
        make.order().advance("cancelled")
        check_at_once()


def check_at_once(alias: str = "default") -> None:
    with connections[alias].cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


class TestRefunds:
    def test_a_part_goes_back_and_the_fee_shrinks_with_it(self) -> None:
        order = contracts.delivered_order(unit_price=Decimal("100.00"), service_fee=Decimal("10.00"))
        ledger.refund(contracts.key(), contracts.refund(order, "33.33"))
        with acting_as(order.client_id):
            ledger.release_escrow(contracts.key(), order)
        escrow = Escrow.objects.get(order=order)
        assert contracts.balance(order.client) == Decimal("33.33")
        # 10.00 * 76.67 / 110.00 = 6.97
        assert (escrow.fee_amount, contracts.balance(order.freelancer)) == (Decimal("6.97"), Decimal("69.70"))

    def test_all_of_it_goes_back_and_ends_the_order(self) -> None:
        order = contracts.started_order()
        asked, key = contracts.refund(order, "199.00"), contracts.key()
        with acting_as(order.freelancer_id):
            entry = ledger.refund(key, asked)
            assert ledger.refund(key, asked) == entry
        order.refresh_from_db()
        asked.refresh_from_db()
        assert (order.status, order.escrow.status, contracts.balance(order.client)) == (
            "refunded",
            "refunded",
            Decimal("199.00"),
        )
        assert (asked.status, asked.transaction_id) == ("completed", entry)

    def test_no_more_is_asked_for_than_was_paid(self) -> None:
        order = contracts.started_order()
        refused("payments_paymentrefund_at_most_payment", lambda: contracts.refund(order, "199.01"))

    def test_no_more_goes_back_than_is_held(self) -> None:
        order = contracts.started_order()
        first, second = contracts.refund(order, "100.00"), contracts.refund(order, "99.01")
        ledger.refund(contracts.key(), first)
        refused("ledger_refund_at_most_held", lambda: ledger.refund(contracts.key(), second))
        assert contracts.balance(order.client) == Decimal("100.00")

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
        assert (order.status, contracts.balance(order.client)) == (status, Decimal(client))
        if freelancer:
            assert contracts.balance(order.freelancer) == Decimal(freelancer)
        assert OrderDispute.objects.get(order=order).status == "resolved"
        check_at_once()

    def test_a_decision_of_somebody_else_changes_nothing(self) -> None:
        order, judge = contracts.disputed_order(), make.user(is_staff=True)
        dispute = contracts.decided_dispute(order, "partial_refund", "50.00")
        with (
            pytest.raises(ProgrammingError, match="orders_orderdispute_resolution_by_platform"),
            acting_as(order.client_id),
        ):
            ledger.resolve_dispute(contracts.key(), dispute, judge.pk)
        assert OrderDispute.objects.get(order=order).status == "under_review"
        assert contracts.balance(order.client) == 0
