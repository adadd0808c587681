"""What the cache remembers, for how long, and what makes it forget: on the test host's Valkey, with real commits."""

import pickle
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any
from unittest import mock

import factories as make
import factories_people as people
import pytest
from apps.accounts.models import User
from apps.common import caching
from apps.gigs.models import Category, Gig, GigFAQ, GigPackage
from concurrency import act_for_nobody, act_for_the_platform, at_once
from config.cache import SESSION_COPY_SECONDS, ForgivingRedisCache, SessionCache
from config.router import fresh_reader
from django.conf import settings
from django.core.cache import cache, caches
from django.db import connections, transaction
from django.test import override_settings
from redis.exceptions import ConnectionError as RedisConnectionError
from test_routing import dead_cache, queries

__all__ = ["dead_cache"]


@pytest.fixture(autouse=True)
def empty_cache(migrated: object) -> Iterator[None]:  # noqa: ARG001 (it comes first)
    cache.clear()
    act_for_the_platform()
    with fresh_reader():
        yield
    act_for_nobody()
    cache.clear()


def count(action: Any) -> int:
    """Return how many queries an action takes, on whatever alias."""
    with queries("default") as leader, queries("replica") as replica:
        action()
    return len(leader) + len(replica)


def valkey() -> Any:
    """Return the client behind Django's cache."""
    made: Any = cache
    return made._cache.get_client()


def seconds_left(name: str) -> int:
    return int(valkey().ttl(cache.make_key(f"{settings.RELEASE}:{name}")))


def test_each_kind_of_result_lives_as_long_as_the_guide_says() -> None:
    gig = make.gig()
    Gig.objects.remembered(gig.pk)
    Gig.objects.remembered_search("标志设计")
    client = valkey()
    kinds = {b"user:": 3600, b"gig:": 1800, b"search:": 300}
    left = {kind: client.ttl(key) for key in client.scan_iter() for kind in kinds if b":" + kind in key}
    assert left.keys() == kinds.keys()
    assert all(kinds[kind] - 60 < seconds <= kinds[kind] for kind, seconds in left.items())


def test_a_remembered_person_takes_no_query_and_no_secret() -> None:
    user = make.user(password="a-secret-password")
    assert count(lambda: User.objects.remembered(user.pk)) == 1
    assert count(lambda: User.objects.remembered(user.pk)) == 0
    kept = cache.get(f"{settings.RELEASE}:user:{user.pk}")
    assert user.password not in repr(pickle.dumps(kept))


def test_a_remembered_gig_comes_with_its_people_and_parts() -> None:
    gig = make.package().gig
    people.requirement(gig=gig)
    people.faq(gig=gig)

    def read() -> None:
        found = Gig.objects.remembered(gig.pk)
        assert found is not None
        assert (found.freelancer, found.category) == (gig.freelancer, gig.category)
        assert [len(rows.all()) for rows in (found.packages, found.requirements, found.faqs)] == [1, 1, 1]

    assert count(read) == 5
    assert count(read) == 0


def test_every_way_to_change_a_gig_is_seen_at_once() -> None:
    package = make.package()
    gig = package.gig

    def titles() -> tuple[Any, ...]:
        found = Gig.objects.remembered(gig.pk)
        assert found is not None
        return (found.title, found.freelancer.nickname, found.category.name, [row.name for row in found.packages.all()],
                len(found.faqs.all()))  # fmt: skip

    def save_title() -> None:
        gig.title = "品牌标志设计服务"
        gig.save()

    def save_person() -> None:
        gig.freelancer.nickname = "新昵称"
        gig.freelancer.save()

    def save_part() -> None:
        package.name = "入门版"
        package.save()

    changes: list[Callable[[], object]] = [
        save_title,
        save_person,
        save_part,
        lambda: Gig.objects.filter(pk=gig.pk).update(title="企业标志设计服务"),
        lambda: Category.objects.filter(pk=gig.category_id).update(name="视觉设计" + gig.category.slug),
        lambda: User.objects.filter(pk=gig.freelancer_id).update(nickname="又一个"),
        lambda: gig.packages.update(name="进阶版"),
        lambda: GigPackage.objects.bulk_update([GigPackage(pk=package.pk, name="批量版")], ["name"]),
        lambda: GigFAQ.objects.bulk_create([GigFAQ(gig=gig, question="多久？", answer="三天。")]),
        lambda: GigFAQ.objects.filter(gig=gig).delete(),
        package.delete,
    ]
    for change in changes:
        before = titles()
        assert count(titles) == 0
        change()
        assert titles() != before, change


def test_a_gig_that_is_paused_is_not_shown_any_more() -> None:
    gig = make.gig()
    assert Gig.objects.remembered(gig.pk) == gig
    gig.status = "paused"
    gig.save()
    assert Gig.objects.remembered(gig.pk) is None


def test_that_there_is_nothing_is_remembered_for_a_minute_and_until_there_is() -> None:
    gig = make.gig("draft")
    assert count(lambda: Gig.objects.remembered(gig.pk)) == 1
    assert count(lambda: Gig.objects.remembered(gig.pk)) == 0
    assert seconds_left(f"gig:{gig.pk}") <= 60
    for status in ("pending_review", "active"):
        Gig.objects.filter(pk=gig.pk).update(status=status, published_at=gig.created_at)
    assert Gig.objects.remembered(gig.pk) == gig


