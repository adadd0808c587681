"""`deploy_release`: one at a time, honest about change, and safe when a migration fails half-way."""

import io
import json
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

import psycopg
import pytest
from apps.accounts.models import Skill, User
from apps.common import deployment
from apps.common.keys import uuid7
from apps.gigs.models import Category
from config.monitoring_sql import INVALID_INDEXES
from django.contrib.auth.hashers import check_password
from django.core.management import CommandError, call_command
from django.db import connections
from django.test import override_settings

# The library of the application's own hasher is a part of the release, not of these tests.
pytestmark = pytest.mark.filterwarnings("ignore")
SUPERUSER = {"username": "admin", "password": "a-long-password"}


def deploy(alias: str, *words: str, superuser: dict[str, str] | None = None, release: str = "r1") -> dict[str, Any]:
    """Run the command and return the report of its last line."""
    out = io.StringIO()
    arguments = [*words, "--superuser-from-stdin"] if superuser else list(words)
    hashers = override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.PBKDF2PasswordHasher"])
    with mock.patch.object(sys, "stdin", io.StringIO(json.dumps(superuser))), hashers:
        call_command(
            "deploy_release", "--release", release, "--database", alias, *arguments, stdout=out, verbosity=0
        )  # fmt: skip
    report: dict[str, Any] = json.loads(out.getvalue().splitlines()[-1])
    return report


def scalar(alias: str, query: str) -> Any:
    with connections[alias].cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchone()[0]


def test_first_run_does_everything_and_the_second_nothing(first_deployment: dict[str, Any], deployed: str) -> None:
    assert first_deployment["changed"]
    assert "payments.0002_integrity" in first_deployment["migrations"]
    assert (first_deployment["fixtures"], first_deployment["record"]) == (True, True)
    nothing = {"changed": False, "fixtures": False, "migrations": [], "record": False, "superuser": ""}
    assert deploy(deployed) == nothing
    assert deploy(deployed, superuser=SUPERUSER) == {**nothing, "changed": True, "superuser": "created"}
    assert deploy(deployed, superuser=SUPERUSER) == nothing
    assert scalar(deployed, "SELECT count(*) FROM common_release") == 1
    assert scalar(deployed, "SELECT restore_point ~ '^[0-9A-F]+/[0-9A-F]+$' FROM common_release")


def test_check_shows_the_plan_and_changes_nothing(scratch: str) -> None:
    report = deploy(scratch, "--check", superuser=SUPERUSER)
    assert report["changed"]
    assert len(report["migrations"]) > 20
    assert scalar(scratch, "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace") == 0


@pytest.mark.parametrize("words", [["--check"], []])
def test_a_variable_that_the_release_does_not_know_is_refused_before_anything_changes(
    scratch: str, words: list[str]
) -> None:
    unknown = "DB_PASWORD is not a setting of this release."
    with override_settings(UNKNOWN_VARIABLES=[unknown]), pytest.raises(CommandError, match=unknown):
        deploy(scratch, *words)
    assert scalar(scratch, "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace") == 0


def test_a_new_password_takes_the_place_of_the_old_one(deployed: str) -> None:
    deploy(deployed, superuser=SUPERUSER)
    changed = {**SUPERUSER, "password": "another-password"}
    assert deploy(deployed, "--check", superuser=changed)["superuser"] == "updated"
    assert deploy(deployed, superuser=changed)["superuser"] == "updated"
    assert deploy(deployed, superuser=changed)["changed"] is False
    assert check_password("another-password", User.objects.using(deployed).get(username="admin").password)


def test_a_new_release_is_recorded_without_loading_data_again(deployed: str) -> None:
    with connections[deployed].cursor() as cursor:
        cursor.execute("UPDATE gigs_category SET description = '客服已修改' WHERE slug = 'she-ji-chuang-yi'")
    report = deploy(deployed, release="r2")
    assert (report["fixtures"], report["record"]) == (False, True)
    assert scalar(deployed, "SELECT description FROM gigs_category WHERE slug = 'she-ji-chuang-yi'") == "客服已修改"


