"""A table of a seed."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

from apps.seeding.market import Market

Row = tuple[Any, ...]


@dataclass(frozen=True)
class Table:
    """Name, columns with spaces between, and what yields the rows: it is given the table's own source of chance."""

    name: str
    column_names: str
    rows: Callable[[Market, Random], Iterator[Row]]

    @property
    def columns(self) -> list[str]:
        return self.column_names.split()
