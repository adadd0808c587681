"""A release in another folder, for another user and database: it works there, and nothing lies elsewhere."""

import pytest

ROOT = "/srv/shop"
MANAGE = f"cd {ROOT}/current/app && sudo -u clerk ENV_FILE=/etc/shop/owner.env ../venv/bin/python manage.py"


def shell(host, code):
    """Run Python in the deployed application; returns what it printed."""
    result = host.run(f"{MANAGE} shell --no-imports -c '{code}'")
    assert result.rc == 0, result.stderr
    return result.stdout.strip()


def sql(host, query, database):
    result = host.run(f'cd / && sudo -u postgres psql -XAtc "{query}" {database}')
    assert result.rc == 0, result.stderr
    return result.stdout.strip()


def test_the_declared_database_is_migrated_and_the_usual_one_is_left_empty(host):
    tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
    assert "[ ]" not in host.check_output(f"{MANAGE} showmigrations --plan --database direct")
    assert int(sql(host, tables, "freelance_scratch")) > 10
    assert sql(host, tables, "freelance_platform") == "0"


def test_the_declared_account_is_the_administrator_and_there_is_no_other(host):
    assert sql(host, "SELECT username FROM accounts_user WHERE is_superuser", "freelance_scratch") == "director"
    code = (
        "from django.contrib.auth import authenticate; "
        'print(authenticate(username="director", password="a-long-password-for-tests").is_superuser)'
    )
    assert shell(host, code) == "True"


def test_without_a_replica_everything_is_read_from_the_leader(host):
    code = (
        "from django.conf import settings; from apps.accounts.models import Skill; "
        "print(*sorted(settings.DATABASES), Skill.objects.all().db)"
    )
    assert shell(host, code) == "default direct default"


def test_an_endpoint_that_is_a_name_is_looked_up_and_its_certificate_checked(host):
    code = (
        "from django.db import connections; "
        'print(*[connections[a].get_connection_params().get(k) for a in ("default", "direct") '
        'for k in ("host", "hostaddr", "sslmode")])'
    )
    assert shell(host, code) == "direct.test None verify-full direct.test None verify-full"


def test_a_cache_that_is_away_is_a_miss(host):
    code = (
        'from django.conf import settings; from django.core.cache import cache; cache.set("k", "kept"); '
        'print(cache.get("k", "missed"), settings.CACHES["default"]["LOCATION"].rpartition("@")[2])'
    )
    assert shell(host, code).splitlines()[-1] == "missed localhost:6390/2"


def test_settings_are_for_root_and_the_declared_group_alone(host):
    settings = host.file("/etc/shop/settings.env")
    assert (settings.user, settings.group, settings.mode) == ("root", "shop", 0o640)
    assert host.run("sudo -u nobody cat /etc/shop/settings.env").rc != 0
    owner = host.file("/etc/shop/owner.env")
    assert (owner.user, owner.group, owner.mode) == ("clerk", "root", 0o400)


def test_the_jobs_are_the_declared_users_at_the_declared_times_and_work(host):
    jobs = host.file("/etc/cron.d/freelance-application").content_string
    assert "*/30 * * * * clerk /usr/local/sbin/freelance-job application clearsessions" in jobs
    folder = host.file("/srv/shop-archive")
    assert (folder.user, folder.group, folder.mode) == ("clerk", "shop", 0o700)
    assert host.check_output("grep -l '\"exit_status\": 0' /var/lib/shop-jobs/*.json").count(".json") == 4


OTHERWISE = [
    "/opt/freelance-platform",
    "/etc/freelance-platform",
    "/var/backups/freelance-application",
    "/var/lib/freelance-application",
]


@pytest.mark.parametrize("path", OTHERWISE)
def test_nothing_lies_where_it_would_otherwise(host, path):
    assert not host.file(path).exists
