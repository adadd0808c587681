"""Of a row that several people reach, each changes what is theirs: the author, the subject, the platform."""

from collections.abc import Callable, Mapping
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
from apps.gigs.models import Gig
from apps.reviews.models import Review, ReviewHelpful, ReviewReport
from django.db import DatabaseError, ProgrammingError, connections, transaction
from django.db.models import Field, Model
from django.utils import timezone
from test_constraints import refused

pytestmark = pytest.mark.usefixtures("database")

AUTHOR, SUBJECT, PLATFORM = "author", "subject", "platform"
FINAL = "reviews_review_is_final"
# Another value of each column, and who may write it. The platform does what is somebody's, too.
COLUMNS: Mapping[str, tuple[Any, set[str]]] = {
    "id": ("018f0000-0000-7000-8000-000000000000", set()),
    "created_at": ("2025-01-01T00:00:00Z", set()),
    "gig_id": (None, set()),
    "author_id": (None, set()),
    "subject_id": (None, set()),
    "author_role": ("freelancer", set()),
    "rating_overall": (1, {AUTHOR, PLATFORM}),
    "rating_communication": (1, {AUTHOR, PLATFORM}),
    "rating_quality": (1, {AUTHOR, PLATFORM}),
    "rating_timeliness": (1, {AUTHOR, PLATFORM}),
    "content": ("完全不同的评价内容", {AUTHOR, PLATFORM}),
    "is_anonymous": (True, {AUTHOR, PLATFORM}),
    "status": ("removed", {PLATFORM}),
    "published_at": ("2025-01-01T00:00:00Z", {PLATFORM}),
    # The two go together.
    "reply_text": ("谢谢！", {SUBJECT, PLATFORM}),
    "replied_at": ("2025-01-01T00:00:00Z", {SUBJECT, PLATFORM}),
}
# Which of two rules speaks first.
NAMED = {
    "id": "reviews_review_id_is_final", "created_at": "reviews_review_created_at_is_final",
    "replied_at": "reviews_review_reply_text_by_subject",
}  # fmt: skip
# Both write these along with a text; what they say follows from it.
DERIVED = {"search_vector", "search_version", "updated_at"}


def not_theirs(constraint: str, action: Callable[[], Any]) -> None:
    """Assert that the database refuses who acts, and names the rule."""
    with pytest.raises(DatabaseError) as caught, transaction.atomic(using="default"):
        action()
    assert caught.value.__cause__.diag.constraint_name == constraint, caught.value  # type: ignore[union-attr]  # psycopg's


def run(statement: str, *values: Any) -> int:
    with connections["default"].cursor() as cursor:
        cursor.execute(statement, values)
        return int(cursor.rowcount)


def write(review: Review, column: str, value: Any) -> int:
    """Change one column as plain SQL does, with what a CHECK wants beside it."""
    field: Field[Any, Any] = Review._meta.get_field(column.removesuffix("_id"))  # type: ignore[assignment]  # no relation back
    value = make.user().pk if value is None else value
    beside = {"reply_text": ", replied_at = now()", "replied_at": ", reply_text = '谢谢！'"}.get(column, "")
    return run(f"UPDATE reviews_review SET {field.column} = %s{beside} WHERE id = %s", value, review.pk)  # noqa: S608 (columns)


def test_every_column_of_a_review_is_somebodys() -> None:
    assert {field.column for field in Review._meta.concrete_fields} == COLUMNS.keys() | DERIVED | {"order_id"}


@pytest.mark.parametrize("column", COLUMNS)
def test_each_column_of_a_review_is_written_by_whose_it_is(column: str) -> None:
    value, writers = COLUMNS[column]
    side = next(iter(writers - {PLATFORM}), PLATFORM)
    constraint = NAMED.get(column, f"reviews_review_{column}_by_{side}" if writers else FINAL)
    review = talk.review()
    people_of_it = {AUTHOR: review.author_id, SUBJECT: review.subject_id, PLATFORM: people.staff().pk}
    for who, person in people_of_it.items():
        with acting_as(person):
            if who not in writers:
                not_theirs(constraint, lambda: write(review, column, value))
                continue
            with transaction.atomic(using="default"):
                assert write(review, column, value) == 1
                transaction.set_rollback(True, using="default")


