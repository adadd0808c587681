"""Who is staff and a party has the rights of a party: nobody decides about, pays or settles what is their own."""

from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any

import factories as make
import factories_contracts as contracts
import factories_people as people
import factories_talk as talk
import pytest
from apps.accounts.models import User
from apps.common.identity import acting_as
from apps.gigs.models import GigReport
from apps.messaging.models import MessageReport
from apps.orders.models import Order, OrderDispute
from apps.payments import ledger
from apps.reviews.models import ReviewReport
from django.db import ProgrammingError, transaction
from test_constraints import refused
from test_whose_rows import not_theirs

pytestmark = pytest.mark.usefixtures("database")


def order_of_staff(make_order: Callable[..., Order], party: str) -> tuple[Order, User]:
    """Return an order one of whose parties is staff."""
    staff = people.staff(user_type="both")
    if party == "client":
        return make_order(client=staff), staff
    return make_order(package=make.package(gig=make.gig(freelancer=staff))), staff


# ---- money
def test_staff_do_not_put_money_into_their_own_wallet() -> None:
    staff, other = people.staff(), people.staff()
    with acting_as(staff.pk):
        refused(
            "payments_transaction_credit_is_by_another",
            lambda: ledger.deposit(contracts.key(), staff.pk, Decimal("1.00")),
        )
        assert ledger.deposit(contracts.key(), other.pk, Decimal("1.00"))


def test_staff_do_not_release_what_is_held_for_their_own_work() -> None:
    order, staff = order_of_staff(contracts.delivered_order, "freelancer")
    with acting_as(staff.pk):
        refused("payments_transaction_credit_is_by_another", lambda: ledger.release_escrow(contracts.key(), order))
    with acting_as(people.staff().pk):
        assert ledger.release_escrow(contracts.key(), order)


def test_staff_do_not_pay_their_own_money_back() -> None:
    order, staff = order_of_staff(contracts.started_order, "client")
    asked = contracts.refund(order, "5.00")
    with acting_as(staff.pk):
        refused("payments_transaction_credit_is_by_another", lambda: ledger.refund(contracts.key(), asked))
    with acting_as(order.freelancer_id):
        assert ledger.refund(contracts.key(), asked)


def test_staff_neither_thaw_their_own_wallet_nor_settle_their_own_withdrawal() -> None:
    staff = contracts.person("100.00", is_staff=True)
    withdrawal = contracts.withdrawal(staff, "5.00")
    judge = people.staff()
    with acting_as(judge.pk):
        ledger.submit_payouts("alipay")
    with acting_as(staff.pk):
        for act in (
            lambda: ledger.settle_withdrawal(withdrawal, "2025010122001"),
            lambda: ledger.fail_withdrawal(contracts.key(), withdrawal, "账号有误"),
        ):
            refused("payments_withdrawal_is_settled_by_another", act)
    with acting_as(judge.pk):
        ledger.set_wallet_status(staff.pk, "frozen")
    with acting_as(staff.pk):
        refused("payments_wallet_status_is_set_by_another", lambda: ledger.set_wallet_status(staff.pk, "active"))


def test_a_person_who_is_staff_takes_their_own_withdrawal_back() -> None:
    staff = contracts.person("100.00", is_staff=True)
    withdrawal = contracts.withdrawal(staff, "5.00")
    with acting_as(staff.pk):
        assert ledger.cancel_withdrawal(contracts.key(), withdrawal)


# ---- orders
@pytest.mark.parametrize(("party", "status"), [("client", "disputed"), ("freelancer", "delivered")])
def test_staff_hand_in_what_their_own_order_moves_on_by(party: str, status: str) -> None:
    order, staff = order_of_staff(contracts.started_order, party)
    with acting_as(staff.pk):
        refused("orders_order_step_has_its_row", lambda: change(order, status=status))
    with acting_as(people.staff().pk):
        assert change(order, status=status) == 1


