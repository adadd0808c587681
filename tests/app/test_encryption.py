"""Private columns: sealed for their row by a key of the file, found by a blind index, refused when in doubt."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import factories as make
import factories_contracts as contracts
import factories_people as people
import keyring
import pytest
from apps.accounts.models import User, UserPrivate, UserVerification
from apps.common.encryption.envelope import Place, seal, unseal
from apps.common.encryption.errors import KeyUnavailableError, MisplacedError, WrongKeyError
from apps.common.encryption.keys import KeyRing, rings
from apps.payments.models import PaymentMethod
from config.router import all_on
from django.conf import settings
from django.core.exceptions import FieldError
from django.core.serializers import serialize
from django.db import transaction
from hypothesis import given
from hypothesis import strategies as st
from test_constraints import refused

PHONE = "+8613800138000"
PLACE = Place("accounts_userprivate", "phone_number_sealed", "1")


def ring(*numbers: int) -> KeyRing:
    return KeyRing("encryption", numbers[-1], {number: bytes([number]) * 32 for number in numbers})


def raw(database: Any, query: str, *parameters: Any) -> Any:
    with database.cursor() as cursor:
        cursor.execute(query, parameters or None)
        return cursor.fetchone() if cursor.description else None


@pytest.fixture
def database(owner: Any) -> Iterator[Any]:
    """The owner's connection: rows of several people are looked at, which nobody else sees."""
    with all_on("direct"):
        yield owner


# ---- envelopes
@given(text=st.text(min_size=1).filter(lambda text: text.isprintable()))
def test_every_text_comes_back_from_its_envelope(text: str) -> None:
    assert unseal(seal(text, PLACE, ring(1)), PLACE, ring(1)) == text


def test_no_two_envelopes_are_alike_and_none_shows_its_text() -> None:
    made = {seal(PHONE, PLACE, ring(1)) for _ in range(50)}
    assert len(made) == 50
    assert not any(PHONE.encode() in sealed for sealed in made)


def test_older_keys_read_and_the_current_one_writes() -> None:
    old = seal(PHONE, PLACE, ring(1))
    assert unseal(old, PLACE, ring(1, 2)) == PHONE
    with pytest.raises(KeyUnavailableError, match="encryption key 2 is not in the key file, which has 1"):
        unseal(seal(PHONE, PLACE, ring(1, 2)), PLACE, ring(1))


@pytest.mark.parametrize(
    "place",
    [
        Place("accounts_userprivate", "phone_number_sealed", "2"),
        Place("accounts_userprivate", "email_sealed", "1"),
        Place("payments_paymentmethod", "phone_number_sealed", "1"),
    ],
)
def test_a_ciphertext_opens_at_its_own_place_alone(place: Place) -> None:
    with pytest.raises(MisplacedError, match=f"{place}: the ciphertext was altered, or belongs to another place"):
        unseal(seal(PHONE, PLACE, ring(1)), place, ring(1))


@pytest.mark.parametrize("position", [0, 2, 3, 20, 43, 54, 60, -1])
def test_a_single_altered_bit_is_noticed(position: int) -> None:
    sealed = bytearray(seal(PHONE, PLACE, ring(1, 3)))
    sealed[position] ^= 1
    with pytest.raises((MisplacedError, WrongKeyError, KeyUnavailableError)):
        unseal(bytes(sealed), PLACE, ring(1, 3))


def test_another_key_under_the_same_number_is_told_from_a_moved_value() -> None:
    other = KeyRing("encryption", 1, {1: b"x" * 32})
    with pytest.raises(WrongKeyError, match="the key 1 of the key file is not the one that sealed it"):
        unseal(seal(PHONE, PLACE, ring(1)), PLACE, other)


# ---- the key file
def test_a_replaced_key_file_is_read_again(key_file: Path) -> None:
    assert rings().encryption.current == 1
    keyring.write(key_file, (1, 2))
    assert (rings().encryption.current, rings().blind_index.current) == (2, 1)


@pytest.mark.parametrize(
    "content",
    [
        "", "[]", "{}", '{"encryption": {"current": 1, "keys": {}}}',
        json.dumps({"encryption": keyring.ring("encryption", [1])}),
        json.dumps({name: {"current": 1, "keys": {"1": "c2hvcnQ="}} for name in ("encryption", "blind_index")}),
        json.dumps({name: {"current": 1, "keys": {"1": "not base64"}} for name in ("encryption", "blind_index")}),
        json.dumps({name: {**keyring.ring(name, [1]), "current": 2} for name in ("encryption", "blind_index")}),
        json.dumps(
            {name: {"current": 1, "keys": dict.fromkeys("12", keyring.key(name, 1))}
             for name in ("encryption", "blind_index")}
        ),
        json.dumps(
            {name: {"current": 0, "keys": {"0": keyring.key(name, 1)}} for name in ("encryption", "blind_index")}
        ),
    ],
)  # fmt: skip
def test_a_file_that_is_no_key_file_is_refused_without_showing_it(key_file: Path, content: str) -> None:
    key_file.write_text(content)
    os.utime(key_file, ns=(1, 1))
    with pytest.raises(KeyUnavailableError, match=f"ENCRYPTION_KEY_FILE={key_file} is no key file") as caught:
        rings()
    assert caught.value.__cause__ is None
    assert keyring.key("encryption", 1) not in str(caught.value)


