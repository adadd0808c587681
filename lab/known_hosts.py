"""The environment's known_hosts file: one line a host, written when the host is made, taken out when it goes."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def write(file: Path, address: str, key: str) -> None:
    """Make `key` the only key of `address`."""
    with _locked(file):
        lines = [*_others(file, address), f"{address} {key}"]
        _replace(file, lines)


def forget(file: Path, address: str) -> None:
    """Trust nothing at `address` any more."""
    with _locked(file):
        _replace(file, _others(file, address))


def key_of(file: Path, address: str) -> str | None:
    """The key that is trusted at `address`."""
    if not file.exists():
        return None
    for line in file.read_text().splitlines():
        name, _, key = line.partition(" ")
        if name == address:
            return key
    return None


def _others(file: Path, address: str) -> list[str]:
    lines = file.read_text().splitlines() if file.exists() else []
    return [line for line in lines if line.split(" ")[0] != address]


def _replace(file: Path, lines: list[str]) -> None:
    partial = file.with_suffix(".new")
    partial.write_text("".join(f"{line}\n" for line in sorted(lines)))
    partial.rename(file)


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