def test_staff_who_work_on_an_order_add_nothing_to_its_price() -> None:
    order, staff = order_of_staff(make.order, "freelancer")
    offered = contracts.gig_extra(gig=order.gig)
    not_theirs(
        "orders_orderextra_gig_extra_id_by_client", staff.pk,
        lambda: contracts.order_extra(order=order, gig_extra=offered),
    )  # fmt: skip
    extra = contracts.order_extra(order=order, gig_extra=offered)
    not_theirs("orders_orderextra_quantity_by_client", staff.pk, lambda: change(extra, quantity=9))
    not_theirs("orders_orderextra_removed_by_client", staff.pk, extra.delete)


# ---- disputes
@pytest.mark.parametrize("party", ["client", "freelancer"])
def test_staff_do_not_decide_about_their_own_order(party: str) -> None:
    order, staff = order_of_staff(contracts.disputed_order, party)
    dispute, judge = OrderDispute.objects.get(order=order), people.staff()
    with acting_as(staff.pk):
        refused("orders_orderdispute_handled_by_no_party", lambda: change(dispute, status="under_review"))
    with acting_as(judge.pk):
        refused("orders_orderdispute_handled_by_no_party", lambda: change(dispute, handled_by=staff))
        assert change(dispute, status="under_review", handled_by=judge) == 1


def change(row: Any, **fields: Any) -> int:
    with transaction.atomic(using="default"):
        return int(type(row).objects.filter(pk=row.pk).update(**fields))


def test_staff_decide_in_their_own_name() -> None:
    order, judge, other = contracts.disputed_order(), people.staff(), people.staff()
    decided = contracts.decided_dispute(order, "release")
    with acting_as(judge.pk):
        refused(
            "orders_orderdispute_handled_by_who_acts",
            lambda: ledger.resolve_dispute(contracts.key(), decided, other.pk),
        )


def test_a_dispute_is_decided_by_who_is_named() -> None:
    dispute, first, judge = OrderDispute.objects.get(order=contracts.disputed_order()), people.staff(), people.staff()
    ended = {"status": "resolved", "resolution": "release", "closed_at": people.MOMENT}
    name = "orders_orderdispute_handled_by_who_acts"
    with acting_as(first.pk):
        assert change(dispute, status="under_review", handled_by=None) == 1
        refused(name, lambda: change(dispute, **ended))
        assert change(dispute, handled_by=first) == 1
    with acting_as(judge.pk):
        # The name of who took it up is still there.
        refused(name, lambda: change(dispute, **ended))
        assert change(dispute, **ended, handled_by=judge) == 1


@pytest.mark.parametrize(
    ("resolution", "amount", "constraint"),
    [
        ("refund", "50.00", "orders_orderdispute_refund_is_all_that_is_held"),
        ("refund", "199.00", "orders_orderdispute_refund_is_all_that_is_held"),
        ("partial_refund", "150.00", "orders_orderdispute_partial_refund_is_less_than_held"),
    ],
)
def test_a_refund_is_all_that_is_held_and_a_part_is_less(resolution: str, amount: str, constraint: str) -> None:
    order, judge = contracts.started_order(), people.staff()
    asked = contracts.refund(order, "49.00")
    with acting_as(order.freelancer_id):
        ledger.refund(contracts.key(), asked)
    contracts.dispute(order=order)
    order.advance("disputed")
    decided = contracts.decided_dispute(order, resolution, amount)
    with acting_as(judge.pk):
        refused(constraint, lambda: ledger.resolve_dispute(contracts.key(), decided, judge.pk))
    decided = OrderDispute.objects.get(order=order)
    decided.resolution, decided.refund_amount = resolution, Decimal("150.00" if resolution == "refund" else "149.99")
    with acting_as(judge.pk):
        ledger.resolve_dispute(contracts.key(), decided, judge.pk)


# ---- reports
def report_of_a_message() -> tuple[MessageReport, list[Any]]:
    report = talk.message_report(talk.message(talk.conversation(people.staff(), people.staff())))
    return report, [report.reporter_id, report.message.sender_id]


def report_of_a_gig() -> tuple[GigReport, list[Any]]:
    report = people.report(reporter=people.staff(), gig=make.gig(freelancer=people.staff()))
    return report, [report.reporter_id, report.freelancer_id]