def test_a_review_is_not_moved_to_another_order() -> None:
    review = talk.review()
    other = contracts.completed_order(client=review.author)
    with acting_as(review.author_id):
        refused(FINAL, lambda: write(review, "order_id", other.pk))


def test_nobody_reviews_in_the_name_of_the_other_party() -> None:
    order = contracts.completed_order()
    with (
        pytest.raises(ProgrammingError, match="row-level security"),
        transaction.atomic(using="default"),
        acting_as(order.freelancer_id),
    ):
        talk.review(order)


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
        refused(FINAL, lambda: write(review, "content", "完全不同的评价内容"))


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


# ---- gigs
def step(gig: Gig, status: str) -> int:
    return Gig.objects.filter(pk=gig.pk).update(status=status)


@pytest.mark.parametrize(
    ("before", "after"), [("pending_review", "active"), ("pending_review", "rejected"), ("active", "rejected")]
)
def test_a_freelancer_does_not_approve_their_own_gig(before: str, after: str) -> None:
    gig = make.gig(before)
    with acting_as(gig.freelancer_id):
        not_theirs("gigs_gig_status_by_platform", lambda: step(gig, after))
    with acting_as(people.staff().pk):
        assert step(gig, after) == 1


def test_a_freelancer_hands_in_pauses_and_takes_back() -> None:
    gig = make.gig("draft")
    with acting_as(gig.freelancer_id):
        assert [step(gig, status) for status in ("pending_review", "draft", "pending_review")] == [1, 1, 1]
    with acting_as(people.staff().pk):
        assert Gig.objects.filter(pk=gig.pk).update(status="active", published_at=timezone.now()) == 1
    with acting_as(gig.freelancer_id):
        assert [step(gig, status) for status in ("paused", "active", "archived")] == [1, 1, 1]


@pytest.mark.parametrize(
    "fields",
    [{"rating_average": Decimal("5.00"), "rating_count": 9}, {"rating_count": 9}, {"published_at": talk.MOMENT}],
)
def test_a_freelancer_does_not_rate_or_date_their_own_gig(fields: dict[str, Any]) -> None:
    gig, rule = make.gig(), f"gigs_gig_{next(iter(fields))}_by_platform"
    with acting_as(gig.freelancer_id):
        not_theirs(rule, lambda: Gig.objects.filter(pk=gig.pk).update(**fields))
        not_theirs(
            rule,
            lambda: Gig.objects.create(
                title="专业标志设计服务", freelancer=gig.freelancer, category=gig.category, **fields
            ),
        )
        # Everything else is theirs.
        assert Gig.objects.filter(pk=gig.pk).update(title="更专业的标志设计") == 1


def test_a_gig_is_not_handed_to_somebody_else() -> None:
    gig, other = make.gig("draft"), make.user(user_type="freelancer")
    with acting_as(gig.freelancer_id):
        not_theirs("gigs_gig_freelancer_id_is_final", lambda: Gig.objects.filter(pk=gig.pk).update(freelancer=other))


# ---- people
def test_how_fast_somebody_answers_is_not_theirs_to_say() -> None:
    person, measured = make.user(), "accounts_userprofile_response_time_minutes_by_platform"
    with acting_as(person.pk):
        for minutes in (0, 1):
            not_theirs(
                "accounts_userprofile_new_by_platform",
                partial(people.profile, user=person, response_time_minutes=minutes),
            )
        profile = people.profile(user=person)
        rows = UserProfile.objects.filter(pk=profile.pk)
        not_theirs(measured, lambda: rows.update(response_time_minutes=1))
        assert rows.update(bio="擅长品牌设计") == 1


def test_a_sample_that_is_not_public_is_seen_by_its_person_alone() -> None:
    shown, kept = people.portfolio(), people.portfolio(is_public=False)
    rows = Portfolio.objects.filter(pk__in=[shown.pk, kept.pk])
    for person, seen in ((kept.user_id, {shown, kept}), (make.user().pk, {shown}), (people.staff().pk, {shown, kept})):
        with acting_as(person):
            assert set[Model](rows.all()) == seen
