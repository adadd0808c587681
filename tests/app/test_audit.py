"""Who changed what in a sensitive row is noted by the database, whoever writes; what is secret is not."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import factories as make
import factories_contracts as contracts
import factories_people as people
import factories_talk as talk
import pytest
from apps.accounts.models import User, UserPrivate
from apps.common.identity import acting_as, acting_as_platform
from apps.common.models import AuditLog
from apps.gigs.models import Gig, GigPackage
from apps.orders.models import Order
from apps.payments.models import Wallet
from apps.reviews.models import Review
from concurrency import act_for_nobody, act_for_the_platform
from config.router import all_on
from django.conf import settings
from django.contrib.auth.models import Group, Permission
from django.db import DatabaseError, ProgrammingError, connections, models, transaction
from django.db.models.functions import Now
from server import Server

# Who a person is to the platform, what they may do, their money and contracts, and what staff decide.
AUDITED = {
    "accounts_user", "accounts_userprivate", "accounts_userverification", "accounts_user_groups",
    "accounts_user_user_permissions", "auth_group_permissions", "gigs_gig", "gigs_gigpackage", "gigs_gigreport",
    "messaging_messagereport", "reviews_review", "reviews_reviewreport", "orders_order", "orders_orderdispute",
    "payments_wallet", "payments_escrow",
    "payments_paymentrefund", "payments_withdrawal", "payments_payoutbatch", "payments_paymentmethod",
}  # fmt: skip
# What is made of other columns and other rows, and is not changed by anybody.
FOLLOWS = {
    "gigs_gig": {"rating_average", "rating_count", "search_vector", "search_version"},
    "reviews_review": {"search_vector", "search_version"},
}
SECRET = re.compile(
    r"password|secret|token|hash|digest|salt|_key$|_keys$|sealed|cipher|_index$|phone|mail|wechat|alipay|real_name"
    r"|holder|identity|account|last_characters|document|_text$|description|details|body|content|note$"
)
NOT_THE_VALUE = re.compile(r"_(at|id)$")


def run(alias: str, statement: str, *parameters: Any) -> list[Any]:
    with connections[alias].cursor() as cursor:
        cursor.execute(statement, parameters or None)
        return list(cursor.fetchall()) if cursor.description else []


def entries(row: models.Model) -> list[AuditLog]:
    """Return what is noted of a row, the oldest first, as the owner reads it."""
    return list(AuditLog.objects.using("direct").of_row(row))[::-1]


@pytest.fixture
def committing(migrated: object) -> Iterator[None]:  # noqa: ARG001 (it comes first)
    """Rows of the application are committed: another role reads what is noted of them. They stay, as evidence does."""
    act_for_the_platform()
    yield
    act_for_nobody()
    connections["direct"].close()


@pytest.fixture
def as_owner(owner: object) -> Iterator[None]:  # noqa: ARG001 (it comes first)
    """Everything the test does is done with the rights of the tables' owner, and rolled back."""
    with all_on("direct"):
        yield


@contextmanager
def alias_of(role: str) -> Iterator[str]:
    """Alias like `default`, for another role; an alias that is there already stays."""
    if role in settings.DATABASES:
        yield role
        connections[role].close()
        return
    default = settings.DATABASES["default"]
    own = {**default, "USER": role, "PASSWORD": f"test-{role}", "OPTIONS": dict(default["OPTIONS"])}
    settings.DATABASES[role] = own
    try:
        yield role
    finally:
        connections[role].close()
        del connections[role]
        del settings.DATABASES[role]


