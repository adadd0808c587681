"""What an erasure leaves behind: nothing in the cache, no session, a list of files, and others undisturbed."""

import io
import json
import time
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from typing import Any

import factories as make
import factories_life as lives
import factories_people as people
import pytest
from apps.accounts.models import User, UserPrivate
from apps.common.sessions import sessions_of
from apps.gigs.models import Gig
from apps.payments.models import Transaction
from apps.reviews.models import UserRating
from config.router import all_on
from django.conf import settings
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connections, transaction
from test_constraints import refused
from test_deployment import other_session
from test_person import application, erase, life, whole_database
from test_routing import dead_cache

__all__ = ["application", "dead_cache", "life"]


def sessions(alias: str, person: User) -> list[str]:
    return [session.pk for session in sessions_of(alias, person.pk)]


def cached(text: str) -> bool:
    """Say whether the cache holds an entry with this in its name."""
    held: Any = cache
    return any(text.encode() in key for key in held._cache.get_client().scan_iter())


def test_neither_cache_nor_sessions_keep_who_is_erased(application: str, life: lives.Life) -> None:
    cache.clear()
    gig = Gig.objects.filter(freelancer=life.person, status="active")[0]
    assert (Gig.objects.remembered(gig.pk), User.objects.remembered(life.person.pk)) == (gig, life.person)
    # By the release before, which is kept to go back to.
    cache.set(f"r1:user:{life.person.pk}", "theirs")
    (mine,), (others,) = sessions(application, life.person), sessions(application, life.other)
    for key in (mine, others):
        assert import_module(settings.SESSION_ENGINE).SessionStore(key).load()
    names = (f"{settings.RELEASE}:user:{life.person.pk}", f"r1:user:{life.person.pk}", f":gig:{gig.pk}", mine)
    assert [cached(name) for name in (*names, others)] == [True] * 5
    report = erase(application, life.person)
    assert (report["cache_told"], report["deleted"]["django_session"]) == (True, 1)
    assert [cached(name) for name in (*names, others)] == [False, False, False, False, True]
    assert (sessions(application, life.person), sessions(application, life.other)) == ([], [others])
    found = User.objects.remembered(life.person.pk)
    assert found is not None
    assert (Gig.objects.remembered(gig.pk), found.nickname) == (None, "已注销用户")
    cache.clear()


def test_a_cache_that_could_not_be_told_is_reported(application: str, dead_cache: Any) -> None:
    person = make.user()
    type(dead_cache)._resting_until = 0.0
    assert erase(application, person)["cache_told"] is False


def test_files_to_delete_are_known_after_a_terminal_was_lost(application: str, life: lives.Life) -> None:
    class Lost(io.StringIO):
        def write(self, _: str) -> int:
            raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        call_command("erase_person", str(life.person.pk), database=application, stdout=Lost())
    out = io.StringIO()
    call_command("erase_person", list=True, database=application, stdout=out)
    (listed,) = map(json.loads, out.getvalue().splitlines())
    assert listed["person"] == str(life.person.pk)
    assert set(listed["files"]) >= {"documents/zhu.jpg", "https://f.cn/media.png", "https://f.cn/avatar.png"}
    assert erase(application, life.person, files_deleted=True) == {"person": str(life.person.pk), "files": []}
    with pytest.raises(CommandError, match="Name the person, or ask for --list"):
        call_command("erase_person", database=application)


def test_who_was_erased_can_be_erased_again(application: str, life: lives.Life) -> None:
    # Marked by hand: everything is still there then.
    User.objects.filter(pk=life.person.pk).update(status="erased")
    assert erase(application, life.person)["deleted"]["accounts_userprivate"] == 1
    # As a month that came back from an archive.
    people.activity(user=life.person, ip_address="198.51.100.7")
    again = erase(application, life.person)
    assert again["deleted"]["accounts_useractivitylog"] == 1
    assert set(again["redacted"].values()) == {0}
    # Files of the first time are still to be deleted.
    assert "documents/zhu.jpg" in again["files"]


def test_nothing_more_is_kept_about_who_is_erased(application: str) -> None:
    person, leaving = make.user(), make.user()
    erase(application, person)

    def keep(user: User) -> str:
        """Write a row of the person, and return the constraint that refused it."""
        with pytest.raises(IntegrityError) as caught, all_on(application):
            UserPrivate.objects.create(user=user, phone_number=lives.PHONE)
        connections[application].close()
        return str(caught.value)

    assert "accounts_userprivate_account_is_not_erased" in keep(person)
    refused("accounts_userprofile_account_is_not_erased", lambda: people.profile(user=person))
    # What came before the end of an erasure waits for it.
    waiting = "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid))"
    with other_session(application) as erasing, ThreadPoolExecutor(1) as thread:
        with erasing.transaction():
            erasing.execute("SELECT FROM accounts_user WHERE id = %s FOR UPDATE", [leaving.pk])
            told = thread.submit(keep, leaving)
            while not told.done() and erasing.execute(waiting).fetchone() == (False,):
                time.sleep(0.05)
            erasing.execute("UPDATE accounts_user SET status = 'erased' WHERE id = %s", [leaving.pk])
        assert "accounts_userprivate_account_is_not_erased" in told.result()


def test_an_erased_person_gets_no_rating_again(application: str, life: lives.Life) -> None:
    def rated() -> set[Any]:
        call_command("roll_up_statistics", database=application, stdout=io.StringIO())
        return set(UserRating.objects.using(application).values_list("user_id", flat=True))

    assert life.person.pk in rated()
    erase(application, life.person)
    assert life.person.pk not in rated()


def test_the_ledger_is_append_only_again(application: str, life: lives.Life) -> None:
    erase(application, life.person)
    with pytest.raises(Exception, match="payments_transaction_append_only"), transaction.atomic(using=application):
        Transaction.objects.using(application).update(note="changed")


def test_who_pays_meanwhile_waits_for_no_erasure(application: str, life: lives.Life) -> None:
    with other_session(application) as paying, paying.cursor() as cursor:
        cursor.execute("BEGIN")
        # As whoever writes an entry, and its order's history.
        cursor.execute("LOCK TABLE payments_transaction, orders_orderstatushistory IN ROW EXCLUSIVE MODE")
        assert erase(application, life.person)["redacted"]["payments_transaction"] > 0


def test_the_words_that_search_uses_are_blacked_out_too(application: str, life: lives.Life) -> None:
    Gig.objects.using(application).filter(freelancer=life.person).update(description=f"请联系{lives.NAME}")
    call_command("rebuild_search_index", database=application, stdout=io.StringIO())
    assert "万家" in whole_database(application)["gigs_gig"]
    erase(application, life.person)
    assert "万家" not in whole_database(application)["gigs_gig"]