def test_a_new_release_adds_data_and_leaves_alone_what_is_there(deployed: str, tmp_path: Path) -> None:
    edited, wanted, taken, gone = {"slug": "she-ji-chuang-yi"}, "xin-ji-neng", "yi-you-ji-neng", "biao-zhi-she-ji"
    Category.objects.using(deployed).filter(**edited).update(description="客服已修改")
    Skill.objects.using(deployed).create(name="已有技能", slug=taken, area="design")
    Skill.objects.using(deployed).filter(slug=gone).delete()
    data = json.loads(deployment.fixture().read_text(encoding="utf-8"))
    for row in data:
        if row["model"] == "gigs.category":
            row["fields"]["description"] = "新的说明"
    skill = next(row for row in data if row["model"] == "accounts.skill")
    for slug in (wanted, taken):
        data.append({**skill, "pk": str(uuid7()), "fields": {**skill["fields"], "name": slug, "slug": slug}})
    (tmp_path / "initial_data.json").write_text(json.dumps(data), encoding="utf-8")
    with mock.patch.object(deployment, "fixture", return_value=tmp_path / "initial_data.json"):
        assert deploy(deployed, "--check", release="r2")["fixtures"]
        assert deploy(deployed, release="r2")["fixtures"]
        assert deploy(deployed, release="r2")["changed"] is False
    assert Category.objects.using(deployed).get(**edited).description == "客服已修改"
    assert not Category.objects.using(deployed).filter(description="新的说明").exists()
    assert Skill.objects.using(deployed).get(slug=taken).name == "已有技能"
    assert Skill.objects.using(deployed).filter(slug__in=[wanted, gone]).count() == 2


def test_a_second_deployment_waits_and_then_names_the_first(deployed: str) -> None:
    with other_session(deployed) as holder:
        lock = holder.execute("SELECT pg_advisory_lock(%s), pg_backend_pid()", [deployment.ADVISORY_LOCK])
        process = (lock.fetchone() or (None, None))[1]
        with pytest.raises(CommandError, match=f"Another deployment holds the lock: process {process}"):
            deploy(deployed, "--wait", "0.6", release="r2")
        assert scalar(deployed, "SELECT array_agg(release) FROM common_release") == ["r1"]
    assert deploy(deployed, release="r2")["changed"]


def test_a_deployment_lets_upkeep_know_that_it_waits_and_no_longer_than_it_runs(deployed: str) -> None:
    # As freelance-maintenance looks; it holds the lock while one of its statements runs.
    announced = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = %s AND granted"
    key = [deployment.ANNOUNCING_LOCK % 2**32]
    with other_session(deployed) as holder:
        holder.execute("SELECT pg_advisory_lock(%s)", [deployment.ADVISORY_LOCK])

        def make_room(_: float) -> None:
            assert holder.execute(announced, key).fetchone() == (1,)
            holder.execute("SELECT pg_advisory_unlock(%s)", [deployment.ADVISORY_LOCK])

        with mock.patch("apps.common.locks.time.sleep", side_effect=make_room) as slept:
            assert deploy(deployed, release="r2")["changed"]
        slept.assert_called_once()
        assert holder.execute(announced, key).fetchone() == (0,)


def other_session(alias: str) -> psycopg.Connection[Any]:
    parameters = connections[alias].get_connection_params()
    wanted = ("dbname", "user", "password", "host", "port", "hostaddr", "sslmode", "sslrootcert")
    session = psycopg.connect(**{name: parameters[name] for name in wanted}, autocommit=True)
    session.execute("SET ROLE freelance_owner")
    return session


BROKEN = """
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("payments", "{after}")]
    operations = [
        migrations.RunSQL("CREATE TABLE payments_half (id int)", "DROP TABLE payments_half"),
        migrations.RunSQL("SELECT 1 / (SELECT count(*) FROM {table})"),
    ]
"""
FINE = """
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("payments", "{after}")]
    operations = [migrations.RunSQL("CREATE TABLE payments_{name} (id int)", "DROP TABLE payments_{name}")]
"""


