"""A request acts as the person who is logged in, on each connection, from the log-in on and not a moment longer."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any, cast
from unittest import mock

import factories as make
import factories_people as people
import pytest
from apps.accounts.login import confirm_contact
from apps.accounts.models import User, UserPrivate
from apps.common.freshness import COOKIE
from apps.common.identity import PERSON, acting_as, acting_as_platform, request_as
from apps.common.middleware import IdentityMiddleware
from apps.gigs.models import Gig, GigSearchHistory
from apps.orders.models import Order
from config.router import fresh_reader, pin_to_leader
from django.conf import settings
from django.contrib.auth import authenticate, login, logout
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import AnonymousUser
from django.core.management import call_command
from django.db import DatabaseError, ProgrammingError, connections
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory, override_settings
from django.test.utils import CaptureQueriesContext
from factories_world import World
from test_constraints import refused

View = Callable[[HttpRequest], HttpResponse]
PASSWORD = "correct horse battery"
HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher", "django.contrib.auth.hashers.PBKDF2SHA1PasswordHasher"]


@pytest.fixture(autouse=True)
def reader(world: World) -> Iterator[None]:  # noqa: ARG001 (it comes first)
    """Nobody acts and nobody wrote. What a test writes stays, as in life."""
    with fresh_reader():
        yield
    connections["default"].close()


def request_of(person: User | None, view: View, cookies: Mapping[str, str] | None = None) -> HttpResponse:
    """Run a view in a request of this person, or of nobody."""
    request = RequestFactory().get("/")
    request.COOKIES.update(cookies or {})
    request.user = person or AnonymousUser()
    request.session = import_module(settings.SESSION_ENGINE).SessionStore()

    def response(request: HttpRequest) -> HttpResponse:
        try:
            return view(request)
        except Exception as error:
            # As Django's handler does, which makes a response of what a view raises.
            middleware.process_exception(request, error)
            return HttpResponse(status=404)

    middleware = IdentityMiddleware(response)
    made = middleware(request)
    assert isinstance(made, HttpResponse)
    return made


def actor(alias: str) -> str:
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT coalesce(current_setting(%s, true), '')", [PERSON])
        return str(cursor.fetchone()[0])


# ---- a request
def test_a_request_acts_as_its_person_on_each_connection_and_nobody_acts_after_it(world: World) -> None:
    found: list[Any] = []

    def view(_request: HttpRequest) -> HttpResponse:
        found.extend([actor("default"), actor("replica"), Order.objects.count(), UserPrivate.objects.get().user_id])
        return HttpResponse()

    request_of(world.client, view)
    assert found == [str(world.client.pk), str(world.client.pk), 2, world.client.pk]
    assert [actor("default"), actor("replica")] == ["", ""]
    assert Order.objects.count() == Order.objects.using("default").count() == 0


def test_a_request_of_nobody_sees_what_is_public() -> None:
    found: list[Any] = []

    def view(_request: HttpRequest) -> HttpResponse:
        found.extend([Order.objects.count(), UserPrivate.objects.count(), Gig.objects.exists(), User.objects.exists()])
        return HttpResponse()

    request_of(None, view)
    assert found == [0, 0, True, True]


def test_a_transaction_for_the_identity_does_not_keep_reads_from_the_replica(world: World) -> None:
    aliases: list[str] = []

    def view(_request: HttpRequest) -> HttpResponse:
        aliases.append(User.objects.all().db)
        with CaptureQueriesContext(connections["replica"]) as replica:
            assert Order.objects.count() == 2
        assert len(replica) == 1
        make.user()
        aliases.append(User.objects.all().db)
        with fresh_reader():
            # However long ago it wrote: the replica has nothing of a transaction that goes on.
            aliases.append(User.objects.all().db)
        return HttpResponse()

    request_of(world.client, view)
    assert aliases == ["replica", "default", "default"]


def test_what_means_to_write_reads_from_the_leader(world: World) -> None:
    with request_as(world.client.pk):
        with acting_as_platform():
            assert User.objects.all().db == "default"
        assert User.objects.all().db == "replica"
        pin_to_leader()
        assert User.objects.all().db == "default"


def test_the_replicas_transaction_writes_nothing(world: World) -> None:
    def view(_request: HttpRequest) -> HttpResponse:
        with pytest.raises(DatabaseError, match="read-only transaction"), connections["replica"].cursor() as cursor:
            cursor.execute("UPDATE accounts_user SET nickname = '' WHERE id = %s", [world.client.pk])
        return HttpResponse()

    request_of(world.client, view)


def written(view: View) -> bool:
    """Return whether what somebody looked for is there after a request whose view noted it."""
    person = make.user()

    def making(request: HttpRequest) -> HttpResponse:
        people.search(user=person)
        return view(request)

    request_of(person, making)
    with acting_as(person.pk):
        return GigSearchHistory.objects.using("default").filter(user=person).exists()


def test_what_fails_leaves_nothing_written() -> None:
    def failing(_request: HttpRequest) -> HttpResponse:
        raise ValueError

    assert written(lambda _: HttpResponse())
    assert not written(failing)
    assert not written(lambda _: HttpResponse(status=503))


@contextmanager
def replica_away() -> Iterator[None]:
    """Let nobody answer on the replica's port."""
    replica = connections["replica"]
    replica.close()
    there = replica.settings_dict
    replica.settings_dict = {**there, "PORT": "1"}
    try:
        yield
    finally:
        replica.settings_dict = there


