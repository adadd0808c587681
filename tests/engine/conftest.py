"""Fixtures of the tests that use the real Pulumi engine."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "pulumi"))  # the contract's own reader checks what was exported

from engine_workspace import Engine, make_stack

# Two workers take files in this order; short ones come last, so that both end at about the same time.
LONGEST_FIRST = (
    "production",
    "hosts",
    "staging",
    "scaling",
    "production_cn",
    "refusals",
    "secrets_stay_out",
    "options",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Bring the files into the order above; within a file tests go on from each other."""
    rank = {f"test_{name}.py": number for number, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: rank.get(item.path.name, len(rank)))


@pytest.fixture(scope="session", autouse=True)
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Python keeps its compiled modules from one engine's run to the next, aside: importing anew takes half a run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
        patch.setenv("PYTHONPYCACHEPREFIX", str(tmp_path_factory.mktemp("compiled")))
        yield


def empty_home(folders: pytest.TempPathFactory) -> Path:
    """Return a free path for an engine's home, always the same one: compiled modules are kept by their paths."""
    home = folders.getbasetemp() / "pulumi"
    shutil.rmtree(home, ignore_errors=True)
    return home


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of a module's engine."""
    return empty_home(tmp_path_factory)


@pytest.fixture(scope="module")
def engine(request: pytest.FixtureRequest, home: Path) -> Engine:
    """An engine with an empty stack: the module's `STACK`, production where it has none."""
    return make_stack(home, getattr(request.module, "STACK", "production"))


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Engine, Path]:
    """Production after its first `up`, made once: its engine, and the home that is copied for each module."""
    engine = make_stack(empty_home(tmp_path_factory), "production")
    # How it is made is shown by test_production.py. Here the state may be written once, at the end.
    at_the_end = {"PULUMI_EXPERIMENTAL": "true", "PULUMI_SKIP_CHECKPOINTS": "true"}
    engine.run("up", "--yes", "--skip-preview", environment=at_the_end)
    return engine, engine.home.rename(tmp_path_factory.mktemp("finished") / "pulumi")


@pytest.fixture(scope="module")
def production(finished: tuple[Engine, Path], home: Path) -> Engine:
    """An engine with production's stack in use, for the module alone."""
    engine, kept = finished
    shutil.copytree(kept, home, symlinks=True)
    return engine
