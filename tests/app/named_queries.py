"""Each index of the schema and the query that it is named after, asked as the application asks it."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

from apps.accounts.models import (
    Portfolio,
    Skill,
    User,
    UserActivityLog,
    UserProfile,
    UserSkill,
    UserVerification,
)
from apps.common.models import AuditLog, Release
from apps.common.rollup import midnight, roll_ups
from apps.common.search.fields import HasWords
from apps.gigs.models import (
    Category,
    Gig,
    GigFAQ,
    GigFavorite,
    GigReport,
    GigRequirement,
    GigSearchHistory,
    GigStat,
    GigView,
)
from apps.messaging.models import Conversation, Message, MessageReport
from apps.orders.models import Delivery, Order, OrderDispute, OrderMessage, OrderReview, OrderStat, OrderStatusHistory
from apps.payments.models import Escrow, PaymentMethod, PaymentRefund, Transaction, Wallet, Withdrawal
from apps.reviews.models import Review, ReviewInvitation, ReviewReport, UserRating
from django.db import connections
from django.db.models import Count, Model, QuerySet

PAGE = 20
LAST_DAY = date(2026, 6, 30)
END = datetime(2026, 7, 1, tzinfo=UTC)


@cache
def _middle(alias: str, model: type[Model], column: str) -> Any:
    rows = model._base_manager.using(alias).filter(**{f"{column}__isnull": False})
    counted = rows.values_list(column).annotate(rows=Count("*")).order_by("rows", column)
    return counted[len(counted) // 2][0]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Who and what the queries ask about: of each column the value that is in the middle, by the number of its rows.

    `alias` is the owner's, who looks these up; `reader` is that of the role which asks.
    """

    alias: str
    reader: str

    def __call__(self, model: type[Model], column: str) -> Any:
        return _middle(self.alias, model, column)

    def of(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        return rows.using(self.reader)

    def one(self, model: type[Model], key: UUID) -> Any:
        return model._base_manager.using(self.alias).get(pk=key)


def _unread(a: Asked) -> QuerySet[Any]:
    conversation = a.one(Conversation, a(Message, "conversation_id"))
    return a.of(Message.objects.unread_by(conversation.participant_low_id, conversation))


def _latest(a: Asked) -> QuerySet[Any]:
    conversation = a.one(Conversation, a(Message, "conversation_id"))
    newest = Message.objects.using(a.alias).filter(conversation=conversation).order_by("-created_at")[PAGE].created_at
    return a.of(Message.objects.since(conversation, newest))


def _unread_of_order(a: Asked) -> QuerySet[Any]:
    order = a.one(Order, a(OrderMessage, "order_id"))
    return a.of(OrderMessage.objects.unread_by(order.client_id, order.pk))


def _verifications(a: Asked) -> QuerySet[Any]:
    return a.of(UserVerification.objects.of_user(a(UserVerification, "user_id"), "real_name"))


def _some_gigs(a: Asked) -> list[UUID]:
    return list(Gig.objects.using(a.alias).active().order_by("-created_at").values_list("pk", flat=True)[:PAGE])


@dataclass(frozen=True, kw_only=True)
class Counted:
    """The statement that counts a day of a table, to be explained like a queryset."""

    alias: str
    table: str

    def explain(self, *, format: str) -> str:  # noqa: A002 (a queryset's own word)
        (roll_up,) = [one for one in roll_ups() if one.table == self.table]
        moments = {"day": LAST_DAY, "start": midnight(LAST_DAY), "until": midnight(LAST_DAY + timedelta(days=1))}
        with connections[self.alias].cursor() as cursor:
            cursor.execute(f"EXPLAIN (FORMAT {format}) {roll_up.statement}", moments)
            return json.dumps(cursor.fetchone()[0])


def _counted(table: str) -> Callable[[Asked], Counted]:
    return lambda a: Counted(alias=a.alias, table=table)


Query = QuerySet[Any] | Counted
QUERIES: dict[str, Callable[[Asked], Query]] = {
    # common
    "audit_about_person_newest": lambda a: a.of(AuditLog.objects.about(a(AuditLog, "person_id")))[:PAGE],
    # What is seeded was done by nobody in person.
    "audit_by_actor_newest": lambda a: a.of(AuditLog.objects.by(a(Order, "client_id")))[:PAGE],
    "audit_of_row_newest": lambda a: a.of(AuditLog.objects.of_row(a.one(Wallet, a(Transaction, "wallet_id"))))[:PAGE],
    "releases_newest": lambda a: a.of(Release.objects.order_by("-created_at", "-id"))[:1],
    # accounts
    "activities_of_user_newest": lambda a: a.of(UserActivityLog.objects.of_user(a(UserActivityLog, "user_id")))[:PAGE],
    "portfolios_of_user_in_order": lambda a: a.of(Portfolio.objects.of_user(a(Portfolio, "user_id")))[:PAGE],
    "profiles_by_words": lambda a: a.of(UserProfile.objects.active().matching("插画师"))[:PAGE],
    "users_active_freelancers": lambda a: a.of(User.objects.freelancers())[:PAGE],
    "users_by_part_of_name": lambda a: a.of(User.objects.with_part_of_name(a(User, "username")[1:7]))[:PAGE],
    "users_by_status_and_type": lambda a: a.of(User.objects.in_state("suspended", "client"))[:PAGE],
    "users_with_skill_experienced": lambda a: a.of(User.objects.with_skill(a.one(Skill, a(UserSkill, "skill_id"))))[
        :PAGE
    ],
    "verifications_by_end": lambda a: a.of(UserVerification.objects.out_of_date())[:PAGE],
    "verifications_of_reviewer": lambda a: a.of(
        UserVerification.objects.of_reviewer(a(UserVerification, "reviewer_id"))
    )[:PAGE],
    "verifications_of_user_newest": _verifications,
    "verifications_waiting": lambda a: a.of(UserVerification.objects.waiting())[:PAGE],
    # gigs
    "categories_of_parent_in_order": lambda a: a.of(Category.objects.below(a.one(Category, a(Category, "parent_id")))),
    "favorites_by_day": _counted("gigs_gigstat"),
    "faqs_of_gig_in_order": lambda a: a.of(GigFAQ.objects.filter(gig_id__in=_some_gigs(a))),
    "favorites_of_gig_newest": lambda a: a.of(GigFavorite.objects.of_gig(a(GigFavorite, "gig_id")))[:PAGE],
    "favorites_of_user_newest": lambda a: a.of(GigFavorite.objects.of_user(a(GigFavorite, "user_id")))[:PAGE],
    "gigreports_of_gig_newest": lambda a: a.of(GigReport.objects.of_gig(a(GigReport, "gig_id")))[:PAGE],
    "gigreports_waiting": lambda a: a.of(GigReport.objects.waiting())[:PAGE],
    "gigs_by_part_of_title": lambda a: a.of(Gig.objects.with_part_of_title("小程序"))[:PAGE],
    "gigs_by_words": lambda a: a.of(Gig.objects.active().matching("小程序商城"))[:PAGE],
    "gigs_in_category_newest": lambda a: a.of(Gig.objects.in_category(a.one(Category, a(Gig, "category_id"))))[:PAGE],
    "gigs_of_freelancer_newest": lambda a: a.of(Gig.objects.of_freelancer(a(Gig, "freelancer_id")))[:PAGE],
    "gigs_top_rated": lambda a: a.of(Gig.objects.top_rated())[:PAGE],
    "requirements_of_gig_in_order": lambda a: a.of(GigRequirement.objects.filter(gig_id__in=_some_gigs(a))),
    "searches_of_user_newest": lambda a: a.of(GigSearchHistory.objects.of_user(a(GigSearchHistory, "user_id")))[:PAGE],
    "searches_without_result": lambda a: a.of(GigSearchHistory.objects.without_result(END - timedelta(days=7)))[:PAGE],
    "stats_of_day_most_viewed": lambda a: a.of(GigStat.objects.most_viewed(LAST_DAY))[:PAGE],
    "views_of_gig_newest": lambda a: a.of(GigView.objects.of_gig(a(GigView, "gig_id"), END - timedelta(days=7), END)),
    "views_of_viewer_newest": lambda a: a.of(GigView.objects.of_viewer(a(GigView, "viewer_id")))[:PAGE],
    # orders
    "deliveries_unanswered_oldest": lambda a: a.of(Delivery.objects.unanswered(END - timedelta(days=7)))[:PAGE],
    "disputes_waiting_oldest": lambda a: a.of(OrderDispute.objects.waiting())[:PAGE],
    "order_messages_newest": lambda a: a.of(OrderMessage.objects.of_order(a(OrderMessage, "order_id")))[:PAGE],
    "order_messages_unread": _unread_of_order,
    "order_stats_of_day_by_amount": lambda a: a.of(OrderStat.objects.of_day(LAST_DAY))[:PAGE],
    "orders_by_day": _counted("gigs_gigstat"),
    "orders_in_work_by_due_date": lambda a: a.of(Order.objects.overdue())[:PAGE],
    "orders_not_begun_oldest": lambda a: a.of(Order.objects.not_begun(END - timedelta(days=1)))[:PAGE],
    "orders_of_client_newest": lambda a: a.of(Order.objects.of_client(a(Order, "client_id"), "completed"))[:PAGE],
    "orders_of_freelancer_newest": lambda a: a.of(Order.objects.of_freelancer(a(Order, "freelancer_id"), "completed"))[
        :PAGE
    ],
    "review_requests_of_reviewer": lambda a: a.of(
        OrderReview.objects.of_reviewer(a(OrderReview, "reviewer_id"), "requested")
    )[:PAGE],
    "review_requests_run_out": lambda a: a.of(OrderReview.objects.run_out())[:PAGE],
    "orders_without_fee_oldest": lambda a: a.of(Order.objects.without_fee())[:PAGE],
    "status_history_by_day": _counted("orders_orderstat"),
    "status_history_of_order": lambda a: a.of(
        OrderStatusHistory.objects.filter(order_id=a(OrderStatusHistory, "order_id"))
    ).order_by("created_at", "id"),
    # payments
    "escrows_held_oldest": lambda a: a.of(Escrow.objects.held())[:PAGE],
    "payment_methods_of_user": lambda a: a.of(PaymentMethod.objects.usable_by(a(PaymentMethod, "user_id"))),
    "refunds_of_escrow": lambda a: a.of(PaymentRefund.objects.of_escrow(a(PaymentRefund, "escrow_id"))),
    "refunds_waiting_oldest": lambda a: a.of(PaymentRefund.objects.waiting())[:PAGE],
    "transactions_by_day": _counted("payments_paymentstat"),
    "transactions_of_wallet_newest": lambda a: a.of(
        Transaction.objects.of_wallet(a.one(Wallet, a(Transaction, "wallet_id")))
    )[:PAGE],
    "withdrawals_of_batch": lambda a: a.of(Withdrawal.objects.of_batch(a(Withdrawal, "batch_id"), "processing")),
    "withdrawals_of_user_newest": lambda a: a.of(Withdrawal.objects.of_user(a(Withdrawal, "user_id")))[:PAGE],
    # What ledger_submit_payouts asks (migration payments.0009).
    "withdrawals_to_pay_oldest": lambda a: a.of(
        Withdrawal.objects.filter(kind="alipay", status="requested").order_by("created_at", "id")
    )[:PAGE],
    # messaging
    "messagereports_waiting": lambda a: a.of(MessageReport.objects.waiting())[:PAGE],
    "messages_by_day": _counted("messaging_messagingstat"),
    "messages_of_conversation": _latest,
    "messages_sent_newest": lambda a: a.of(Message.objects.sent_by(a(Message, "sender_id")))[:PAGE],
    "messages_unread": _unread,
    # reviews
    "invitations_open_by_expiry": lambda a: a.of(ReviewInvitation.objects.overdue())[:PAGE],
    "ratings_best": lambda a: a.of(UserRating.objects.best("freelancer", 3))[:PAGE],
    "reviewreports_waiting": lambda a: a.of(ReviewReport.objects.waiting())[:PAGE],
    "reviews_about_newest": lambda a: a.of(Review.objects.about(a(Review, "subject_id")))[:PAGE],
    "reviews_by_day": _counted("reviews_reviewstat"),
    # As the function does that ReviewQuerySet.matching calls.
    "reviews_by_words": lambda a: a.of(Review.objects.published().filter(HasWords("沟通不畅")))[:PAGE],
    "reviews_of_gig_newest": lambda a: a.of(Review.objects.of_gig(a(Review, "gig_id")))[:PAGE],
    "reviews_written_by_newest": lambda a: a.of(Review.objects.written_by(a(Review, "author_id")))[:PAGE],
}

# Who asks, by the column that names the person; the party of an order or a conversation by the one that names it.
ASKED_BY: dict[str, tuple[type[Model], str]] = {
    "activities_of_user_newest": (UserActivityLog, "user_id"),
    "portfolios_of_user_in_order": (Portfolio, "user_id"),
    "verifications_of_user_newest": (UserVerification, "user_id"),
    "favorites_of_user_newest": (GigFavorite, "user_id"),
    "gigs_of_freelancer_newest": (Gig, "freelancer_id"),
    "searches_of_user_newest": (GigSearchHistory, "user_id"),
    "views_of_viewer_newest": (GigView, "viewer_id"),
    "order_messages_newest": (OrderMessage, "order_id"),
    "order_messages_unread": (OrderMessage, "order_id"),
    "orders_of_client_newest": (Order, "client_id"),
    "orders_of_freelancer_newest": (Order, "freelancer_id"),
    "review_requests_of_reviewer": (OrderReview, "reviewer_id"),
    "status_history_of_order": (OrderStatusHistory, "order_id"),
    "payment_methods_of_user": (PaymentMethod, "user_id"),
    "refunds_of_escrow": (PaymentRefund, "escrow_id"),
    "transactions_of_wallet_newest": (Transaction, "wallet_id"),
    "withdrawals_of_user_newest": (Withdrawal, "user_id"),
    "messages_of_conversation": (Message, "conversation_id"),
    "messages_sent_newest": (Message, "sender_id"),
    "messages_unread": (Message, "conversation_id"),
    "reviews_written_by_newest": (Review, "author_id"),
    "a page of a conversation": (Message, "conversation_id"),
    "the inbox with its people": (Conversation, "participant_low_id"),
}
# What waits for staff or a job. Everything else is shown to everybody: a client asks.
ASKED_BY_THE_PLATFORM = {
    "favorites_of_gig_newest",
    "verifications_by_end", "verifications_of_reviewer", "verifications_waiting", "gigreports_of_gig_newest",
    "gigreports_waiting", "searches_without_result", "stats_of_day_most_viewed", "views_of_gig_newest",
    "disputes_waiting_oldest", "order_stats_of_day_by_amount", "orders_in_work_by_due_date", "orders_not_begun_oldest",
    "orders_without_fee_oldest", "deliveries_unanswered_oldest", "review_requests_run_out",
    "escrows_held_oldest", "refunds_waiting_oldest", "withdrawals_of_batch", "withdrawals_to_pay_oldest",
    "messagereports_waiting", "invitations_open_by_expiry", "reviewreports_waiting", "the views of a gig in a month",
}  # fmt: skip
# Roll-ups, and what a function asks with the owner's rights.
ASKED_BY_THE_OWNER = {
    "favorites_by_day", "messages_by_day", "orders_by_day", "reviews_by_day", "status_history_by_day",
    "transactions_by_day", "reviews_by_words",
}  # fmt: skip
# Not the application's to read.
ASKED_BY_STAFF = {"audit_about_person_newest", "audit_by_actor_newest", "audit_of_row_newest"}


def who_asks(a: Asked, name: str) -> UUID | None:
    """Return the person who asks a query; None is the platform."""
    if name in ASKED_BY_THE_PLATFORM:
        return None
    model, column = ASKED_BY.get(name, (Order, "client_id"))
    key: UUID = a(model, column)
    owner = {"order_id": (Order, "client_id"), "conversation_id": (Conversation, "participant_low_id"),
             "escrow_id": (Escrow, "order__client_id"), "wallet_id": (Wallet, "user_id")}.get(column)  # fmt: skip
    if owner:
        of, person = owner
        key = of._base_manager.using(a.alias).values_list(person, flat=True).get(pk=key)
    return key


# Lists that no index of their own serves, but one of a constraint: named here, so that they are held to the same limit.
BESIDES: dict[str, Callable[[Asked], Query]] = {
    "a page of a conversation": lambda a: a.of(
        Message.objects.page_before(a.one(Conversation, a(Message, "conversation_id")), 500)
    )[:PAGE],
    "a search in order of rank": lambda a: a.of(Gig.objects.active().search("小程序商城"))[:PAGE],
    "the guide's page of a category": lambda a: a.of(
        Gig.objects.in_category(a.one(Category, a(Gig, "category_id"))).with_people()
    )[:PAGE],
    "the inbox with its people": lambda a: a.of(
        Conversation.objects.inbox(a(Conversation, "participant_low_id")).with_people()
    )[:PAGE],
    "the views of a gig in a month": lambda a: a.of(
        GigView.objects.of_gig(a(GigView, "gig_id"), END - timedelta(days=30), END)
    ),
}
