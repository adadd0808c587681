"""Settings come from the environment; what is missing, wrong or misspelled is refused by its name."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keyring
import pytest
from config import cache, databases, encryption
from config.environment import OWN_PREFIXES, Environment, read_env_file
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

APP = Path(settings.BASE_DIR)
# As a server of requests does it.
START = (
    "import os; os.environ['DJANGO_SETTINGS_MODULE'] = 'config.settings';"
    " from django.core.{kind} import get_{kind}_application; get_{kind}_application()"
)
# The names of the guide's own .env file.
GUIDE = {"DB_NAME": "freelance_platform", "DB_USER": "freelance_user", "DB_PASSWORD": "s3cret", "DB_HOST": "localhost"}


@pytest.fixture
def good(tmp_path: Path) -> dict[str, str]:
    authority = tmp_path / "ca.crt"
    authority.touch()
    return {**GUIDE, "DB_PORT": "5432", "DB_SSLROOTCERT": str(authority)}


def read(variables: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, Any]]:
    env = Environment(variables)
    made = databases.databases(env), cache.caches(env)
    databases.poolers(env)
    env.refuse_problems(env.unknown())
    return made


def refusal(variables: Mapping[str, str]) -> str:
    with pytest.raises(ImproperlyConfigured) as caught:
        read(variables)
    return str(caught.value)


def test_the_guides_names_are_enough(good: dict[str, str]) -> None:
    made, _ = read(good)
    assert list(made) == ["default"]
    assert {f"DB_{name}": made["default"][name] for name in ("NAME", "USER", "PASSWORD", "HOST", "PORT")} == {
        **GUIDE,
        "DB_PORT": "5432",
    }


@pytest.mark.parametrize("name", ["DB_NAME", "DB_USER", "DB_PASSWORD", "DB_HOST"])
@pytest.mark.parametrize("value", ["", "   "])
def test_a_missing_variable_is_refused_by_name(good: dict[str, str], name: str, value: str) -> None:
    assert f"{name} is missing" in refusal({**good, name: value})


def test_all_missing_variables_are_named_at_once() -> None:
    message = refusal({})
    assert all(f"{name} is missing" in message for name in GUIDE)


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ({"DB_PORT": "70000"}, "DB_PORT=70000: a port from 1 to 65535 is expected"),
        ({"DB_PORT": "x"}, "DB_PORT=x"),
        ({"DB_HOST": "a,b,c", "DB_PORT": "1,2"}, "DB_PORT lists 2 ports for 3 hosts"),
        ({"DB_HOST": "a,,c"}, "DB_HOST=a,,c: the list has an empty entry"),
        ({"DB_HOSTADDR": "db1"}, "DB_HOSTADDR=db1: an IP address is expected"),
        ({"DB_HOST": "a,b", "DB_HOSTADDR": "10.0.0.1"}, "DB_HOSTADDR lists 1 addresses for 2 hosts"),
        ({"DB_SSLROOTCERT": "/nowhere/ca.crt"}, "DB_SSLROOTCERT=/nowhere/ca.crt: there is no such readable file"),
        ({"DB_SSLCERT": "/etc/hostname"}, "DB_SSLKEY is missing"),
        ({"DB_PASSWORD": "CHANGE_ME"}, "DB_PASSWORD still holds its placeholder"),
        ({"DB_DIRECT_HOST": "direct"}, "DB_DIRECT_USER is missing"),
        ({"DB_DIRECT_HOST": "direct", "DB_DIRECT_USER": "m"}, "DB_DIRECT_PASSWORD is missing"),
        ({"CACHE_URL": "redis://app@cache:6379/0", "CACHE_PASSWORD": "x"}, "a plain-text connection is refused"),
        ({"CACHE_URL": "rediss://app@cache:6379/0"}, "CACHE_PASSWORD is missing"),
    ],
)
def test_a_wrong_variable_is_refused_by_name(good: dict[str, str], wrong: dict[str, str], expected: str) -> None:
    assert expected in refusal({**good, **wrong})


@pytest.mark.parametrize(
    ("half", "opener"),
    [
        ({"DB_DIRECT_USER": "m", "DB_DIRECT_PASSWORD": "hunter2"}, "DB_DIRECT_HOST"),
        ({"DB_DIRECT_ASSUME_ROLE": "m"}, "DB_DIRECT_HOST"),
        ({"DB_REPLICA_HOSTADDR": "10.0.0.1", "DB_REPLICA_PORT": "6432"}, "DB_REPLICA_NAME or DB_REPLICA_HOST"),
        ({"DB_STATS_USER": "s", "DB_STATS_HOST": "p"}, "DB_STATS_PASSWORD"),
        ({"CACHE_PASSWORD": "hunter2"}, "CACHE_URL"),
        ({"CACHE_SSLROOTCERT": "/etc/hostname"}, "CACHE_URL"),
    ],
)
def test_half_an_endpoint_is_refused_by_the_name_that_is_missing(
    good: dict[str, str], half: dict[str, str], opener: str
) -> None:
    message = refusal({**good, **half})
    assert all(f"{opener} is missing: {name} says nothing without it" in message for name in half)
    assert "hunter" not in message


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("DB_PASWORD", " Did you mean DB_PASSWORD?"),
        ("DB_REPLICA_HOSTS", " Did you mean DB_REPLICA_HOST?"),
        ("CACHE_ULR", " Did you mean CACHE_URL?"),
        ("DB_STAT_PASSWORD", " Did you mean DB_STATS_PASSWORD?"),
        ("ENCRYPTION_KEY_FLIE", " Did you mean ENCRYPTION_KEY_FILE?"),
        ("DB_QQQQQQQQQQ", ""),
    ],
)
def test_an_unknown_variable_is_told_with_the_nearest_one(good: dict[str, str], name: str, near: str) -> None:
    env = Environment({**good, name: "hunter2", "LANG": "C"})
    for read_settings in (databases.databases, databases.poolers, cache.caches, encryption.encryption):
        read_settings(env)
    assert env.unknown() == [f"{name} is not a setting of this release.{near}"]
    env.refuse_problems(env.unknown())


def test_a_misspelt_name_is_told_with_the_one_that_is_missing() -> None:
    message = refusal({**GUIDE, "DB_PASSWORD": "", "DB_PASWORD": "x"})
    assert "DB_PASSWORD is missing" in message
    assert "DB_PASWORD is not a setting of this release. Did you mean DB_PASSWORD?" in message


def test_no_secret_is_repeated_in_a_refusal(good: dict[str, str]) -> None:
    message = refusal({**good, "DB_PORT": "x", "CACHE_URL": "redis://app:hunter2@cache", "CACHE_PASSWORD": "hunter3"})
    assert "hunter" not in message
    assert "s3cret" not in message


def test_every_endpoint_checks_the_servers_name(good: dict[str, str]) -> None:
    direct = {"DB_DIRECT_HOST": "direct.lab", "DB_DIRECT_USER": "m", "DB_DIRECT_PASSWORD": "x"}
    made, _ = read({**good, **direct, "DB_REPLICA_NAME": "freelance_platform_replica"})
    assert set(made) == {"default", "replica", "direct"}
    assert {alias["OPTIONS"]["sslmode"] for alias in made.values()} == {"verify-full"}
    assert made["direct"]["OPTIONS"]["assume_role"] == "freelance_owner"


def test_pooled_endpoints_are_safe_behind_transaction_pooling(good: dict[str, str]) -> None:
    made, _ = read({**good, "DB_REPLICA_NAME": "freelance_platform_replica"})
    for alias in made.values():
        assert alias["DISABLE_SERVER_SIDE_CURSORS"]
        assert (alias["CONN_MAX_AGE"], alias["CONN_HEALTH_CHECKS"]) == (60, True)
        assert "prepare_threshold" not in alias["OPTIONS"]
        assert {"connect_timeout": 2, "tcp_user_timeout": 3000, "keepalives_idle": 2}.items() <= alias[
            "OPTIONS"
        ].items()


def test_the_replica_follows_the_poolers_unless_it_has_its_own(good: dict[str, str]) -> None:
    pooled = {**good, "DB_HOST": "p,p", "DB_HOSTADDR": "10.0.0.1,10.0.0.2", "DB_PORT": "6432"}
    made, _ = read({**pooled, "DB_REPLICA_NAME": "r"})
    assert (made["replica"]["HOST"], made["replica"]["PORT"], made["replica"]["NAME"]) == ("p,p", "6432", "r")
    assert made["replica"]["OPTIONS"]["hostaddr"] == "10.0.0.1,10.0.0.2"
    made, _ = read({**pooled, "DB_REPLICA_HOST": "other"})
    assert made["replica"]["HOST"] == "other"
    assert "hostaddr" not in made["replica"]["OPTIONS"]


def test_client_certificate_is_passed_on(good: dict[str, str]) -> None:
    made, _ = read({**good, "DB_SSLCERT": "/etc/hostname", "DB_SSLKEY": "/etc/hostname"})
    assert made["default"]["OPTIONS"]["sslcert"] == made["default"]["OPTIONS"]["sslkey"] == "/etc/hostname"


def test_the_console_of_every_pooler_is_known_when_its_password_is(good: dict[str, str]) -> None:
    pooled = {**good, "DB_HOST": "p,p", "DB_HOSTADDR": "10.0.0.1,10.0.0.2", "DB_PORT": "6432"}
    assert databases.poolers(Environment(pooled)) == []
    consoles = databases.poolers(Environment({**pooled, "DB_STATS_PASSWORD": "x"}))
    wanted = ("host", "hostaddr", "port", "dbname", "user", "sslmode")
    assert [[console[name] for name in wanted] for console in consoles] == [
        ["p", "10.0.0.1", "6432", "pgbouncer", "stats", "verify-full"],
        ["p", "10.0.0.2", "6432", "pgbouncer", "stats", "verify-full"],
    ]
    (other,) = databases.poolers(Environment({**pooled, "DB_STATS_PASSWORD": "x", "DB_STATS_HOST": "own"}))
    assert (other["host"], other["port"], "hostaddr" in other) == ("own", "6432", False)


def test_cache_is_reached_over_tls_as_its_own_user(good: dict[str, str]) -> None:
    _, made = read({**good, "CACHE_URL": "rediss://app@cache1:6379/0", "CACHE_PASSWORD": "p@ss"})
    assert made["default"]["LOCATION"] == "rediss://app:p%40ss@cache1:6379/0"
    assert made["default"]["OPTIONS"]["ssl_cert_reqs"] == "required"


@pytest.mark.parametrize(
    ("url", "password", "location"),
    [
        ("rediss://a%2Fb:p%2Fw@cache1:6379/0", "", "rediss://a%2Fb:p%2Fw@cache1:6379/0"),
        ("rediss://app@cache1:6379/0", "p/w%2F", "rediss://app:p%2Fw%252F@cache1:6379/0"),
    ],
)
def test_user_and_password_of_the_cache_are_quoted_once(
    good: dict[str, str], url: str, password: str, location: str
) -> None:
    _, made = read({**good, "CACHE_URL": url, **({"CACHE_PASSWORD": password} if password else {})})
    assert made["default"]["LOCATION"] == location


def keys_of(variables: Mapping[str, str]) -> dict[str, str]:
    env = Environment(variables)
    made = encryption.encryption(env)
    env.refuse_problems()
    return made


@pytest.mark.parametrize("mode", [0o600, 0o640])
def test_a_key_file_that_others_cannot_read_is_taken(tmp_path: Path, mode: int) -> None:
    file = keyring.write(tmp_path / "keys.json")
    file.chmod(mode)
    assert keys_of({"ENCRYPTION_KEY_FILE": str(file)}) == {"KEY_FILE": str(file)}


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o660, 0o700])
def test_a_key_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    file = keyring.write(tmp_path / "keys.json")
    file.chmod(mode)
    with pytest.raises(ImproperlyConfigured, match=f"ENCRYPTION_KEY_FILE={file} has mode {mode:04o}: 0600 or 0640"):
        keys_of({"ENCRYPTION_KEY_FILE": str(file)})


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ({"ENCRYPTION_KEY_FILE": "/nowhere/keys"}, "ENCRYPTION_KEY_FILE=/nowhere/keys: there is no such readable file"),
        ({"ENCRYPTION_KEY_PROVIDER": "vault"}, "ENCRYPTION_KEY_PROVIDER=vault: file is expected"),
        ({"ENCRYPTION_KEY_PROVIDER": "kms"}, "ENCRYPTION_KEY_PROVIDER=kms: file is expected"),
    ],
)
def test_a_wrong_key_setting_is_refused_by_name(wrong: dict[str, str], expected: str) -> None:
    with pytest.raises(ImproperlyConfigured) as caught:
        keys_of(wrong)
    assert expected in str(caught.value)


def test_env_file_is_read_with_quotes_and_comments(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("# comment\n\nDB_NAME='a b'\nDB_USER = \"u\"\nDB_PASSWORD=x=y#z\n")
    assert read_env_file(file) == {"DB_NAME": "a b", "DB_USER": "u", "DB_PASSWORD": "x=y#z"}


def test_a_line_that_is_no_assignment_is_refused_without_showing_it(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("DB_NAME=a\nhunter2\n")
    with pytest.raises(ImproperlyConfigured, match="line 2") as caught:
        read_env_file(file)
    assert "hunter2" not in str(caught.value)


def manage(tmp_path: Path, variables: Mapping[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    return run(tmp_path, variables, "manage.py", *words)


def run(tmp_path: Path, variables: Mapping[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    """Run Python in the application's folder, with these variables in a file and none of ours beside it."""
    file = tmp_path / "app.env"
    file.write_text("".join(f"{name}={value}\n" for name, value in variables.items()))
    clean = {name: value for name, value in os.environ.items() if not name.startswith(OWN_PREFIXES)}
    return subprocess.run(
        [sys.executable, *words], cwd=APP, env={**clean, "ENV_FILE": str(file)}, text=True,
        capture_output=True, check=False, timeout=60,
    )  # fmt: skip


