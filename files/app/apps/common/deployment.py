"""What a deployment does to the database, step by step, under one lock."""

import hashlib
import json
import re
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import check_password
from django.core import serializers
from django.core.management import CommandError, call_command
from django.db import DatabaseError, IntegrityError, OperationalError, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations import Migration
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.recorder import MigrationRecorder

from apps.common.encryption.columns import sealed_tables
from apps.common.encryption.keys import rings
from apps.common.encryption.known_keys import compare, enlist
from apps.common.encryption.rotation import require_keys
from apps.common.locks import session_lock
from apps.common.models import Release
from apps.common.retry import sqlstate
from config.monitoring_sql import INVALID_INDEXES

# Chosen once: every deployment of this application to one database asks for the same lock.
ADVISORY_LOCK = 7_301_960_241
# A deployment holds this one, shared with others, from before it asks for that lock: `freelance-maintenance`, which may
# hold that lock for an hour, sees it and ends its statement.
ANNOUNCING_LOCK = 7_301_960_245
# What a rebuild beside the index's users leaves when it is ended so; upkeep removes it (freelance_upkeep.py).
LEFT_BY_A_REBUILD = re.compile(r'_cc(?:new|old)[0-9]*"?\Z')
# SQLSTATE of "lock not available" and "deadlock detected": the same migration may succeed a moment later.
WORTH_RETRYING = {"55P03", "40P01"}
UNIQUE_VIOLATION = "23505"


def deployment_lock(connection: BaseDatabaseWrapper, wait_seconds: float) -> AbstractContextManager[None]:
    """Hold the lock in the session that migrates: it ends with that session, however that ends."""
    return session_lock(connection, ADVISORY_LOCK, wait_seconds, "deployment")


def pending_plan(connection: BaseDatabaseWrapper) -> list[str]:
    """Return the names of the migrations that are not applied yet, in order. Raises CommandError on a conflict."""
    return [f"{migration.app_label}.{migration.name}" for migration in _pending(connection)]


def _pending(connection: BaseDatabaseWrapper) -> list[Migration]:
    executor = MigrationExecutor(connection)
    executor.loader.check_consistent_history(connection)
    if conflicts := executor.loader.detect_conflicts():
        raise CommandError(f"Two migrations claim to be the last one: {conflicts}. Run makemigrations --merge.")
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return [migration for migration, _ in plan]


def applied(connection: BaseDatabaseWrapper) -> set[str]:
    """Return the names of all applied migrations."""
    return {f"{app}.{name}" for app, name in MigrationRecorder(connection).applied_migrations()}


def apply_migrations(
    connection: BaseDatabaseWrapper, lock_timeout_ms: int, attempts: int, pause_seconds: float, verbosity: int
) -> list[str]:
    """Run what is pending and return its names.

    Each migration is one transaction. A lock that is not free within the time-out is given up, so that the queue
    behind it can go on, and asked for again; a migration that is not atomic may have begun its work and is not begun
    twice. Raises CommandError naming the migration that failed; what came before it stays applied, itself it left
    nothing behind unless it is not atomic.
    """
    before = applied(connection)
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, false)", [f"{lock_timeout_ms}ms"])
    for attempt in range(1, attempts + 1):
        try:
            call_command("migrate", database=connection.alias, interactive=False, verbosity=verbosity)
            break
        except DatabaseError as error:
            if attempt < attempts and _worth_retrying(connection, error):
                time.sleep(pause_seconds * attempt)
                continue
            raise CommandError(_failure(connection, before, error, attempt)) from error
    refuse_invalid_indexes(connection)
    return sorted(applied(connection) - before)


def _worth_retrying(connection: BaseDatabaseWrapper, error: DatabaseError) -> bool:
    """Return whether the same may succeed a moment later, and nothing of it stands in its way."""
    if not isinstance(error, OperationalError) or sqlstate(error) not in WORTH_RETRYING:
        return False
    return all(migration.atomic for migration in _pending(connection)[:1])


def _failure(connection: BaseDatabaseWrapper, before: set[str], error: DatabaseError, attempt: int) -> str:
    told = str(_first(error)).strip()
    try:
        return _what_failed(connection, before, told, attempt)
    except DatabaseError as lost:
        return (
            f"The migrations failed (attempt {attempt}): {told}\nWhat they left can't be read: {str(lost).strip()}\n"
            "Run the same command again when the database is back: it goes on from what it finds."
        )


def _first(error: DatabaseError) -> DatabaseError:
    """Return what began it: an error while it was cleaned up after stands in front."""
    first, earlier = error, error.__context__
    while earlier is not None:
        if isinstance(earlier, DatabaseError):
            first = earlier
        earlier = earlier.__context__
    return first


def _what_failed(connection: BaseDatabaseWrapper, before: set[str], told: str, attempt: int) -> str:
    _reconnect_if_lost(connection)
    done = sorted(applied(connection) - before)
    pending = _pending(connection)
    if pending:
        what = f"Migration {pending[0].app_label}.{pending[0].name}"
        left = "It was rolled back." if pending[0].atomic else "It is not atomic: what it did until then stays."
    else:
        what, left = "What follows the migrations", "All migrations are applied."
    lines = [
        f"{what} failed (attempt {attempt}): {told}",
        f"{left} Applied before it and kept: {', '.join(done) or 'none'}.",
        _half_built_indexes(connection),
        "Mend the migration or what it found, then run the same command again: it goes on from there.",
    ]
    return "\n".join(line for line in lines if line)


def _reconnect_if_lost(connection: BaseDatabaseWrapper) -> None:
    # Only then: the session holds the deployment's lock.
    if not connection.is_usable():
        connection.close()


