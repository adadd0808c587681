"""No private text leaves the application: not into a dump, the server's log, its statistics or an error."""

import io
import logging
from collections.abc import Iterator
from pathlib import Path

import factories as make
import factories_contracts as contracts
import factories_people as people
import keyring
import pytest
from apps.accounts.models import UserPrivate
from apps.common.identity import acting_as
from config.router import all_on
from django.contrib.auth import authenticate
from django.core.management import call_command
from django.db import IntegrityError, connections
from django.test.utils import CaptureQueriesContext
from server import Server
from standby import wait_until

LOG = "/var/log/postgresql/postgresql-17-main.log"
# Nobody else's, so that a text that is found is this test's.
SECRETS = {
    "phone_number": "+8615499887766",
    "email": "zhu.leaks@example.com",
    "wechat_id": "wx_leaks_7766",
    "alipay_account": "alipay-leaks-7766",
    "real_name": "朱泄密",
}
IDENTITY, ACCOUNT, HOLDER = people.IDENTITY_NUMBER, "6222020200112239999", "诸葛泄密"
NEW_NAME, NEW_PHONE, NEW_ACCOUNT = "欧阳泄密", "+8615499887755", "6222020200112238888"
KEYS = [keyring.key(purpose, number) for purpose in ("encryption", "blind_index") for number in (1, 2)]
NUMBERS = [phone.removeprefix("+86") for phone in (SECRETS["phone_number"], NEW_PHONE)]
TEXTS = [*SECRETS.values(), *NUMBERS, IDENTITY, ACCOUNT, HOLDER, NEW_NAME, NEW_ACCOUNT, *KEYS]
OPEN = "fresh-public-nickname"


@pytest.fixture
def log_begins_at(server: Server) -> Iterator[int]:
    """Byte of the log from which on the server writes every statement with all its parameters."""
    talk = "log_statement = 'all'", "log_parameter_max_length = -1", "log_parameter_max_length_on_error = -1"
    before = int(server.run("stat", "-c", "%s", LOG))
    server.sql("postgres", "".join(f"ALTER SYSTEM SET {setting};" for setting in talk) + "SELECT pg_reload_conf();")
    yield before + 1
    reset = "".join(f"ALTER SYSTEM RESET {setting.split()[0]};" for setting in talk)
    server.sql("postgres", reset + "SELECT pg_reload_conf();")


def logs_everything(alias: str) -> bool:
    """Whether the session has heard of the setting: each reads it anew between two of its own commands."""
    with connections[alias].cursor() as cursor:
        cursor.execute("SHOW log_statement")
        return bool(cursor.fetchone() == ("all",))


def written(alias: str) -> None:
    """Write, change, look for, refuse and rotate private texts as the application does."""
    wait_until(lambda: logs_everything(alias))
    with all_on(alias):
        user, other = make.user(nickname=OPEN), make.user()
        with acting_as(user.pk, using=alias):
            made = UserPrivate.objects.create(user=user, **SECRETS)
            made.save()
            assert UserPrivate.objects.with_phone(SECRETS["phone_number"]).get().email == SECRETS["email"]
        # Not verified: nobody logs in by them, and who tries is not looked for in clear.
        for contact in (SECRETS["phone_number"], SECRETS["phone_number"].removeprefix("+86"), SECRETS["email"]):
            assert authenticate(None, username=contact, password="wrong") is None
        people.verification(user=user, identity_number=IDENTITY, holder_name=HOLDER)
        method = contracts.payment_method(user=user, account_number=ACCOUNT, holder_name=HOLDER)
        # What is changed is noted by the audit.
        with acting_as(user.pk, using=alias):
            made.real_name, made.phone_number = NEW_NAME, NEW_PHONE
            made.save()
            method.account_number = NEW_ACCOUNT
            method.save()
            assert UserPrivate.objects.with_phone(NEW_PHONE).get().real_name == NEW_NAME
        with pytest.raises(IntegrityError) as caught, acting_as(other.pk, using=alias):
            UserPrivate.objects.create(user=other, **SECRETS)
        assert not any(text in str(caught.value) for text in TEXTS)
        # A CHECK that fails would make the server show the whole row, if policies did not bind who writes.
        with pytest.raises(IntegrityError) as caught, acting_as(user.pk, using=alias):
            UserPrivate.objects.filter(pk=made.pk).update(real_name=None, phone_number=None)
        assert "Failing row contains" not in str(caught.value)
        assert not any(text in str(caught.value) for text in TEXTS)


def test_neither_dump_nor_log_nor_statistics_hold_a_private_text(
    server: Server, deployed: str, key_file: Path, log_begins_at: int
) -> None:
    written(deployed)
    keyring.write(key_file, (1, 2), (1, 2))
    call_command("rotate_encryption_keys", database=deployed, stdout=io.StringIO())
    connections[deployed].close()
    dump = server.run("-u", "postgres", "pg_dump", "--inserts", "freelance_scratch")
    log = server.run("tail", "-c", f"+{log_begins_at}", LOG)
    statements = server.sql("freelance_scratch", "SELECT query FROM extensions.pg_stat_statements;")
    # What is public is found in each: the search works.
    assert OPEN in dump
    assert OPEN in log
    assert "accounts_userprivate" in statements
    changed = "SELECT count(*) FROM common_auditlog WHERE table_name = '{}' AND changes::text LIKE '%{}%';"
    for table, column in (("accounts_userprivate", "real_name"), ("payments_paymentmethod", "account_number")):
        assert server.sql("freelance_scratch", changed.format(table, column)) == "1"
    assert_private({"dump": dump, "log": log, "statements": statements})


# With a key file of its own, which is read meanwhile.
@pytest.mark.usefixtures("database", "key_file")
def test_neither_does_what_the_application_and_its_pooler_write(
    server: Server, log_begins_at: int, caplog: pytest.LogCaptureFixture
) -> None:
    # Django writes every statement that takes long, or all of them when somebody looks for a mistake.
    with caplog.at_level(logging.DEBUG, "django.db.backends"), CaptureQueriesContext(connections["default"]):
        written("default")
    log = server.run("tail", "-c", f"+{log_begins_at}", LOG)
    own = "\n".join(record.getMessage() for record in caplog.records)
    assert OPEN in log
    assert OPEN in own
    pooler = server.run("journalctl", "--unit", "pgbouncer", "--no-pager")
    assert "freelance_user" in pooler
    assert_private({"log": log, "own": own, "pooler": pooler})


def assert_private(places: dict[str, str]) -> None:
    for place, found in places.items():
        assert [text for text in TEXTS if text in found] == [], place
        # Bytes are written in hexadecimal.
        assert [text for text in TEXTS if text.encode().hex() in found.lower()] == [], place