def test_a_replica_that_does_not_answer_is_left_out(world: World) -> None:
    with replica_away(), request_as(world.client.pk):
        assert Order.objects.count() == 2


# ---- from one request to the next
def answered(person: User | None, view: View, cookies: Mapping[str, str] | None = None) -> dict[str, str]:
    """Run a request of a browser with these cookies, and return those that it gets back."""
    response = request_of(person, view, cookies or {})
    return {name: morsel.value for name, morsel in response.cookies.items()}


def alias_of_a_read(_request: HttpRequest) -> HttpResponse:
    return HttpResponse(User.objects.all().db)


def writing(_request: HttpRequest) -> HttpResponse:
    make.user()
    return HttpResponse()


def test_the_next_request_does_not_see_less_than_what_this_one_wrote(world: World) -> None:
    cookies = answered(world.client, writing)
    assert answered(world.client, alias_of_a_read) == {}
    # In another thread, process or host: nothing but the cookie comes along.
    with mock.patch("apps.common.freshness.replica_has", return_value=False) as asked:
        assert request_of(world.client, alias_of_a_read, cookies).content == b"default"
        assert request_of(world.client, alias_of_a_read).content == b"replica"
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT %s::pg_lsn <= pg_current_wal_insert_lsn()", asked.call_args.args)
        assert cursor.fetchone() == (True,)
    assert request_of(world.client, alias_of_a_read, cookies).content == b"replica"


def test_what_was_written_while_the_replica_was_away_is_there_when_it_is_back(world: World) -> None:
    with replica_away():
        assert answered(world.client, alias_of_a_read) == {}
        cookies = answered(world.client, writing)
    with mock.patch("apps.common.freshness.replica_has", return_value=False):
        assert request_of(world.client, alias_of_a_read, cookies).content == b"default"


def test_a_position_that_was_made_up_is_not_believed(world: World) -> None:
    with mock.patch("apps.common.freshness.replica_has", return_value=False):
        made_up = {COOKIE: "FFFFFFFF/FFFFFFFF:1uXxYz:signature"}
        assert request_of(world.client, alias_of_a_read, made_up).content == b"replica"


def test_who_asks_and_their_session_are_read_from_the_leader(world: World) -> None:
    """A replica that lags has the password of before, and Django would log its owner out."""

    class Asked:
        pk = world.client.pk

        @property
        def is_authenticated(self) -> bool:
            aliases.append(User.objects.all().db)
            return True

    aliases: list[str] = []
    request_of(cast("User", Asked()), lambda _: HttpResponse())
    assert aliases == ["default"]
    with CaptureQueriesContext(connections["replica"]) as replica:
        import_module(settings.SESSION_ENGINE).SessionStore("a-key-that-nobody-has").load()
    assert len(replica) == 0


# ---- identities in one another
def test_another_identity_is_over_with_its_block(world: World) -> None:
    with request_as(world.client.pk):
        with acting_as(world.stranger.pk):
            assert Order.objects.using("default").count() == 0
        assert Order.objects.using("default").count() == 2
        with pytest.raises(ProgrammingError), acting_as(world.stranger.pk):
            UserPrivate.objects.create(user=world.freelancer)
        assert actor("default") == str(world.client.pk)


# ---- logging in
@pytest.fixture
def account() -> Iterator[User]:
    with override_settings(PASSWORD_HASHERS=HASHERS):
        made = make.user(password=PASSWORD)
        with acting_as(made.pk):
            private = UserPrivate.objects.create(
                user=made, phone_number=f"+8613{made.pk.int % 10**9:09d}", email=f"{made.username}@example.cn"
            )
        with acting_as_platform():
            assert confirm_contact(made.pk, "phone", str(private.phone_number))
            assert confirm_contact(made.pk, "email", str(private.email))
        yield User.objects.using("default").get(pk=made.pk)


