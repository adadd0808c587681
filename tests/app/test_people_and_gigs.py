"""What managers return about people and gigs, in which order and in how many queries."""

from datetime import UTC, date, datetime, timedelta

import factories as make
import factories_people as people
import pytest
from apps.accounts.models import Education, Portfolio, User, UserActivityLog, UserVerification, WorkExperience
from apps.gigs.models import Category, Gig, GigFavorite, GigReport, GigSearchHistory, GigStat, GigView
from django.utils import timezone
from test_routing import queries

pytestmark = pytest.mark.usefixtures("database")


def test_the_guides_queryset_of_gigs_runs_as_written_in_four_queries() -> None:
    wanted = set()
    for _ in range(3):
        gig = make.package().gig
        people.requirement(gig=gig)
        people.faq(gig=gig)
        wanted.add(gig)
    with queries("default") as counted:
        gigs = Gig.objects.select_related(
            'freelancer', 'category'
        ).prefetch_related(
            'packages', 'requirements', 'faqs'
        )  # fmt: skip
        for gig in wanted.intersection(gigs):
            wanted.remove(gig)
            assert gig.freelancer.username
            assert gig.category.name
            assert [package.tier for package in gig.packages.all()] == ["basic"]
            assert [requirement.kind for requirement in gig.requirements.all()] == ["text"]
            assert [faq.question for faq in gig.faqs.all()] == ["提供源文件吗？"]
    assert len(counted) == 4
    assert not wanted


def test_questions_and_answers_come_in_the_freelancers_order() -> None:
    gig = make.gig("draft")
    second, first = people.requirement(gig=gig, sort_order=2), people.requirement(gig=gig, sort_order=1)
    assert list(gig.requirements.all()) == [first, second]
    later, sooner = people.faq(gig=gig, sort_order=2), people.faq(gig=gig, sort_order=1)
    assert list(gig.faqs.all()) == [sooner, later]


def test_schools_and_jobs_come_latest_first() -> None:
    user = make.user()
    early, late = (people.education(user=user, started_on=date(year, 9, 1)) for year in (2010, 2014))
    assert list(Education.objects.of_user(user.pk)) == [late, early]
    old, new = (people.work_experience(user=user, started_on=date(year, 9, 1)) for year in (2018, 2021))
    assert list(WorkExperience.objects.of_user(user.pk)) == [new, old]


def test_visitors_see_public_works_in_the_persons_order() -> None:
    user = make.user()
    second, first = people.portfolio(user=user, sort_order=2), people.portfolio(user=user, sort_order=1)
    people.portfolio(user=user, is_public=False)
    people.portfolio()
    assert list(Portfolio.objects.of_user(user.pk)) == [first, second]


def test_staff_see_what_waits_the_oldest_first() -> None:
    first, second = people.verification(), people.verification("in_review")
    decided = [people.verification(status) for status in ("approved", "rejected", "expired", "revoked")]
    mine = [row.pk for row in [first, second, *decided]]
    assert list(UserVerification.objects.waiting().filter(pk__in=mine)) == [first, second]
    old, new, closed = (people.report() for _ in range(3))
    GigReport.objects.filter(pk=closed.pk).update(status="upheld", **people.report_needs("upheld"))
    assert list(GigReport.objects.waiting().filter(pk__in=[old.pk, new.pk, closed.pk])) == [old, new]


def test_attempts_and_decisions_are_found_by_person() -> None:
    row = people.verification("approved")
    reviewer = people.staff()
    UserVerification.objects.filter(pk=row.pk).update(reviewer=reviewer)
    assert list(UserVerification.objects.of_user(row.user_id, "real_name")) == [row]
    assert not UserVerification.objects.of_user(row.user_id, "enterprise")
    assert list(UserVerification.objects.of_reviewer(reviewer.pk)) == [row]
    complaint = people.report()
    assert list(GigReport.objects.of_gig(complaint.gig_id)) == [complaint]


def test_papers_that_ended_are_found_among_the_approved() -> None:
    over, never, later = (
        people.verification("approved"),
        people.verification("approved"),
        people.verification("approved"),
    )
    UserVerification.objects.filter(pk=never.pk).update(expires_at=None)
    UserVerification.objects.filter(pk=later.pk).update(expires_at=timezone.now() + timedelta(days=1))
    expired = people.verification("expired")
    mine = [row.pk for row in (over, never, later, expired)]
    assert list(UserVerification.objects.out_of_date().filter(pk__in=mine)) == [over]


def test_what_a_person_did_looked_at_searched_and_kept_comes_latest_first() -> None:
    user, gig = make.user(), make.gig()
    moments = [datetime(2025, 1, day, tzinfo=UTC) for day in (1, 2)]
    activities = [people.activity(user=user, created_at=moment) for moment in moments]
    views = [people.view(viewer=user, gig=gig, created_at=moment) for moment in moments]
    searches = [people.search(user=user, created_at=moment) for moment in moments]
    favorites = [people.favorite(user=user, gig=gig), people.favorite(user=user)]
    for noise in (people.activity, people.view, people.search, people.favorite):
        noise()
    assert list(UserActivityLog.objects.of_user(user.pk)) == activities[::-1]
    assert list(GigView.objects.of_viewer(user.pk)) == views[::-1]
    assert list(GigSearchHistory.objects.of_user(user.pk)) == searches[::-1]
    assert list(GigFavorite.objects.of_user(user.pk)) == favorites[::-1]
    assert list(GigFavorite.objects.of_gig(gig.pk)) == favorites[:1]


def test_searches_that_found_nothing_are_listed() -> None:
    user = make.user()
    people.search(user=user)
    people.search(user=user, result_count=0, created_at=datetime(2024, 1, 1, tzinfo=UTC))
    row = people.search(user=user, result_count=0, query_text="水下摄影")
    assert list(GigSearchHistory.objects.without_result(timezone.now() - timedelta(hours=1)).filter(user=user)) == [row]


def test_a_gigs_days_and_a_days_gigs_are_listed() -> None:
    gig = make.gig("draft")
    first, second = (people.stat(gig=gig, day=date(2025, 1, day), view_count=day) for day in (1, 2))
    people.stat(gig=gig, day=date(2025, 1, 3))
    most = people.stat(view_count=9)
    assert list(GigStat.objects.of_gig(gig.pk, first.day, second.day)) == [first, second]
    assert list(GigStat.objects.most_viewed(first.day).filter(pk__in=[first.pk, most.pk])) == [most, first]


def test_active_categories_below_another_come_in_order() -> None:
    top = make.category()
    last, first = (make.category(parent=top, level=2, sort_order=order) for order in (2, 1))
    make.category(parent=first, level=3)
    make.category(parent=top, level=2, is_active=False)
    assert list(Category.objects.below(top)) == [first, last]


def test_staff_find_people_by_state_and_type() -> None:
    found = [make.user(user_type=kind, status="pending") for kind in ("client", "both")]
    noise = [make.user(user_type="client"), make.user(user_type="freelancer", status="pending")]
    rows = User.objects.in_state("pending", "client", "both").filter(pk__in=[user.pk for user in found + noise])
    assert set(rows) == set(found)