@pytest.mark.usefixtures("committing")
class TestOfTheApplication:
    def test_a_change_is_noted_with_both_values_person_roles_and_transaction(self) -> None:
        with acting_as_platform():
            person, staff = make.user(), people.staff()
        with acting_as(staff.pk):
            User.objects.filter(pk=person.pk).update(status="suspended", headline="新简介")
            [(transaction_id,)] = run("default", "SELECT pg_current_xact_id()::text")
        made, changed = entries(person)
        assert (made.operation, made.changes, made.personal_changes, made.actor_id) == ("insert", {}, None, None)
        assert (changed.operation, changed.actor_id, changed.person_id) == ("update", staff.pk, person.pk)
        assert changed.changes == {"status": ["active", "suspended"], "headline": None}
        assert (changed.login_role, changed.statement_role) == ("freelance_user", "freelance_user")
        assert changed.transaction_id == int(transaction_id)
        assert made.transaction_id < changed.transaction_id
        assert AuditLog.objects.using("direct").get(transaction_id=changed.transaction_id, row_id=person.pk) == changed
        assert list(AuditLog.objects.using("direct").by(staff.pk)) == [changed]
        assert set(AuditLog.objects.using("direct").about(person.pk)) == {made, changed}

    def test_of_a_secret_the_change_is_noted_and_never_the_value(self) -> None:
        with acting_as_platform():
            person = make.user(password="long-and-secret-1")
        hashes = [person.password]
        with acting_as(person.pk):
            private = UserPrivate.objects.create(user=person, real_name="张秘密")
            private.real_name = "李秘密"
            private.save()
            person.set_password("long-and-secret-2")
            person.save()
            private.delete()
        hashes.append(person.password)
        written = [entry for row in (person, private) for entry in noted_of(row._meta.db_table, person.pk)]
        assert "password" in written[1].changes
        assert written[1].changes["password"] is None
        text = json.dumps([[entry.changes, entry.personal_changes] for entry in written], ensure_ascii=False)
        assert "real_name" in text
        for secret in (*hashes, "秘密", "argon2"):
            assert secret not in text

    def test_money_that_the_ledger_moves_is_noted_with_its_role_and_who_asked(self) -> None:
        with acting_as_platform():
            person = make.user()
        contracts.deposit(person.pk, Decimal("30.00"))
        wallet = Wallet.objects.get(user=person)
        account = contracts.payment_method(user=person)
        contracts.withdrawal(person, "12.50", account)
        opened, deposited, withdrawn = entries(wallet)
        assert deposited.changes == {"balance": [0.0, 30.0]}
        assert withdrawn.changes == {"balance": [30.0, 17.5]}
        assert (opened.actor_id, deposited.actor_id, withdrawn.actor_id) == (None, None, person.pk)
        assert {entry.login_role for entry in (opened, deposited, withdrawn)} == {"freelance_user"}
        assert {entry.statement_role for entry in (opened, deposited, withdrawn)} == {"freelance_ledger"}

    def test_nobody_claims_another_role(self) -> None:
        with acting_as_platform():
            person = make.user()
        with acting_as(person.pk):
            run("default", "SELECT set_config('app.role_of_statement', 'freelance_owner', true)")
            claim = "set_config('app.role_of_statement', 'freelance_owner', true)"
            run("default", f"UPDATE accounts_user SET nickname = {claim} WHERE id = %s", person.pk)  # noqa: S608 (above)
        assert entries(person)[-1].statement_role == "freelance_user"

    def test_nobody_claims_a_rotation_of_keys(self) -> None:
        with acting_as_platform():
            person = make.user()
        with acting_as(person.pk):
            private = UserPrivate.objects.create(user=person, real_name="张三")
            run("default", "SELECT set_config('app.rotates_keys', 'on', true)")
            private.real_name = "李四"
            private.save()
        assert entries(private)[-1].changes == {"real_name_sealed": None}

    def test_what_is_rolled_back_was_not_done(self) -> None:
        with acting_as_platform():
            person = make.user()
        with acting_as(person.pk), transaction.atomic("default"):
            User.objects.filter(pk=person.pk).update(status="deactivated")
            transaction.set_rollback(True, "default")
        assert [entry.operation for entry in entries(person)] == ["insert"]

    def test_a_login_leaves_no_entry(self) -> None:
        with acting_as_platform():
            person = make.user()
        with acting_as(person.pk):
            User.objects.filter(pk=person.pk).update(last_login=Now(), updated_at=Now())
        assert [entry.operation for entry in entries(person)] == ["insert"]

    def test_a_moderation_is_noted_without_the_words_and_what_follows_from_others_is_not(self) -> None:
        with acting_as_platform():
            review, package = talk.review(), make.package()
        Review.objects.filter(pk=review.pk).update(status="published", published_at=people.MOMENT, search_version=0)
        assert entries(review)[-1].changes.keys() == {"status", "published_at"}
        assert entries(review)[-1].person_id == review.author_id
        Review.objects.filter(pk=review.pk).update(status="hidden", search_version=1)
        assert entries(review)[-1].changes == {"status": ["published", "hidden"]}
        GigPackage.objects.filter(pk=package.pk).update(price=Decimal("1.00"))
        assert entries(package)[-1].changes == {"price": [199.0, 1.0]}
        noted = len(entries(package.gig))
        Gig.objects.filter(pk=package.gig_id).update(rating_average=Decimal("4.50"), rating_count=2)
        assert len(entries(package.gig)) == noted
        Gig.objects.filter(pk=package.gig_id).update(status="rejected", description="另一段说明")
        assert entries(package.gig)[-1].changes == {"status": ["active", "rejected"], "description": None}

    def test_staff_reads_the_log_and_others_nothing(self) -> None:
        with acting_as_platform():
            person = make.user()
        with alias_of("freelance_staff") as staff:
            assert AuditLog.objects.using(staff).of_row(person).count() == 1
        for reader in ("freelance_user", "reporting_user"):
            with alias_of(reader), pytest.raises(ProgrammingError, match="permission denied"):
                AuditLog.objects.using(reader).of_row(person).count()