def test_a_search_is_remembered_and_its_rows_are_read_as_they_are() -> None:
    gig = make.package(gig=make.gig(title="独一无二的水下婚礼摄影")).gig
    assert Gig.objects.remembered_search("水下  婚礼") == [gig]
    with mock.patch("apps.gigs.managers.GigQuerySet.search", side_effect=AssertionError("searched again")):
        (found,) = Gig.objects.remembered_search(" 水下 婚礼 ")
    assert count(lambda: [found.freelancer.username, found.category.name, *found.packages.all()]) == 0
    other = make.gig(title="水下婚礼跟拍")
    assert set(Gig.objects.remembered_search("水下 婚礼")) == {gig, other}


def test_what_a_transaction_changed_is_seen_inside_it_and_by_nobody_else_before_it_commits() -> None:
    user = make.user(nickname="旧")
    assert User.objects.remembered(user.pk) == user

    def nickname() -> str:
        found = User.objects.remembered(user.pk)
        assert found is not None
        return found.nickname

    with transaction.atomic(using="default"):
        User.objects.filter(pk=user.pk).update(nickname="新")
        assert nickname() == "新"
        assert at_once(nickname) == ["旧"]
        transaction.set_rollback(True, using="default")
    assert nickname() == "旧"
    assert count(nickname) == 0


def test_a_result_that_was_read_before_a_change_and_stored_after_it_is_not_believed() -> None:
    user = make.user(nickname="旧")
    stamps = (caching.row_stamp(User, user.pk), caching.bulk_stamp(User))

    def slow() -> str:
        read = User.objects.get(pk=user.pk).nickname
        at_once(lambda: User.objects.filter(pk=user.pk).update(nickname="新"))
        return read

    assert caching.remembered("slow", 60, stamps, slow) == "旧"
    assert caching.remembered("slow", 60, stamps, lambda: User.objects.get(pk=user.pk).nickname) == "新"


def test_many_readers_at_once_make_a_result_once() -> None:
    made = []

    def compute() -> int:
        made.append(1)
        time.sleep(0.1)
        return len(made)

    assert at_once(*[lambda: caching.remembered("popular", 60, ("stamp:popular",), compute)] * 6) == [1] * 6


def test_results_of_two_releases_are_kept_apart_and_forgotten_together() -> None:
    user = make.user()
    for queries_taken in (1, 0):
        for release in ("r1", "r2"):
            with override_settings(RELEASE=release):
                assert count(lambda: User.objects.remembered(user.pk)) == queries_taken
    user.save()
    for release in ("r1", "r2"):
        with override_settings(RELEASE=release):
            assert count(lambda: User.objects.remembered(user.pk)) == 1


def test_many_deletions_in_one_transaction_are_one_command_of_the_cache() -> None:
    faqs = [people.faq() for _ in range(5)]
    with mock.patch("apps.common.caching.cache.delete_many") as forgotten, transaction.atomic(using="default"):
        GigFAQ.objects.filter(pk__in=[faq.pk for faq in faqs]).delete()
        assert forgotten.call_count == 0
    assert forgotten.call_count == 1


def test_without_the_cache_everything_works_by_queries(dead_cache: Any) -> None:
    gig = make.package(gig=make.gig(title="没有缓存也要能看的服务")).gig
    # It was found gone when the rows were made.
    type(dead_cache)._resting_until = 0.0
    with mock.patch("redis.connection.Connection._connect", side_effect=ConnectionRefusedError) as connect:
        for _ in range(5):
            found = Gig.objects.remembered(gig.pk)
            assert found is not None
            assert found.freelancer == gig.freelancer
            assert Gig.objects.remembered_search("没有 缓存") == [gig]
        gig.save()
    # Whoever finds it gone waits for it, the others do not.
    assert connect.call_count == 2
    assert dead_cache.resting


def test_a_session_is_read_from_the_cache_and_survives_its_loss() -> None:
    store = import_module(settings.SESSION_ENGINE).SessionStore
    session = store()
    session["cart"] = "礼物"
    session.save()
    assert count(lambda: store(session.session_key).load()) == 0
    # The guide gives users an hour; a session's copy is there for minutes.
    assert 0 < valkey().ttl(caches["sessions"].make_key(session.cache_key)) <= SESSION_COPY_SECONDS
    cache.clear()
    assert store(session.session_key)["cart"] == "礼物"
    connections.close_all()


@contextmanager
def away() -> Iterator[None]:
    """The cache does not answer this process; what is in it stays."""
    with (
        mock.patch("redis.connection.AbstractConnection.send_packed_command", side_effect=RedisConnectionError("gone")),
        mock.patch("redis.connection.Connection._connect", side_effect=ConnectionRefusedError),
    ):
        yield
    for kind in (ForgivingRedisCache, SessionCache):
        kind._resting_until = 0.0


@pytest.mark.parametrize("while_away", ["logged out", "changed"])
def test_a_session_that_changed_while_the_cache_was_away_is_not_read_from_it_as_it_was(while_away: str) -> None:
    store = import_module(settings.SESSION_ENGINE).SessionStore
    session = store()
    session["cart"] = "礼物"
    session.save()
    key = session.session_key
    with away():
        if while_away == "changed":
            session["cart"] = "花"
            session.save()
        else:
            session.flush()
    assert store(key).load() == ({"cart": "花"} if while_away == "changed" else {})


def test_a_gig_that_changed_while_the_cache_was_away_is_shown_as_it_is() -> None:
    gig = make.gig(title="旧标题的服务")
    assert Gig.objects.remembered(gig.pk) == gig
    with away():
        Gig.objects.filter(pk=gig.pk).update(title="新标题的服务")
    found = Gig.objects.remembered(gig.pk)
    assert found is not None
    assert found.title == "新标题的服务"
