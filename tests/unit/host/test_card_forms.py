"""The card of the golden contract passes; a wrong line, name, command or answer is told. Nothing is connected to."""

import copy
import os
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest

from tests.host import clients, plan, redaction, test_baseline, test_card, test_endpoints
from tests.host.environment import ROOT, Environment

CARD = """{{ platform_clusters.main | connection_card('main', platform_environment, '/ca.crt', platform_databases)
             | combine({'help': platform_help}) }}"""


@pytest.fixture
def card(environment: Environment) -> dict[str, Any]:
    return copy.deepcopy(environment.declared("db1").render(CARD))


@pytest.fixture
def handshakes(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int, str]]:
    """Every handshake succeeds and is noted."""
    made: list[tuple[str, int, str]] = []
    monkeypatch.setattr(test_card, "refused", lambda address, port, name, _: made.append((address, port, name)))
    return made


@pytest.mark.parametrize("way", test_card.WAYS)
def test_the_jdbc_line_reaches_every_endpoint(
    card: dict[str, Any], environment: Environment, way: str, handshakes: list[tuple[str, int, str]]
) -> None:
    test_card.test_the_jdbc_line_names_what_certificates_carry(card, way, environment)
    assert {f"{address}:{port}" for address, port, _ in handshakes} == set(card["connections"][way]["endpoints"])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("sslmode=verify-full", "sslmode=require"),
        ("sslrootcert=/ca.crt", "sslrootcert=/other.crt"),
        ("direct.lab:5000", "direct.lab:5001"),
        ("direct.lab:5000", "10.99.0.11:5000"),
        ("user=freelance_migrator", "user=freelance_user"),
        ("/freelance_platform?", "/postgres?"),
        ("?user", "?password=x&user"),
    ],
)
@pytest.mark.usefixtures("handshakes")
def test_a_wrong_jdbc_line_is_told(card: dict[str, Any], environment: Environment, old: str, new: str) -> None:
    line = card["connections"]["direct"]["jdbc"]
    card["connections"]["direct"]["jdbc"] = line.replace(old, new)
    assert line != card["connections"]["direct"]["jdbc"]
    with pytest.raises(AssertionError):
        test_card.test_the_jdbc_line_names_what_certificates_carry(card, "direct", environment)


def test_a_certificate_without_the_name_is_told(
    card: dict[str, Any], environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(test_card, "refused", lambda *_: "Hostname mismatch")
    with pytest.raises(AssertionError, match=r"direct\.lab:5000 at 10\.99\.0\.1"):
        test_card.test_the_jdbc_line_names_what_certificates_carry(card, "direct", environment)
    # A port that shows any certificate to any name is no better.
    monkeypatch.setattr(test_card, "refused", lambda *_: "")
    with pytest.raises(AssertionError, match="any name holds"):
        test_card.test_the_certificate_behind_each_endpoint_carries_the_services_name(card, "direct", environment)


def test_a_host_without_its_line_is_told(card: dict[str, Any]) -> None:
    test_card.test_the_names_of_the_card_resolve(card)
    card["resolve"]["hosts"][1] = "10.99.0.12 pooled.lab direct.lab"
    with pytest.raises(AssertionError, match=r"read_only_direct: no line gives 10\.99\.0\.12"):
        test_card.test_the_names_of_the_card_resolve(card)


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("make no-such-target", "no-such-target"),
        ("ansible-playbook ansible/playbooks/no_such.yml", "there is no ansible/playbooks/no_such.yml"),
        ("no-such-program --fast", "no-such-program"),
    ],
)
def test_a_command_that_is_not_there_is_told(command: str, reason: str) -> None:
    with pytest.raises((AssertionError, pytest.fail.Exception), match=reason):
        clients.shell(test_card.harmless(command))


def test_a_target_and_a_program_that_are_there_pass() -> None:
    for command in ("make help", "python3 --version"):
        clients.shell(test_card.harmless(command))


@pytest.mark.parametrize("command", ["ansible-playbook ansible/playbooks/site.yml --check", "ansible -b all -m reboot"])
def test_a_command_is_tried_out_without_its_effect(command: str) -> None:
    assert test_card.harmless(command).endswith((" --syntax-check", " --list-hosts"))


def test_what_a_command_prints_is_said_without_secrets(tmp_path: Path) -> None:
    redaction.remember("kept-to-itself-9876543210")
    (tmp_path / "said").write_text("kept-to-itself-9876543210 is wrong", encoding="utf-8")
    with pytest.raises(pytest.fail.Exception, match=r"\(hidden\) is wrong") as caught:
        clients.shell(f"cat {tmp_path}/said && false")
    assert "9876543210" not in str(caught.value)


def answering(monkeypatch: pytest.MonkeyPatch, answer: str | None) -> None:
    """Every connection is refused with these words, or let in."""

    def connect(*_: Any, **__: Any) -> Any:
        if answer is None:
            return SimpleNamespace(close=lambda: None)
        raise psycopg.OperationalError(answer)

    monkeypatch.setattr(clients, "connect", connect)


REFUSED = 'FATAL:  pg_hba.conf rejects connection for host "10.99.0.12", user "postgres"'
NO_PASSWORD = 'FATAL:  password authentication failed for user "postgres"'