def noted_of(table: str, key: object) -> list[AuditLog]:
    """Return what is noted of a row that may be gone, the oldest first."""
    found = AuditLog.objects.using("direct").filter(table_name=table, row_id=str(key))
    return list(found.order_by("created_at", "id"))


CHANGES = [
    "INSERT INTO common_auditlog (table_name, row_id, operation, changes, login_role, statement_role, transaction_id)"
    " VALUES ('accounts_user', '', 'update', '{}', '', '', '1')",
    "UPDATE common_auditlog SET actor_id = NULL",
    "DELETE FROM common_auditlog",
    "TRUNCATE common_auditlog",
]


@pytest.mark.parametrize("statement", CHANGES)
@pytest.mark.parametrize("role", ["freelance_user", "freelance_staff", "reporting_user", "direct"])
@pytest.mark.usefixtures("committing")
def test_nobody_writes_or_changes_the_log(role: str, statement: str) -> None:
    # reporting_user writes nothing at all.
    with alias_of(role), pytest.raises(DatabaseError, match=r"permission denied|read-only transaction"):
        run(role, statement)


@pytest.mark.parametrize("call", ["SELECT audit_forget(gen_random_uuid())", "SELECT audit_write()"])
@pytest.mark.usefixtures("committing")
def test_only_the_owner_calls_what_the_audit_is_made_of(call: str) -> None:
    for role in ("freelance_user", "freelance_staff", "reporting_user"):
        with alias_of(role), pytest.raises(ProgrammingError, match="permission denied for function audit_"):
            run(role, call)


def test_the_migrator_alone_can_take_the_part_of_the_audit_or_the_ledger_and_has_their_rights_in_no_other_way(
    migrated: Server,
) -> None:
    can = "SELECT rolname FROM pg_roles WHERE rolcanlogin AND NOT rolsuper AND pg_has_role(oid, '{}', '{}') ORDER BY 1"
    for role in ("audit_owner", "freelance_ledger", "freelance_owner"):
        assert migrated.sql("freelance_platform", can.format(role, "SET")) == "freelance_migrator"
        assert migrated.sql("freelance_platform", can.format(role, "USAGE")) == ""


@pytest.mark.usefixtures("as_owner")
class TestOfTheOwner:
    def test_the_owner_is_noted_by_both_roles(self) -> None:
        person = make.user()
        [made] = entries(person)
        assert (made.login_role, made.statement_role) == ("freelance_migrator", "freelance_owner")

    def test_each_row_of_a_statement_has_an_entry_and_what_did_not_change_has_none(self) -> None:
        accounts = [make.user(status=status) for status in ("active", "pending", "pending")]
        User.objects.filter(pk=accounts[2].pk).update(status="suspended")
        User.objects.filter(pk__in=[person.pk for person in accounts]).update(status="suspended")
        assert [len(entries(person)) for person in accounts] == [2, 2, 2]
        assert len({entries(person)[-1].created_at for person in accounts[:2]}) == 1

    def test_a_row_that_was_there_already_leaves_no_entry(self) -> None:
        person, group = make.user(), Group.objects.create(name="客服")
        person.groups.add(group)
        person.groups.add(group)
        link = User.groups.through._default_manager.get(user=person)
        assert [entry.operation for entry in entries(link)] == ["insert"]
        person.groups.clear()
        taken = entries(link)[-1]
        assert taken.changes == {"id": [link.pk], "user_id": [str(person.pk)], "group_id": [group.pk]}
        assert taken.person_id == person.pk

    def test_another_key_is_noted_under_the_one_before(self) -> None:
        group = Group.objects.create(name="客服")
        group.permissions.add(Permission.objects.all()[0])
        link = Group.permissions.through.objects.get(group=group)
        run("direct", "UPDATE auth_group_permissions SET id = -1 WHERE id = %s", link.pk)
        assert entries(link)[-1].changes == {"id": [link.pk, -1]}

    def test_emptying_a_table_is_noted(self) -> None:
        run("direct", "TRUNCATE accounts_user_groups")
        [entry] = noted_of("accounts_user_groups", "")
        assert (entry.operation, entry.changes, entry.person_id) == ("truncate", {}, None)

    def test_a_contract_is_noted_with_its_figures_and_without_its_texts(self) -> None:
        order = make.order(requirements_text="请勿外传")
        Order.objects.filter(pk=order.pk).update(quantity=2, requirements_text="改过的说明")
        changed = entries(order)[-1]
        price = float(order.unit_price)
        assert changed.changes == {
            "quantity": [1, 2], "total_amount": [price, 2 * price], "requirements_text": None,
        }  # fmt: skip

    def test_a_column_that_nobody_declared_is_noted_by_its_name(self) -> None:
        package = make.package()
        run("direct", "SET CONSTRAINTS ALL IMMEDIATE")
        run("direct", "ALTER TABLE gigs_gigpackage ADD COLUMN remark text")
        run("direct", "UPDATE gigs_gigpackage SET remark = '仅供内部', name = '改名' WHERE id = %s", package.pk)
        assert entries(package)[-1].changes == {"remark": None, "name": None}

    def test_a_forgotten_person_has_no_name_in_the_log_and_others_keep_theirs(self) -> None:
        person, other = make.user(nickname="旧名"), make.user(nickname="别人")
        for row, name in ((person, "已注销"), (other, "还是别人")):
            User.objects.filter(pk=row.pk).update(nickname=name, status="suspended")
        assert entries(person)[-1].personal_changes == {"nickname": ["旧名", "已注销"]}
        assert run("direct", "SELECT audit_forget(%s)", person.pk) == [(1,)]
        forgotten, kept = entries(person)[-1], entries(other)[-1]
        assert forgotten.personal_changes is None
        assert forgotten.changes == {"nickname": None, "status": ["active", "suspended"]}
        assert kept.personal_changes == {"nickname": ["别人", "还是别人"]}
        assert run("direct", "SELECT audit_forget(%s)", person.pk) == [(0,)]