def test_manage_py_refuses_to_start_without_its_variables(tmp_path: Path, good: dict[str, str]) -> None:
    result = manage(tmp_path, good, "check")
    assert result.returncode != 0
    assert "DJANGO_SECRET_KEY is missing" in result.stderr


def test_manage_py_starts_with_the_guides_file(tmp_path: Path, good: dict[str, str]) -> None:
    result = manage(tmp_path, {**good, "DJANGO_SECRET_KEY": "x"}, "check")
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["manage.py", "check"],
        # Neither runs system checks.
        ["manage.py", "performance_audit", "--help"],
        ["-c", START.format(kind="wsgi")],
        ["-c", START.format(kind="asgi")],
    ],
)
def test_what_only_a_newer_release_knows_is_warned_of_whatever_starts(
    tmp_path: Path, good: dict[str, str], words: list[str]
) -> None:
    shared = {**good, "DJANGO_SECRET_KEY": "x", "DB_SSLROOTCERTS": "hunter2"}
    result = run(tmp_path, shared, *words)
    assert result.returncode == 0, result.stderr
    told = "DB_SSLROOTCERTS is not a setting of this release. Did you mean DB_SSLROOTCERT?"
    assert result.stderr.count(told) == 1
    assert "hunter2" not in result.stderr


@pytest.mark.parametrize(
    ("name", "near"),
    [("DJANGO_DEBGU", "DJANGO_DEBUG"), ("POSTGRESQL_DATA_DIR", "POSTGRESQL_DATA_DIRECTORY")],
)
def test_a_misspelt_name_of_any_of_our_prefixes_is_warned_of(
    tmp_path: Path, good: dict[str, str], name: str, near: str
) -> None:
    of_django = {"DJANGO_SUPERUSER_USERNAME": "chief", "DJANGO_SETTINGS_MODULE": "config.settings"}
    result = manage(tmp_path, {**good, **of_django, "DJANGO_SECRET_KEY": "x", name: "true"}, "check")
    assert result.returncode == 0, result.stderr
    assert result.stderr.count("is not a setting of this release") == 1
    assert f"{name} is not a setting of this release. Did you mean {near}?" in result.stderr


def test_a_release_is_not_deployed_with_what_it_does_not_know(tmp_path: Path, good: dict[str, str]) -> None:
    shared = {**good, "DJANGO_SECRET_KEY": "x", "DB_OF_A_NEWER_RELEASE": "x"}
    result = manage(tmp_path, shared, "deploy_release", "--release=r1")
    assert result.returncode != 0
    assert "CommandError: DB_OF_A_NEWER_RELEASE is not a setting of this release." in result.stderr