def test_keys_are_not_shown() -> None:
    shown = repr(rings())
    assert "purpose='encryption'" in shown
    assert "keys=" not in shown


# ---- columns
@pytest.mark.usefixtures("database")
class TestAColumn:
    def test_it_reads_as_text_and_is_stored_as_ciphertext(self, database: Any) -> None:
        made = UserPrivate.objects.create(user=make.user(), phone_number=PHONE, real_name="李娜")
        found = UserPrivate.objects.get(pk=made.pk)
        assert (found.phone_number, found.real_name, found.email) == (PHONE, "李娜", None)
        stored = raw(database, "SELECT phone_number_sealed FROM accounts_userprivate WHERE user_id = %s", made.pk)[0]
        assert bytes(stored)[:3] == b"\x01\x00\x01"
        assert PHONE.encode() not in bytes(stored)

    def test_it_is_changed_and_emptied(self) -> None:
        made = UserPrivate.objects.create(user=make.user(), phone_number=PHONE, real_name="李娜")
        made.phone_number, made.real_name = "+8613900139000", ""
        made.save()
        found = UserPrivate.objects.get(pk=made.pk)
        assert (found.phone_number, found.real_name) == ("+8613900139000", None)

    def test_the_index_follows_the_value_alone_too(self) -> None:
        made = UserPrivate.objects.create(user=make.user(), phone_number=PHONE)
        made.phone_number = "+8613900139000"
        made.save(update_fields=["phone_number"])
        assert list(UserPrivate.objects.with_phone("+8613900139000")) == [made]
        assert not UserPrivate.objects.with_phone(PHONE)

    def test_an_address_is_found_in_any_case(self) -> None:
        made = UserPrivate.objects.create(user=make.user(), email="Li.Na@example.com")
        assert list(UserPrivate.objects.with_email("li.na@EXAMPLE.com")) == [made]
        assert UserPrivate.objects.get(pk=made.pk).email == "Li.Na@example.com"

    def test_equal_texts_of_two_columns_have_nothing_in_common(self, database: Any) -> None:
        made = UserPrivate.objects.create(user=make.user(), email="a_b_c@example.com", wechat_id="abcdef")
        made.wechat_id = "same-text"
        index = UserPrivate._meta.get_field("wechat_id_index").index("x@example.com")
        assert index != UserPrivate._meta.get_field("email_index").index("x@example.com")
        assert raw(database, "SELECT octet_length(email_index) FROM accounts_userprivate WHERE user_id = %s", made.pk)

    def test_several_rows_are_made_at_once(self) -> None:
        users = [make.user() for _ in range(3)]
        UserPrivate.objects.bulk_create(
            UserPrivate(user=user, phone_number=f"+861380013800{number}") for number, user in enumerate(users)
        )
        found = UserPrivate.objects.filter(user__in=users).order_by("pk")
        assert [row.phone_number for row in found] == [f"+861380013800{number}" for number in range(3)]

    def test_a_deferred_value_is_fetched_and_opened(self) -> None:
        made = UserPrivate.objects.create(user=make.user(), phone_number=PHONE)
        assert UserPrivate.objects.only("updated_at").get(pk=made.pk).phone_number == PHONE

    def test_what_knows_no_row_is_refused(self) -> None:
        rows = UserPrivate.objects.filter(pk=UserPrivate.objects.create(user=make.user(), phone_number=PHONE).pk)
        with (
            pytest.raises(TypeError, match="phone_number is sealed for its row: write it by save"),
            transaction.atomic(using="direct"),
        ):
            rows.update(phone_number=PHONE)
        with pytest.raises(FieldError, match="Unsupported lookup 'exact' for EncryptedTextField"):
            rows.get(phone_number=PHONE)
        with pytest.raises(TypeError, match="not for fixtures"):
            serialize("json", rows)
        assert rows.get().phone_number == PHONE

    def test_a_value_shows_nothing_of_itself(self) -> None:
        made = UserPrivate.objects.create(user=make.user(), phone_number=PHONE)
        values = UserPrivate.objects.filter(pk=made.pk).values("phone_number")
        assert repr(list(values)) == "[{'phone_number': <ciphertext>}]"

    def test_identity_and_accounts_are_sealed_too(self, database: Any) -> None:
        verification = people.verification(identity_number=people.IDENTITY_NUMBER, holder_name="李娜")
        account = contracts.payment_method(account_number="6222020200112230005", holder_name="李娜")
        assert UserVerification.objects.get(pk=verification.pk).identity_number == people.IDENTITY_NUMBER
        assert PaymentMethod.objects.get(pk=account.pk).account_number == "6222020200112230005"
        row = raw(database, "SELECT p::text FROM payments_paymentmethod AS p WHERE id = %s", account.pk)[0]
        assert "6222020200112230005" not in row
        assert "李娜" not in row

    @pytest.mark.parametrize(
        ("constraint", "assignment"),
        [
            ("phone", "phone_number_sealed = 'plain'::bytea, phone_number_index = 'x'::bytea"),
            ("phone", "phone_number_index = NULL"),
            ("phone", "phone_number_sealed = NULL"),
            ("real_name", "real_name_sealed = convert_to(repeat('长', 40), 'UTF8')"),
            ("real_name", "real_name_sealed = decode(repeat('01', 272), 'hex')"),
        ],
    )
    def test_what_is_no_ciphertext_is_refused_by_the_database(
        self, database: Any, constraint: str, assignment: str
    ) -> None:
        made = UserPrivate.objects.create(user=make.user(), phone_number=PHONE)
        update = f"UPDATE accounts_userprivate SET {assignment} WHERE user_id = %s"  # noqa: S608 (made here)
        refused(f"accounts_userprivate_{constraint}_is_sealed", lambda: raw(database, update, made.pk))

    def test_a_ciphertext_that_was_moved_to_another_row_is_refused(self, database: Any) -> None:
        one = UserPrivate.objects.create(user=make.user(), real_name="李娜")
        other = UserPrivate.objects.create(user=make.user(), real_name="王伟")
        raw(
            database,
            "UPDATE accounts_userprivate AS here SET real_name_sealed = there.real_name_sealed"
            " FROM accounts_userprivate AS there WHERE here.user_id = %s AND there.user_id = %s",
            one.pk, other.pk,
        )  # fmt: skip
        moved = UserPrivate.objects.get(pk=one.pk)
        with pytest.raises(MisplacedError, match=f"real_name_sealed of row {one.pk}: the ciphertext was altered"):
            assert moved.real_name
        # A save would seal it for its new place.
        with pytest.raises(MisplacedError):
            moved.save()
        assert other.real_name == "王伟"

    def test_a_copied_row_does_not_take_the_value_along(self) -> None:
        found = UserPrivate.objects.get(pk=UserPrivate.objects.create(user=make.user(), real_name="李娜").pk)
        found.user = make.user()
        with pytest.raises(MisplacedError):
            found.save()