COLUMNS = """
SELECT attname::text, atttypid::regtype::text FROM pg_attribute
WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped
"""


def declared() -> dict[str, list[str]]:
    """Return the arguments of each table's audit triggers."""
    found = run(
        "direct",
        "SELECT DISTINCT tgrelid::regclass::text, encode(tgargs, 'escape') FROM pg_trigger"
        " WHERE tgfoid = 'audit_write'::regproc",
    )
    # One declaration a table: all its triggers have the same arguments.
    assert len(found) == len({table for table, _ in found})
    return {table: arguments.split("\\000")[:-1] for table, arguments in found}


@pytest.mark.usefixtures("owner")
class TestOfTheDeclarations:
    def test_these_tables_are_audited(self) -> None:
        assert declared().keys() == AUDITED

    def test_no_value_of_a_secret_is_shown(self) -> None:
        for table, (_, _, shown, personal, _) in declared().items():
            columns = dict(run("direct", COLUMNS, table))
            for name in (*shown.split(), *personal.split()):
                assert columns[name] != "bytea", (table, name)
                assert NOT_THE_VALUE.search(name) or not SECRET.search(name), (table, name)

    def test_every_column_is_named_and_no_other(self) -> None:
        """The function that notes an UPDATE compares them by name: without one of them, no row of the table could
        change, and a change of one that it does not name takes twice as long (`compared_by_name`)."""
        for table, (key, person, *named) in declared().items():
            columns = dict(run("direct", COLUMNS, table)).keys()
            [(body,)] = run("direct", "SELECT prosrc FROM pg_proc WHERE proname = %s", f"audit_update_of_{table}")
            assert set(re.findall(r"\brest\.(\w+) := OLD\.\1;", body)) == columns, table
            assert set(re.findall(r"\b(?:NEW|OLD)\.(\w+)", body)) == columns, table
            assert {key, *person.split(), *" ".join(named).split()} <= columns, table

    def test_key_and_person_are_the_tables_own(self) -> None:
        for table, (key, person, _, personal, ignored) in declared().items():
            [(primary,)] = run(
                "direct",
                "SELECT attname::text FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = ANY (indkey)"
                " WHERE indisprimary AND indrelid = %s::regclass",
                table,
            )
            assert key == primary
            assert person or not personal, table
            assert set(ignored.split()) <= {"updated_at", "last_login", *FOLLOWS.get(table, ())}, table

    def test_each_table_is_watched_for_every_kind_of_change(self) -> None:
        watched = run(
            "direct",
            "SELECT tgrelid::regclass::text, bit_or(tgtype) FILTER (WHERE starts_with(proname, 'audit_')),"
            " bit_or(tgtype) FILTER (WHERE proname = 'note_role_of_statement'), count(*)"
            " FROM pg_trigger JOIN pg_proc ON pg_proc.oid = tgfoid"
            " WHERE proname IN ('audit_write', 'note_role_of_statement', 'audit_update_of_' || tgrelid::regclass)"
            " GROUP BY 1",
        )
        # 4 insert, 8 delete, 16 update, 32 truncate; 1 for each row, and never 2, before it is done.
        assert {(table, 61, 61, 6) for table in AUDITED} == set(watched)
