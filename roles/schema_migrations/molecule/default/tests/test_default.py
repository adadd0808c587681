"""A client of the deployed application sees a migrated, filled database; nothing leaks."""

import json
import re

ROOT = "/opt/freelance-platform"
OWNER = "sudo -u freelance-owner ENV_FILE=/etc/freelance-platform/owner.env"
MANAGE = f"cd {ROOT}/current/app && {OWNER} ../venv/bin/python manage.py"
# As an application that serves people runs.
APPLICATION = f"cd {ROOT}/current/app && sudo -u freelance ../venv/bin/python manage.py"


def shell(host, code, manage=APPLICATION):
    result = host.run(f"{manage} shell --no-imports -c '{code}'")
    assert result.rc == 0, result.stderr
    return result.stdout.strip()


def sql(host, query):
    result = host.run(f'sudo -u postgres psql -XAtc "{query}" freelance_platform')
    assert result.rc == 0, result.stderr
    return result.stdout.strip()


def test_no_migration_is_pending(host):
    plan = host.run(f"{MANAGE} showmigrations --plan --database direct")
    assert plan.rc == 0, plan.stderr
    assert "[X]  payments.0002_integrity" in plan.stdout
    assert "[ ]" not in plan.stdout


def test_everything_belongs_to_the_owner_and_nothing_to_the_account_that_logged_in(host):
    assert sql(host, "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'") == "freelance_owner"


def test_the_application_writes_and_reads_as_its_own_role(host):
    code = (
        "from apps.accounts.models import User; from django.db import connection; "
        'cursor = connection.cursor(); cursor.execute("SELECT current_user"); '
        'user, _ = User.objects.get_or_create(username="zhang.wei", defaults={"nickname": "张伟"}); '
        'print(cursor.fetchone()[0], User.objects.using("default").get(pk=user.pk).nickname)'
    )
    assert shell(host, code) == "freelance_user 张伟"


def test_what_is_private_is_sealed_by_the_key_of_the_secret_store(host):
    code = (
        "from apps.accounts.models import User, UserPrivate; from apps.common.identity import acting_as\n"
        'user, _ = User.objects.get_or_create(username="zhang.wei", defaults={"nickname": "张伟"})\n'
        "with acting_as(user.pk):\n"
        '    UserPrivate.objects.update_or_create(user=user, defaults={"phone_number": "+8613800138000"})\n'
        "    print(UserPrivate.objects.get(user=user).phone_number)"
    )
    assert shell(host, code) == "+8613800138000"
    assert sql(host, "SELECT count(*) FROM accounts_userprivate AS p WHERE p::text LIKE '%138001%'") == "0"


def test_initial_data_is_there(host):
    assert int(sql(host, "SELECT count(*) FROM accounts_skill")) >= 150
    assert sql(host, "SELECT count(*) FROM gigs_category WHERE level = 1") == "10"


def test_the_superuser_logs_in_with_the_password_of_the_secret_store(host):
    code = (
        "from django.contrib.auth import authenticate; from config.router import all_on\n"
        'with all_on("default"): user = authenticate(username="admin", password="a-long-password-for-tests")\n'
        'print(user.is_superuser, user.password.split("$")[0])'
    )
    assert shell(host, code) == "True argon2"


def test_the_deployment_is_recorded_once(host):
    current = host.file(f"{ROOT}/current").linked_to
    rows = json.loads(sql(host, "SELECT json_agg(release ORDER BY created_at, id) FROM common_release"))
    assert rows[-1] == current.rpartition("/")[2]
    assert len(rows) == len(set(rows))


def test_settings_are_for_root_and_the_group_alone(host):
    settings = host.file("/etc/freelance-platform/app.env")
    assert (settings.user, settings.group, settings.mode) == ("root", "freelance", 0o640)
    keys = host.file("/etc/freelance-platform/keys.json")
    assert (keys.user, keys.group, keys.mode) == ("root", "freelance", 0o640)
    owner = host.file("/etc/freelance-platform/owner.env")
    assert (owner.user, owner.group, owner.mode) == ("freelance-owner", "root", 0o400)
    folder = host.file("/etc/freelance-platform")
    assert (folder.user, folder.group, folder.mode) == ("root", "freelance", 0o750)


def test_an_application_that_serves_people_has_nothing_of_the_owner(host):
    refused = host.run("sudo -u freelance cat /etc/freelance-platform/owner.env")
    assert refused.rc != 0
    assert "Permission denied" in refused.stderr
    settings = host.file("/etc/freelance-platform/app.env").content_string
    assert "DB_PASSWORD=" in settings
    assert not re.search("DB_DIRECT|DB_STATS|test-freelance_migrator", settings)
    code = "from django.conf import settings; print(*sorted(settings.DATABASES))"
    assert shell(host, code) == "default replica"
    assert shell(host, code, MANAGE) == "default direct replica"


def test_the_release_cannot_be_changed_by_the_users_that_run_it(host):
    for user in ("freelance", "freelance-owner"):
        writable = host.run(f"sudo -u {user} find {ROOT} -writable -not -type l")
        assert writable.stdout == "", writable.stdout
    assert host.run(f"find {ROOT} -perm /go=w -not -type l").stdout == ""


def test_everybody_may_run_the_code_and_nobody_else_reads_the_settings(host):
    manage = f"{ROOT}/current/venv/bin/python {ROOT}/current/app/manage.py check"
    assert "Permission denied" in host.run("sudo -u nobody cat /etc/freelance-platform/app.env").stderr
    given = "ENV_FILE=/dev/null DJANGO_SECRET_KEY=x DB_NAME=x DB_USER=x DB_PASSWORD=x DB_HOST=/x"
    assert "no issues" in host.check_output(f"cd / && sudo -u nobody {given} {manage}")


def test_the_archive_is_gone_after_it_was_unpacked(host):
    assert host.run(f"ls {ROOT}/*.tar").rc != 0


def test_the_database_is_not_reached_under_another_authority(host):
    other = f"{OWNER} DB_SSLROOTCERT=/etc/ssl/certs/ca-certificates.crt"
    result = host.run(f"{MANAGE.replace(OWNER, other)} showmigrations --database direct")
    assert result.rc != 0
    assert "certificate verify failed" in result.stderr
