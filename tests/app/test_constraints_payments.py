"""Bad data about money is refused by the database itself: from the application, and from the tables' owner as well."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import factories as make
import factories_contracts as contracts
import pytest
from apps.payments.models import (
    Escrow,
    PaymentMethod,
    PaymentRefund,
    PaymentStat,
    Transaction,
    Wallet,
    Withdrawal,
)
from config.router import all_on
from django.db import IntegrityError, transaction
from django.utils import timezone
from test_constraints import refused

NOW = timezone.now()
LATER = NOW + timedelta(days=1)
BANK = {"kind": "bank_card", "bank_code": "102100099996", "bank_name": "中国工商银行"}


@pytest.mark.usefixtures("database")
class TestFromTheApplication:
    @pytest.mark.parametrize(
        ("constraint", "fields"),
        [
            ("payments_paymentmethod_kind_known", {"kind": "paypal"}),
            ("payments_paymentmethod_shows_four_characters", {"last_characters": "12"}),
            ("payments_paymentmethod_bank_fits_kind", {"kind": "bank_card"}),
            ("payments_paymentmethod_bank_fits_kind", {**BANK, "bank_code": "1"}),
            ("payments_paymentmethod_bank_fits_kind", {**BANK, "kind": "alipay"}),
            ("payments_paymentmethod_default_is_active", {"is_default": True}),
        ],
    )
    def test_an_account_with_a_bad_field_is_refused(self, constraint: str, fields: dict[str, Any]) -> None:
        refused(constraint, lambda: contracts.payment_method(status="unverified", **fields))

    def test_an_account_is_verified_before_it_is_used(self) -> None:
        account = contracts.payment_method(status="unverified", **BANK)
        account.status = "active"
        refused("payments_paymentmethod_active_is_verified", account.save)

    def test_a_person_has_one_default_account(self) -> None:
        first = contracts.payment_method()
        second = contracts.payment_method(user=first.user, kind="wechat_pay")
        PaymentMethod.objects.filter(pk=first.pk).update(is_default=True)
        refused(
            "payments_paymentmethod_one_default_per_user",
            lambda: PaymentMethod.objects.filter(pk=second.pk).update(is_default=True),
        )
        assert list(PaymentMethod.objects.usable_by(first.user_id)) == [first, second]

    @pytest.mark.parametrize(
        ("constraint", "fields"),
        [
            ("payments_paymentrefund_amount_at_least_a_cent", {"amount": Decimal("0.00")}),
            ("payments_paymentrefund_amount_at_least_a_cent", {"amount": Decimal("-5.00")}),
            ("payments_paymentrefund_at_most_payment", {"amount": Decimal("199.01")}),
            ("payments_paymentrefund_currency_is_cny", {"currency": "USD"}),
            ("payments_paymentrefund_reason_known", {"reason": "mood"}),
            ("payments_paymentrefund_names_its_dispute", {"reason": "dispute"}),
            ("payments_paymentrefund_closed_at_fits_status", {"closed_at": NOW}),
            ("payments_paymentrefund_status_transition", {"status": "completed"}),
        ],
    )
    def test_a_refund_with_a_bad_field_is_refused(self, constraint: str, fields: dict[str, Any]) -> None:
        order = contracts.started_order()
        wanted = {"amount": Decimal("1.00"), **fields}
        refused(constraint, lambda: contracts.refund(order, str(wanted.pop("amount")), **wanted))

    def test_a_party_or_the_staff_asks_for_a_refund(self) -> None:
        order = contracts.started_order()
        refused(
            "payments_paymentrefund_requested_by_a_party",
            lambda: contracts.refund(order, "1.00", requested_by=make.user()),
        )
        assert contracts.refund(order, "1.00", requested_by=make.user(is_staff=True)).pk

    def test_a_refund_names_the_dispute_of_its_order(self) -> None:
        order, other = contracts.started_order(), contracts.dispute()
        refused(
            "payments_paymentrefund_dispute_is_of_the_order",
            lambda: contracts.refund(order, "1.00", reason="dispute", dispute=other),
        )

    def test_a_day_has_one_row_of_figures(self) -> None:
        PaymentStat.objects.create(day=timezone.localdate())
        refused("payments_paymentstat_once_a_day", lambda: PaymentStat.objects.create(day=timezone.localdate()))


@pytest.fixture
def as_owner(owner: object) -> Iterator[None]:  # noqa: ARG001 (it comes first)
    """Everything the test does is done with the rights of the tables' owner, and rolled back."""
    with all_on("direct"):
        yield


def owner_refused(constraint: str, action: Callable[[], Any]) -> None:
    with pytest.raises(IntegrityError) as caught, transaction.atomic(using="direct"):
        action()
    assert caught.value.__cause__ is not None
    assert caught.value.__cause__.diag.constraint_name == constraint  # type: ignore[attr-defined]