@pytest.mark.parametrize("answer", [None, NO_PASSWORD])
def test_a_superuser_that_only_lacks_a_password_is_told(
    card: dict[str, Any], monkeypatch: pytest.MonkeyPatch, answer: str | None
) -> None:
    answering(monkeypatch, REFUSED)
    test_endpoints.test_no_superuser_gets_in_over_the_network(card, "direct")
    answering(monkeypatch, answer)
    with pytest.raises(AssertionError, match=r"10\.99\.0\.11:5000"):
        test_endpoints.test_no_superuser_gets_in_over_the_network(card, "direct")


def test_postgresql_that_answers_is_told(
    card: dict[str, Any], environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering(monkeypatch, "connection timeout expired")
    test_endpoints.test_postgresql_itself_is_out_of_reach(environment, card)
    answering(monkeypatch, NO_PASSWORD)
    with pytest.raises(AssertionError, match="timeout expired"):
        test_endpoints.test_postgresql_itself_is_out_of_reach(environment, card)


RULES = """chain input {
  type filter hook input priority filter; policy drop;
  ip saddr { 10.99.0.0/24 } tcp dport 5432
}"""


@pytest.mark.parametrize(
    ("old", "new"),
    [("10.99.0.0/24", "0.0.0.0/0"), ("\n}", "\n  tcp dport 1 accept\n}"), ("policy drop", "policy accept")],
)
def test_any_difference_of_the_firewall_is_told(old: str, new: str) -> None:
    host = SimpleNamespace(commands={"firewall": RULES, "firewall_declared": RULES})
    test_baseline.test_the_firewall_in_force_is_the_declared_one(host)
    host.commands["firewall"] = RULES.replace(old, new)
    with pytest.raises(AssertionError):
        test_baseline.test_the_firewall_in_force_is_the_declared_one(host)


SELECTED = "^,*,169.254.169.123,3,6,17,8,0.000000056,-0.000000146,0.000002842\n"


@pytest.mark.parametrize("said", [SELECTED.replace("*", "?"), SELECTED.replace("169", "170", 1), "506 Cannot talk\n"])
def test_a_clock_that_goes_by_no_declared_server_is_told(said: str) -> None:
    host = SimpleNamespace(
        contract={"virtual": "vm"},
        declared={"host_baseline_time_servers": ["169.254.169.123"]},
        units={"chrony.service": {"ActiveState": "active"}},
        commands={"time": SELECTED},
    )
    test_baseline.test_time_is_synchronised(host)
    host.commands["time"] = said
    with pytest.raises(AssertionError):
        test_baseline.test_time_is_synchronised(host)


@pytest.mark.parametrize("file", ["enabled", "defrag"])
def test_a_transparent_huge_page_is_told(file: str) -> None:
    folder = plan.TRANSPARENT_HUGE_PAGES
    host = SimpleNamespace(contract={"virtual": "vm"})
    host.contents = {f"{folder}/{name}": "always madvise [never]\n" for name in ("enabled", "defrag")}
    test_baseline.test_transparent_huge_pages_are_off(host)
    host.contents[f"{folder}/{file}"] = "always [madvise] never\n"
    with pytest.raises(AssertionError):
        test_baseline.test_transparent_huge_pages_are_off(host)


@pytest.mark.parametrize("standby", [True, False])
def test_an_endpoint_that_leads_elsewhere_is_told(
    card: dict[str, Any], environment: Environment, monkeypatch: pytest.MonkeyPatch, standby: bool
) -> None:
    class Connection:
        def __enter__(self) -> Any:
            return self

        def __exit__(self, *_: object) -> None: ...

        def execute(self, _: str) -> Any:
            return SimpleNamespace(fetchone=lambda: ("freelance_platform", "reporting_user", standby))

    monkeypatch.setattr(clients, "connect", lambda *_, **__: Connection())
    verify = test_endpoints.test_every_endpoint_of_the_card_leads_where_it_says
    if standby:
        verify(card, "read_only_direct", environment)
    else:
        with pytest.raises(AssertionError, match=r"10\.99\.0\.11:5001"):
            verify(card, "read_only_direct", environment)
    one: Any = SimpleNamespace(hosts=lambda _: ["db1"])
    if standby:
        with pytest.raises(AssertionError):
            verify(card, "read_only_direct", one)
    else:
        verify(card, "read_only_direct", one)


def test_make_card_prints_the_card_and_no_secret(environment: Environment, tmp_path: Path) -> None:
    inventory = tmp_path / "inventory"
    shutil.copytree(environment.name, inventory)
    values = inventory / "group_vars/all.yml"
    text = values.read_text(encoding="utf-8")
    folder = os.path.relpath(tmp_path, ROOT)
    values.write_text(text.replace("environment_directory: .lab", f"environment_directory: {folder}"), encoding="utf-8")
    surroundings = {**os.environ, "ANSIBLE_INVENTORY": str(inventory), "ANSIBLE_NOCOLOR": "1"}
    done = subprocess.run(["make", "card"], cwd=ROOT, env=surroundings, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    written = (tmp_path / "card.md").read_text(encoding="utf-8")
    assert written.startswith("# Connection card: lab, cluster main")
    missing = [line for line in written.splitlines() if line.strip() not in done.stdout]
    assert missing == []
    assert "kept-to-itself" not in done.stdout
