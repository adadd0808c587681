"""Each form of the connection card works as it stands: psql, the .env file, Django's block, JDBC, and the commands."""

import ast
import json
import os
import re
import shlex
import shutil
import socket
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.host import clients, collect, redaction
from tests.host.environment import ROOT, Environment

SECONDS_MAX = 120
JDBC_DRIVER = Path("/usr/share/java/postgresql.jar")
DRY = {"--check", "--diff"}
WAYS = ["pooled", "replica", "direct", "read_only_direct"]
WHO = "select session_user, current_user, current_database()"
# Asks each alias of DATABASES who it is there; the settings come from the environment or as a block of text in BLOCK.
ASK_DJANGO = f"""
import json, os
import django
from django.conf import settings
if "BLOCK" in os.environ:
    names = {{"os": os}}
    exec(os.environ["BLOCK"], names)
    settings.configure(DATABASES=names["DATABASES"])
django.setup()
from django.db import connections
answers = {{}}
for alias in connections:
    with connections[alias].cursor() as cursor:
        cursor.execute("{WHO}")
        answers[alias] = cursor.fetchone()
print(json.dumps(answers))
"""
ANSWERS = {
    "default": ["freelance_user", "freelance_user", "freelance_platform"],
    "replica": ["freelance_user", "freelance_user", "freelance_platform"],
    # What a migration makes belongs to the owner.
    "direct": ["freelance_migrator", "freelance_owner", "freelance_platform"],
}


@pytest.mark.parametrize("way", WAYS)
def test_the_psql_line_works_as_it_stands(card: dict[str, Any], way: str) -> None:
    clients.shell("command -v psql || { echo 'install the package postgresql-client on this machine' >&2; exit 1; }")
    user = card["connections"][way]["parameters"]["user"]
    answer = clients.shell(card["connections"][way]["psql"], given=f"\\pset format unaligned\n\\t on\n{WHO};\n")
    assert f"{user}|{user}|freelance_platform" in answer.splitlines()


def with_django(program: str, environment: dict[str, str], folder: Path) -> str:
    """Return what a program prints that begins with Django of `folder`."""
    clean = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        cwd=folder,
        env={**clean, "PYTHONPATH": str(folder), **environment},
        check=False,
    )
    if done.returncode:
        pytest.fail(redaction.redacted(done.stderr))
    return done.stdout


def ask_django(environment: dict[str, str], folder: Path) -> dict[str, list[str]]:
    """Return session role, current role and database of each alias."""
    return dict(json.loads(with_django(ASK_DJANGO, environment, folder)))


@pytest.fixture
def application(environment: Environment) -> dict[str, str]:
    """Variables with which the application starts from the .env file."""
    file = clients.written_card(environment).with_name("card.env")
    # Secrets are named in comments, each with the command that reads it.
    commands = re.findall(r"(?m)^# ([A-Z_]+): (.+)$", file.read_text(encoding="utf-8"))
    secrets = {name: redaction.remember(clients.shell(command).strip()) for name, command in commands}
    assert set(secrets) >= {"DB_PASSWORD", "DB_DIRECT_PASSWORD", "CACHE_PASSWORD", "DJANGO_SECRET_KEY"}
    return {"ENV_FILE": str(file), "DJANGO_SETTINGS_MODULE": "config.settings", **secrets}


def test_the_application_starts_with_the_env_file(application: dict[str, str]) -> None:
    assert ask_django(application, ROOT / "files/app") == ANSWERS


def test_processes_that_start_with_the_env_file_share_the_cache(application: dict[str, str]) -> None:
    key = f"verification-{os.urandom(8).hex()}"
    use = "import django; django.setup(); from django.core.cache import cache; print(cache.{})".format
    with_django(use(f"set('{key}', 'shared', {SECONDS_MAX})"), application, ROOT / "files/app")
    answers = [with_django(use(f"{verb}('{key}')"), application, ROOT / "files/app") for verb in ("get", "delete")]
    assert [answer.strip() for answer in answers] == ["shared", "True"]


def test_the_block_for_django_works_as_it_stands(
    environment: Environment, card: dict[str, Any], tmp_path: Path
) -> None:
    text = clients.written_card(environment).with_name("card.md").read_text(encoding="utf-8")
    [block] = re.findall(r"(?ms)^```python\n(.+?)^```", text)
    ast.parse(block)
    names = sorted(set(re.findall(r'os\.environ\["(\w+)"\]', block)))
    secrets = {name: redaction.remember(clients.shell(card["secrets"][name.lower()]["read"]).strip()) for name in names}
    assert ask_django({"BLOCK": block, **secrets}, tmp_path) == ANSWERS