@pytest.mark.usefixtures("as_owner")
class TestFromTheOwner:
    @pytest.mark.parametrize(
        ("amount", "kind"),
        [("-5.00", "deposit"), ("5.00", "withdrawal"), ("-5.00", "reversal"), ("0.00", "adjustment"), ("5.00", "gift")],
    )
    def test_the_sign_fits_a_known_kind(self, amount: str, kind: str) -> None:
        wallet = contracts.wallet_row("100.00")
        owner_refused("payments_transaction_sign_fits_known_kind", lambda: contracts.entry_row(wallet, amount, kind))

    def test_a_payment_names_its_order(self) -> None:
        wallet = contracts.wallet_row("100.00")
        owner_refused("payments_transaction_names_its_order", lambda: contracts.entry_row(wallet, "-5.00", "payment"))

    def test_several_entries_in_one_statement_all_count_and_a_skipped_one_does_not(self) -> None:
        wallet = contracts.wallet_row()
        rows = [
            Transaction(wallet=wallet, kind="deposit", amount=Decimal("1.11"), idempotency_key=f"bulk-entry-{number}")
            for number in range(10)
        ]
        Transaction.objects.bulk_create(rows)
        again = Transaction(wallet=wallet, kind="deposit", amount=Decimal("1.11"), idempotency_key="bulk-entry-0")
        Transaction.objects.bulk_create([again], ignore_conflicts=True)
        assert Wallet.objects.get(pk=wallet.pk).balance == Decimal("11.10")

    def test_a_wallet_opens_empty_and_closes_empty(self) -> None:
        owner_refused(
            "payments_wallet_opens_empty", lambda: Wallet.objects.create(user=make.user(), balance=Decimal("1.00"))
        )
        wallet = contracts.wallet_row("1.00")
        owner_refused(
            "payments_wallet_closed_is_empty", lambda: Wallet.objects.filter(pk=wallet.pk).update(status="closed")
        )

    def test_a_frozen_wallet_moves_no_money(self) -> None:
        wallet = contracts.wallet_row("1.00")
        Wallet.objects.filter(pk=wallet.pk).update(status="frozen")
        owner_refused("payments_transaction_wallet_is_active", lambda: contracts.entry_row(wallet, "1.00"))

    @pytest.mark.parametrize(
        ("constraint", "fields"),
        [
            ("payments_escrow_amount_at_least_1", {"amount": Decimal("0.99")}),
            ("payments_escrow_parts_not_negative", {"refunded_amount": Decimal("-1.00")}),
            ("payments_escrow_gives_no_more_than_it_holds", {"refunded_amount": Decimal("10.01")}),
            ("payments_escrow_currency_is_cny", {"currency": "USD"}),
            ("payments_escrow_parts_fit_status", {"released_amount": Decimal("1.00")}),
            ("payments_escrow_parts_fit_status", {"refunded_amount": Decimal("10.00")}),
            ("payments_escrow_parts_fit_status", {"closed_at": NOW}),
        ],
    )
    def test_an_escrow_that_does_not_add_up_is_refused(self, constraint: str, fields: dict[str, Any]) -> None:
        order = make.order()
        owner_refused(constraint, lambda: contracts.escrow_row(order=order, **fields))

    @pytest.mark.parametrize(
        "change",
        [
            {"status": "released", "closed_at": NOW},
            {"status": "released", "closed_at": NOW, "released_amount": Decimal("9.99")},
            {"status": "refunded", "closed_at": NOW},
            {"status": "released", "closed_at": NOW, "refunded_amount": Decimal("10.00")},
        ],
    )
    def test_an_escrow_is_not_closed_with_money_in_it(self, change: dict[str, Any]) -> None:
        escrow = contracts.escrow_row()
        owner_refused("payments_escrow_parts_fit_status", lambda: Escrow.objects.filter(pk=escrow.pk).update(**change))

    @pytest.mark.parametrize(
        ("constraint", "fields"),
        [
            ("payments_withdrawal_kind_known", {"kind": "cash"}),
            ("payments_withdrawal_amount_1_to_1_million", {"amount": Decimal("0.99")}),
            ("payments_withdrawal_currency_is_cny", {"currency": "USD"}),
            ("payments_withdrawal_paid_has_reference", {"provider_reference": "2025010122001"}),
            ("payments_withdrawal_closed_at_fits_status", {"closed_at": NOW}),
        ],
    )
    def test_a_withdrawal_with_a_bad_field_is_refused(self, constraint: str, fields: dict[str, Any]) -> None:
        owner_refused(constraint, lambda: contracts.withdrawal_row(**fields))

    def test_a_withdrawal_goes_to_the_persons_own_account(self) -> None:
        other = contracts.payment_method()
        owner_refused(
            "payments_withdrawal_account_is_the_persons_own", lambda: contracts.withdrawal_row(payment_method=other)
        )

    def test_a_failed_payout_has_given_the_money_back(self) -> None:
        withdrawal = contracts.withdrawal_row()
        wanted = Withdrawal.objects.filter(pk=withdrawal.pk)
        owner_refused(
            "payments_withdrawal_returned_money_fits_status", lambda: wanted.update(status="cancelled", closed_at=LATER)
        )
        owner_refused("payments_withdrawal_batch_fits_status", lambda: wanted.update(status="processing"))

    @pytest.mark.parametrize(
        ("constraint", "fields"),
        [
            ("payments_payoutbatch_kind_known", {"kind": "cash"}),
            ("payments_payoutbatch_holds_1_to_1000", {"withdrawal_count": 0}),
            ("payments_payoutbatch_holds_1_to_1000", {"withdrawal_count": 1001}),
            ("payments_payoutbatch_total_is_positive", {"total_amount": Decimal("0.00")}),
            ("payments_payoutbatch_currency_is_cny", {"currency": "USD"}),
            ("payments_payoutbatch_settled_at_fits_status", {"settled_at": NOW}),
        ],
    )
    def test_a_batch_with_a_bad_field_is_refused(self, constraint: str, fields: dict[str, Any]) -> None:
        owner_refused(constraint, lambda: contracts.batch_row(**fields))

    def test_a_refund_is_not_completed_without_its_entry(self) -> None:
        asked = contracts.refund_row()
        owner_refused(
            "payments_paymentrefund_completed_moved_money",
            lambda: PaymentRefund.objects.filter(pk=asked.pk).update(status="completed", closed_at=NOW),
        )
