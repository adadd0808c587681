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
from apps.common.encryption.known_keys import enlist
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
        ("number", "shown"),
        [("6222020200112230005", "0005"), ("li_na_24", "a_24"), ("li_na24", "****"), ("lina", "****")],
    )
    def test_of_a_short_account_nothing_is_shown(self, number: str, shown: str) -> None:
        made = contracts.payment_method(account_number="6222020200112239999")
        made.account_number = number
        made.save(update_fields=["account_number"])
        assert PaymentMethod.objects.get(pk=made.pk).last_characters == shown

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

    def test_what_did_not_change_is_written_as_it_was(self, database: Any) -> None:
        made = UserPrivate.objects.create(
            user=make.user(), phone_number=PHONE, email="li.na@example.com", real_name="李娜", alipay_account="lina"
        )
        for read_again in (False, True):
            row = UserPrivate.objects.get(pk=made.pk) if read_again else made
            row.save()
            row.real_name = str(row.real_name)
            row.alipay_account = f"{row.alipay_account}1"
            row.save()
            row.email = f"{row.email}.cn"
            row.save()
        noted = raw(
            database,
            "SELECT jsonb_agg(changes ORDER BY created_at, id) FROM common_auditlog"
            " WHERE table_name = 'accounts_userprivate' AND row_id = %s AND operation = 'update'",
            str(made.pk),
        )[0]
        email = {"email_sealed": None, "email_index": None}
        assert [list(change) for change in json.loads(noted)] == 2 * [["alipay_account_sealed"], sorted(email)]

    def test_what_did_not_change_keeps_an_older_key(self, database: Any, key_file: Path) -> None:
        made = UserPrivate.objects.create(user=make.user(), phone_number=PHONE)
        whole = "SELECT p::text FROM accounts_userprivate AS p WHERE user_id = %s"
        keyring.write(key_file, (1, 2), (1, 2))
        row = UserPrivate.objects.get(pk=made.pk)
        enlist(database)
        before = raw(database, whole, made.pk)
        row.save(update_fields=["phone_number"])
        assert raw(database, whole, made.pk) == before
        row.phone_number = "+8613900139000"
        row.save()
        assert list(UserPrivate.objects.with_phone("+8613900139000")) == [made]

    def test_a_copied_row_does_not_take_the_value_along(self) -> None:
        found = UserPrivate.objects.get(pk=UserPrivate.objects.create(user=make.user(), real_name="李娜").pk)
        found.user = make.user()
        with pytest.raises(MisplacedError):
            found.save()


# ---- wrong and missing keys
def keys_become(key_file: Path, **rings: Any) -> None:
    """Put another ring of these names into the file."""
    fresh = key_file.with_suffix(".new")
    fresh.write_text(json.dumps({**json.loads(key_file.read_text()), **rings}))
    fresh.chmod(0o600)
    fresh.rename(key_file)


OTHER = keyring.ring("another", [1])
WRONG = {
    "encryption": ({"encryption": OTHER}, "The encryption key 1 of the key file is not the one"),
    "blind index": ({"blind_index": OTHER}, "The blind index key 1 of the key file is not the one"),
    "swapped": (
        {"encryption": keyring.ring("blind_index", [1]), "blind_index": keyring.ring("encryption", [1])},
        "key 1 of the key file is not the one",
    ),
    "missing": (
        {"blind_index": keyring.ring("blind_index", [2])},
        "blind index key 1 is not in the key file, which has 2",
    ),
}


@pytest.mark.usefixtures("database")
class TestWithoutTheKey:
    @pytest.fixture
    def stored(self, database: Any, key_file: Path) -> UserPrivate:  # noqa: ARG002 (they come first)
        return UserPrivate.objects.create(user=make.user(), phone_number=PHONE)

    def whole_table(self, database: Any) -> Any:
        return raw(database, "SELECT array_agg(p::text ORDER BY p::text) FROM accounts_userprivate AS p")

    @pytest.mark.parametrize("case", WRONG)
    def test_a_wrong_or_missing_key_finds_nobody_and_changes_nothing(
        self, stored: UserPrivate, database: Any, key_file: Path, case: str
    ) -> None:
        before, other = self.whole_table(database), make.user()
        rings, said = WRONG[case]
        keys_become(key_file, **rings)
        found = UserPrivate.objects.get(pk=stored.pk)
        # A value needs no key of indexes; a wrong one says that the file is of another database.
        if case != "missing":
            with pytest.raises(WrongKeyError, match=said):
                assert found.phone_number
        for action in (
            found.save,
            lambda: UserPrivate.objects.with_phone(PHONE).exists(),
            # A number that is somebody's already.
            lambda: UserPrivate.objects.create(user=other, phone_number=PHONE),
        ):
            with pytest.raises((WrongKeyError, KeyUnavailableError), match=said), transaction.atomic(using="direct"):
                action()
        assert self.whole_table(database) == before

    def test_a_new_key_is_known_from_the_moment_that_it_may_write(self, database: Any, key_file: Path) -> None:
        keyring.write(key_file, (1,), (1, 9))
        enlist(database)
        UserPrivate.objects.create(user=make.user(), phone_number=PHONE)
        keys_become(key_file, blind_index={**OTHER, "current": 9, "keys": {"9": keyring.key("another", 9)}})
        with pytest.raises(WrongKeyError, match="The blind index key 9 of the key file is not the one"):
            UserPrivate.objects.with_phone(PHONE).exists()

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