@pytest.mark.parametrize("way", WAYS)
def test_a_jdbc_driver_connects_with_the_line_as_it_stands(card: dict[str, Any], way: str, tmp_path: Path) -> None:
    if not (JDBC_DRIVER.exists() and shutil.which("javac")):
        pytest.skip("no JDBC driver here: install the packages default-jdk-headless and libpostgresql-jdbc-java")
    connection, names = card["connections"][way], tmp_path / "hosts"
    options = []
    if lines := card["resolve"]["hosts"]:
        # As if they were in /etc/hosts.
        names.write_text("\n".join([*lines, ""]), encoding="utf-8")
        options = [f"-Djdk.net.hosts.file={names}"]
    done = subprocess.run(
        ["java", *options, "-cp", str(JDBC_DRIVER), str(ROOT / "tests/host/AskJdbc.java"), connection["jdbc"]],
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        cwd=ROOT,
        env={**os.environ, "PASSWORD": clients.password(card, way)},
        check=False,
    )
    if done.returncode:
        pytest.fail(redaction.redacted(done.stderr))
    user = connection["parameters"]["user"]
    assert done.stdout.strip() == f"{user}|{user}|freelance_platform"


@pytest.mark.parametrize("way", WAYS)
def test_the_jdbc_line_names_what_certificates_carry(card: dict[str, Any], way: str, environment: Environment) -> None:
    # A driver connects to the first that answers; here each of the URL's names is tried, on each of its addresses.
    connection = card["connections"][way]
    url = urlsplit(connection["jdbc"].removeprefix("jdbc:"))
    options = {name: value for name, [value] in parse_qs(url.query, strict_parsing=True).items()}
    identity = connection["parameters"]
    assert (url.scheme, url.path, options["user"]) == ("postgresql", f"/{identity['dbname']}", identity["user"])
    assert (options["sslmode"], options["sslrootcert"]) == ("verify-full", card["ca_file"])
    assert "password" not in options
    reached = set()
    for target in url.netloc.split(","):
        name, _, port = target.rpartition(":")
        for address in addresses_of(card, name):
            reached.add(f"{address}:{port}")
            assert not refused(address, int(port), name, environment), f"{target} at {address}"
    assert reached == {
        f"{address}:{port}"
        for endpoint in connection["endpoints"]
        for host, _, port in [endpoint.rpartition(":")]
        for address in addresses_of(card, host)
    }, "not the endpoints of the way"


@pytest.mark.parametrize("way", WAYS)
def test_the_certificate_behind_each_endpoint_carries_the_services_name(
    card: dict[str, Any], way: str, environment: Environment
) -> None:
    for endpoint, parameters in clients.each(card, way):
        address = parameters.get("hostaddr") or parameters["host"]
        assert not refused(address, int(parameters["port"]), parameters["host"], environment), endpoint
        assert refused(address, int(parameters["port"]), "foreign.invalid", environment), f"{endpoint}: any name holds"


def addresses_of(card: dict[str, Any], name: str) -> set[str]:
    """Resolve a name as the card says: an address is itself, then the lines for /etc/hosts, else what DNS knows."""
    lines = [line.split() for line in card["resolve"]["hosts"]]
    named = {address for address, *names in lines if name in (address, *names)}
    return named or {str(found[4][0]) for found in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)}


def refused(address: str, port: int, name: str, environment: Environment) -> str:
    """Return why a client that looks for this name would turn away from a port, or nothing."""
    try:
        collect.handshake(address, port, name, starttls=True, authority=str(environment.authority_file()))
    except ssl.SSLCertVerificationError as error:
        return error.verify_message
    return ""


def test_the_names_of_the_card_resolve(card: dict[str, Any]) -> None:
    lines = {address: set(names) for address, *names in (line.split() for line in card["resolve"]["hosts"])}
    for way, connection in card["connections"].items():
        for endpoint in connection["endpoints"]:
            host = endpoint.rpartition(":")[0]
            if host in lines:
                assert connection["service"] in lines[host], f"{way}: no line gives {host} its name"
            else:
                # A balancer: the client's DNS has to lead the service's name to it.
                assert addresses_of(card, connection["service"]) == addresses_of(card, host), way


def test_each_command_that_the_card_names_is_there(card: dict[str, Any]) -> None:
    commands = [command for row in card["help"] for command in re.split(r"\s*&&\s*", row["run"])]
    assert commands
    # Several help with the same playbook: each is tried out once.
    for line in dict.fromkeys(map(harmless, commands)):
        clients.shell(line)


def harmless(command: str) -> str:
    """Return what shows that a command would start, and changes nothing."""
    words = shlex.split(command)
    for word in words:
        if re.fullmatch(r"[\w.-]+/[\w./-]+", word):
            assert (ROOT / word).exists(), f"{command}: there is no {word}"
    match words[0]:
        case "make":
            return f"make --dry-run {shlex.join(words[1:])}"
        case "ansible-playbook":
            return f"{shlex.join([word for word in words if word not in DRY])} --syntax-check"
        case "ansible":
            # What only lists is run as it stands.
            return command if words[-1].endswith(" list") else f"{command} --list-hosts"
        case "pytest":
            return f"{command} --collect-only -q"
        case program:
            return f"command -v {program}"
