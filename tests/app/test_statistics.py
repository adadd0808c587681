"""What a roll-up counts: the facts of one day in China, as the owner of the tables."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import factories as make
import factories_contracts as contracts
import factories_people as people
import factories_talk as talk
import pytest
from apps.common.rollup import fill, roll_ups
from apps.gigs.models import Gig, GigFavorite, GigStat, GigView
from apps.messaging.models import BlockedUser, Conversation, Message, MessagingStat
from apps.orders.models import Order, OrderStat, OrderStatusHistory
from apps.payments.models import Escrow, PaymentStat
from apps.reviews.models import Review, ReviewHelpful, ReviewInvitation, ReviewStat, UserRating
from config.router import all_on
from django.apps import apps
from django.db.models import F

DAY = date(2019, 3, 5)
# The day's first and last moment in China, which is 8 hours ahead.
FIRST, LAST = datetime(2019, 3, 4, 16, tzinfo=UTC), datetime(2019, 3, 5, 15, 59, 59, 999_999, tzinfo=UTC)
NOON = datetime(2019, 3, 5, 4, tzinfo=UTC)
OUTSIDE = (FIRST - timedelta(microseconds=1), LAST + timedelta(microseconds=1))


@pytest.fixture(autouse=True)
def as_owner(owner: Any) -> Iterator[None]:  # noqa: ARG001 (it comes first)
    """Facts of any date, rolled back at the end."""
    with all_on("direct"):
        yield


def roll_up(table: str, day: date = DAY) -> int:
    (found,) = [each for each in roll_ups() if each.table == table]
    return fill(found, "direct", day if found.daily else None)


def figures(row: Any) -> dict[str, Any]:
    """Return the figures of a row that are neither 0 nor missing."""
    beside = {"id", "created_at", "updated_at", "day", "gig", "category", "user", "role", "currency"}
    values = {field.name: getattr(row, field.name) for field in row._meta.concrete_fields if field.name not in beside}
    return {name: value for name, value in values.items() if value}


def order_at(status: str, moment: datetime = NOON, *, refunded: str = "0", **fields: Any) -> Order:
    """Make an order that came to `status` at this moment, with its escrow."""
    order = make.order(created_at=moment, **fields)
    steps = ("paid", "in_progress", "delivered", "completed")
    for step in steps[: steps.index(status) + 1]:
        completed_at = moment if step == "completed" else None
        Order.objects.filter(pk=order.pk).update(status=step, paid_at=moment, completed_at=completed_at)
    order.refresh_from_db()
    escrow = contracts.escrow_row(order=order, amount=order.total_amount, refunded_amount=Decimal(refunded))
    if status == "completed":
        Escrow.objects.filter(pk=escrow.pk).update(
            status="released", released_amount=F("amount") - F("refunded_amount"), closed_at=moment
        )
    return order


def review_at(moment: datetime = NOON, *, order: Order | None = None, **fields: Any) -> Review:
    status = {"status": "published", "published_at": moment, "created_at": moment}
    return talk.review(order or order_at("completed"), **{**status, **fields})


def test_every_table_of_figures_has_a_roll_up() -> None:
    names = {model._meta.db_table for model in apps.get_models() if model.__name__.endswith(("Stat", "UserRating"))}
    assert len(names) == 6
    assert {each.table for each in roll_ups()} == names | {"gigs_gig"}


# ---- gigs
def gig_stat(gig: Gig) -> dict[str, Any]:
    return figures(GigStat.objects.get(gig=gig, day=DAY))


def test_a_gigs_views_are_those_of_the_day_in_china_and_a_visitor_counts_once() -> None:
    gig, viewer = make.gig("draft"), make.user()
    for moment in (FIRST, LAST, *OUTSIDE):
        people.view(gig=gig, created_at=moment)
    for session in ("a", "b"):
        people.view(gig=gig, created_at=NOON, viewer=viewer, session_digest=session * 64)
    assert roll_up("gigs_gigstat") >= 1
    assert gig_stat(gig) == {"view_count": 4, "visitor_count": 2}


def test_a_gigs_orders_count_when_placed_and_its_revenue_when_completed_less_what_went_back() -> None:
    gig = make.gig()
    package = make.package(gig=gig)
    for moment in (NOON, *OUTSIDE):
        order_at("paid", moment, package=package)
        order_at("completed", moment, package=package, refunded="50.00")
    people.favorite(gig=gig, created_at=NOON)
    roll_up("gigs_gigstat")
    assert gig_stat(gig) == {
        "order_count": 2, "completed_order_count": 1, "revenue_amount": Decimal("149.00"), "favorite_count": 1,
    }  # fmt: skip


def test_a_gig_to_which_nothing_happened_has_no_row() -> None:
    gig = make.gig("draft")
    people.view(gig=gig, created_at=OUTSIDE[0])
    roll_up("gigs_gigstat")
    assert not GigStat.objects.filter(gig=gig, day=DAY).exists()


def test_figures_whose_facts_are_gone_become_zero() -> None:
    favorite = people.favorite(created_at=NOON)
    roll_up("gigs_gigstat")
    assert gig_stat(favorite.gig) == {"favorite_count": 1}
    GigFavorite.objects.all().delete()
    roll_up("gigs_gigstat")
    assert gig_stat(favorite.gig) == {}


def test_views_that_were_archived_since_stay_counted() -> None:
    gig = make.gig("draft")
    for session in ("a", "b"):
        people.view(gig=gig, created_at=NOON, session_digest=session * 64)
    roll_up("gigs_gigstat")
    GigView.objects.filter(gig=gig).delete()
    assert roll_up("gigs_gigstat") == 0
    assert gig_stat(gig) == {"view_count": 2, "visitor_count": 2}


# ---- orders and money
def test_orders_are_counted_by_category_with_each_step_on_its_day() -> None:
    category, other = make.category(), make.category()
    package = make.package(gig=make.gig(category=category))
    order = make.order(package=package)
    order.refresh_from_db()
    steps = [
        ("", "pending_payment"), ("pending_payment", "paid"), ("in_progress", "delivered"), ("revision", "delivered"),
        ("delivered", "disputed"), ("disputed", "completed"), ("disputed", "refunded"),
        ("pending_payment", "cancelled"),
    ]  # fmt: skip
    for moment in (FIRST, LAST, *OUTSIDE):
        for before, after in steps:
            OrderStatusHistory.objects.create(order=order, from_status=before, to_status=after, created_at=moment)
    roll_up("orders_orderstat")
    assert figures(OrderStat.objects.get(category=category, day=DAY)) == {
        "placed_count": 2, "paid_count": 2, "delivered_count": 4, "disputed_count": 2, "completed_count": 2,
        "refunded_count": 2, "cancelled_count": 2, "paid_amount": 2 * order.total_amount,
        "completed_amount": 2 * order.total_amount,
    }  # fmt: skip
    Gig.objects.filter(pk=package.gig_id).update(category=other)
    roll_up("orders_orderstat")
    assert figures(OrderStat.objects.get(category=category, day=DAY)) == {}
    assert figures(OrderStat.objects.get(category=other, day=DAY))["placed_count"] == 2


def test_money_of_a_day_and_what_it_ended_with() -> None:
    roll_up("payments_paymentstat")
    assert figures(PaymentStat.objects.get(day=DAY)) == {}
    client, freelancer, order = contracts.wallet_row(), contracts.wallet_row(), make.order()
    contracts.escrow_row(order=order, amount=Decimal("199.00"), refunded_amount=Decimal("30.00"))
    for wallet, amount, kind, moment in [
        (client, "500.00", "deposit", OUTSIDE[0]),
        (client, "100.00", "deposit", FIRST),
        (client, "-199.00", "payment", NOON),
        (client, "30.00", "refund", LAST),
        (freelancer, "80.00", "income", NOON),
        (freelancer, "-8.00", "fee", NOON),
        (client, "-20.00", "withdrawal", NOON),
        (client, "20.00", "reversal", OUTSIDE[1]),
        (client, "1000.00", "deposit", OUTSIDE[1]),
        (freelancer, "-7.00", "adjustment", OUTSIDE[1]),
        (freelancer, "9.00", "income", OUTSIDE[1]),
    ]:
        contracts.entry_row(wallet, amount, kind, order=order, created_at=moment)
    roll_up("payments_paymentstat")
    assert figures(PaymentStat.objects.get(day=DAY)) == {
        "deposit_count": 1, "deposit_amount": Decimal("100.00"), "payment_count": 1,
        "payment_amount": Decimal("199.00"), "refund_count": 1, "refund_amount": Decimal("30.00"),
        "income_amount": Decimal("80.00"), "fee_amount": Decimal("8.00"), "withdrawal_count": 1,
        "withdrawal_amount": Decimal("20.00"), "wallet_balance": Decimal("483.00"),
        # 169.00 are held now, when 9.00 more were released the day after.
        "escrow_balance": Decimal("178.00"),
    }  # fmt: skip


# ---- messages
def conversation_at(moment: datetime = NOON) -> Conversation:
    low, high = talk.pair()
    return Conversation.objects.create(participant_low=low, participant_high=high, created_at=moment)


def test_messages_of_a_day() -> None:
    one, two, old = conversation_at(FIRST), conversation_at(LAST), conversation_at(OUTSIDE[0])
    talk.message(one, created_at=FIRST)
    talk.message(one, created_at=FIRST + timedelta(seconds=20))
    talk.message(one, created_at=FIRST + timedelta(seconds=60), sender_id=one.participant_high_id)
    talk.message(two, created_at=LAST)
    # The answer comes on the next day.
    talk.message(two, created_at=LAST + timedelta(seconds=180), sender_id=two.participant_high_id)
    talk.message(old, created_at=OUTSIDE[0])
    said = talk.message(old, created_at=NOON)
    recalled = talk.message(old, created_at=NOON, sender_id=old.participant_high_id)
    Message.objects.filter(pk=recalled.pk).update(recalled_at=NOON + timedelta(seconds=30))
    for size in (1000, 24):
        talk.attachment(said, created_at=NOON, size_bytes=size, position=size % 7)
    talk.message_report(said, created_at=NOON)
    BlockedUser.objects.create(blocker=make.user(), blocked=make.user(), created_at=NOON)
    roll_up("messaging_messagingstat")
    assert figures(MessagingStat.objects.get(day=DAY)) == {
        "conversations_started": 2, "conversations_active": 3, "messages_sent": 6, "messages_recalled": 1,
        "attachments_sent": 2, "attachments_bytes": 1024, "people_sending": 5, "people_blocked": 1,
        "reports_filed": 1, "first_reply_seconds": 120,
    }  # fmt: skip


# ---- reviews
def test_reviews_of_a_day() -> None:
    order = order_at("completed")
    review = review_at(order=order, rating_overall=5, reply_text="谢谢！", replied_at=LAST)
    back = review_at(
        order=order, author_id=order.freelancer_id, subject_id=order.client_id, rating_overall=4, status="pending"
    )
    assert back.published_at == NOON
    hidden = review_at(rating_overall=2)
    Review.objects.filter(pk=hidden.pk).update(status="hidden")
    for moment in OUTSIDE:
        review_at(moment)
    for is_helpful in (True, False):
        ReviewHelpful.objects.create(review=review, user=make.user(), is_helpful=is_helpful, created_at=NOON)
    talk.review_report(review, created_at=NOON)
    invited = talk.invitation(order)
    ReviewInvitation.objects.filter(pk=invited.pk).update(status="sent", sent_at=FIRST)
    ReviewInvitation.objects.filter(pk=invited.pk).update(status="completed", review=review)
    roll_up("reviews_reviewstat")
    assert figures(ReviewStat.objects.get(day=DAY)) == {
        "reviews_published": 2, "reviews_hidden": 1, "replies_written": 1, "helpful_votes": 1, "reports_filed": 1,
        "invitations_sent": 1, "invitations_completed": 1, "stars_2": 1, "stars_5": 1,
        "rating_overall": Decimal("3.50"),
    }  # fmt: skip


def test_people_and_gigs_are_rated_by_what_is_published_now() -> None:
    gig = make.gig()
    package = make.package(gig=gig)
    reviews = [
        review_at(order=order_at("completed", package=package), rating_overall=stars, rating_quality=5)
        for stars in (5, 4, 4)
    ]
    order = reviews[0].order
    review_at(LAST, order=order, author_id=order.freelancer_id, subject_id=order.client_id, rating_overall=3)
    review_at(order=order_at("completed", package=package), status="pending", rating_overall=1)
    roll_up("reviews_userrating")
    roll_up("gigs_gig")
    rated = UserRating.objects.get(user=gig.freelancer, role="freelancer")
    assert (rated.review_count, rated.rating_overall, rated.rating_quality) == (3, Decimal("4.33"), Decimal("5.00"))
    assert (rated.stars_4, rated.stars_5, rated.last_review_at) == (2, 1, NOON)
    client = UserRating.objects.get(user=order.client)
    assert (client.role, client.review_count, client.rating_overall) == ("client", 1, Decimal("3.00"))
    gig.refresh_from_db()
    assert (gig.rating_average, gig.rating_count) == (Decimal("4.33"), 3)

    Review.objects.filter(subject=gig.freelancer, status="published").update(status="hidden")
    roll_up("reviews_userrating")
    roll_up("gigs_gig")
    assert figures(UserRating.objects.get(user=gig.freelancer, role="freelancer")) == {}
    gig.refresh_from_db()
    assert (gig.rating_average, gig.rating_count) == (Decimal(0), 0)
