"""Whatever people and staff try, in whatever order: the rules about verifications, reports and favourites hold."""

from collections.abc import Callable
from functools import partial
from typing import Any

import factories as make
import factories_people as people
import pytest
from apps.accounts.models import UserVerification
from apps.gigs.models import GigFavorite, GigReport
from django.db import IntegrityError, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.usefixtures("database")

# Each example has a savepoint of its own inside the transaction of the fixture.
in_savepoints = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

NUMBER = st.integers(0, 9)


def taken(action: Callable[[], Any]) -> bool:
    """Tell whether the database takes it."""
    try:
        with transaction.atomic(using="default"):
            action()
    except IntegrityError:
        return False
    return True


@in_savepoints
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["new", *UserVerification.Status.values]),
            st.sampled_from(["real_name", "education"]),
            NUMBER,
        ),
        max_size=25,
    )
)
def test_a_person_has_one_open_and_one_approved_verification_of_a_kind(steps: list[tuple[str, str, int]]) -> None:
    with transaction.atomic(using="default"):
        user = make.user()
        rows: list[UserVerification] = []
        for status, kind, number in steps:
            if status == "new":
                made = UserVerification(user=user, kind=kind)
                free = not any(row.kind == kind and row.status in {"submitted", "in_review"} for row in rows)
                assert taken(made.save) is free
                rows += [made] if free else []
            elif rows:
                row = rows[number % len(rows)]
                update = partial(UserVerification.objects.filter(pk=row.pk).update, status=status)
                second = status == "approved" and any(o.kind == row.kind and o.status == status for o in rows)
                legal = status == row.status or (status in row.next_statuses(row.status) and not second)
                assert taken(partial(update, **people.verification_needs(status))) is legal
                row.status = status if legal else row.status
        found = UserVerification.objects.filter(user=user).values_list("pk", "status")
        assert dict(found) == {row.pk: row.status for row in rows}
        transaction.set_rollback(True, using="default")


@in_savepoints
@given(steps=st.lists(st.tuples(st.sampled_from(["favorite", "report", *GigReport.Status.values]), NUMBER, NUMBER)))
def test_favourites_are_a_set_and_a_reporter_has_one_open_report_of_a_gig(steps: list[tuple[str, int, int]]) -> None:
    with transaction.atomic(using="default"):
        gigs = [make.gig("draft") for _ in range(2)]
        everybody = [make.user(), *(gig.freelancer for gig in gigs)]
        favorites: set[tuple[Any, Any]] = set()
        reports: list[GigReport] = []
        for step, one, other in steps:
            user, gig = everybody[one % len(everybody)], gigs[other % len(gigs)]
            own = user == gig.freelancer
            if step == "favorite":
                assert taken(partial(GigFavorite.objects.add, user, gig)) is not own
                favorites |= set() if own else {(user.pk, gig.pk)}
            elif step == "report":
                made = GigReport(reporter=user, gig=gig, freelancer=gig.freelancer, reason="fraud")
                again = any(
                    (row.reporter, row.gig) == (user, gig) and row.status in {"open", "reviewing"} for row in reports
                )
                assert taken(made.save) is not (own or again)
                reports += [] if own or again else [made]
            elif reports:
                row = reports[one % len(reports)]
                legal = step == row.status or step in row.next_statuses(row.status)
                update = partial(GigReport.objects.filter(pk=row.pk).update, status=step)
                assert taken(partial(update, **people.report_needs(step))) is legal
                row.status = step if legal else row.status
        assert set(GigFavorite.objects.filter(gig__in=gigs).values_list("user_id", "gig_id")) == favorites
        assert dict(GigReport.objects.filter(gig__in=gigs).values_list("pk", "status")) == {
            row.pk: row.status for row in reports
        }
        transaction.set_rollback(True, using="default")
