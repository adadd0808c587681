"""What the database holds of a person is shown to them whole, and erased so that no table holds anything of it."""

import io
import json
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import factories as make
import factories_contracts as contracts
import factories_life as lives
import factories_people as people
import pytest
from apps.accounts.models import User, UserPrivate
from apps.common import export as exporting
from apps.common.erasure import ERASES
from apps.common.identity import acting_as
from apps.common.person import DERIVED, Personal, personal
from apps.common.triggers import triggers_off
from apps.gigs.models import Gig
from apps.payments.models import Wallet
from concurrency import act_for_nobody, act_for_the_platform
from config.router import all_on
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connections, transaction
from django.db.models import BooleanField, Field, ForeignKey, JSONField, URLField

SPOKEN = "15499887766"
# What a text may hold of somebody, as they write it themselves.
SAID = "，".join([SPOKEN, lives.EMAIL, lives.WECHAT, lives.ALIPAY, lives.ACCOUNT, people.IDENTITY_NUMBER, lives.HOLDER])
IDENTIFYING = [
    SPOKEN, lives.EMAIL, lives.WECHAT, lives.ALIPAY, lives.NAME, lives.HOLDER, lives.ACCOUNT, people.IDENTITY_NUMBER,
    "zhu.wanjia", "朱家工作室", "198.51.100.7",
]  # fmt: skip
TABLES = (
    "SELECT c.oid::regclass::text FROM pg_class AS c WHERE relnamespace = 'public'::regnamespace AND relkind = ANY (%s)"
)


def rows(alias: str, query: str, *parameters: Any) -> list[Any]:
    with connections[alias].cursor() as cursor:
        cursor.execute(query, parameters or None)
        return list(cursor.fetchall())


@pytest.fixture
def application(deployed: str) -> Iterator[str]:
    """The alias `default` leads to the database of `deployed`, as the application's role; the platform acts."""
    act_for_the_platform(connections[deployed].settings_dict["NAME"])
    with all_on("default"):
        yield deployed
    act_for_nobody()


@pytest.fixture
def life(application: str) -> lives.Life:
    made = lives.life()
    plant(application, made.person)
    call_command("refresh_statistics_views", database=application, stdout=io.StringIO())
    return made


def plant(alias: str, person: User) -> None:
    """Write the person's phone number and a mark of its own into each text that stays."""
    with transaction.atomic(using=alias), connections[alias].cursor() as cursor:
        for declared in personal():
            if not declared.redacted:
                continue
            table = declared.model._meta.db_table
            cursor.execute("SELECT set_config(%s, %s, true)", [ERASES, declared.redacted])
            with triggers_off(cursor, [(table, trigger) for trigger in declared.held_by.split()]):
                for row in declared.rows(alias, person.pk, mentioned=True):
                    texts = {name: planted(row, name) for name in declared.redacted.split()}
                    texts = {name: text for name, text in texts.items() if text != getattr(row, name)}
                    declared.model._base_manager.using(alias).filter(pk=row.pk).update(**texts)


def mark(row: Any, name: str) -> str:
    return f"◆{row._meta.db_table}.{name}◆"


def planted(row: Any, name: str) -> Any:
    column, before = row._meta.get_field(name), getattr(row, name)
    if isinstance(column, JSONField):
        if before and isinstance(before[0], dict):
            return [{**before[0], "name": f"{mark(row, name)}{SAID}"}]
        return [f"{mark(row, name)}{SAID}", *before[1:]] if before else before
    if isinstance(column, URLField):
        return f"https://f.cn/{mark(row, name)}/{SPOKEN}"
    if name in {"rejection_reason", "reply_text"} and not before:
        return before
    # Short columns have no room for all, or for a mark.
    for text in (f"{mark(row, name)}{SAID}", f"{mark(row, name)}{SPOKEN}"):
        if len(text) <= (column.max_length or 500):
            return text
    return SPOKEN


def whole_database(alias: str) -> dict[str, str]:
    """Return the text of every table and materialized view, with all its columns."""
    found = {}
    for (table,) in rows(alias, TABLES, ["r", "p", "m"]):
        ((text,),) = rows(alias, f"SELECT string_agg(t::text, E'\\n') FROM {table} AS t")  # noqa: S608 (found there)
        found[table] = text or ""
    return found


def export(alias: str, person: User, folder: Path) -> Any:
    file = folder / "person.json"
    call_command("export_person", str(person.pk), output=file, database=alias, stdout=io.StringIO())
    assert file.stat().st_mode & 0o777 == 0o600
    return json.loads(file.read_text())


def erase(alias: str, person: User, **options: Any) -> Any:
    out = io.StringIO()
    call_command("erase_person", str(person.pk), database=alias, stdout=out, **options)
    return json.loads(out.getvalue())


