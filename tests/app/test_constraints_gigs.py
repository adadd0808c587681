"""Bad data around gigs is refused by the database itself, under a name that says what is wrong."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import factories as make
import factories_people as people
import pytest
from apps.common.identity import acting_as
from apps.gigs.models import GigFavorite, GigReport
from django.db.models import ProtectedError
from django.utils import timezone
from test_constraints import refused

pytestmark = pytest.mark.usefixtures("database")


@pytest.mark.parametrize(
    ("constraint", "fields"),
    [
        ("gigs_gigrequirement_kind_known", {"kind": "dance"}),
        ("gigs_gigrequirement_question_not_blank", {"question": " "}),
        ("gigs_gigrequirement_choice_has_2_to_20_options", {"kind": "choice"}),
        ("gigs_gigrequirement_choice_has_2_to_20_options", {"kind": "choice", "options": ["红"]}),
        ("gigs_gigrequirement_choice_has_2_to_20_options", {"kind": "choice", "options": [str(n) for n in range(21)]}),
        ("gigs_gigrequirement_choice_has_2_to_20_options", {"kind": "choice", "options": {"0": "红", "1": "蓝"}}),
        ("gigs_gigrequirement_choice_has_2_to_20_options", {"kind": "text", "options": ["红", "蓝"]}),
        ("gigs_gigrequirement_only_choices_are_several", {"kind": "file", "allows_several": True}),
    ],
)
def test_requirement_with_a_bad_field_is_refused(constraint: str, fields: dict[str, Any]) -> None:
    refused(constraint, lambda: people.requirement(**fields))


@pytest.mark.parametrize("count", [2, 20])
def test_a_choice_of_2_to_20_options_is_taken(count: int) -> None:
    options = [f"选项{number}" for number in range(count)]
    made = people.requirement(kind="choice", options=options, allows_several=True)
    made.refresh_from_db()
    assert made.options == options


@pytest.mark.parametrize(
    ("constraint", "fields"),
    [
        ("gigs_gigfaq_question_and_answer_not_blank", {"question": ""}),
        ("gigs_gigfaq_question_and_answer_not_blank", {"answer": " "}),
        ("gigs_gigfaq_answer_at_most_2000_characters", {"answer": "长" * 2001}),
    ],
)
def test_faq_with_a_bad_field_is_refused(constraint: str, fields: dict[str, Any]) -> None:
    refused(constraint, lambda: people.faq(**fields))


@pytest.mark.parametrize(
    ("constraint", "fields"),
    [
        ("gigs_gigextra_name_not_blank", {"name": " "}),
        ("gigs_gigextra_price_1_to_1_million", {"price": Decimal("-1.00")}),
        ("gigs_gigextra_price_1_to_1_million", {"price": Decimal("1000000.01")}),
        ("gigs_gigextra_currency_is_cny", {"currency": "HKD"}),
        ("gigs_gigextra_days_minus_30_to_90", {"additional_days": -31}),
    ],
)
def test_extra_with_a_bad_field_is_refused(constraint: str, fields: dict[str, Any]) -> None:
    refused(constraint, lambda: people.extra(**fields))


def test_a_gig_offers_each_extra_once() -> None:
    extra = people.extra(name="源文件")
    refused("gigs_gigextra_name_once_per_gig", lambda: people.extra(gig=extra.gig, name="源文件"))


def test_a_gig_is_kept_in_mind_once() -> None:
    row = people.favorite()
    refused("gigs_gigfavorite_once_per_user", lambda: people.favorite(user=row.user, gig=row.gig))
    assert GigFavorite.objects.add(row.user, row.gig) == row
    assert GigFavorite.objects.filter(user=row.user).count() == 1


def test_nobody_keeps_their_own_gig_in_mind() -> None:
    gig = make.gig()
    refused("gigs_gigfavorite_not_of_own_gig", lambda: GigFavorite.objects.add(gig.freelancer, gig))
    # Nor by naming somebody else as its freelancer.
    refused(
        "gigs_gigfavorite_freelancer_owns_gig",
        lambda: people.favorite(user=gig.freelancer, gig=gig, freelancer=make.user()),
    )


@pytest.mark.parametrize(
    ("constraint", "fields"),
    [
        ("gigs_gigview_session_digest_is_sha256", {"session_digest": "cookie"}),
        ("gigs_gigview_source_known", {"source": "dream"}),
    ],
)
def test_view_with_a_bad_field_is_refused(constraint: str, fields: dict[str, Any]) -> None:
    refused(constraint, lambda: people.view(**fields))


@pytest.mark.parametrize(
    ("constraint", "fields"),
    [
        ("gigs_gigsearchhistory_session_digest_is_sha256", {"session_digest": "A" * 64}),
        ("gigs_gigsearchhistory_filters_is_object", {"filters": []}),
        ("gigs_gigsearchhistory_result_count_check", {"result_count": -1}),
    ],
)
def test_search_with_a_bad_field_is_refused(constraint: str, fields: dict[str, Any]) -> None:
    refused(constraint, lambda: people.search(**fields))


@pytest.mark.parametrize(
    ("constraint", "fields"),
    [
        ("gigs_gigstat_no_more_visitors_than_views", {"view_count": 1, "visitor_count": 2}),
        ("gigs_gigstat_revenue_not_negative", {"revenue_amount": Decimal("-0.01")}),
        ("gigs_gigstat_currency_is_cny", {"currency": "USD"}),
        ("gigs_gigstat_order_count_check", {"order_count": -1}),
    ],
)
def test_statistics_with_a_bad_field_are_refused(constraint: str, fields: dict[str, Any]) -> None:
    refused(constraint, lambda: people.stat(**fields))


def test_a_gig_is_counted_once_a_day() -> None:
    row = people.stat()
    refused("gigs_gigstat_once_per_gig_and_day", lambda: people.stat(gig=row.gig, day=row.day))


@pytest.mark.parametrize(
    ("constraint", "fields"),
    [
        ("gigs_gigreport_reason_known", {"reason": "boredom"}),
        ("gigs_gigreport_other_reason_is_explained", {"reason": "other"}),
        ("gigs_gigreport_details_at_most_1000_characters", {"details": "长" * 1001}),
        ("gigs_gigreport_evidence_is_at_most_10_files", {"evidence_keys": [str(number) for number in range(11)]}),
        ("gigs_gigreport_evidence_is_at_most_10_files", {"evidence_keys": "one.png"}),
        ("gigs_gigreport_handled_at_fits_status", {"handled_at": people.MOMENT}),
    ],
)
def test_report_with_a_bad_field_is_refused(constraint: str, fields: dict[str, Any]) -> None:
    refused(constraint, lambda: people.report(**fields))


def change(row: GigReport, **fields: Any) -> int:
    return GigReport.objects.filter(pk=row.pk).update(**fields)


def test_a_person_complains_once_about_a_gig_until_that_is_decided() -> None:
    row = people.report()
    again = {"reporter": row.reporter, "gig": row.gig}
    refused("gigs_gigreport_one_open_per_reporter_and_gig", lambda: people.report(**again))
    assert people.report(gig=row.gig).pk
    change(row, status="reviewing")
    refused("gigs_gigreport_one_open_per_reporter_and_gig", lambda: people.report(**again))
    change(row, status="dismissed", **people.report_needs("dismissed"))
    assert people.report(**again).pk


def test_nobody_reports_their_own_gig() -> None:
    gig = make.gig("draft")
    refused("gigs_gigreport_not_of_own_gig", lambda: people.report(gig=gig, reporter=gig.freelancer))
    # Nor by naming somebody else as its freelancer.
    refused(
        "gigs_gigreport_freelancer_owns_gig",
        lambda: people.report(gig=gig, reporter=gig.freelancer, freelancer=make.user()),
    )


def test_staff_who_are_no_party_decide_about_a_report() -> None:
    row = people.report(reporter=people.staff(), gig=make.gig("draft", freelancer=people.staff()))
    refused("gigs_gigreport_handled_by_is_staff", lambda: change(row, handled_by=make.user()))
    refused("gigs_gigreport_handled_by_no_party", lambda: change(row, handled_by=row.reporter))
    refused("gigs_gigreport_handled_by_no_party", lambda: change(row, handled_by=row.freelancer))
    assert change(row, handled_by=people.staff()) == 1


def test_a_decision_is_dated_and_explained() -> None:
    row = people.report()
    decided = {"status": "upheld", "handled_by": people.staff(), "handled_at": people.MOMENT}
    refused("gigs_gigreport_decision_is_explained", lambda: change(row, **decided))
    change(row, **decided, resolution="已核实")
    row.refresh_from_db()
    # By the database, whatever was written there.
    assert row.handled_at > row.created_at  # type: ignore[operator]  # it is set by now


def test_a_gig_that_was_reported_is_not_deleted() -> None:
    row = people.report()
    with pytest.raises(ProtectedError):
        row.gig.delete()


@pytest.mark.parametrize("days", [-2, 2, 3650])
def test_a_log_is_written_as_things_happen(days: int) -> None:
    moment, person, gig = timezone.now() + timedelta(days=days), make.user(), make.gig()
    with acting_as(person.pk):
        refused("gigs_gigsearchhistory_written_as_it_happens", lambda: people.search(user=person, created_at=moment))
        refused("gigs_gigview_written_as_it_happens", lambda: people.view(gig=gig, viewer=person, created_at=moment))
        refused(
            "accounts_useractivitylog_written_as_it_happens", lambda: people.activity(user=person, created_at=moment)
        )
        people.search(user=person, created_at=timezone.now() - timedelta(hours=20))
