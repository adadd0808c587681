"""The order itself and the history of its states."""

import secrets
from decimal import Decimal
from typing import ClassVar

from django.conf import settings
from django.db import DatabaseError, connections, models, router, transaction
from django.db.models import F, Q
from django.db.models.functions import Length, Now
from django.db.models.lookups import LessThanOrEqual
from django.utils import timezone

from apps.common.models import StatefulModel, Transitions, UUIDModel
from apps.common.money import are_numbers
from apps.common.rollup import by_day
from apps.common.texts import LimitedCharField, RuledCharField
from apps.gigs.models import Gig, GigPackage
from apps.orders.managers import OrderQuerySet


def new_order_number() -> str:
    """Return a number that people can read out: FP, the day in China and ten random digits."""
    return f"FP{timezone.localdate():%y%m%d}{secrets.randbelow(10**10):010d}"


class Order(StatefulModel):
    """A client orders a package of a gig.

    Migration orders.0002 adds what a model cannot say: the freelancer is the gig's, the package is of the gig, the
    gig is active when it is ordered, and each change of state is written to OrderStatusHistory. Migration orders.0007
    keeps the contract as it was paid for, and `extras_amount` the sum of its extras.
    """

    class Status(models.TextChoices):
        PENDING_PAYMENT = "pending_payment", "待付款"
        PAID = "paid", "待接单"
        IN_PROGRESS = "in_progress", "进行中"
        DELIVERED = "delivered", "待验收"
        REVISION = "revision", "修改中"
        COMPLETED = "completed", "已完成"
        CANCELLED = "cancelled", "已取消"
        DISPUTED = "disputed", "争议中"
        REFUNDED = "refunded", "已退款"

    TRANSITIONS: ClassVar[Transitions] = {
        "": ("pending_payment",),
        "pending_payment": ("paid", "cancelled"),
        "paid": ("in_progress", "refunded"),
        "in_progress": ("delivered", "disputed", "refunded"),
        "delivered": ("completed", "revision", "disputed"),
        "revision": ("delivered", "disputed", "refunded"),
        "disputed": ("in_progress", "completed", "refunded"),
    }

    number = RuledCharField("订单号", max_length=18, default=new_order_number, editable=False)
    # PROTECT (all four): an order is a contract that its parties, gig and package must outlive.
    client = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="orders_placed", verbose_name="客户",
        db_index=False,
    )  # fmt: skip
    freelancer = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="orders_received",
        verbose_name="自由职业者", db_index=False,
    )  # fmt: skip
    gig = models.ForeignKey(Gig, on_delete=models.PROTECT, related_name="orders", verbose_name="服务")
    package = models.ForeignKey(GigPackage, on_delete=models.PROTECT, related_name="orders", verbose_name="套餐")
    status = RuledCharField("订单状态", max_length=16, choices=Status, default=Status.PENDING_PAYMENT)
    # The price at the time of ordering: a later change of the package does not touch it. A client orders at the
    # package's price (migration orders.0023), the platform writes what was agreed instead.
    unit_price = models.DecimalField("单价（元）", max_digits=12, decimal_places=2)
    quantity = models.PositiveSmallIntegerField("数量", default=1)
    # NULL until the platform writes it, which fixes what the order costs (migration orders.0027): without a fee there
    # is no total, and nothing to pay.
    service_fee = models.DecimalField("平台服务费（元）", max_digits=12, decimal_places=2, null=True, blank=True)
    # Kept by the extras' own trigger.
    extras_amount = models.DecimalField(
        "附加项金额（元）", max_digits=12, decimal_places=2, default=0, db_default=0, editable=False
    )
    total_amount = models.GeneratedField(
        expression=F("unit_price") * F("quantity") + F("extras_amount") + F("service_fee"),
        output_field=models.DecimalField(max_digits=12, decimal_places=2), db_persist=True, null=True,
        verbose_name="订单总额（元）",
    )  # fmt: skip
    currency = RuledCharField("币种", max_length=3, default="CNY", db_default="CNY")
    requirements_text = models.TextField("需求说明", max_length=5000, blank=True)
    due_at = models.DateTimeField("约定交付时间", null=True, blank=True)
    paid_at = models.DateTimeField("付款时间", null=True, blank=True)
    completed_at = models.DateTimeField("完成时间", null=True, blank=True)

    objects = OrderQuerySet.as_manager()

    class Meta:
        verbose_name = "订单"
        verbose_name_plural = "订单"
        constraints = [
            models.UniqueConstraint(fields=["number"], name="orders_order_number_unique"),
            models.CheckConstraint(condition=Q(number__regex=r"^FP[0-9]{16}$"), name="orders_order_number_shape"),
            models.CheckConstraint(
                condition=~Q(client=F("freelancer")),
                name="orders_order_no_self_dealing",
                violation_error_message="不能购买自己的服务。",
            ),
            models.CheckConstraint(
                condition=Q(
                    status__in=[
                        "pending_payment", "paid", "in_progress", "delivered", "revision",
                        "completed", "cancelled", "disputed", "refunded",
                    ]
                ),
                name="orders_order_status_known",
            ),
            models.CheckConstraint(condition=Q(unit_price__gte=1), name="orders_order_unit_price_at_least_1"),
            models.CheckConstraint(
                condition=Q(quantity__gte=1, quantity__lte=100), name="orders_order_quantity_1_to_100"
            ),
            models.CheckConstraint(condition=Q(service_fee__gte=0), name="orders_order_service_fee_not_negative"),
            models.CheckConstraint(
                condition=Q(status__in=["pending_payment", "cancelled"]) | Q(service_fee__isnull=False),
                name="orders_order_service_fee_when_paid",
            ),
            models.CheckConstraint(
                condition=are_numbers("unit_price", "service_fee", "extras_amount"),
                name="orders_order_amounts_are_numbers",
            ),
            models.CheckConstraint(condition=Q(currency="CNY"), name="orders_order_currency_is_cny"),
            models.CheckConstraint(
                condition=LessThanOrEqual(Length("requirements_text"), 5000),
                name="orders_order_requirements_at_most_5000_characters",
            ),
            models.CheckConstraint(
                condition=Q(status__in=["pending_payment", "cancelled"], paid_at__isnull=True)
                | (~Q(status__in=["pending_payment", "cancelled"]) & Q(paid_at__isnull=False)),
                name="orders_order_paid_at_fits_status",
            ),
            models.CheckConstraint(
                condition=Q(status="completed", completed_at__isnull=False)
                | (~Q(status="completed") & Q(completed_at__isnull=True)),
                name="orders_order_completed_at_fits_status",
            ),
        ]  # fmt: skip
        indexes = [
            # OrderQuerySet.of_client and .of_freelancer; also the foreign keys' indexes.
            models.Index(fields=["client", "status", "-created_at", "-id"], name="orders_of_client_newest"),
            models.Index(fields=["freelancer", "status", "-created_at", "-id"], name="orders_of_freelancer_newest"),
            # OrderQuerySet.overdue.
            models.Index(
                fields=["due_at"],
                name="orders_in_work_by_due_date",
                condition=Q(status__in=["in_progress", "revision"]),
            ),
            # The daily roll-up.
            by_day("orders_by_day", "created_at", "completed_at"),
            # OrderQuerySet.not_begun.
            models.Index(fields=["paid_at"], name="orders_not_begun_oldest", condition=Q(status="paid")),
            # OrderQuerySet.without_fee.
            models.Index(
                fields=["created_at", "id"],
                name="orders_without_fee_oldest",
                condition=Q(status="pending_payment", service_fee__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return self.number

    def advance(self, status: str, reason: str = "") -> None:
        """Go to `status` and save; the reason lands in the history. Raises IntegrityError for an illegal step."""
        alias = router.db_for_write(Order, instance=self)
        self.status = status
        # Nothing else of the object: it may know less than the database, where the ledger pays.
        changed = ["status", "updated_at"]
        if stamp := {self.Status.PAID: "paid_at", self.Status.COMPLETED: "completed_at"}.get(self.Status(status)):
            setattr(self, stamp, timezone.now())
            changed.append(stamp)
        with transaction.atomic(using=alias), connections[alias].cursor() as cursor:
            cursor.execute("SELECT set_config('app.status_reason', %s, true)", [reason])
            self.save(using=alias, update_fields=changed)
            # The reason of this step, not of the next one in the same transaction.
            cursor.execute("SELECT set_config('app.status_reason', '', true)")

    def set_fee(self, fee: Decimal | None) -> None:
        """Write the fee in yuan, from which on the order costs what it does; None takes it back. By the platform.

        It is for the order as the object in hand shows it: raises DatabaseError where it is another one by now.
        """
        alias = router.db_for_write(Order, instance=self)
        seen = ("status", "unit_price", "quantity", "extras_amount", "due_at")
        rows = Order.objects.using(alias).filter(pk=self.pk, **{name: getattr(self, name) for name in seen})
        if not rows.update(service_fee=fee, updated_at=Now()):
            message = f"the order {self.number} has changed since it was read: load it again, then write its fee"
            raise DatabaseError(message)
        self.refresh_from_db(using=alias, fields=["service_fee", "total_amount", "updated_at"])


class OrderStatusHistory(UUIDModel):
    """One change of an order's state. Append-only; only the database's own trigger writes it."""

    # PROTECT: history is kept as long as the order, and an order is not deleted.
    order = models.ForeignKey(
        Order, on_delete=models.PROTECT, related_name="status_history", verbose_name="订单", db_index=False
    )
    from_status = LimitedCharField("原状态", max_length=16, blank=True)
    to_status = LimitedCharField("新状态", max_length=16, choices=Order.Status)
    # PROTECT: an append-only row cannot be set to NULL. Empty when no person was known (a job, a repair).
    changed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="order_status_changes",
        verbose_name="操作人",
    )  # fmt: skip
    reason = LimitedCharField("原因", max_length=500, blank=True)
    created_at = models.DateTimeField("时间", db_default=Now(), editable=False)

    class Meta:
        verbose_name = "订单状态记录"
        verbose_name_plural = "订单状态记录"
        indexes = [
            # An order's history in order; also the foreign key's index.
            models.Index(fields=["order", "created_at", "id"], name="status_history_of_order"),
            # The daily roll-up.
            by_day("status_history_by_day", "created_at"),
        ]

    def __str__(self) -> str:
        return f"{self.order_id}: {self.from_status or '-'} > {self.to_status}"