def named(account: User) -> dict[str, str]:
    with acting_as(account.pk):
        private = UserPrivate.objects.get(user=account)
    return {"username": account.username, "phone": private.phone_number or "", "email": (private.email or "").upper()}


@pytest.mark.parametrize("kind", ["username", "phone", "email"])
def test_a_person_logs_in_and_acts_from_then_on(account: User, kind: str) -> None:
    name = named(account)[kind]
    found: list[Any] = []

    def view(request: HttpRequest) -> HttpResponse:
        found.append(UserPrivate.objects.count())
        person = authenticate(request, username=name, password=PASSWORD)
        assert person is not None
        login(request, person)
        found.extend([UserPrivate.objects.count(), actor("default"), actor("replica")])
        logout(request)
        found.append(UserPrivate.objects.count())
        return HttpResponse()

    request_of(None, view)
    assert found == [0, 1, str(account.pk), str(account.pk), 0]
    account.refresh_from_db(using="default")
    assert account.last_login is not None


@pytest.mark.parametrize("kind", ["username", "phone", "email"])
def test_a_wrong_password_and_an_unknown_name_are_answered_alike(account: User, kind: str) -> None:
    unknown = {"username": "nobody-at-all", "phone": "+8613999999999", "email": "nobody@example.cn"}
    names = named(account)
    with CaptureQueriesContext(connections["default"]) as wrong:
        assert authenticate(None, username=names[kind], password="something else") is None
    with CaptureQueriesContext(connections["default"]) as missing:
        assert authenticate(None, username=unknown[kind], password=PASSWORD) is None
    assert len(wrong) == len(missing)


def test_a_contact_that_nobody_verified_is_no_name(account: User) -> None:
    phone, email = f"+8614{account.pk.int % 10**9:09d}", f"new-{account.username}@example.cn"
    with acting_as(account.pk):
        private = UserPrivate.objects.get(user=account)
        private.phone_number, private.email = phone, email
        private.save()
    assert authenticate(None, username=phone, password=PASSWORD) is None
    assert authenticate(None, username=email, password=PASSWORD) is None
    assert authenticate(None, username=account.username, password=PASSWORD) == account


@pytest.mark.parametrize(
    "name", ["+8613800138000", "zhu@example.cn", "13800138000", "138-0013-8000", "＋8613800138000"]
)
def test_a_contact_is_no_user_name(name: str) -> None:
    refused("accounts_user_username_is_no_contact", lambda: make.user(username=name.replace("＋", "+")))
    # Nor is it asked for as one: the statement would show it.
    with CaptureQueriesContext(connections["default"]) as asked, CaptureQueriesContext(connections["replica"]) as read:
        assert authenticate(None, username=name, password=PASSWORD) is None
    statements = [query["sql"] for query in (*asked, *read)]
    assert len(statements) > 1
    assert not [sql for sql in statements if "13800138000" in sql.replace("-", "") or "zhu@" in sql]


@pytest.mark.parametrize("written", ["{}", " 86 {}", "0086-{}", "+86 {}"])
def test_a_mobile_number_is_taken_as_people_write_it(account: User, written: str) -> None:
    number = named(account)["phone"].removeprefix("+86")
    assert authenticate(None, username=written.format(number), password=PASSWORD) == account


def test_an_older_hash_is_renewed_by_who_proved_the_password(account: User) -> None:
    with acting_as(account.pk):
        User.objects.filter(pk=account.pk).update(password=make_password(PASSWORD, hasher="pbkdf2_sha1"))
    assert authenticate(None, username=account.username, password=PASSWORD) == account
    account.refresh_from_db(using="default")
    assert account.password.startswith("md5$")


def test_createsuperuser_works_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"chief-{make.user().username}"
    monkeypatch.setenv("DJANGO_SUPERUSER_USERNAME", name)
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", PASSWORD)
    with override_settings(PASSWORD_HASHERS=HASHERS):
        call_command("createsuperuser", interactive=False, verbosity=0)
    assert User.objects.using("default").get(username=name).is_superuser


# ---- the guide's two querysets
def test_the_guides_querysets_lose_no_row(world: World) -> None:
    gigs = Gig.objects.select_related("freelancer", "category").prefetch_related("packages", "requirements", "faqs")
    orders = Order.objects.select_related("client", "freelancer", "gig").prefetch_related(
        "order_extras", "requirements"
    )
    for person in (world.client, world.freelancer):
        with request_as(person.pk):
            assert len(gigs.all()) == Gig.objects.count() > 0
            (first,) = [order for order in orders.all() if order.pk == world.order.pk]
            assert (first.client, first.freelancer) == (world.client, world.freelancer)
            assert len(first.order_extras.all()) == len(first.requirements.all()) == 1
            assert len(orders.all()) == 2
