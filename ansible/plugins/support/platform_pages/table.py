"""Rows for a terminal."""

import unicodedata
from collections.abc import Sequence


def columns(rows: Sequence[Sequence[str]], head: Sequence[str]) -> str:
    """Lay rows out below their heads."""
    lines = [list(head), *([str(cell) for cell in row] for row in rows)]
    widths = [max(_width(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join(
        "  ".join(cell + " " * (width - _width(cell)) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def _width(words: str) -> int:
    # Chinese characters take two places.
    return sum(2 if unicodedata.east_asian_width(each) in "WF" else 1 for each in words)
