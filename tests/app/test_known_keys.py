"""Key files of several hosts: one is ahead of the other, and what the database knows decides which key writes."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import factories as make
import keyring
import psycopg
import pytest
from apps.accounts.models import UserPrivate
from apps.common.encryption.errors import KeyUnavailableError
from config.router import all_on
from django.core.management import call_command
from django.db import connections

PHONE, OTHER = "+8613800138000", "+8613900139000"
NUMBERS = """
    SELECT get_byte(real_name_sealed, 2), get_byte(phone_number_index, 1) FROM accounts_userprivate WHERE user_id = %s
"""


@pytest.fixture
def host(deployed: str, key_file: Path) -> Iterator[str]:  # noqa: ARG001 (its keys come first)
    """Alias of a database that key 1 of each ring writes. All queries go there."""
    with all_on(deployed):
        yield deployed


def deploy(alias: str) -> None:
    call_command("deploy_release", release="r1", database=alias, stdout=io.StringIO())


def rotate(alias: str) -> None:
    call_command("rotate_encryption_keys", database=alias, stdout=io.StringIO())


def sign_up(phone: str) -> UserPrivate:
    return UserPrivate.objects.create(user=make.user(), phone_number=phone, real_name="李娜")


def found(phone: str) -> list[str | None]:
    return [row.real_name for row in UserPrivate.objects.with_phone(phone)]


def numbers(alias: str, row: UserPrivate) -> Any:
    """Return the numbers of the keys of a value and of an index."""
    with connections[alias].cursor() as cursor:
        cursor.execute(NUMBERS, [row.pk])
        return cursor.fetchone()


def test_a_host_whose_file_is_a_key_ahead_and_one_without_it_both_work(host: str, key_file: Path) -> None:
    keyring.write(key_file, (2, 1), (2, 1))
    deploy(host)
    ahead = sign_up(PHONE)
    keyring.write(key_file)
    behind = sign_up(OTHER)
    assert found(PHONE) == ["李娜"]
    keyring.write(key_file, (2, 1), (2, 1))
    assert found(OTHER) == ["李娜"]
    assert numbers(host, ahead) == numbers(host, behind) == (1, 1)


def test_the_application_enlists_no_key(application: psycopg.Connection[Any]) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege), application.transaction():
        application.execute(
            "INSERT INTO common_encryptionkey (ring, number, check_value) VALUES ('blind_index', 77, '\\x00')"
        )


@pytest.mark.parametrize(
    ("encryption", "blind_index", "said"),
    [((1, 2), (1,), "The encryption key 2 is current"), ((1,), (1, 2), "The blind index key 2 is current")],
)
def test_a_current_key_writes_when_the_owner_has_enlisted_it(
    host: str, key_file: Path, encryption: tuple[int, ...], blind_index: tuple[int, ...], said: str
) -> None:
    sign_up(PHONE)
    keyring.write(key_file, encryption, blind_index)
    with pytest.raises(KeyUnavailableError, match=f"{said} in the key file, and the database does not know it yet"):
        sign_up(OTHER)
    # Who writes nothing needs no new key.
    assert found(PHONE) == ["李娜"]
    deploy(host)
    assert numbers(host, sign_up(OTHER)) == (encryption[-1], blind_index[-1])


def test_a_key_that_was_added_ahead_survives_a_rotation(host: str, key_file: Path) -> None:
    sign_up(PHONE)
    keyring.write(key_file, (1, 3, 2), (1, 3, 2))
    rotate(host)
    keyring.write(key_file, (2, 3), (2, 3))
    deploy(host)
    assert numbers(host, sign_up(OTHER)) == (3, 3)
    assert found(PHONE) == ["李娜"]
    # The first ones are retired, and stay so.
    keyring.write(key_file, (2, 3, 1), (2, 3))
    with pytest.raises(KeyUnavailableError, match="The encryption key 1 is retired"):
        sign_up("+8613700137000")


def test_a_host_without_the_key_of_a_value_misses_that_value_alone(host: str, key_file: Path) -> None:
    keyring.write(key_file, (1, 2))
    deploy(host)
    sign_up(PHONE)
    keyring.write(key_file)
    sign_up(OTHER)
    assert found(OTHER) == ["李娜"]
    with pytest.raises(KeyUnavailableError, match="encryption key 2 is not in the key file, which has 1"):
        found(PHONE)


def test_a_host_without_a_key_of_indexes_looks_for_nobody(host: str, key_file: Path) -> None:
    keyring.write(key_file, (1,), (1, 2))
    deploy(host)
    row = sign_up(PHONE)
    keyring.write(key_file)
    for action in (lambda: found(PHONE), lambda: sign_up(PHONE)):
        with pytest.raises(KeyUnavailableError, match="blind index key 2 is not in the key file, which has 1"):
            action()
    # It can still read.
    assert UserPrivate.objects.get(pk=row.pk).real_name == "李娜"


@pytest.mark.parametrize("read_before", [False, True])
def test_a_row_that_was_read_before_a_rotation_brings_no_retired_key_back(
    host: str, key_file: Path, read_before: bool
) -> None:
    row = UserPrivate.objects.get(pk=sign_up(PHONE).pk)
    if read_before:
        assert row.real_name == "李娜"
    keyring.write(key_file, (1, 2), (1, 2))
    rotate(host)
    row.save()
    assert numbers(host, row) == (2, 2)
