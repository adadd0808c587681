"""Reviews that break a rule are refused by the database, under a name that says which."""

from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import factories as make
import factories_contracts as contracts
import factories_people as people
import factories_talk as talk
import pytest
from apps.common.identity import acting_as
from apps.orders.models import Order
from apps.reviews.models import Review, ReviewHelpful, ReviewInvitation, ReviewStat, ReviewTemplate, UserRating
from config.router import all_on
from django.db import DatabaseError, IntegrityError, ProgrammingError, transaction
from django.db.models import F
from django.utils import timezone
from test_constraints import refused

pytestmark = pytest.mark.usefixtures("database")


@pytest.mark.parametrize("status", [[], ["paid"], ["paid", "in_progress"], ["paid", "in_progress", "delivered"]])
def test_a_review_before_the_order_is_completed_is_refused(status: list[str]) -> None:
    order = make.order()
    for step in status:
        contracts.take_step(order, step)
    refused("reviews_review_order_is_completed", lambda: talk.review(order))


@pytest.mark.parametrize("missing", [None, Order()], ids=["none", "unknown"])
@pytest.mark.parametrize(
    ("alias", "constraint", "kind"),
    [
        # The application is told no more of an order that is missing than of a stranger's.
        ("default", "reviews_review_admits_who_sees_order", ProgrammingError),
        ("direct", "reviews_review_order_is_completed", IntegrityError),
    ],
)
@pytest.mark.usefixtures("owner")
def test_a_review_without_an_order_is_refused(
    alias: str, constraint: str, kind: type[DatabaseError], missing: Order | None
) -> None:
    with all_on(alias):
        order = contracts.completed_order() if alias == "default" else make.order()
        with pytest.raises(kind, match=constraint), transaction.atomic(using=alias):
            talk.review(order, order=missing)


def test_both_parties_review_each_other_once() -> None:
    order = contracts.completed_order()
    assert talk.review(order).author_role == "client"
    answer = talk.review(order, author_id=order.freelancer_id, subject_id=order.client_id)
    assert answer.author_role == "freelancer"
    refused("reviews_review_once_per_order_and_author", lambda: talk.review(order))


def test_only_a_party_reviews_and_only_the_other_one() -> None:
    order, stranger = contracts.completed_order(), make.user()
    between = "reviews_review_between_the_parties"
    refused(between, lambda: talk.review(order, author_id=stranger.pk))
    refused(between, lambda: talk.review(order, subject_id=stranger.pk))
    refused(between, lambda: talk.review(order, subject_id=order.client_id))


def test_a_review_is_about_the_gig_that_was_ordered() -> None:
    order, other = contracts.completed_order(), make.gig()
    refused("reviews_review_gig_is_of_the_order", lambda: talk.review(order, gig_id=other.pk))


@pytest.mark.parametrize(
    ("constraint", "fields"),
    [
        ("reviews_review_overall_1_to_5", {"rating_overall": 0}),
        ("reviews_review_overall_1_to_5", {"rating_overall": 6}),
        ("reviews_review_communication_1_to_5", {"rating_communication": 0}),
        ("reviews_review_quality_1_to_5", {"rating_quality": 9}),
        ("reviews_review_timeliness_1_to_5", {"rating_timeliness": 0}),
        ("reviews_review_content_5_to_2000_characters", {"content": "好"}),
        ("reviews_review_content_5_to_2000_characters", {"content": "好   \n  "}),
        ("reviews_review_content_5_to_2000_characters", {"content": "长" * 2001}),
        ("reviews_review_published_has_a_date", {"status": "published"}),
        ("reviews_review_reply_1_to_1000_characters_with_a_date", {"reply_text": "谢谢"}),
        ("reviews_review_reply_1_to_1000_characters_with_a_date", {"replied_at": talk.MOMENT}),
        (
            "reviews_review_reply_1_to_1000_characters_with_a_date",
            {"reply_text": "长" * 1001, "replied_at": talk.MOMENT},
        ),
    ],
)
def test_review_with_a_bad_field_is_refused(constraint: str, fields: dict[str, Any]) -> None:
    order = contracts.completed_order()
    refused(constraint, lambda: talk.review(order, **fields))


