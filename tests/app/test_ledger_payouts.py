"""Money that leaves the platform: out of the wallet at once, back when the payout fails, never twice."""

from decimal import Decimal

import factories_contracts as contracts
import pytest
from apps.common.identity import acting_as
from apps.payments import ledger
from apps.payments.models import PayoutBatch, Withdrawal
from test_constraints import refused

pytestmark = pytest.mark.usefixtures("database")


def test_money_leaves_the_wallet_at_once() -> None:
    person = contracts.person("100.00")
    withdrawal = contracts.withdrawal(person, "30.50")
    assert (contracts.balance(person), withdrawal.status, withdrawal.kind) == (Decimal("69.50"), "requested", "alipay")


def test_no_more_is_withdrawn_than_there_is() -> None:
    person = contracts.person("10.00")
    refused("payments_wallet_balance_not_negative", lambda: contracts.withdrawal(person, "10.01"))


@pytest.mark.parametrize(
    ("constraint", "amount"),
    [
        ("payments_withdrawal_amount_1_to_1_million", "0.99"),
        ("payments_withdrawal_amount_1_to_1_million", "1000000.01"),
        # It would be money put into the own wallet.
        ("payments_transaction_credit_is_by_another", "-1.00"),
        ("ledger_amount_is_whole_cents", "1.005"),
    ],
)
def test_the_amount_is_1_yuan_to_1_million(constraint: str, amount: str) -> None:
    person = contracts.person("2000000.00")
    refused(constraint, lambda: contracts.withdrawal(person, amount))


def test_foreign_currency_is_refused() -> None:
    person = contracts.person("10.00")
    account = contracts.payment_method(user=person)
    with acting_as(person.pk):
        refused(
            "payments_transaction_currency_is_cny",
            lambda: ledger.request_withdrawal(contracts.key(), account, Decimal("5.00"), currency="HKD"),
        )


def test_money_goes_to_a_verified_account_only() -> None:
    person = contracts.person("10.00")
    account = contracts.payment_method(user=person, status="unverified")
    refused("ledger_account_is_verified", lambda: contracts.withdrawal(person, "5.00", account))


def test_the_same_request_twice_is_one_withdrawal() -> None:
    person, key = contracts.person("100.00"), contracts.key()
    account = contracts.payment_method(user=person)
    with acting_as(person.pk):
        first = ledger.request_withdrawal(key, account, Decimal("30.00"))
        assert ledger.request_withdrawal(key, account, Decimal("30.00")) == first
    assert contracts.balance(person) == Decimal("70.00")


def test_a_batch_takes_the_oldest_of_its_kind_and_settles_with_the_last_one() -> None:
    people = [contracts.person("100.00") for _ in range(3)]
    # A kind that no other test leaves waiting.
    accounts = [contracts.payment_method(user=person, kind="unionpay") for person in people]
    paid, failed, later = (contracts.withdrawal(account.user, "40.00", account) for account in accounts)
    batch = ledger.submit_payouts("unionpay", limit=2)
    assert batch is not None
    assert (batch.withdrawal_count, batch.total_amount) == (2, Decimal("80.00"))
    assert set(Withdrawal.objects.of_batch(batch.pk, "processing")) == {paid, failed}
    ledger.settle_withdrawal(paid, "2025010122001")
    ledger.settle_withdrawal(paid, "2025010122001")
    assert PayoutBatch.objects.get(pk=batch.pk).status == "submitted"
    key = contracts.key()
    assert ledger.fail_withdrawal(key, failed, "账户异常") == ledger.fail_withdrawal(key, failed, "账户异常")
    assert PayoutBatch.objects.get(pk=batch.pk).status == "settled"
    assert [contracts.balance(person) for person in people] == [Decimal("60.00"), Decimal("100.00"), Decimal("60.00")]
    assert Withdrawal.objects.get(pk=later.pk).status == "requested"
    assert ledger.submit_payouts("bank_card") is None


def test_a_payout_is_settled_or_failed_once() -> None:
    withdrawal = contracts.withdrawal(contracts.person("100.00"), "40.00")
    refused("ledger_withdrawal_is_processing", lambda: ledger.settle_withdrawal(withdrawal, "2025010122001"))
    ledger.submit_payouts("alipay")
    refused("payments_withdrawal_paid_under_a_number", lambda: ledger.settle_withdrawal(withdrawal, None))  # type: ignore[arg-type]  # the mistake
    ledger.settle_withdrawal(withdrawal, "2025010122001")
    refused("ledger_withdrawal_is_processing", lambda: ledger.settle_withdrawal(withdrawal, "2025010122002"))
    refused(
        "ledger_withdrawal_is_processing",
        lambda: ledger.fail_withdrawal(contracts.key(), withdrawal, "账户异常"),
    )


def test_a_withdrawal_is_cancelled_before_it_is_on_its_way() -> None:
    person = contracts.person("100.00")
    first, second = contracts.withdrawal(person, "40.00"), contracts.withdrawal(person, "50.00")
    with acting_as(person.pk):
        ledger.cancel_withdrawal(contracts.key(), first)
    ledger.submit_payouts("alipay")
    with acting_as(person.pk):
        refused("ledger_withdrawal_is_requested", lambda: ledger.cancel_withdrawal(contracts.key(), second))
    assert contracts.balance(person) == Decimal("50.00")
