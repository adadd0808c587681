"""The module `xfs_volumes`: which device counts as empty, so that a filesystem may be made on it."""

from pathlib import Path

import pytest

from tests.loading import load

from .role_files import ROOT

xfs_volumes = load(ROOT / "roles/data_volume/library/xfs_volumes.py")

MIB = 1024**2
SIZE = 1024 * MIB
STRETCH = SIZE // 60  # a little more than lies between two samples


@pytest.fixture
def device(tmp_path: Path) -> Path:
    """A file without blocks in the place of a device."""
    path = tmp_path / "device"
    path.touch()
    with path.open("r+b") as file:
        file.truncate(SIZE)
    return path


def test_a_device_of_zeros_is_blank(device: Path) -> None:
    assert xfs_volumes.is_blank(str(device))


@pytest.mark.parametrize(
    ("start", "length"),
    [(0, 1), (SIZE - 1, 1), (400 * MIB, STRETCH), (SIZE // 2, STRETCH), (SIZE - 2 * STRETCH, STRETCH)],
    ids=["first byte", "last byte", "before the middle", "behind the middle", "before the end"],
)
def test_a_device_with_data_at_an_end_or_longer_than_the_gap_of_the_samples_is_not_blank(
    device: Path, start: int, length: int
) -> None:
    with device.open("r+b") as file:
        file.seek(start)
        file.write(b"\1" * length)
    assert not xfs_volumes.is_blank(str(device))
