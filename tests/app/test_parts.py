"""Gigs are found by a part of their title and people by a part of their user name, also inside a word."""

from typing import Any

import factories as make
import pytest
from apps.accounts.models import User
from apps.common.pagination import page
from apps.gigs.models import Gig

pytestmark = pytest.mark.usefixtures("database")


@pytest.mark.parametrize("part", ["script", "AVASC", "网站开", "ript 网", " Script ", "(React", "v18"])
def test_a_gig_is_found_by_a_part_of_its_title(part: str) -> None:
    gig = make.gig(title="JavaScript 网站开发(React v18)")
    of_freelancer = Gig.objects.filter(freelancer=gig.freelancer)
    assert list(of_freelancer.with_part_of_title(part)) == [gig]
    assert not of_freelancer.with_part_of_title(f"{part.strip()}x").exists()


def test_words_do_not_find_what_a_part_does() -> None:
    gig = make.gig(title="JavaScript 网站开发")
    of_freelancer = Gig.objects.filter(freelancer=gig.freelancer)
    assert not of_freelancer.matching("script").exists()
    assert list(of_freelancer.with_part_of_title("script")) == [gig]


def test_gigs_that_are_not_offered_are_not_found() -> None:
    owner = make.user(user_type="freelancer")
    for status in ("draft", "pending_review", "paused", "rejected", "archived"):
        make.gig(status, title="JavaScript 网站开发", freelancer=owner)
    assert not Gig.objects.filter(freelancer=owner).with_part_of_title("script").exists()


def test_wildcards_are_characters_like_others() -> None:
    owner = make.user(user_type="freelancer")
    percent, underscore, backslash, other = (
        make.gig(title=f"海报设计{what}封面", freelancer=owner) for what in ("50%off", "a_bc", "a\\bc", "50xoffaxbc")
    )
    titled = Gig.objects.filter(freelancer=owner).with_part_of_title
    assert list(titled("50%off")) == [percent]
    assert list(titled("a_bc")) == [underscore]
    assert list(titled("a\\bc")) == [backslash]
    assert list(titled("xoffax")) == [other]


def test_pages_of_what_a_part_finds_lose_no_row() -> None:
    owner = make.user(user_type="freelancer")
    gigs = [make.gig(title=f"TypeScript 教程{number}", freelancer=owner) for number in range(3)]
    found = Gig.objects.filter(freelancer=owner).with_part_of_title("script")
    first = page(found, size=2)
    assert [*first.rows, *page(found, first.next, size=2).rows] == gigs[::-1]


@pytest.mark.parametrize("part", ["", "js", "商城", "  js  ", "C++", "___", "%%%"])
def test_a_part_that_no_index_finds_is_refused(part: str) -> None:
    refusal = "is too short a part: 3 characters are needed"
    with pytest.raises(ValueError, match=refusal) as titles:
        Gig.objects.with_part_of_title(part)
    assert repr(part.strip()) in str(titles.value)
    with pytest.raises(ValueError, match=refusal):
        User.objects.with_part_of_name(part)


def test_two_chinese_characters_are_found_as_a_word() -> None:
    gig = make.gig(title="专业小程序商城开发")
    assert list(Gig.objects.filter(freelancer=gig.freelancer).matching("商城")) == [gig]


def test_the_database_makes_trigrams_of_three_chinese_characters_and_none_of_two(database: Any) -> None:
    """As in `LIKE '%…%'`: inside a word. Where the locale knows no letters but ASCII there is none at all."""
    with database.cursor() as cursor:
        cursor.execute("SELECT cardinality(show_trgm('小程序')), cardinality(show_trgm('abc'))")
        assert cursor.fetchone() == (4, 4)


@pytest.mark.parametrize("part", ["wei_zha", "WEI_Z", "ｗｅｉ＿", "_zh", "设计师"])
def test_a_person_is_found_by_a_part_of_the_user_name(part: str) -> None:
    person, _ = make.user(username="li-wei_zhang-设计师"), make.user(username="li-weixzhang-设计")
    assert list(User.objects.with_part_of_name(part).filter(username__startswith="li-wei")) == [person]


def test_people_who_are_not_active_are_not_found() -> None:
    make.user(username="parttest-pending", status="pending")
    for status in ("suspended", "deactivated"):
        User.objects.filter(pk=make.user(username=f"parttest-{status}").pk).update(status=status)
    active = make.user(username="parttest-active")
    assert list(User.objects.with_part_of_name("parttest")) == [active]


def test_the_newest_people_come_first() -> None:
    old, new = make.user(username="parttest-older"), make.user(username="parttest-newer")
    assert list(User.objects.with_part_of_name("PARTTEST")) == [new, old]
