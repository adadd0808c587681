"""Keys rotate row by row: to stop and to repeat at any moment, and with the wrong key nothing is touched."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import access
import factories as make
import keyring
import pytest
from aliases import alias_of
from apps.accounts.models import UserPrivate
from apps.common.encryption import rotation
from apps.common.encryption.columns import SealedTable
from apps.common.encryption.errors import KeyUnavailableError
from apps.common.encryption.keys import rings
from apps.common.encryption.known_keys import enlist
from config.router import all_on
from django.core.management import CommandError, call_command
from django.db import connections
from server import Server
from steps_back import go_back

TABLE = "accounts_userprivate"
VALUE, INDEX = "substring(phone_number_sealed FROM 2 FOR 2)", "substring(phone_number_index FROM 1 FOR 2)"
NUMBERS = f"""
    SELECT count(*), min(encode({VALUE}, 'hex')), max(encode({VALUE}, 'hex')), min(encode({INDEX}, 'hex')),
        max(encode({INDEX}, 'hex'))
    FROM {TABLE}
"""  # noqa: S608 (made here)


def rows(alias: str, query: str, *parameters: Any) -> list[Any]:
    with connections[alias].cursor() as cursor:
        cursor.execute(query, parameters or None)
        return list(cursor.fetchall())


def content(alias: str) -> list[Any]:
    return rows(alias, f"SELECT p::text FROM {TABLE} AS p ORDER BY user_id")  # noqa: S608 (made here)


def numbers(alias: str) -> tuple[int, ...]:
    """Return the count of rows, and the lowest and highest number of the keys of value and index."""
    (found,) = rows(alias, NUMBERS)
    return (found[0], *(int(number, 16) for number in found[1:]))


def rotate(alias: str, **options: Any) -> Any:
    out = io.StringIO()
    call_command("rotate_encryption_keys", database=alias, stdout=out, **options)
    return json.loads(out.getvalue().splitlines()[-1])


@pytest.fixture
def people(deployed: str, key_file: Path) -> Iterator[str]:  # noqa: ARG001 (its keys come first)
    """Alias of a database with seven people whose values are sealed by the first keys. All queries go there."""
    with all_on(deployed):
        for number in range(7):
            UserPrivate.objects.create(
                user=make.user(), phone_number=f"+861380013800{number}", real_name="李娜", wechat_id=f"wechat_{number}"
            )
        yield deployed


def phones(alias: str) -> list[str | None]:
    return [row.phone_number for row in UserPrivate.objects.using(alias).order_by("pk")]


EVERYBODY = [f"+861380013800{number}" for number in range(7)]


def test_values_and_indexes_come_to_the_current_keys(people: str, key_file: Path) -> None:
    keyring.write(key_file, (1, 2), (1, 3))
    assert rotate(people, check=True)["left"][TABLE] == 7
    assert numbers(people) == (7, 1, 1, 1, 1)
    report = rotate(people)
    assert (report["rotated"][TABLE], report["left"][TABLE]) == (7, 0)
    assert numbers(people) == (7, 2, 2, 3, 3)
    # The old keys may go.
    keyring.write(key_file, (2,), (3,))
    assert phones(people) == EVERYBODY
    assert UserPrivate.objects.using(people).with_phone(EVERYBODY[0]).count() == 1
    assert rotate(people)["rotated"][TABLE] == 0


def test_an_interrupted_rotation_goes_on_where_it_stopped(people: str, key_file: Path) -> None:
    keyring.write(key_file, (1, 2))
    waiting = rotation.outdated(people, SealedTable.of(UserPrivate), rings())
    batches = rotation.rotate(waiting, rings(), 3, rotation.Refused())
    assert next(batches) == 3
    batches.close()  # type: ignore[attr-defined]  # it is a generator
    assert numbers(people)[:3] == (7, 1, 2)
    assert phones(people) == EVERYBODY
    assert rotate(people)["rotated"][TABLE] == 4
    assert numbers(people)[:3] == (7, 2, 2)
    assert phones(people) == EVERYBODY


def test_while_keys_rotate_a_person_is_found_under_either_key(people: str, key_file: Path) -> None:
    keyring.write(key_file, (1,), (1, 2))
    assert UserPrivate.objects.using(people).with_phone(EVERYBODY[3]).count() == 1
    rotate(people)
    assert UserPrivate.objects.using(people).with_phone(EVERYBODY[3]).count() == 1


def test_a_row_that_somebody_writes_is_left_for_the_next_run(people: str, key_file: Path) -> None:
    keyring.write(key_file, (1, 2))
    busy = connections[people].copy("busy")
    with busy.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute(f"SELECT FROM {TABLE} ORDER BY user_id LIMIT 1 FOR UPDATE")
        report = rotate(people)
        cursor.execute("ROLLBACK")  # a session that is only closed holds its locks for a moment longer
    busy.close()
    assert (report["rotated"][TABLE], report["left"][TABLE]) == (6, 1)
    assert rotate(people)["left"][TABLE] == 0


@pytest.mark.parametrize(
    ("encryption", "said"),
    [((2,), "encryption key 1 is not in the key file"), ((), "ENCRYPTION_KEY_FILE")],
)
def test_a_missing_key_touches_nothing(people: str, key_file: Path, encryption: tuple[int, ...], said: str) -> None:
    before = content(people)
    if encryption:
        keyring.write(key_file, encryption)
    else:
        key_file.unlink()
    with pytest.raises(CommandError, match=said):
        rotate(people)
    assert content(people) == before


def test_a_wrong_key_touches_nothing(people: str, key_file: Path) -> None:
    before = content(people)
    keys = json.loads(keyring.write(key_file, (1, 2)).read_text())
    keys["encryption"]["keys"]["1"] = keyring.key("another", 1)
    key_file.write_text(json.dumps(keys))
    with pytest.raises(CommandError, match="The encryption key 1 of the key file is not the one that this database"):
        rotate(people)
    assert content(people) == before


def test_a_key_that_no_row_needs_any_more_is_retired_and_writes_nothing_again(people: str, key_file: Path) -> None:
    keyring.write(key_file, (1, 2))
    rotate(people)
    keyring.write(key_file, (2,))
    assert phones(people) == EVERYBODY
    # Of an older time.
    keyring.write(key_file, (2, 1))
    with pytest.raises(CommandError, match="The encryption key 1 is retired"):
        rotate(people)
    with pytest.raises(KeyUnavailableError, match="The encryption key 1 is retired"):
        UserPrivate.objects.create(user=make.user(), real_name="李娜")


def test_a_key_that_a_row_came_back_to_is_asked_for(people: str, key_file: Path) -> None:
    before = rows(people, f"SELECT user_id, phone_number_index FROM {TABLE} ORDER BY 1 LIMIT 1")[0]  # noqa: S608 (made here)
    keyring.write(key_file, (1,), (1, 2))
    rotate(people)
    # A host with the older file.
    with connections[people].cursor() as cursor:
        cursor.execute(f"UPDATE {TABLE} SET phone_number_index = %s WHERE user_id = %s", [before[1], before[0]])  # noqa: S608 (made here)
    keyring.write(key_file, (1,), (2,))
    with pytest.raises(CommandError, match="blind index key 1 is not in the key file, which has 2"):
        rotate(people)
    with pytest.raises(
        CommandError, match=r"blind index key 1 is not in the key file, which has 2.*Nothing was changed"
    ):
        call_command("deploy_release", release="r2", database=people, stdout=io.StringIO())


def test_a_damaged_value_does_not_keep_the_others_from_rotating(people: str, key_file: Path) -> None:
    with connections[people].cursor() as cursor:
        cursor.execute(
            f"UPDATE {TABLE} SET real_name_sealed = set_byte(real_name_sealed, 70, get_byte(real_name_sealed, 70) # 1)"  # noqa: S608 (made here)
            f" WHERE user_id = (SELECT min(user_id::text)::uuid FROM {TABLE}) RETURNING user_id"
        )
        ((damaged,),) = cursor.fetchall()
    keyring.write(key_file, (1, 2))
    with pytest.raises(CommandError, match=f"real_name_sealed of row {damaged}: the ciphertext was altered"):
        rotate(people, batch_rows=3)
    assert rotate(people, check=True)["left"][TABLE] == 1
    # The old key is still needed.
    keyring.write(key_file, (2,))
    with pytest.raises(CommandError, match="encryption key 1 is not in the key file"):
        rotate(people)


def test_a_rotation_is_no_change_to_the_audit_log(people: str, key_file: Path) -> None:
    noted = f"SELECT count(*) FROM common_auditlog WHERE table_name = '{TABLE}'"  # noqa: S608 (made here)
    before = rows(people, noted)
    keyring.write(key_file, (1, 2), (1, 2))
    assert rotate(people)["rotated"][TABLE] == 7
    assert rows(people, noted) == before
    row = UserPrivate.objects.order_by("pk")[0]
    row.real_name = "王伟"
    row.save()
    assert rows(people, noted) == [(before[0][0] + 1,)]


def test_one_value_under_two_keys_is_reported_and_the_rest_goes_on(people: str, key_file: Path) -> None:
    keyring.write(key_file, (1,), (1, 2))
    enlist(connections[people])
    with all_on(people):
        # Signed up at a host that has the new key, while the row of the same number has the old one.
        again = UserPrivate.objects.create(user=make.user(), phone_number=EVERYBODY[4])
    with pytest.raises(CommandError, match="The same value stands in two rows") as caught:
        rotate(people, batch_rows=4)
    old = UserPrivate.objects.using(people).with_phone(EVERYBODY[4]).exclude(pk=again.pk).get()
    assert f"{TABLE} {old.pk}." in str(caught.value)
    assert numbers(people)[3:] == (1, 2)
    UserPrivate.objects.using(people).filter(pk=again.pk).delete()
    assert rotate(people)["left"][TABLE] == 0


def test_only_the_owner_rotates() -> None:
    with pytest.raises(CommandError, match="owner of accounts_userprivate, freelance_owner, not by freelance_user"):
        rotate("default")
    with pytest.raises(CommandError, match="no database alias nowhere"):
        rotate("nowhere")


# ---- from plain columns
PLAIN = f"UPDATE {TABLE} SET phone_number = %s, real_name = %s WHERE user_id = %s"  # noqa: S608 (made here)


@pytest.fixture(scope="module")
def _plain_template(server: Server, _deployed_template: None) -> None:
    server.sql("postgres", access.clone("deployed", "plain"))
    with alias_of("plain") as alias:
        go_back(alias, "accounts", "0012_seal_identity")


@pytest.fixture
def plain(server: Server, _plain_template: None, key_file: Path) -> Iterator[str]:  # noqa: ARG001 (its keys come first)
    """Alias of a database before the plain columns were dropped, with two people of the release before."""
    server.sql("postgres", access.clone("plain", "scratch"))
    with alias_of("scratch") as alias:
        with all_on(alias):
            for number in range(2):
                user = make.user()
                UserPrivate.objects.create(user=user)
                with connections[alias].cursor() as cursor:
                    cursor.execute(PLAIN, [EVERYBODY[number], "李娜", user.pk])
        yield alias


def encrypt(alias: str, **options: Any) -> Any:
    out = io.StringIO()
    call_command("encrypt_columns", database=alias, stdout=out, **options)
    return json.loads(out.getvalue().splitlines()[-1])


def test_plain_values_are_moved_and_then_their_columns_go(plain: str) -> None:
    assert encrypt(plain, check=True)["left"][TABLE] == 2
    with pytest.raises(Exception, match="still holds plain values") as caught:
        call_command("migrate", "accounts", database=plain, verbosity=0)
    assert "Run manage.py encrypt_columns" in caught.value.__cause__.diag.message_hint  # type: ignore[union-attr]
    report = encrypt(plain, batch_rows=1)
    assert (report["encrypted"][TABLE], report["left"][TABLE]) == (2, 0)
    assert rows(plain, f"SELECT DISTINCT phone_number, real_name FROM {TABLE}") == [(None, "")]  # noqa: S608 (made here)
    call_command("migrate", "accounts", database=plain, verbosity=0)
    found = UserPrivate.objects.using(plain).order_by("pk")
    assert [(row.phone_number, row.real_name) for row in found] == [(phone, "李娜") for phone in EVERYBODY[:2]]
    assert UserPrivate.objects.using(plain).with_phone(EVERYBODY[1]).count() == 1
    assert encrypt(plain) == {"encrypted": {}, "left": dict.fromkeys(encrypt(plain)["left"], 0)}


def test_what_a_newer_release_has_sealed_is_not_overwritten(plain: str) -> None:
    with all_on(plain):
        row = UserPrivate.objects.order_by("pk")[0]
        row.phone_number = EVERYBODY[5]
        row.save()
    encrypt(plain)
    assert phones(plain) == [EVERYBODY[5], EVERYBODY[1]]


def test_without_a_key_plain_values_stay_where_they_are(plain: str, key_file: Path) -> None:
    before = content(plain)
    key_file.unlink()
    with pytest.raises(CommandError, match=f"ENCRYPTION_KEY_FILE={key_file}"):
        encrypt(plain)
    assert content(plain) == before


def test_a_step_back_that_would_lose_sealed_values_is_refused(people: str) -> None:
    with pytest.raises(Exception, match="holds encrypted values, which this step back would lose"):
        go_back(people, "accounts", "0010_audit")
    assert len(content(people)) == 7