def test_a_review_of_several_lines_is_taken() -> None:
    assert talk.review(content="很好！\n\n沟通顺畅，\n按时交付。").pk


def test_what_was_published_is_not_rewritten() -> None:
    review = talk.review()
    rows = Review.objects.filter(pk=review.pk)
    with acting_as(review.author_id):
        rows.update(content="改一个错别字，仍在审核中。")
    rows.update(status="published", published_at=timezone.now())
    refused("reviews_review_is_final", lambda: rows.update(content="完全不同的评价内容"))
    refused("reviews_review_is_final", lambda: rows.update(rating_overall=1))
    refused("reviews_review_is_final", lambda: rows.update(author_role="freelancer"))


def test_the_parties_of_a_review_never_change() -> None:
    rows = Review.objects.filter(pk=talk.review().pk)
    refused("reviews_review_is_final", lambda: rows.update(subject=make.user()))


def test_a_review_is_replied_to_once() -> None:
    review = talk.review()
    rows = Review.objects.filter(pk=review.pk)
    with acting_as(review.subject_id):
        rows.update(reply_text="谢谢支持！", replied_at=timezone.now())
        refused("reviews_review_replied_once", lambda: rows.update(reply_text="再说一句"))


def test_the_application_deletes_no_review() -> None:
    rows = Review.objects.filter(pk=talk.review().pk)
    with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic(using="default"):
        rows._raw_delete("default")


def test_lists_hold_what_is_published() -> None:
    order = contracts.completed_order()
    pending, published = talk.review(order), talk.review(contracts.completed_order(package=order.package))
    Review.objects.filter(pk=published.pk).update(status="published", published_at=timezone.now())
    assert list(Review.objects.of_gig(order.gig_id)) == [published]
    assert list(Review.objects.about(order.freelancer_id)) == [published]
    assert list(Review.objects.written_by(order.client_id)) == [pending]


def test_a_reader_votes_once_and_an_author_not_at_all() -> None:
    review, reader = talk.review(), make.user()
    ReviewHelpful.objects.create(review=review, user=reader)
    refused("reviews_reviewhelpful_once_per_user", lambda: ReviewHelpful.objects.create(review=review, user=reader))
    refused(
        "reviews_reviewhelpful_not_by_the_author",
        lambda: ReviewHelpful.objects.create(review=review, user_id=review.author_id),
    )


def test_a_review_is_reported_once_and_not_by_its_author() -> None:
    review, reader = talk.review(), make.user()
    talk.review_report(review, reporter=reader)
    refused("reviews_reviewreport_once_per_review_and_reporter", lambda: talk.review_report(review, reporter=reader))
    refused("reviews_reviewreport_not_by_the_author", lambda: talk.review_report(review, reporter=review.author))


def test_a_report_of_a_review_is_handled_by_the_staff() -> None:
    report = talk.review_report()
    report.handled_by = make.user()
    refused("reviews_reviewreport_handled_by_is_staff", report.save)
    report.handled_by = people.staff()
    report.save()


def test_parties_of_a_completed_order_are_invited_once() -> None:
    order = contracts.completed_order()
    talk.invitation(order)
    refused("reviews_reviewinvitation_once_per_invitee", lambda: talk.invitation(order))
    to_a_party = "reviews_reviewinvitation_to_a_party_of_a_completed_order"
    refused(to_a_party, lambda: talk.invitation(order, invitee_id=make.user().pk))
    unfinished = make.order()
    refused(to_a_party, lambda: talk.invitation(unfinished))


@pytest.mark.parametrize(
    ("constraint", "fields"),
    [
        ("reviews_reviewinvitation_expires_after_creation", {"expires_at": talk.MOMENT}),
        ("reviews_reviewinvitation_at_most_3_reminders", {"reminders_sent": 4}),
    ],
)
def test_invitation_with_a_bad_field_is_refused(constraint: str, fields: dict[str, Any]) -> None:
    order = contracts.completed_order()
    refused(constraint, lambda: talk.invitation(order, **fields))