# ---- wrong and missing keys
def key_is_wrong(key_file: Path) -> None:
    content = json.loads(key_file.read_text())
    content["encryption"]["keys"]["1"] = keyring.key("another", 1)
    key_file.write_text(json.dumps(content))


@pytest.mark.usefixtures("database")
class TestWithoutTheKey:
    @pytest.fixture
    def stored(self, database: Any, key_file: Path) -> UserPrivate:  # noqa: ARG002 (they come first)
        return UserPrivate.objects.create(user=make.user(), phone_number=PHONE)

    def whole_table(self, database: Any) -> Any:
        return raw(database, "SELECT array_agg(p::text ORDER BY p::text) FROM accounts_userprivate AS p")

    def test_a_wrong_key_reads_nothing_and_changes_nothing(
        self, stored: UserPrivate, database: Any, key_file: Path
    ) -> None:
        before = self.whole_table(database)
        key_is_wrong(key_file)
        found = UserPrivate.objects.get(pk=stored.pk)
        with pytest.raises(WrongKeyError, match="the key 1 of the key file is not the one"):
            assert found.phone_number
        with pytest.raises(WrongKeyError), transaction.atomic(using="direct"):
            found.save()
        assert self.whole_table(database) == before

    def test_a_missing_file_is_named_and_changes_nothing(
        self, stored: UserPrivate, database: Any, key_file: Path
    ) -> None:
        before = self.whole_table(database)
        key_file.unlink()
        with pytest.raises(KeyUnavailableError, match=f"ENCRYPTION_KEY_FILE={key_file}: No such file"):
            assert UserPrivate.objects.get(pk=stored.pk).phone_number
        user = make.user()
        with pytest.raises(KeyUnavailableError), transaction.atomic(using="direct"):
            UserPrivate.objects.create(user=user, phone_number="+8613900139000")
        assert self.whole_table(database) == before

    def test_a_setting_that_is_not_there_is_named(self, stored: UserPrivate, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(settings.ENCRYPTION, "KEY_FILE", "")
        with pytest.raises(KeyUnavailableError, match="ENCRYPTION_KEY_FILE is not set"):
            assert UserPrivate.objects.get(pk=stored.pk).phone_number

    def test_other_columns_need_no_key(self, stored: UserPrivate, key_file: Path) -> None:
        key_file.unlink()
        assert UserPrivate.objects.get(pk=stored.pk).updated_at
        assert User.objects.get(private=stored) == stored.user