def unplanted(alias: str, person: User) -> set[str]:
    """Return the columns of texts that stay which hold nothing of the person."""
    found = set()
    for declared in personal():
        for name in declared.redacted.split():
            held = [str(getattr(row, name)) for row in declared.rows(alias, person.pk, mentioned=True)]
            if not any(SPOKEN in text for text in held):
                found.add(f"{declared.model._meta.db_table}.{name}")
    return found


def test_this_life_has_a_row_of_every_kind_and_a_value_in_every_text(application: str, life: lives.Life) -> None:
    empty = {d.model._meta.label for d in personal() if not d.rows(application, life.person.pk, mentioned=True)}
    assert empty == {"accounts.User_user_permissions", "common.Erasure"}
    assert unplanted(application, life.person) == set()


def test_an_export_shows_every_row_and_every_value(application: str, life: lives.Life, tmp_path: Path) -> None:
    shown = export(application, life.person, tmp_path)
    text = json.dumps(shown, ensure_ascii=False)
    assert shown["person"] == str(life.person.pk)
    assert [value for value in IDENTIFYING if value not in text] == []
    for declared in personal():
        table = declared.model._meta.db_table
        for path in references(declared):
            theirs = declared.model._base_manager.using(application).filter(**{path: life.person.pk})
            wanted = theirs.values_list(first_column(declared), flat=True)
            keys = {row[attname(declared, first_column(declared))] for row in shown["tables"][table]}
            assert {str(key) for key in wanted} <= {str(key) for key in keys}, (table, path)
        for column in declared.shown():
            values = [getattr(row, column.attname) for row in declared.rows(application, life.person.pk)]
            assert len(shown["tables"][table]) == len(values)
            assert all(column.attname in row for row in shown["tables"][table])
    # The words of others in what the person has part in are there too, what is nobody's to see is not.
    assert "◆messaging_message.body◆" in text
    assert "password" not in shown["tables"]["accounts_user"][0]
    (session,) = shown["tables"]["django_session"]
    assert session["content"] == {"_auth_user_id": str(life.person.pk), "contact": lives.PHONE}
    assert "是他" not in text


def references(declared: Personal) -> list[str]:
    """Return the columns that lead straight to the people whose the row is."""
    columns = {column.name for column in declared.model._meta.concrete_fields if isinstance(column, ForeignKey)}
    return [path for path in declared.people if path in columns]


def first_column(declared: Personal) -> str:
    names = {column.name for column in declared.model._meta.concrete_fields}
    return "id" if "id" in names else str(declared.model._meta.pk.name)


def attname(declared: Personal, name: str) -> str:
    return str(declared.model._meta.get_field(name).attname)  # type: ignore[union-attr]


# Numbers, moments and digests stand in many a row.
TELLING = re.compile(r"(?![*0-9a-f.:+ -]+$).{4,}", re.DOTALL)


def own_values(alias: str, person: User) -> set[str]:
    """Return what stands of the person in columns that are emptied, in rows that go and in files to delete."""
    found: set[str] = set()
    for declared in personal():
        columns = [c for c in declared.model._meta.concrete_fields if not says_nothing(c)]
        gone = {*declared.replaced, *declared.files.split()}
        for row in declared.rows(alias, person.pk):
            for column in columns:
                if declared.deleted or column.name in gone:
                    found |= set(leaves(getattr(row, column.name)))
    return {value for value in found if TELLING.fullmatch(value)}


def says_nothing(column: "Field[Any, Any]") -> bool:
    return bool(column.primary_key or column.choices or isinstance(column, (ForeignKey, *DERIVED, BooleanField)))


