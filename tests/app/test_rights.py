"""What somebody shows is for everybody, and theirs alone to write; who is let in, as what, is not theirs to say."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from operator import attrgetter
from typing import Any
from uuid import UUID

import factories as make
import factories_contracts as contracts
import factories_people as people
import factories_talk as talk
import pytest
from apps.accounts.models import Skill, User, UserSkill
from apps.common.identity import acting_as
from apps.gigs.models import Gig, GigFavorite
from apps.messaging.models import MessagingStat
from apps.orders.models import OrderStat
from apps.payments.models import PaymentStat
from apps.reviews.models import Review, ReviewHelpful, ReviewInvitation, ReviewStat, ReviewTemplate, UserRating
from django.contrib.auth.models import Group, Permission
from django.db import ProgrammingError, connections, transaction
from django.db.models import Model, ProtectedError
from test_constraints import refused

pytestmark = pytest.mark.usefixtures("database")


def skill() -> Skill:
    return Skill.objects.create(name="陶艺", slug="tao-yi", area="design")


def member_of_a_group() -> Any:
    person = make.user()
    person.groups.add(Group.objects.create(name="客服"))
    return User.groups.through._base_manager.get(user=person)


def permission_of_a_person() -> Any:
    person = make.user()
    person.user_permissions.add(Permission.objects.earliest("pk"))
    return User.user_permissions.through._base_manager.get(user=person)


def permission_of_a_group() -> Any:
    group = Group.objects.create(name="客服")
    group.permissions.add(Permission.objects.earliest("pk"))
    return Group.permissions.through._base_manager.get(group=group)


# A row of each table that is seen by more people than may write it.
ROWS: dict[str, Callable[[], Model]] = {
    "profile": people.profile,
    "education": people.education,
    "work experience": people.work_experience,
    "portfolio": people.portfolio,
    "skill of a person": lambda: UserSkill.objects.create(user=make.user(), skill=skill()),
    "skill": skill,
    "group": lambda: Group.objects.create(name="客服"),
    "member": member_of_a_group,
    "permission": permission_of_a_person,
    "permission of a group": permission_of_a_group,
    "category": make.category,
    "gig": make.gig,
    "package": make.package,
    "requirement": people.requirement,
    "faq": people.faq,
    "extra": people.extra,
    "favourite": people.favorite,
    "view": lambda: people.view(viewer=make.user()),
    "figures of a gig": people.stat,
    "review": talk.review,
    "vote": lambda: ReviewHelpful.objects.create(review=talk.review(), user=make.user()),
    "invitation": talk.invitation,
    "rating": lambda: UserRating.objects.create(user=make.user(), role="client"),
    "figures of reviews": lambda: ReviewStat.objects.create(day=people.MOMENT.date()),
    "figures of orders": lambda: OrderStat.objects.create(day=people.MOMENT.date(), category=make.category()),
    "figures of money": lambda: PaymentStat.objects.create(day=people.MOMENT.date()),
    "figures of messages": lambda: MessagingStat.objects.create(day=people.MOMENT.date()),
    "text for a review": lambda: ReviewTemplate.objects.create(
        author_role="client", rating=5, title="满意", body="沟通顺畅，按时交付。"
    ),
}


def suspended(person: User) -> User:
    person.status = "suspended"
    person.save()
    return person


@contextmanager
def suppress_denied() -> Iterator[None]:
    """Go on after a statement that the application has no right to run."""
    try:
        yield
    except ProgrammingError as error:
        if "permission denied" not in str(error):
            raise


def count(statement: str, key: Any) -> int:
    """Return how many rows a statement reaches; none where the application may not run it at all."""
    with suppress_denied(), transaction.atomic(using="default"), connections["default"].cursor() as cursor:
        cursor.execute(statement, [key])
        return int(cursor.rowcount)
    return 0


def reached(row: Model, statement: str) -> int:
    column = "user_id" if row._meta.pk.column == "user_id" else "id"
    key = row.pk[1] if isinstance(row.pk, tuple) else row.pk
    return count(statement.format(table=row._meta.db_table, key=column), key)


@pytest.mark.parametrize("kind", ROWS)
def test_a_stranger_neither_changes_nor_takes_away_what_others_show(kind: str) -> None:
    row = ROWS[kind]()
    look = "SELECT FROM {table} WHERE {key} = %s"
    assert reached(row, look) == 1
    for person in (make.user(), suspended(people.staff())):
        with acting_as(person.pk):
            assert reached(row, "UPDATE {table} SET {key} = {key} WHERE {key} = %s") == 0
            assert reached(row, "DELETE FROM {table} WHERE {key} = %s") == 0
    assert reached(row, look) == 1


@pytest.mark.parametrize("kind", ["favourite", "view", "invitation", "figures of a gig", "member", "permission"])
def test_what_a_person_looked_at_keeps_in_mind_or_was_asked_is_seen_by_them_alone(kind: str) -> None:
    row: Any = ROWS[kind]()
    whose = {"view": "viewer", "invitation": "invitee", "figures of a gig": "gig.freelancer"}.get(kind, "user")
    owner = attrgetter(f"{whose}.pk")(row)
    for person, seen in ((owner, 1), (make.user().pk, 0)):
        with acting_as(person):
            assert reached(row, "SELECT FROM {table} WHERE {key} = %s") == seen


def test_a_visitor_who_is_nobody_is_counted() -> None:
    gig = make.gig()
    with acting_as(make.user().pk):
        assert people.view(gig=gig).pk


def in_the_name_of(other: User) -> list[Callable[[], Any]]:
    gig, order = make.gig(), contracts.completed_order(client=other)
    return [
        lambda: people.portfolio(user=other),
        lambda: people.favorite(user=other, gig=gig),
        lambda: people.view(viewer=other, gig=gig),
        lambda: Gig.objects.create(title="专业标志设计服务", freelancer=other, category=gig.category),
        lambda: people.extra(gig=gig),
        lambda: talk.review(order),
        lambda: ReviewInvitation.objects.create(order=order, invitee=other),
    ]


def test_nobody_shows_something_in_anothers_name() -> None:
    me, other = make.user(), make.user()
    for act in in_the_name_of(other):
        with (
            pytest.raises(ProgrammingError, match=r"row-level security|for who acts here|_new_by_"),
            transaction.atomic(using="default"),
            acting_as(me.pk),
        ):
            act()


def test_a_person_writes_what_is_theirs() -> None:
    freelancer, order = make.user(user_type="freelancer"), contracts.completed_order()
    category = make.category()
    with acting_as(freelancer.pk):
        gig = Gig.objects.create(title="专业标志设计服务", freelancer=freelancer, category=category)
        people.extra(gig=gig)
        people.profile(user=freelancer)
        assert make.package(gig=gig).pk
    with acting_as(order.client_id):
        assert GigFavorite.objects.add(order.client, order.gig) == GigFavorite.objects.add(order.client, order.gig)
        review = talk.review(order)
    with acting_as(order.freelancer_id):
        assert Review.objects.filter(pk=review.pk).update(reply_text="谢谢！", replied_at=people.MOMENT) == 1


# ---- what is taken away
def test_a_freelancer_deletes_a_draft_with_all_that_belongs_to_it() -> None:
    gig = make.gig("draft")
    for part in (people.requirement, people.faq, people.extra, make.package):
        part(gig=gig)
    with acting_as(gig.freelancer_id):
        assert gig.delete()[0] == 5
    assert not Gig.objects.filter(pk=gig.pk).exists()


@pytest.mark.parametrize("status", ["pending_review", "active", "archived"])
def test_a_gig_that_was_handed_in_is_archived_and_not_deleted(status: str) -> None:
    gig = make.package(gig=make.gig(status)).gig
    with acting_as(gig.freelancer_id):
        refused("gigs_gig_only_a_draft_is_deleted", gig.delete)
    assert gig.packages.exists()


@pytest.mark.parametrize("part", [people.view, people.stat])
def test_a_gig_with_figures_is_not_deleted(part: Callable[..., Any]) -> None:
    gig = make.gig("draft")
    part(gig=gig)
    with pytest.raises(ProtectedError), acting_as(gig.freelancer_id):
        gig.delete()


def test_an_account_is_not_deleted_and_it_is_said_what_is_done_instead() -> None:
    person = make.user()
    for delete in (person.delete, User.objects.filter(pk=person.pk).delete):
        with pytest.raises(ProtectedError, match=r"Erase the person: manage\.py erase_person"):
            delete()
    for who in (person.pk, people.staff().pk):
        with acting_as(who):
            refused(
                "accounts_user_is_erased_not_deleted", lambda: raw("DELETE FROM accounts_user WHERE id = %s", person)
            )


def raw(statement: str, person: User) -> int:
    with connections["default"].cursor() as cursor:
        cursor.execute(statement, [person.pk])
        return int(cursor.rowcount)


# ---- who is let in, as what
def change(person: User, actor: UUID, **fields: Any) -> int:
    with acting_as(actor):
        return User.objects.filter(pk=person.pk).update(**fields)


def test_who_was_suspended_does_not_let_themselves_in_again() -> None:
    person = suspended(make.user())
    for status in ("active", "deactivated", "erased"):
        refused("accounts_user_status_is_decided_by_the_platform", partial(change, person, person.pk, status=status))
    assert change(person, people.staff().pk, status="active") == 1


def test_a_person_goes_and_comes_back_and_suspends_nobody() -> None:
    person = make.user(status="pending")
    for status in ("active", "deactivated", "active"):
        assert change(person, person.pk, status=status) == 1
    refused("accounts_user_status_is_decided_by_the_platform", lambda: change(person, person.pk, status="suspended"))


@pytest.mark.parametrize(
    "fields", [{"is_staff": True}, {"is_superuser": True}, {"is_staff": True, "is_superuser": True}]
)
def test_staff_make_no_staff_and_superusers_do(fields: dict[str, bool]) -> None:
    person, staff, superuser = make.user(), people.staff(), people.staff(is_superuser=True)
    for actor in (person, staff):
        refused("accounts_user_rights_are_given_by_a_superuser", partial(change, person, actor.pk, **fields))
        with pytest.raises(ProgrammingError, match="row-level security"), acting_as(actor.pk):
            make.user(**fields)
    assert change(person, superuser.pk, **fields) == 1


def test_staff_give_themselves_no_group_and_superusers_give_it() -> None:
    staff, superuser, group = people.staff(), people.staff(is_superuser=True), Group.objects.create(name="客服")
    with pytest.raises(ProgrammingError, match="row-level security"), acting_as(staff.pk):
        staff.groups.add(group)
    with acting_as(superuser.pk):
        staff.groups.add(group)
    with acting_as(staff.pk):
        assert list(staff.groups.all()) == [group]


def test_a_password_is_set_by_its_person_alone() -> None:
    person, staff = make.user(), people.staff()
    refused("accounts_user_password_is_the_persons_own", lambda: change(person, staff.pk, password="!"))
    assert change(person, person.pk, password="!") == 1
