"""Host verification: one look at each host, then plain assertions on what was found.

`pytest tests/host --environment lab|production [--report FILE.html]`
"""

import base64
import json
import shlex
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.errors import AnsibleError

from tests.host import clients, collect, compare, plan, redaction, report
from tests.host.environment import Environment

GROUPS = {"host": "all", "database_host": "database", "etcd_host": "etcd"}
GROUPS |= {"repository_host": "repository", "cache_host": "cache"}
KEY = pytest.StashKey[Environment]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--environment", default="lab", help="inventory to verify: lab (default), production, …")
    parser.addoption("--report", type=Path, help="write the state of each host to this HTML file")


def pytest_configure(config: pytest.Config) -> None:
    name = config.getoption("--environment")
    try:
        config.stash[KEY] = Environment(name)
    except AnsibleError as error:
        raise pytest.UsageError(f"environment {name}: {error}") from error
    if not config.stash[KEY].hosts("all"):
        raise pytest.UsageError(f"environment {name} has no host: see the message above, or run: make up")
    if problems := config.stash[KEY].tunnel_problems():
        raise pytest.UsageError(f"environment {name}: {' '.join(problems)}")
    if config.getoption("--report"):
        config.pluginmanager.register(report.Report(config.getoption("--report"), config.stash[KEY]), "host-report")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    environment = metafunc.config.stash[KEY]
    for fixture, group in GROUPS.items():
        if fixture in metafunc.fixturenames:
            metafunc.parametrize(fixture, environment.hosts(group), indirect=True, scope="session")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let no secret into the output, nor into the page."""
    made = yield
    redaction.redact(made)
    return made


@pytest.fixture(scope="session")
def environment(pytestconfig: pytest.Config) -> Environment:
    return pytestconfig.stash[KEY]


@pytest.fixture(scope="session")
def found(environment: Environment) -> dict[str, Any]:
    """What one look at all hosts, side by side, has shown: host name -> answer of collect.py."""
    names = environment.hosts("all")
    plans = {name: plan.of(environment, name) for name in names}

    def look(name: str) -> Any:
        program = base64.b64encode(Path(collect.__file__).read_bytes()).decode()
        start = f"import base64; exec(base64.b64decode('{program}'))"
        done = environment.connection(name).run(
            f"python3 -c {shlex.quote(start)} {shlex.quote(json.dumps(plans[name]))}"
        )
        assert done.rc == 0, f"{name} can't be looked at: {done.stderr[-800:]}"
        return json.loads(done.stdout)

    with ThreadPoolExecutor(len(names)) as pool:
        return dict(zip(names, pool.map(look, names), strict=True))


def _seen(request: pytest.FixtureRequest) -> SimpleNamespace:
    return _of(request.getfixturevalue("environment"), request.getfixturevalue("found"), request.param)


def _of(environment: Environment, found: dict[str, Any], name: str) -> SimpleNamespace:
    declared, seen = environment.declared(name), dict(found[name])
    queries = compare.Answers(seen.pop("queries"))
    return SimpleNamespace(name=name, declared=declared, contract=declared["platform_host"], queries=queries, **seen)


@pytest.fixture(scope="session")
def host(request: pytest.FixtureRequest) -> SimpleNamespace:
    """Any host: `.declared` is what Ansible would configure, the other fields are what was found."""
    return _seen(request)


database_host = etcd_host = repository_host = cache_host = host


@pytest.fixture(scope="session")
def leader(environment: Environment, found: dict[str, Any]) -> SimpleNamespace:
    """Return the host that leads now; who that is was never declared."""
    names = [
        name for name in environment.hosts("database") if found[name]["queries"]["in_recovery"] == [{"value": False}]
    ]
    assert len(names) == 1, f"one leader is expected, found {names}"
    return _of(environment, found, names[0])


@pytest.fixture(scope="session")
def card(environment: Environment) -> dict[str, Any]:
    """The connection card, as show_card.yml wrote it."""
    assert clients.written_card(environment).exists(), "no card: run ansible-playbook ansible/playbooks/show_card.yml"
    return clients.card(environment)
