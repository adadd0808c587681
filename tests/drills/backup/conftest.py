"""The cluster apart from the lab, made once for all drills that want one: that takes minutes."""

from collections.abc import Iterator

import pytest

from tests.drills import apart
from tests.drills.apart import Apart


@pytest.fixture(scope="session")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Apart]:
    """The cluster with two buckets. Its drills follow each other on it, and each alone finds what it needs."""
    with apart.cluster(tmp_path_factory.mktemp("apart")) as made:
        yield made
