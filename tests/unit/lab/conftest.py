"""Makes the package `lab` importable; no test here touches the machine."""

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))


@pytest.fixture(autouse=True)
def event_loop_as_it_was_found() -> Iterator[None]:
    """`asyncio.run` leaves no event loop behind, and the tests of the Pulumi program, which come next, want one."""
    yield
    asyncio.set_event_loop_policy(None)
