"""Signals as a terminal's programs have them."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def heeded() -> Iterator[None]:
    """Have programs started here heed SIGQUIT, which a shell that puts the tests into the background has ignored."""
    before = signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGQUIT, before)