def test_an_invitation_is_answered_by_the_invitees_own_review_of_that_order() -> None:
    invitation = talk.invitation()
    rows = ReviewInvitation.objects.filter(pk=invitation.pk)
    refused("reviews_reviewinvitation_completed_by_a_review", lambda: rows.update(status="completed"))
    elsewhere = talk.review()
    refused(
        "reviews_reviewinvitation_answered_by_the_invitee",
        lambda: rows.update(status="completed", review=elsewhere),
    )
    assert rows.update(status="completed", review=talk.review(invitation.order)) == 1


def test_an_invitation_without_an_answer_expires() -> None:
    overdue, still_open = talk.invitation(), talk.invitation()
    ReviewInvitation.objects.filter(pk=overdue.pk).update(expires_at=F("created_at") + timedelta(microseconds=1))
    assert overdue in ReviewInvitation.objects.overdue()
    ReviewInvitation.objects.expire()
    overdue.refresh_from_db()
    still_open.refresh_from_db()
    assert (overdue.status, still_open.status) == ("expired", "pending")


def test_a_template_fits_a_role_and_a_number_of_stars() -> None:
    row = {"author_role": "client", "rating": 5, "title": "测试", "body": "非常满意，推荐！"}
    made = ReviewTemplate.objects.create(**row)
    assert list(ReviewTemplate.objects.for_rating("client", 5).filter(title="测试")) == [made]
    for constraint, fields in (
        ("reviews_reviewtemplate_title_once_per_role_and_rating", {}),
        ("reviews_reviewtemplate_author_role_known", {"author_role": "guest"}),
        ("reviews_reviewtemplate_rating_1_to_5", {"rating": 0}),
        ("reviews_reviewtemplate_title_is_not_empty", {"title": " "}),
        ("reviews_reviewtemplate_body_5_to_500_characters", {"title": "短", "body": "好"}),
    ):
        refused(constraint, partial(ReviewTemplate.objects.create, **row | fields))


RATED = {
    "review_count": 2, "stars_5": 1, "stars_4": 1, "rating_overall": Decimal("4.50"),
    "rating_communication": Decimal("4.00"), "rating_quality": Decimal("5.00"), "rating_timeliness": Decimal("4.50"),
    "last_review_at": talk.MOMENT,
}  # fmt: skip


@pytest.mark.parametrize(
    ("constraint", "fields"),
    [
        ("reviews_userrating_role_known", {"role": "guest"}),
        ("reviews_userrating_stars_add_up_to_the_count", {"stars_5": 2}),
        ("reviews_userrating_1_to_5_exactly_with_reviews", {"rating_quality": Decimal("5.01")}),
        ("reviews_userrating_1_to_5_exactly_with_reviews", {"rating_overall": Decimal("0.00")}),
        ("reviews_userrating_1_to_5_exactly_with_reviews", {"last_review_at": None}),
        ("reviews_userrating_1_to_5_exactly_with_reviews", {"review_count": 0, "stars_5": 0, "stars_4": 0}),
    ],
)
def test_a_persons_rating_fits_together(constraint: str, fields: dict[str, Any]) -> None:
    row = {"user": make.user(), "role": "freelancer", **RATED, **fields}
    refused(constraint, lambda: UserRating.objects.create(**row))


def test_a_person_has_one_rating_per_role() -> None:
    user = make.user()
    rated = UserRating.objects.create(user=user, role="freelancer", **RATED)
    UserRating.objects.create(user=user, role="client")
    refused(
        "reviews_userrating_once_per_user_and_role", lambda: UserRating.objects.create(user=user, role="freelancer")
    )
    assert list(UserRating.objects.best("freelancer", reviews_at_least=2).filter(user=user)) == [rated]


@pytest.mark.parametrize(
    ("constraint", "fields"),
    [
        ("reviews_reviewstat_once_per_day", {"day": "2025-01-01"}),
        ("reviews_reviewstat_stars_add_up_to_published", {"stars_1": 1}),
        ("reviews_reviewstat_1_to_5_exactly_with_reviews", {"rating_overall": Decimal("4.00")}),
    ],
)
def test_figures_of_a_day_fit_together(constraint: str, fields: dict[str, Any]) -> None:
    ReviewStat.objects.create(day="2025-01-01")
    row = {"day": "2025-01-02", **fields}
    refused(constraint, lambda: ReviewStat.objects.create(**row))