def refuse_invalid_indexes(connection: BaseDatabaseWrapper) -> None:
    """Raise CommandError when an index is left half-built: queries do not use it and writes pay for it."""
    if message := _half_built_indexes(connection):
        raise CommandError(message)


def _half_built_indexes(connection: BaseDatabaseWrapper) -> str:
    """Return the names of such indexes and how to be rid of them, "" where there are none."""
    with connection.cursor() as cursor:
        cursor.execute(INVALID_INDEXES)
        invalid = [name for (name,) in cursor.fetchall() if not LEFT_BY_A_REBUILD.search(name)]
    if not invalid:
        return ""
    # One a line: each must be a statement of its own, outside a transaction.
    drops = "\n".join(f"DROP INDEX CONCURRENTLY {name};" for name in invalid)
    return f"Half-built indexes: {', '.join(invalid)}. Drop them as their owner, then run this again:\n{drops}"


def refuse_wrong_keys(connection: BaseDatabaseWrapper) -> None:
    """Raise EncryptionError when the key file is not that of this database, or lacks a key that a row still needs.

    A deployment without a key file is for programs that leave encrypted columns alone.
    """
    if settings.ENCRYPTION["KEY_FILE"]:
        found = rings()
        compare(connection, found)
        require_keys(connection.alias, sealed_tables(), found)


def enlist_keys(connection: BaseDatabaseWrapper) -> None:
    """Let the database know the current keys of the file before anything is written with them."""
    if settings.ENCRYPTION["KEY_FILE"]:
        enlist(connection)


def fixture_digest() -> str:
    """Return the hash of the initial data that this release carries."""
    return hashlib.sha256(fixture().read_bytes()).hexdigest()


def fixture() -> Path:
    """Return the file of the initial data."""
    return Path(settings.BASE_DIR) / "fixtures/initial_data.json"


def newest_release(connection: BaseDatabaseWrapper) -> Release | None:
    """Return the last recorded deployment, without its migrations; None where nothing was deployed yet."""
    if Release._meta.db_table not in connection.introspection.table_names():
        return None
    # By name: the schema may be of an older release and lack the model's other columns.
    releases = Release.objects.using(connection.alias).only("release", "fixtures_digest")
    return releases.order_by("-created_at", "-id").first()


def superuser_change(alias: str, username: str, password: str) -> str:
    """Return what `ensure_superuser` would do: "created", "updated" or "" for nothing.

    It reads the whole account, so every migration must be applied.
    """
    users = get_user_model().objects.db_manager(alias)
    user = users.filter(username=username).first()
    if user is None:
        return "created"
    # The function, not the method: that one would also write a hash of a newer kind.
    in_order = user.is_superuser and user.is_staff and user.is_active and check_password(password, user.password)
    return "" if in_order else "updated"


def ensure_superuser(alias: str, username: str, password: str) -> None:
    """Make the account, or put its rights and password right. Raises IntegrityError for an erased account."""
    users = get_user_model().objects.db_manager(alias)
    user = users.filter(username=username).first()
    if user is None:
        users.create_superuser(username=username, password=password, nickname="平台管理员")
        return
    user.is_superuser = user.is_staff = True
    user.status = "active"
    if not check_password(password, user.password):
        user.set_password(password)
    user.save(using=alias)


def add_initial_data(alias: str) -> list[str]:
    """Insert the rows of the initial data that are missing, all or nothing; return those whose name another row has.

    A row that is there stays as it is: the staff may have edited it. A release that wants it otherwise brings a
    migration of data.
    """
    left_out = []
    with transaction.atomic(using=alias), fixture().open(encoding="utf-8") as file:
        for row in serializers.deserialize("json", file, using=alias):
            model, key = type(row.object), row.object.pk
            if model._base_manager.using(alias).filter(pk=key).exists():
                continue
            try:
                with transaction.atomic(using=alias):
                    row.save(using=alias, force_insert=True)
            except IntegrityError as error:
                if sqlstate(error) != UNIQUE_VIOLATION:
                    raise
                left_out.append(f"{model._meta.label_lower} {row.object} ({key})")
    return left_out


def restore_point(connection: BaseDatabaseWrapper) -> str:
    """Return the leader's WAL position."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_wal_lsn()::text")
        return str(cursor.fetchone()[0])


def record(connection: BaseDatabaseWrapper, release: str, digest: str, migrations: list[str], point: str) -> None:
    """Write down a run of this release, with the digest of the initial data that the database then has."""
    with connection.cursor() as cursor:
        # Not by the model: the schema may be of an older release and lack its other columns.
        cursor.execute(
            "INSERT INTO common_release (release, fixtures_digest, applied_migrations, restore_point)"
            " VALUES (%s, %s, %s, %s)",
            [release, digest, json.dumps(migrations), point],
        )


@contextmanager
def recorded_if_it_fails(connection: BaseDatabaseWrapper, release: str, point: str) -> Iterator[None]:
    """Record what a run that fails leaves in the schema, with the point before it: the next run's own comes after.

    Raises CommandError with the failure and the point where that cannot be recorded.
    """
    before = applied(connection)
    try:
        yield
    except BaseException as failure:
        try:
            _record_what_stays(connection, release, point, before)
        except DatabaseError as error:
            raise CommandError(
                f"{failure}\nThe restore point before this run, {point}, could not be recorded: {str(error).strip()}"
            ) from failure
        raise


def _record_what_stays(connection: BaseDatabaseWrapper, release: str, point: str, before: set[str]) -> None:
    _reconnect_if_lost(connection)
    done = sorted(applied(connection) - before)
    begun = any(not migration.atomic for migration in _pending(connection)[:1])
    # A first run may fail before it made the table; there is nothing to go back to.
    if (done or begun) and Release._meta.db_table in connection.introspection.table_names():
        newest = newest_release(connection)
        record(connection, release, newest.fixtures_digest if newest else "", done, point)
