"""What of columns and steps goes beyond what migrations declare of them (test_parties): new rows, who sees a row."""

from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any

import factories as make
import factories_contracts as contracts
import factories_people as people
import factories_talk as talk
import pytest
from apps.accounts.models import Portfolio, UserProfile
from apps.common.identity import acting_as
from apps.common.search.words import tsvector
from apps.gigs.models import Gig
from apps.reviews.models import Review, ReviewHelpful, ReviewReport
from django.db import DatabaseError, ProgrammingError, transaction
from django.db.models import Model
from django.utils import timezone
from test_constraints import refused

pytestmark = pytest.mark.usefixtures("database")

FINAL = "reviews_review_is_final"


def not_theirs(constraint: str, action: Callable[[], Any]) -> None:
    """Assert that the database refuses who acts, and names the rule."""
    with pytest.raises(DatabaseError) as caught, transaction.atomic(using="default"):
        action()
    assert caught.value.__cause__.diag.constraint_name == constraint, caught.value  # type: ignore[union-attr]  # psycopg's


def test_a_review_is_not_moved_to_another_order() -> None:
    review = talk.review()
    other = contracts.completed_order(client=review.author)
    with acting_as(review.author_id):
        refused(FINAL, lambda: Review.objects.filter(pk=review.pk).update(order=other))


def test_nobody_reviews_in_the_name_of_the_other_party() -> None:
    order = contracts.completed_order()
    with acting_as(order.freelancer_id):
        not_theirs("reviews_review_new_by_author", lambda: talk.review(order))


@pytest.mark.parametrize(
    ("constraint", "fields"),
    [
        ("reviews_review_new_by_platform", {"status": "published", "published_at": talk.MOMENT}),
        ("reviews_review_published_at_by_platform", {"published_at": talk.MOMENT}),
        ("reviews_review_reply_text_by_subject", {"reply_text": "谢谢！", "replied_at": talk.MOMENT}),
    ],
)
def test_an_author_neither_publishes_nor_replies_at_once(constraint: str, fields: dict[str, Any]) -> None:
    order = contracts.completed_order()
    with acting_as(order.client_id):
        not_theirs(constraint, lambda: talk.review(order, **fields))
        assert talk.review(order).status == "pending"


def test_an_author_does_not_rewrite_what_was_published() -> None:
    review = talk.review(status="published", published_at=timezone.now())
    with acting_as(review.author_id):
        refused(FINAL, lambda: Review.objects.filter(pk=review.pk).update(content="完全不同的评价内容"))


@pytest.mark.parametrize("status", ["pending", "published", "hidden", "removed"])
def test_what_is_not_published_is_seen_by_whom_it_concerns(status: str) -> None:
    review, reader = talk.review(content="水下摄影非常专业，值得推荐。"), make.user()
    for step in {"pending": [], "published": ["published"]}.get(status, ["published", status]):
        Review.objects.filter(pk=review.pk).update(status=step, published_at=timezone.now())
    for person, seen in ((review.author_id, True), (review.subject_id, True), (reader.pk, status == "published")):
        with acting_as(person):
            assert Review.objects.filter(pk=review.pk).exists() == seen
    with acting_as(reader.pk):
        found = list(Review.objects.search("水下摄影"))
        assert found == ([review] if status == "published" else [])
        # Nor does a vote or a report tell that it is there.
        for act in (
            lambda: ReviewHelpful.objects.create(review_id=review.pk, user=reader),
            lambda: ReviewReport.objects.create(review_id=review.pk, reporter=reader, reason="abuse"),
        ):
            if status == "published":
                assert act().pk
                continue
            with pytest.raises(ProgrammingError, match="there is no reviews_review"), transaction.atomic("default"):
                act()


BLANKS = (None, "", tsvector([("完全不同", "A")]), tsvector([("完全不同", "C")]))


@pytest.mark.parametrize("side", ["subject", "author", "platform"])
def test_nobody_takes_what_a_review_says_out_of_the_search(side: str) -> None:
    review = talk.review(content="配色难看，不值得推荐。", status="published", published_at=timezone.now())
    rows = Review.objects.filter(pk=review.pk)
    with acting_as(people.staff().pk if side == "platform" else getattr(review, side).pk):
        for words in BLANKS:
            rows.update(search_vector=words)
            assert list(rows.matching("配色")) == [review]
            assert not rows.matching("不同").exists()


def test_a_reply_does_not_replace_the_words_of_the_review() -> None:
    for words in BLANKS:
        review = talk.review(content="配色难看，不值得推荐。", status="published", published_at=timezone.now())
        rows = Review.objects.filter(pk=review.pk)
        with acting_as(review.subject_id):
            rows.update(reply_text="完全不同。", replied_at=talk.MOMENT, search_vector=words)
        assert list(rows.matching("配色")) == [review]
        # They are cut again by `rebuild_search_index`.
        assert rows.values_list("search_version", flat=True).get() == 0


# ---- gigs
@pytest.mark.parametrize(
    "fields",
    [{"rating_average": Decimal("5.00"), "rating_count": 9}, {"rating_count": 9}, {"published_at": talk.MOMENT}],
)
def test_a_new_gig_is_neither_rated_nor_dated_by_its_freelancer(fields: dict[str, Any]) -> None:
    gig, rule = make.gig(), f"gigs_gig_{next(iter(fields))}_by_platform"
    with acting_as(gig.freelancer_id):
        not_theirs(
            rule,
            lambda: Gig.objects.create(
                title="专业标志设计服务", freelancer=gig.freelancer, category=gig.category, **fields
            ),
        )
        # Everything else is theirs.
        assert Gig.objects.filter(pk=gig.pk).update(title="更专业的标志设计") == 1


# ---- people
def test_how_fast_somebody_answers_is_not_theirs_to_say() -> None:
    person = make.user()
    with acting_as(person.pk):
        for minutes in (0, 1):
            not_theirs(
                "accounts_userprofile_new_by_platform",
                partial(people.profile, user=person, response_time_minutes=minutes),
            )
        profile = people.profile(user=person)
        rows = UserProfile.objects.filter(pk=profile.pk)
        assert rows.update(bio="擅长品牌设计") == 1


def test_a_sample_that_is_not_public_is_seen_by_its_person_alone() -> None:
    shown, kept = people.portfolio(), people.portfolio(is_public=False)
    rows = Portfolio.objects.filter(pk__in=[shown.pk, kept.pk])
    for person, seen in ((kept.user_id, {shown, kept}), (make.user().pk, {shown}), (people.staff().pk, {shown, kept})):
        with acting_as(person):
            assert set[Model](rows.all()) == seen
