"""Bad data about people is refused by the database itself, under a name that says what is wrong."""

from datetime import date
from decimal import Decimal
from typing import Any

import factories as make
import factories_people as people
import pytest
from apps.accounts.models import User, UserVerification
from django.core.exceptions import ValidationError
from django.db import DataError, IntegrityError, transaction
from test_constraints import refused

pytestmark = pytest.mark.usefixtures("database")

FILES = [f"documents/{number}.jpg" for number in range(11)]


@pytest.mark.parametrize(
    ("constraint", "fields"),
    [
        ("accounts_userprofile_bio_at_most_2000_characters", {"bio": "长" * 2001}),
        ("accounts_userprofile_availability_known", {"availability": "sleeping"}),
        ("accounts_userprofile_hourly_rate_1_to_100000", {"hourly_rate": Decimal("0.99")}),
        ("accounts_userprofile_hourly_rate_1_to_100000", {"hourly_rate": Decimal("100000.01")}),
        ("accounts_userprofile_currency_is_cny", {"currency": "USD"}),
        ("accounts_userprofile_weekly_hours_1_to_84", {"weekly_hours": 85}),
        ("accounts_userprofile_languages_known", {"languages": ["zh", "klingon"]}),
        ("accounts_userprofile_languages_known", {"languages": "zh"}),
        ("accounts_userprofile_languages_known", {"languages": {"zh": "native"}}),
        ("accounts_userprofile_working_city_six_digits", {"working_city_code": "北京"}),
    ],
)
def test_profile_with_a_bad_field_is_refused(constraint: str, fields: dict[str, Any]) -> None:
    refused(constraint, lambda: people.profile(**fields))


def test_a_full_profile_is_taken() -> None:
    made = people.profile(
        bio="长" * 2000, hourly_rate=Decimal("300.00"), languages=["zh", "en"], working_city_code="310000",
        weekly_hours=40, company_name="某工作室", portfolio_url="https://example.com/works",
    )  # fmt: skip
    made.refresh_from_db()
    assert made.languages == ["zh", "en"]
    assert made.user.profile == made


def test_an_account_has_one_profile() -> None:
    user = people.profile().user
    refused("accounts_userprofile_pkey", lambda: people.profile(user=user))


@pytest.mark.parametrize(
    ("constraint", "fields"),
    [
        ("accounts_education_school_not_blank", {"school": " "}),
        ("accounts_education_degree_known", {"degree": "wizard"}),
        ("accounts_education_ends_after_start", {"ended_on": date(2015, 8, 31)}),
    ],
)
def test_education_with_a_bad_field_is_refused(constraint: str, fields: dict[str, Any]) -> None:
    refused(constraint, lambda: people.education(**fields))


@pytest.mark.parametrize(
    ("constraint", "fields"),
    [
        ("accounts_workexperience_company_and_title_not_blank", {"company": ""}),
        ("accounts_workexperience_company_and_title_not_blank", {"title": "  "}),
        ("accounts_workexperience_employment_type_known", {"employment_type": "slave"}),
        ("accounts_workexperience_ends_after_start", {"ended_on": date(2019, 6, 30)}),
        ("accounts_workexperience_text_at_most_2000_characters", {"description": "长" * 2001}),
    ],
)
def test_work_experience_with_a_bad_field_is_refused(constraint: str, fields: dict[str, Any]) -> None:
    refused(constraint, lambda: people.work_experience(**fields))


def test_the_same_school_or_job_is_listed_once() -> None:
    user = make.user()
    people.education(user=user)
    people.work_experience(user=user)
    refused("accounts_education_once_per_user", lambda: people.education(user=user))
    refused("accounts_workexperience_once_per_user", lambda: people.work_experience(user=user))


@pytest.mark.parametrize(
    ("constraint", "fields"),
    [
        ("accounts_portfolio_title_not_blank", {"title": " "}),
        ("accounts_portfolio_description_at_most_2000_characters", {"description": "长" * 2001}),
        ("accounts_portfolio_media_is_list_of_at_most_20", {"media_urls": {"cover": "a.png"}}),
        ("accounts_portfolio_media_is_list_of_at_most_20", {"media_urls": [str(number) for number in range(21)]}),
    ],
)
def test_portfolio_with_a_bad_field_is_refused(constraint: str, fields: dict[str, Any]) -> None:
    refused(constraint, lambda: people.portfolio(**fields))


def test_twenty_pictures_of_a_work_are_taken() -> None:
    assert people.portfolio(media_urls=[str(number) for number in range(20)]).pk


@pytest.mark.parametrize(
    ("constraint", "fields"),
    [
        ("accounts_userverification_kind_known", {"kind": "horoscope"}),
        ("accounts_userverification_documents_are_at_most_10", {"document_keys": FILES}),
        ("accounts_userverification_documents_are_at_most_10", {"document_keys": "documents/1.jpg"}),
        ("accounts_userverification_reviewed_at_fits_status", {"reviewed_at": people.MOMENT}),
        ("accounts_userverification_rejected_with_a_reason", {"rejection_reason": "too early"}),
    ],
)
def test_verification_with_a_bad_field_is_refused(constraint: str, fields: dict[str, Any]) -> None:
    refused(constraint, lambda: people.verification(**fields))