@pytest.fixture
def payments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Folder of migrations that stands in for the one of payments, with what is there already."""
    import apps.payments.migrations as original  # noqa: PLC0415 (a package to copy)

    folder = tmp_path / "later_migrations"
    folder.mkdir()
    for file in Path(original.__path__[0]).glob("*.py"):
        (folder / file.name).write_text(file.read_text())
    monkeypatch.syspath_prepend(str(tmp_path))
    with override_settings(MIGRATION_MODULES={"payments": "later_migrations"}):
        yield folder
    forget("later_migrations")


def last_of(folder: Path) -> str:
    """Return the name of the newest migration in the folder."""
    return max(file.stem for file in folder.glob("[0-9]*.py"))


def forget(package: str) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        module: ModuleType = sys.modules.pop(name)
        del module


def test_a_migration_that_fails_half_way_loses_nothing_and_the_next_run_goes_on(deployed: str, payments: Path) -> None:
    fine = FINE.format(after=last_of(payments), name="fine")
    (payments / "9001_fine.py").write_text(fine.replace("(id int)", "AS SELECT pg_current_wal_lsn() AS during"))
    (payments / "9002_broken.py").write_text(BROKEN.format(after="9001_fine", table="payments_wallet"))
    forget("later_migrations")
    with pytest.raises(CommandError) as caught:
        deploy(deployed, release="r2")
    message = str(caught.value)
    assert "Migration payments.9002_broken failed" in message
    assert "division by zero" in message
    assert "It was rolled back. Applied before it and kept: payments.9001_fine" in message
    assert "run the same command again: it goes on from there" in message
    assert scalar(deployed, "SELECT to_regclass('payments_half')") is None
    assert scalar(deployed, "SELECT count(*) FROM gigs_category") > 100
    # What stays is recorded, with the position before it.
    recorded = "SELECT applied_migrations::text FROM common_release WHERE release = 'r2'"
    assert json.loads(scalar(deployed, recorded)) == ["payments.9001_fine"]
    before = "SELECT restore_point::pg_lsn <= during FROM common_release, payments_fine WHERE release = 'r2'"
    assert scalar(deployed, before) is True
    # From another session: one that still held the lock would get it a second time.
    with other_session(deployed) as session:
        assert session.execute("SELECT pg_try_advisory_lock(%s)", [deployment.ADVISORY_LOCK]).fetchone() == (True,)

    (payments / "9002_broken.py").write_text(BROKEN.format(after="9001_fine", table="gigs_category"))
    forget("later_migrations")
    connections[deployed].close()
    report = deploy(deployed, release="r3")
    assert (report["migrations"], report["fixtures"]) == (["payments.9002_broken"], False)
    assert scalar(deployed, "SELECT array_agg(release ORDER BY created_at) FROM common_release") == ["r1", "r2", "r3"]
    assert scalar(deployed, "SELECT to_regclass('payments_half')::text") == "payments_half"


def test_a_release_whose_models_have_columns_that_the_schema_lacks_is_planned_and_deployed(
    deployed: str, payments: Path
) -> None:
    # The models are this release's: without these columns the schema is an older release's.
    older = "ALTER TABLE accounts_user DROP COLUMN last_login; ALTER TABLE common_release DROP COLUMN restore_point"
    newer = "ALTER TABLE accounts_user ADD last_login timestamptz; ALTER TABLE common_release ADD restore_point text"
    deploy(deployed, superuser=SUPERUSER)
    with other_session(deployed) as session:
        session.execute(older)
    (payments / "9001_columns.py").write_text(
        FINE.format(after=last_of(payments), name="columns").replace("CREATE TABLE payments_columns (id int)", newer)
    )
    forget("later_migrations")
    plan = deploy(deployed, "--check", superuser=SUPERUSER, release="r2")
    assert (plan["migrations"], plan["superuser"]) == (["payments.9001_columns"], "unknown")
    report = deploy(deployed, superuser=SUPERUSER, release="r2")
    assert (report["migrations"], report["superuser"]) == (["payments.9001_columns"], "")
    assert deploy(deployed, "--check", superuser=SUPERUSER, release="r2")["changed"] is False


def test_a_migration_without_a_transaction_is_not_said_to_be_rolled_back(deployed: str, payments: Path) -> None:
    broken = BROKEN.format(after=last_of(payments), table="payments_wallet").replace(
        "    operations", "    atomic = False\n    operations"
    )
    (payments / "9001_broken.py").write_text(broken)
    forget("later_migrations")
    with pytest.raises(CommandError, match=r"9001_broken failed.*\n.*not atomic: what it did until then stays"):
        deploy(deployed, release="r2")
    assert scalar(deployed, "SELECT to_regclass('payments_half')::text") == "payments_half"
    assert scalar(deployed, "SELECT applied_migrations::text FROM common_release WHERE release = 'r2'") == "[]"


def test_a_failure_that_left_nothing_behind_is_not_recorded(deployed: str, payments: Path) -> None:
    (payments / "9001_broken.py").write_text(BROKEN.format(after=last_of(payments), table="payments_wallet"))
    forget("later_migrations")
    with pytest.raises(CommandError, match="It was rolled back"):
        deploy(deployed, release="r2")
    assert scalar(deployed, "SELECT array_agg(release) FROM common_release") == ["r1"]


def test_the_restore_point_is_told_where_it_cannot_be_recorded(deployed: str, payments: Path) -> None:
    ending = "RESET ROLE; SELECT pg_terminate_backend(pg_backend_pid())"
    (payments / "9001_fine.py").write_text(FINE.format(after=last_of(payments), name="fine"))
    (payments / "9002_ending.py").write_text(
        FINE.format(after="9001_fine", name="ending").replace("CREATE TABLE payments_ending (id int)", ending)
    )
    forget("later_migrations")
    unreachable = {**connections[deployed].settings_dict, "PORT": "1"}
    connections[deployed].ensure_connection()
    connections[deployed].settings_dict = unreachable
    with pytest.raises(
        CommandError, match=r"point before this run, [0-9A-F]+/[0-9A-F]+, could not be recorded"
    ) as told:
        deploy(deployed, release="r2")
    assert "terminating connection" in str(told.value)


def test_a_table_that_is_in_use_is_asked_for_again(deployed: str, payments: Path) -> None:
    (payments / "9001_lock.py").write_text(
        FINE.format(after=last_of(payments), name="lock").replace(
            '"CREATE TABLE payments_lock (id int)"', '"ALTER TABLE payments_wallet ADD COLUMN more int"'
        )
    )
    forget("later_migrations")
    holder = other_session(deployed)
    holder.autocommit = False
    holder.execute("LOCK TABLE payments_wallet IN ACCESS SHARE MODE")
    with pytest.raises(CommandError, match=r"Migration payments.9001_lock failed \(attempt 2\).*lock timeout"):
        deploy(deployed, "--lock-timeout", "200", "--attempts", "2", "--pause", "0.1", release="r2")
    ending = threading.Timer(1.0, holder.close)
    ending.start()
    report = deploy(deployed, "--lock-timeout", "200", "--attempts", "10", "--pause", "0.2", release="r2")
    ending.join()
    assert report["migrations"] == ["payments.9001_lock"]


INDEX = """
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("payments", "{after}")]
    operations = [AddIndexConcurrently("wallet", models.Index(fields=["balance"], name="wallets_by_balance"))]
