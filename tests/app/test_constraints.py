"""Bad data is refused by the database itself, under a name that says what is wrong."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import factories as make
import pytest
from apps.accounts.models import Skill, User, UserPrivate, UserSkill
from apps.common.encryption.envelope import Place, seal
from apps.common.encryption.keys import rings
from apps.common.identity import acting_as
from apps.gigs.models import Category, Gig, GigPackage
from apps.orders.models import Order
from config.router import all_on
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connections, transaction

pytestmark = pytest.mark.usefixtures("database")


def refused(constraint: str, action: Callable[[], Any], using: str = "default") -> None:
    """Assert that the database refuses the action and names the constraint."""
    with pytest.raises(IntegrityError) as caught, transaction.atomic(using=using):
        action()
    assert caught.value.__cause__ is not None
    assert caught.value.__cause__.diag.constraint_name == constraint  # type: ignore[attr-defined]
    assert constraint in str(caught.value)


@pytest.mark.parametrize(
    ("constraint", "fields"),
    [
        ("accounts_user_type_known", {"user_type": "robot"}),
        ("accounts_user_type_known", {"user_type": "a robot of the second generation"}),
        ("accounts_user_region_code_six_digits", {"region_code": "12"}),
        ("accounts_user_username_lower_case_no_space", {"username": "a b c"}),
        ("accounts_user_username_lower_case_no_space", {"username": "ab"}),
    ],
)
def test_user_with_a_bad_field_is_refused(constraint: str, fields: dict[str, str]) -> None:
    refused(constraint, lambda: make.user(**fields))


def test_two_users_do_not_share_a_name_in_another_case_or_width() -> None:
    make.user(username="LiNa2024")
    refused("accounts_user_username_unique", lambda: make.user(username="Ｌｉｎａ2024"))


def test_upper_case_user_name_is_refused_even_in_plain_sql() -> None:
    user = make.user()
    refused(
        "accounts_user_username_lower_case_no_space",
        lambda: User.objects.filter(pk=user.pk).update(username="Upper"),
    )


def private(**fields: Any) -> UserPrivate:
    """Let a person write down what is theirs alone."""
    user = make.user()
    with acting_as(user.pk):
        return UserPrivate.objects.create(user=user, **fields)


@pytest.mark.parametrize(
    ("code", "fields"),
    [
        ("phone_e164", {"phone_number": "13800138000"}),
        ("phone_e164", {"phone_number": "+8612345678901"}),
        ("phone_e164", {"phone_number": "+8613800138000\n"}),
        ("email_shape", {"email": "nobody"}),
        ("wechat_shape", {"wechat_id": "1abc"}),
        ("not_blank", {"real_name": " "}),
        ("max_length", {"real_name": "长" * 51}),
    ],
)
def test_private_data_in_a_wrong_shape_is_refused_before_it_is_encrypted(code: str, fields: dict[str, str]) -> None:
    user = make.user()
    with pytest.raises(ValidationError) as caught, acting_as(user.pk):
        UserPrivate.objects.create(user=user, **fields)
    assert [error.code for error in caught.value.error_dict[next(iter(fields))]] == [code]
    with acting_as(user.pk):
        assert not UserPrivate.objects.filter(user=user).exists()


def test_of_a_sealed_phone_number_the_database_holds_shape_index_and_owner() -> None:
    """It sees no number. Who writes past the application meets a rule all the same."""
    there, here = private(phone_number="+8613800138000"), make.user()
    with acting_as(there.pk), connections["default"].cursor() as cursor:
        cursor.execute("SELECT phone_number_sealed, phone_number_index FROM accounts_userprivate")
        ((sealed, index),) = cursor.fetchall()

    def written(sealed: bytes, index: bytes | None) -> None:
        with acting_as(here.pk), connections["default"].cursor() as cursor:
            cursor.execute(
                "INSERT INTO accounts_userprivate (user_id, phone_number_sealed, phone_number_index)"
                " VALUES (%s, %s, %s)",
                [here.pk, sealed, index],
            )

    def sealed_text(text: str) -> bytes:
        return seal(text, Place("accounts_userprivate", "phone_number_sealed", str(here.pk)), rings().encryption)

    plain = b"+8613800138000"
    refused("accounts_userprivate_phone_is_sealed", lambda: written(plain, b"0" * 33))
    refused("accounts_userprivate_phone_is_sealed", lambda: written(sealed[:70], index))
    # Of a number it can tell the length, which is that of `+` and 7 to 15 digits.
    for no_number in ("+861380", "1", "8" * 17, "长" * 6):
        refused("accounts_userprivate_phone_is_sealed", lambda text=no_number: written(sealed_text(text), index))  # type: ignore[misc]  # mypy knows no type of a lambda's default
    refused("accounts_userprivate_phone_is_sealed", lambda: written(sealed, None))
    refused("accounts_userprivate_phone_of_one_person", lambda: written(sealed, index))


@pytest.mark.usefixtures("owner")
def test_a_phone_that_is_not_there_is_not_verified() -> None:
    with (
        all_on("direct"),
        pytest.raises(IntegrityError, match="accounts_userprivate_verified_phone_exists"),
        transaction.atomic(using="direct"),
    ):
        UserPrivate.objects.create(user=make.user(), phone_verified_at="2025-01-01T00:00:00+08:00")


@pytest.mark.parametrize("phone", ["+8613800138000", "+85291234567", "+14155550123"])
def test_phone_numbers_of_the_world_are_taken(phone: str) -> None:
    assert private(phone_number=phone).pk


@pytest.mark.parametrize(
    ("constraint", "name", "one", "same"),
    [
        ("phone", "phone_number", "+8613800138000", "+8613800138000"),
        ("email", "email", "li.na@example.com", "Li.Na@Example.com"),
        ("wechat", "wechat_id", "li_na_2024", "li_na_2024"),
    ],
)
def test_a_phone_number_an_address_and_a_wechat_id_belong_to_one_person(
    constraint: str, name: str, one: str, same: str
) -> None:
    private(**{name: one})
    refused(
        f"accounts_userprivate_{constraint}_of_one_person",
        lambda: private(**{name: same}),
    )


def test_a_skill_is_listed_once_per_person_with_a_known_level() -> None:
    skill, user = Skill.objects.create(name="测试", slug="ce-shi", area="data"), make.user()
    UserSkill.objects.create(user=user, skill=skill)
    refused("accounts_userskill_once_per_user", lambda: UserSkill.objects.create(user=user, skill=skill))
    other = make.user()
    refused("accounts_userskill_level_known", lambda: UserSkill.objects.create(user=other, skill=skill, level="guru"))
    refused(
        "accounts_userskill_years_at_most_60",
        lambda: UserSkill.objects.create(user=other, skill=skill, years_of_experience=61),
    )


def test_a_category_cannot_be_its_own_ancestor() -> None:
    top = make.category()
    middle = make.category(parent=top, level=2)
    bottom = make.category(parent=middle, level=3)
    refused(
        "gigs_category_parent_is_one_level_up",
        lambda: Category.objects.filter(pk=middle.pk).update(parent=bottom),
    )
    refused("gigs_category_parent_is_one_level_up", lambda: Category.objects.filter(pk=middle.pk).update(parent=middle))


def test_a_category_has_a_parent_exactly_below_the_top() -> None:
    refused("gigs_category_top_level_has_no_parent", lambda: make.category(level=2))
    refused("gigs_category_top_level_has_no_parent", lambda: make.category(parent=make.category(), level=1))


def test_siblings_have_different_names_at_the_top_too() -> None:
    make.category(name="测试分类")
    refused("gigs_category_name_unique_among_siblings", lambda: make.category(name="测试分类"))


@pytest.mark.parametrize(
    ("constraint", "fields"),
    [
        ("gigs_gig_title_5_to_80_characters", {"title": "短"}),
        ("gigs_gig_title_5_to_80_characters", {"title": "  前后有空格  "}),
        ("gigs_gig_title_5_to_80_characters", {"title": "长" * 81}),
        ("gigs_gig_description_at_most_5000_characters", {"description": "长" * 5001}),
        ("gigs_gig_rating_0_to_5", {"rating_average": Decimal("5.01"), "rating_count": 1}),
        ("gigs_gig_no_rating_without_count", {"rating_average": Decimal("4.00")}),
    ],
)
def test_gig_with_a_bad_field_is_refused(constraint: str, fields: dict[str, Any]) -> None:
    refused(constraint, lambda: make.gig("draft", **fields))


def test_active_gig_has_a_date_of_publication() -> None:
    gig = make.gig("pending_review")
    refused(
        "gigs_gig_active_is_published",
        lambda: Gig.objects.filter(pk=gig.pk).update(status="active", published_at=None),
    )


@pytest.mark.parametrize(
    ("constraint", "fields"),
    [
        ("gigs_gigpackage_tier_known", {"tier": "gold"}),
        ("gigs_gigpackage_price_1_to_10_million", {"price": Decimal("-1.00")}),
        ("gigs_gigpackage_price_1_to_10_million", {"price": Decimal("0.99")}),
        ("gigs_gigpackage_currency_is_cny", {"currency": "USD"}),
        ("gigs_gigpackage_delivery_1_to_365_days", {"delivery_days": 0}),
        ("gigs_gigpackage_revisions_at_most_99", {"revisions": 100}),
    ],
)
def test_package_with_a_bad_field_is_refused(constraint: str, fields: dict[str, Any]) -> None:
    gig = make.gig("draft")
    refused(constraint, lambda: make.package(gig=gig, **fields))


def test_a_gig_has_each_package_level_once() -> None:
    package = make.package()
    refused("gigs_gigpackage_tier_once_per_gig", lambda: make.package(gig=package.gig))


@pytest.mark.parametrize(
    ("constraint", "fields"),
    [
        ("orders_order_quantity_1_to_100", {"quantity": 0}),
        ("orders_order_unit_price_at_least_1", {"unit_price": Decimal("-5")}),
        ("orders_order_service_fee_not_negative", {"service_fee": Decimal("-0.01")}),
        ("orders_order_currency_is_cny", {"currency": "EUR"}),
        ("orders_order_number_shape", {"number": "42"}),
        ("orders_order_requirements_at_most_5000_characters", {"requirements_text": "长" * 5001}),
        ("orders_order_paid_at_fits_status", {"paid_at": "2025-01-01T00:00:00+08:00"}),
        ("orders_order_completed_at_fits_status", {"completed_at": "2025-01-01T00:00:00+08:00"}),
    ],
)
def test_order_with_a_bad_field_is_refused(constraint: str, fields: dict[str, Any]) -> None:
    package = make.package()
    refused(constraint, lambda: make.order(package=package, **fields))


def test_nobody_orders_from_themselves() -> None:
    package = make.package()
    refused("orders_order_no_self_dealing", lambda: make.order(package=package, client=package.gig.freelancer))


def test_an_order_names_the_freelancer_who_owns_the_gig() -> None:
    package = make.package()
    refused("orders_order_freelancer_owns_gig", lambda: make.order(package=package, freelancer=make.user()))


def test_an_order_names_a_package_of_its_gig() -> None:
    package, other = make.package(), make.package()
    refused(
        "orders_order_package_is_of_gig",
        lambda: make.order(package=other, gig=package.gig, freelancer=package.gig.freelancer),
    )


@pytest.mark.parametrize("status", ["draft", "paused", "archived"])
def test_a_gig_that_is_not_on_sale_is_not_ordered(status: str) -> None:
    package = make.package(gig=make.gig(status))
    refused("orders_order_gig_is_active", lambda: make.order(package=package))


@pytest.mark.parametrize("status", ["suspended", "deactivated"])
def test_nobody_orders_from_a_freelancer_whose_account_is_not_active(status: str) -> None:
    package = make.package()
    User.objects.filter(pk=package.gig.freelancer_id).update(status=status)
    refused("orders_order_freelancer_is_active", lambda: make.order(package=package))


def test_a_package_that_is_switched_off_is_not_ordered() -> None:
    package = make.package(is_active=False)
    refused("orders_order_package_is_active", lambda: make.order(package=package))


def test_the_total_is_the_databases_own_sum() -> None:
    package = make.package(price=Decimal("199.90"))
    order = make.order(package=package, quantity=3, service_fee=Decimal("20.00"))
    assert Order.objects.get(pk=order.pk).total_amount == Decimal("619.70")


def test_what_an_order_needs_is_not_deleted() -> None:
    order = make.order()
    for rows in (GigPackage.objects.filter(pk=order.package_id), User.objects.filter(pk=order.client_id)):
        with pytest.raises(IntegrityError), transaction.atomic(using="default"):
            rows.delete()