def report_of_a_review() -> tuple[ReviewReport, list[Any]]:
    order, _ = order_of_staff(contracts.completed_order, "client")
    report = talk.review_report(talk.review(order), reporter=people.staff())
    User.objects.filter(pk=order.freelancer_id).update(is_staff=True)
    return report, [report.reporter_id, order.client_id, order.freelancer_id]


REPORTED = pytest.mark.parametrize("reported", [report_of_a_gig, report_of_a_message, report_of_a_review])
# To each of them there is another value.
EVIDENCE = {"details": "另一种说法", "reason": "privacy"}


@REPORTED
def test_a_report_is_decided_by_no_party_and_explained(reported: Callable[[], tuple[Any, list[Any]]]) -> None:
    report, parties = reported()
    table = report._meta.db_table
    for party in parties:
        refused(f"{table}_handled_by_no_party", partial(change, report, handled_by_id=party))
    ended = {"status": "upheld", "handled_by": people.staff(), "handled_at": people.MOMENT}
    refused(f"{table}_decision_is_explained", lambda: change(report, **ended))
    assert change(report, **ended, resolution="已核实") == 1


@REPORTED
def test_staff_do_not_decide_about_a_report_by_or_of_themselves(
    reported: Callable[[], tuple[Any, list[Any]]],
) -> None:
    report, parties = reported()
    table, colleague = report._meta.db_table, people.staff()
    ended = {"status": "dismissed", "handled_at": people.MOMENT, "resolution": "查无实据"}
    for party in parties:
        with acting_as(party):
            for changes in (ended, {**ended, "handled_by": colleague}, {"status": "reviewing"}, {"resolution": "改"}):
                refused(f"{table}_handled_by_no_party", partial(change, report, **changes))
    with acting_as(colleague.pk):
        assert change(report, **ended, handled_by=colleague) == 1


@REPORTED
def test_a_report_is_decided_in_ones_own_name(reported: Callable[[], tuple[Any, list[Any]]]) -> None:
    report, _ = reported()
    rule, judge, other = f"{report._meta.db_table}_handled_by_who_acts", people.staff(), people.staff()
    ended = {"status": "dismissed", "handled_at": people.MOMENT, "resolution": "查无实据"}
    with acting_as(judge.pk):
        for changes in (ended, {**ended, "handled_by": other}, {"status": "reviewing", "handled_by": other}):
            refused(rule, partial(change, report, **changes))
        assert change(report, **ended, handled_by=judge) == 1
    with acting_as(other.pk):
        refused(rule, partial(change, report, handled_by=None))
    # Nor does a job decide without saying who did.
    report, _ = reported()
    refused(rule, partial(change, report, **ended))


@REPORTED
def test_what_was_reported_is_evidence(reported: Callable[[], tuple[Any, list[Any]]]) -> None:
    report, _ = reported()
    with acting_as(people.staff().pk):
        for column, value in EVIDENCE.items():
            with pytest.raises(ProgrammingError, match=f"{report._meta.db_table}_{column}_is_final"):
                change(report, **{column: value})


# ---- orders in memory
def test_an_order_that_the_ledger_paid_goes_on_from_the_object_in_memory() -> None:
    order = make.order()
    order.refresh_from_db()
    contracts.deposit(order.client_id, order.total_amount)
    with acting_as(order.client_id):
        ledger.hold_escrow(contracts.key(), order)
    assert order.status == "pending_payment"
    order.advance("in_progress")
    order.refresh_from_db()
    assert order.status == "in_progress"
    assert order.paid_at


def test_the_reason_of_a_step_is_not_that_of_the_next_one() -> None:
    order = contracts.paid_order()
    order.advance("in_progress", reason="素材已收到")
    asked = contracts.refund(order, "199.00")
    with acting_as(order.freelancer_id):
        ledger.refund(contracts.key(), asked)
    reasons = dict(order.status_history.values_list("to_status", "reason"))
    assert (reasons["in_progress"], reasons["refunded"]) == ("素材已收到", "")