def change(row: UserVerification, **fields: Any) -> int:
    return UserVerification.objects.filter(pk=row.pk).update(**fields)


def test_nobody_is_rejected_without_a_reason_or_a_date() -> None:
    row, judge = people.verification("in_review"), people.staff()
    refused(
        "accounts_userverification_rejected_with_a_reason",
        lambda: change(row, status="rejected", reviewer=judge, reviewed_at=people.MOMENT, rejection_reason=" "),
    )
    refused(
        "accounts_userverification_reviewed_at_fits_status",
        lambda: change(row, status="rejected", reviewer=judge, rejection_reason="证件已过期"),
    )


def test_what_never_ends_does_not_expire() -> None:
    row = people.verification("approved", kind="education")
    refused("accounts_userverification_expired_had_an_end", lambda: change(row, status="expired", expires_at=None))


def test_a_person_has_one_open_attempt_of_a_kind_at_a_time() -> None:
    user = people.verification("in_review").user
    refused("accounts_userverification_one_open_per_kind", lambda: people.verification(user=user))
    assert people.verification(user=user, kind="education").pk
    assert people.verification().pk


def test_a_person_is_approved_once_for_a_kind_and_again_when_that_ended() -> None:
    first = people.verification("approved")
    second = people.verification("in_review", user=first.user)
    approval = {"status": "approved", "reviewer": people.staff(), "reviewed_at": people.MOMENT}
    refused("accounts_userverification_one_approved_per_kind", lambda: change(second, **approval))
    change(first, status="revoked")
    assert change(second, **approval) == 1


@pytest.mark.parametrize(
    ("code", "number"),
    [
        ("identity_shape", "11010519491231002"),
        ("identity_shape", "11010519491231002x"),
        ("identity_shape", "110105194913310024"),
        ("identity_check_digit", "110105194912310021"),
    ],
)
def test_a_number_that_is_on_no_identity_card_is_refused(code: str, number: str) -> None:
    with pytest.raises(ValidationError) as caught:
        people.verification(identity_number=number)
    assert [error.code for error in caught.value.error_dict["identity_number"]] == [code]


def test_an_identity_card_proves_the_name_of_one_account() -> None:
    first = people.verification("approved", identity_number=people.IDENTITY_NUMBER)
    second = people.verification("in_review", identity_number=people.IDENTITY_NUMBER)
    approval = {"status": "approved", "reviewer": people.staff(), "reviewed_at": people.MOMENT}
    refused("accounts_userverification_identity_of_one_account", lambda: change(second, **approval))
    change(first, status="revoked")
    assert change(second, **approval) == 1


def test_staff_decide_and_never_about_themselves() -> None:
    row = people.verification("in_review")
    refused("accounts_userverification_reviewer_is_staff", lambda: change(row, reviewer=make.user()))
    own = people.verification(user=people.staff())
    refused("accounts_userverification_nobody_reviews_themselves", lambda: change(own, reviewer=own.user))
    assert change(row, reviewer=people.staff()) == 1


def test_a_decision_stands_when_who_took_it_leaves_the_staff() -> None:
    reviewer = people.staff()
    row = people.verification("in_review")
    change(row, reviewer=reviewer)
    User.objects.filter(pk=reviewer.pk).update(is_staff=False)
    approval = {"status": "approved", "reviewed_at": people.MOMENT, "reviewer": reviewer}
    assert change(row, **approval) == 1


def test_the_refusal_of_a_reviewer_says_what_to_do() -> None:
    row = people.verification("in_review")
    with pytest.raises(IntegrityError) as caught, transaction.atomic(using="default"):
        change(row, reviewer=make.user())
    assert caught.value.__cause__.diag.message_hint == "Name a member of staff in reviewer_id."  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("constraint", "fields"),
    [
        ("accounts_useractivitylog_action_known", {"action": "dance"}),
        ("accounts_useractivitylog_channel_known", {"channel": "telepathy"}),
        ("accounts_useractivitylog_details_is_object", {"details": ["a", "list"]}),
    ],
)
def test_activity_with_a_bad_field_is_refused(constraint: str, fields: dict[str, Any]) -> None:
    refused(constraint, lambda: people.activity(**fields))


def test_an_address_that_is_none_is_refused(database: Any) -> None:
    insert = (
        "INSERT INTO accounts_useractivitylog (user_id, action, channel, ip_address, user_agent, details)"
        " VALUES (%s, 'login', 'web', %s, '', '{}')"
    )
    user = make.user()
    with database.cursor() as cursor:
        cursor.execute(insert, [user.pk, "2001:db8::1"])
        with pytest.raises(DataError, match='inet: "nowhere"'), transaction.atomic(using="default"):
            cursor.execute(insert, [user.pk, "nowhere"])
