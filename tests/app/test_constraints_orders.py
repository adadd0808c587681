"""Bad data about what hangs on an order is refused by the database itself, under a name that says what is wrong."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import factories as make
import factories_contracts as contracts
import pytest
from apps.orders.models import Delivery, Order, OrderExtra, OrderRequirement, OrderStat
from django.db import ProgrammingError, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from test_constraints import refused

pytestmark = pytest.mark.usefixtures("database")
FILE = {"name": "logo.svg", "url": "https://files.example.cn/1", "bytes": 2048}


class TestContract:
    @pytest.mark.parametrize(
        ("constraint", "fields"),
        [
            ("orders_orderextra_price_1_to_1_million", {"unit_price": Decimal("0.99")}),
            ("orders_orderextra_price_1_to_1_million", {"unit_price": Decimal("1000000.01")}),
            ("orders_orderextra_quantity_1_to_100", {"quantity": 0}),
            ("orders_orderextra_currency_is_cny", {"currency": "USD"}),
            ("orders_orderextra_name_not_blank", {"name": " "}),
            ("orders_orderextra_days_minus_30_to_90", {"additional_days": 91}),
        ],
    )
    def test_an_extra_with_a_bad_field_is_refused(self, constraint: str, fields: dict[str, Any]) -> None:
        order = make.order()
        refused(constraint, lambda: contracts.order_extra(order=order, **fields))

    def test_extras_are_a_part_of_the_total_while_they_last(self) -> None:
        order = make.order(unit_price=Decimal("100.00"), service_fee=Decimal("10.00"))
        extra = contracts.order_extra(order=order, unit_price=Decimal("20.50"), quantity=2)
        other = contracts.order_extra(order=order, gig_extra=contracts.gig_extra(gig=order.gig, name="加急"))
        order.refresh_from_db()
        assert (order.extras_amount, order.total_amount) == (Decimal("91.00"), Decimal("201.00"))
        other.delete()
        extra.quantity = 1
        extra.save()
        order.refresh_from_db()
        assert (order.extras_amount, order.total_amount) == (Decimal("20.50"), Decimal("130.50"))

    def test_nobody_writes_another_sum_of_the_extras(self) -> None:
        order = contracts.order_extra(unit_price=Decimal("20.50")).order
        Order.objects.filter(pk=order.pk).update(extras_amount=Decimal("1.00"))
        order.refresh_from_db()
        assert order.extras_amount == Decimal("20.50")

    def test_an_extra_is_of_the_ordered_gig_and_on_sale(self) -> None:
        order = make.order()
        stranger, off = contracts.gig_extra(), contracts.gig_extra(gig=order.gig, is_active=False)
        for extra in (stranger, off):
            refused(
                "orders_orderextra_is_on_sale_with_the_gig",
                lambda extra=extra: contracts.order_extra(order=order, gig_extra=extra),  # type: ignore[misc]
            )

    def test_an_extra_is_ordered_once(self) -> None:
        extra = contracts.order_extra()
        refused(
            "orders_orderextra_once_per_order",
            lambda: contracts.order_extra(order=extra.order, gig_extra=extra.gig_extra),
        )

    def test_extras_are_chosen_before_the_payment(self) -> None:
        order = make.order()
        extra = contracts.order_extra(order=order)
        order.advance("cancelled")
        name = "orders_orderextra_chosen_before_payment"
        refused(
            name, lambda: contracts.order_extra(order=order, gig_extra=contracts.gig_extra(gig=order.gig, name="x"))
        )
        refused(name, extra.delete)
        refused(name, lambda: OrderExtra.objects.filter(pk=extra.pk).update(quantity=5))

    @pytest.mark.parametrize(
        "fields", [{"unit_price": Decimal("1.00")}, {"quantity": 2}, {"service_fee": Decimal("5.00")}]
    )
    def test_the_price_stays_as_it_was_paid(self, fields: dict[str, Any]) -> None:
        order = contracts.paid_order()
        refused("orders_order_contract_is_fixed", lambda: Order.objects.filter(pk=order.pk).update(**fields))

    def test_the_parties_never_change(self) -> None:
        order = make.order()
        refused("orders_order_contract_is_fixed", lambda: Order.objects.filter(pk=order.pk).update(client=make.user()))

    @pytest.mark.parametrize(
        ("constraint", "fields"),
        [
            ("orders_orderrequirement_kind_known", {"kind": "video"}),
            ("orders_orderrequirement_question_not_blank", {"question": " "}),
            ("orders_orderrequirement_answer_at_most_5000_characters",
             {"answer": "长" * 5001, "answered_at": timezone.now()}),
            ("orders_orderrequirement_answered_at_fits_answer", {"answer": "蓝色"}),
            ("orders_orderrequirement_answered_at_fits_answer", {"answered_at": timezone.now()}),
        ],
    )  # fmt: skip
    def test_a_requirement_with_a_bad_field_is_refused(self, constraint: str, fields: dict[str, Any]) -> None:
        order = make.order()
        refused(constraint, lambda: contracts.requirement(order=order, **fields))

    def test_the_question_stays_when_the_gig_drops_it(self) -> None:
        asked = contracts.requirement()
        asked.gig_requirement.delete()  # type: ignore[union-attr]  # it has one
        asked.refresh_from_db()
        assert (asked.gig_requirement, asked.question) == (None, "请说明品牌的主色调。")
        assert list(OrderRequirement.objects.missing(asked.order_id)) == [asked]


class TestWork:
    @pytest.mark.parametrize(
        ("constraint", "fields"),
        [
            ("orders_delivery_number_1_to_200", {"number": 0}),
            ("orders_delivery_message_1_to_5000_characters", {"message": " \n"}),
            ("orders_delivery_message_1_to_5000_characters", {"message": "长" * 5001}),
            ("orders_delivery_feedback_at_most_5000_characters", {"feedback": "长" * 5001}),
            ("orders_delivery_decided_at_fits_status", {"decided_at": timezone.now()}),
            *[
                ("orders_delivery_files_have_name_url_bytes", {"files": files})
                for files in (
                    {}, FILE, "logo.svg", [1], [{"name": "x"}], [FILE, {**FILE, "bytes": -1}],
                    [{**FILE, "bytes": "2 MB"}], [{**FILE, "url": None}], [FILE] * 51,
                )
            ],
        ],
    )  # fmt: skip
    def test_a_delivery_with_a_bad_field_is_refused(self, constraint: str, fields: dict[str, Any]) -> None:
        order = contracts.started_order()
        refused(constraint, lambda: contracts.delivery(order=order, **fields))

    def test_one_delivery_waits_at_a_time(self) -> None:
        first = contracts.delivery()
        refused("orders_delivery_one_waits_at_a_time", lambda: contracts.delivery(order=first.order, number=2))
        refused("orders_delivery_number_once_per_order", lambda: contracts.delivery(order=first.order, number=1))

    def test_nothing_is_delivered_for_an_order_that_is_not_in_work(self) -> None:
        order = contracts.paid_order()
        refused("orders_delivery_order_is_in_work", lambda: contracts.delivery(order=order))

    def test_a_client_who_wants_a_revision_says_what(self) -> None:
        delivery = contracts.delivery()
        wanted = Delivery.objects.filter(pk=delivery.pk)
        refused(
            "orders_delivery_revision_says_what",
            lambda: wanted.update(status="revision_requested", decided_at=timezone.now()),
        )

    def test_deliveries_are_numbered_and_take_the_order_along(self) -> None:
        order = contracts.delivered_order()
        Delivery.objects.filter(order=order).update(
            status="revision_requested", feedback="颜色太暗", decided_at=timezone.now()
        )
        order.advance("revision")
        Delivery.objects.submit(order, "修改稿，请查收。", [FILE])
        assert list(Delivery.objects.of_order(order.pk).values_list("number", flat=True)) == [1, 2]
        assert Order.objects.get(pk=order.pk).status == "delivered"

    @pytest.mark.parametrize("body", ["", " \n", "长" * 5001])
    def test_a_message_has_1_to_5000_characters(self, body: str) -> None:
        order = make.order()
        refused("orders_ordermessage_body_1_to_5000_characters", lambda: contracts.message(order=order, body=body))

    @pytest.mark.parametrize("rows", [contracts.message, contracts.delivery, contracts.dispute])
    def test_evidence_is_not_deleted(self, rows: Callable[[], Any]) -> None:
        row = rows()
        with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic(using="default"):
            row.delete()


STRANGERS: list[tuple[str, Callable[..., Any], str]] = [
    ("orders_ordermessage_sender_is_a_party", contracts.message, "sender"),
    ("orders_orderdispute_raised_by_is_a_party", contracts.dispute, "raised_by"),
    ("orders_ordercancellation_requested_by_is_a_party", contracts.cancellation, "requested_by"),
    ("orders_orderreview_requested_by_is_a_party", contracts.review_request, "requested_by"),
    ("orders_orderreview_reviewer_is_a_party", contracts.review_request, "reviewer"),
]


@pytest.mark.parametrize(("constraint", "rows", "field"), STRANGERS)
def test_only_the_parties_of_an_order_have_a_say_in_it(constraint: str, rows: Callable[..., Any], field: str) -> None:
    order = contracts.completed_order() if "review" in constraint else contracts.started_order()
    refused(constraint, lambda: rows(order=order, **{field: make.user()}))


class TestDisagreement:
    @pytest.mark.parametrize(
        ("constraint", "fields"),
        [
            ("orders_orderdispute_reason_known", {"reason": "mood"}),
            ("orders_orderdispute_description_10_to_5000_characters", {"description": "不满意"}),
            ("orders_orderdispute_description_10_to_5000_characters", {"description": "长" * 5001}),
            ("orders_orderdispute_resolution_fits_status", {"resolution": "release"}),
            ("orders_orderdispute_refund_fits_resolution", {"refund_amount": Decimal("5.00")}),
            ("orders_orderdispute_refund_fits_resolution", {"refund_amount": Decimal("-5.00")}),
            ("orders_orderdispute_refund_at_most_total", {"refund_amount": Decimal("199.01")}),
            ("orders_orderdispute_closed_at_fits_status", {"closed_at": timezone.now()}),
        ],
    )
    def test_a_dispute_with_a_bad_field_is_refused(self, constraint: str, fields: dict[str, Any]) -> None:
        order = contracts.started_order()
        refused(constraint, lambda: contracts.dispute(order=order, **fields))

    def test_one_dispute_of_an_order_is_open_at_a_time(self) -> None:
        first = contracts.dispute()
        refused("orders_orderdispute_one_open_per_order", lambda: contracts.dispute(order=first.order))
        first.status, first.closed_at = "withdrawn", timezone.now()
        first.save()
        assert contracts.dispute(order=first.order).pk

    def test_an_order_that_is_not_in_work_is_not_disputed(self) -> None:
        order = contracts.paid_order()
        refused("orders_orderdispute_order_is_in_work_or_delivered", lambda: contracts.dispute(order=order))

    def test_disputes_are_handled_by_the_staff(self) -> None:
        dispute = contracts.dispute()
        dispute.handled_by = make.user()
        refused("orders_orderdispute_handled_by_is_staff", dispute.save)

    @pytest.mark.parametrize(
        ("constraint", "fields"),
        [
            ("orders_ordercancellation_reason_known", {"reason": "mood"}),
            ("orders_ordercancellation_other_reason_is_told", {"reason": "other"}),
            ("orders_ordercancellation_answered_at_fits_status", {"answered_at": timezone.now()}),
        ],
    )
    def test_a_cancellation_with_a_bad_field_is_refused(self, constraint: str, fields: dict[str, Any]) -> None:
        order = make.order()
        refused(constraint, lambda: contracts.cancellation(order=order, **fields))

    def test_an_order_is_cancelled_once_and_not_when_it_is_over(self) -> None:
        first = contracts.cancellation()
        refused("orders_ordercancellation_once_per_order", lambda: contracts.cancellation(order=first.order))
        over = make.order()
        over.advance("cancelled")
        refused("orders_ordercancellation_order_is_not_over", lambda: contracts.cancellation(order=over))


class TestReviewRequests:
    @pytest.mark.parametrize(
        ("constraint", "fields"),
        [
            ("orders_orderreview_reminders_at_most_3", {"reminders": 4, "reminded_at": timezone.now()}),
            ("orders_orderreview_reminders_at_most_3", {"reminders": 1}),
            ("orders_orderreview_expires_after_request", {"expires_at": timezone.now() - timedelta(days=1)}),
        ],
    )
    def test_a_request_with_a_bad_field_is_refused(self, constraint: str, fields: dict[str, Any]) -> None:
        order = contracts.completed_order()
        refused(constraint, lambda: contracts.review_request(order=order, **fields))

    def test_each_party_asks_the_other_once(self) -> None:
        first = contracts.review_request()
        order = first.order
        refused("orders_orderreview_asked_once_per_party", lambda: contracts.review_request(order=order))
        refused(
            "orders_orderreview_asks_the_other_party",
            lambda: contracts.review_request(order=order, reviewer=order.freelancer),
        )
        assert contracts.review_request(order=order, requested_by=order.client, reviewer=order.freelancer).pk

    def test_nobody_is_asked_before_the_order_is_completed(self) -> None:
        order = contracts.delivered_order()
        refused("orders_orderreview_order_is_completed", lambda: contracts.review_request(order=order))


def test_a_category_has_one_row_of_figures_a_day() -> None:
    category, day = make.category(), timezone.localdate()
    OrderStat.objects.create(category=category, day=day)
    refused("orders_orderstat_once_per_category_and_day", lambda: OrderStat.objects.create(category=category, day=day))
    refused(
        "orders_orderstat_amounts_not_negative",
        lambda: OrderStat.objects.create(category=make.category(), day=day, paid_amount=Decimal("-1")),
    )


def test_the_guides_queryset_of_orders_takes_three_queries(database: Any) -> None:
    first, second = contracts.order_extra().order, contracts.requirement().order
    orders = Order.objects.select_related("client", "freelancer", "gig").prefetch_related(
        "order_extras", "requirements"
    )
    with CaptureQueriesContext(database) as queries:
        found = list(orders.filter(pk__in=[first.pk, second.pk]))
        parts = {order.pk: (len(order.order_extras.all()), len(order.requirements.all())) for order in found}
        people = [(order.client.username, order.freelancer.username, order.gig.title) for order in found]
    assert parts == {first.pk: (1, 0), second.pk: (0, 1)}
    assert len(people) == 2
    assert len(queries) == 3