"""


def test_an_index_that_an_old_snapshot_kept_half_built_is_dropped_as_told_and_built_again(
    deployed: str, payments: Path
) -> None:
    (payments / "9001_index.py").write_text(INDEX.format(after=last_of(payments)))
    forget("later_migrations")
    with other_session(deployed) as holder:
        holder.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        holder.execute("SELECT 1")
        with pytest.raises(CommandError, match=r"9001_index failed \(attempt 1\).*lock timeout") as caught:
            deploy(deployed, "--lock-timeout", "200", "--attempts", "3", "--pause", "0.1", release="r2")
    remedy = "DROP INDEX CONCURRENTLY wallets_by_balance;"
    assert remedy in str(caught.value)
    # Before anything else is done, and by a check as well.
    (payments / "9002_fine.py").write_text(FINE.format(after="9001_index", name="fine"))
    forget("later_migrations")
    for words in (["--check"], []):
        with pytest.raises(CommandError, match=f"(?s)^Half-built indexes: wallets_by_balance.*{remedy}"):
            deploy(deployed, *words, release="r2")
    with other_session(deployed) as session:
        session.execute(remedy)
    assert deploy(deployed, release="r2")["migrations"] == ["payments.9001_index", "payments.9002_fine"]
    assert scalar(deployed, "SELECT indisvalid FROM pg_index WHERE indexrelid = 'wallets_by_balance'::regclass")


def test_a_half_built_index_is_named(deployed: str, server: Any) -> None:
    server.sql(
        "freelance_scratch",
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'gigs_top_rated'::regclass;",
    )
    with pytest.raises(CommandError, match="Half-built indexes: gigs_top_rated"):
        deployment.refuse_invalid_indexes(connections[deployed])


def test_what_an_ended_rebuild_left_is_for_upkeep_to_remove(deployed: str, server: Any) -> None:
    server.sql(
        "freelance_scratch",
        'ALTER INDEX gigs_top_rated RENAME TO "gigs_Top_rated_ccnew1";'
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = '\"gigs_Top_rated_ccnew1\"'::regclass;",
    )
    assert scalar(deployed, INVALID_INDEXES) == '"gigs_Top_rated_ccnew1"'
    deployment.refuse_invalid_indexes(connections[deployed])


def test_an_unreachable_database_is_no_pending_migration(scratch: str) -> None:
    connections[scratch].settings_dict = {**connections[scratch].settings_dict, "PORT": "1"}
    with pytest.raises(CommandError, match="The database refused"):
        deploy(scratch, "--check")


@pytest.mark.parametrize("given", ["", "[]", '{"username": "admin"}'])
def test_a_superuser_without_name_or_password_is_refused(scratch: str, given: str) -> None:
    with mock.patch.object(sys, "stdin", io.StringIO(given)), pytest.raises(CommandError, match="Standard input"):
        call_command("deploy_release", "--release", "r", "--database", scratch, "--superuser-from-stdin")


def test_createsuperuser_works_from_the_environment(deployed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DJANGO_SUPERUSER_USERNAME", "Chief")
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", "a-long-password")
    with override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.PBKDF2PasswordHasher"]):
        call_command("createsuperuser", interactive=False, database=deployed, verbosity=0)
    user = User.objects.using(deployed).get(username="chief")
    assert user.is_superuser
    assert user.is_active
