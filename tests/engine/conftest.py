"""Fixtures of the tests that use the real Pulumi engine."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "pulumi"))  # the contract's own reader checks what was exported

from engine_workspace import Engine, make_stack

# Two workers take files in this order; short ones come last, so that both end at about the same time.
LONGEST_FIRST = [
    f"test_{name}.py"
    for name in (
        "production",
        "hosts",
        "staging",
        "production_cn",
        "secrets_stay_out",
        "sizes",
        "refusals",
        "taking_in",
    )
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Bring the files into the order above; within a file tests go on from each other."""
    rank = {name: number for number, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: rank.get(item.path.name, len(rank)))


@pytest.fixture(scope="session", autouse=True)
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Python keeps its compiled modules from one engine's run to the next, aside: importing anew takes half a run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
        patch.setenv("PYTHONPYCACHEPREFIX", str(tmp_path_factory.mktemp("compiled")))
        yield


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An engine's home, empty for each module. Its path stays the same: compiled modules are kept by their paths."""
    home = tmp_path_factory.getbasetemp() / "pulumi"
    yield home
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="module")
def engine(request: pytest.FixtureRequest, home: Path) -> Engine:
    """An engine with an empty stack: the module's `STACK`, production where it has none."""
    return make_stack(home, getattr(request.module, "STACK", "production"))