def leaves(value: Any) -> Iterator[str]:
    """Yield the texts in a value of a column, of JSON too."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for part in value:
            yield from leaves(part)
    elif value not in (None, ""):
        yield str(value)


def test_after_an_erasure_no_table_holds_anything_of_the_person(application: str, life: lives.Life) -> None:
    texts = own_values(application, life.person)
    assert {"擅长品牌设计", "Browser of Zhu", "水下摄影", "我的工资卡", "十年标志设计", "Shanghai"} <= texts
    assert {"documents/zhu.jpg", "https://f.cn/project", "https://f.cn/media.png", "https://f.cn/avatar.png"} <= texts
    before = whole_database(application)
    assert sum(SPOKEN in text for text in before.values()) > 20
    report = erase(application, life.person)
    assert set(report["files"]) >= {"documents/zhu.jpg", "https://f.cn/media.png", "https://f.cn/avatar.png"}
    # Until whoever keeps the files has deleted them.
    assert "documents/zhu.jpg" in whole_database(application)["common_erasure"]
    assert erase(application, life.person, files_deleted=True)["files"] == []
    for table, text in whole_database(application).items():
        held = [value for value in [*IDENTIFYING, *texts] if value in text]
        assert held == [], table
    assert not UserPrivate.objects.using(application).filter(pk=life.person.pk)


def test_after_an_erasure_rows_are_gone_and_columns_hold_what_is_declared(application: str, life: lives.Life) -> None:
    person = life.person.pk
    keys = {d.model: [row.pk for row in d.rows(application, person, mentioned=d.deleted)] for d in personal()}
    erase(application, life.person)
    for declared in personal():
        rows = declared.model._base_manager.using(application).filter(pk__in=keys[declared.model])
        assert rows.count() == (0 if declared.deleted else len(keys[declared.model])), declared.model
        for name, value in declared.replaced.items():
            emptied = {f"{name}__isnull": True} if value is None else {name: value}
            assert rows.filter(**emptied).count() == len(keys[declared.model]), (declared.model, name)


def test_what_others_rely_on_stays_to_the_cent(application: str, life: lives.Life) -> None:
    sums = "SELECT count(*), sum(amount), min(created_at) FROM payments_transaction"
    orders = "SELECT array_agg(o.number || o.status || o.total_amount ORDER BY id) FROM orders_order AS o"
    before = rows(application, sums), rows(application, orders)
    erase(application, life.person)
    assert (rows(application, sums), rows(application, orders)) == before
    (wallet,) = Wallet.objects.using(application).filter(user=life.person)
    assert (wallet.status, wallet.balance) == ("closed", Decimal(0))
    account = User.objects.using(application).get(pk=life.person.pk)
    assert (account.username, account.status) == (f"erased-{account.pk}", "erased")
    assert not account.has_usable_password()
    assert (account.avatar_url, account.headline, account.region_code, account.last_login) == ("", "", "", None)
    texts = whole_database(application)
    assert "◆messaging_message.body◆***********" in texts["messaging_message"]
    assert "◆payments_transaction.note◆***********" in texts["payments_transaction"]
    gigs = Gig.objects.using(application).filter(freelancer=life.person)
    assert {gig.status for gig in gigs} == {"archived"}


def test_others_keep_what_is_theirs(application: str, life: lives.Life, tmp_path: Path) -> None:
    with acting_as(life.other.pk):
        UserPrivate.objects.create(user=life.other, phone_number="+8613800138000", real_name="李娜")
    before = export(application, life.other, tmp_path)["tables"]
    erase(application, life.person)
    (tmp_path / "person.json").unlink()
    after = export(application, life.other, tmp_path)["tables"]
    assert after["accounts_userprivate"] == before["accounts_userprivate"]
    counts = [{table: len(found) for table, found in tables.items()} for tables in (before, after)]
    # That the person's reply was taken out of a review of theirs is noted.
    noted = [count.pop("common_auditlog") for count in counts]
    assert counts[0] == counts[1]
    assert noted[0] <= noted[1]


# ---- refusals
def test_who_has_money_or_open_business_is_not_erased(application: str) -> None:
    person = contracts.person("5.00")
    make.order(client=person)
    before = whole_database(application)
    with pytest.raises(CommandError) as caught:
        erase(application, person)
    assert "1 x Wallet: wallet with money: pay it out first" in str(caught.value)
    assert "1 x Order: orders that are not over" in str(caught.value)
    assert whole_database(application) == before


def test_staff_is_not_erased(application: str) -> None:
    with pytest.raises(CommandError, match="is staff: take the rights away first"):
        erase(application, people.staff())
    person = make.user()
    assert erase(application, person, check=True) == {"person": str(person.pk)}
    assert User.objects.get(pk=person.pk).status == "active"


def test_without_the_key_nothing_is_exported_or_erased(application: str, key_file: Path, tmp_path: Path) -> None:
    person = make.user()
    with acting_as(person.pk):
        UserPrivate.objects.create(user=person, phone_number=lives.PHONE)
    before = whole_database(application)
    key_file.unlink()
    with pytest.raises(CommandError, match="Nothing was exported"):
        export(application, person, tmp_path)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(CommandError, match="Nothing was erased"):
        erase(application, person)
    assert whole_database(application) == before


@pytest.mark.parametrize("error", [KeyboardInterrupt, DatabaseError("gone")])
def test_an_export_that_ends_early_leaves_no_half_of_a_file(
    application: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Any
) -> None:
    def interrupted(*_: Any) -> None:
        raise error

    person = make.user()
    (tmp_path / "person.json.part").write_text("of a run that was killed")
    monkeypatch.setattr(exporting, "_write_rows", interrupted)
    with pytest.raises((KeyboardInterrupt, CommandError)):
        export(application, person, tmp_path)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.undo()
    assert export(application, person, tmp_path)["person"] == str(person.pk)
    assert [path.name for path in tmp_path.iterdir()] == ["person.json"]


def test_who_is_not_there_and_a_file_that_is_are_refused(application: str, tmp_path: Path) -> None:
    for command, options in (("export_person", {"output": tmp_path / "a.json"}), ("erase_person", {})):
        with pytest.raises(CommandError, match="There is no account nobody"):
            call_command(command, "nobody", database=application, **options)
    person = make.user()
    export(application, person, tmp_path)
    with pytest.raises(CommandError, match="is there already: name another file"):
        export(application, person, tmp_path)
    with pytest.raises(CommandError, match="not by freelance_user"):
        erase("default", person)
