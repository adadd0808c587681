"""UUIDv7 keys (RFC 9562): by the ORM here, by the database function `uuidv7()` of migration common.0001."""

import os
import threading
import time
import uuid

from django.db.models import Func, UUIDField

# 48 bits of milliseconds and 12 bits of their fraction: one tick is about 244 ns.
TICKS_PER_MILLISECOND = 4096
RANDOM_BITS = (1 << 62) - 1


def assembled(tick: int, random_bits: int) -> int:
    """Return the 128 bits of a UUIDv7: ticks since 1970, and 62 bits that tell its keys apart."""
    milliseconds, fraction = divmod(tick, TICKS_PER_MILLISECOND)
    return milliseconds << 80 | 0x7 << 76 | fraction << 64 | 0b10 << 62 | random_bits & RANDOM_BITS


class Uuid7Generator:
    """Makes strictly increasing UUIDv7 values, also within one tick and when the clock steps back.

    The order is promised for the values of one generator, not between generators.
    """

    def __init__(self) -> None:
        self._last_tick = 0
        self._lock = threading.Lock()

    def __call__(self) -> uuid.UUID:
        tick = time.time_ns() * TICKS_PER_MILLISECOND // 1_000_000
        with self._lock:
            tick = max(tick, self._last_tick + 1)
            self._last_tick = tick
        return uuid.UUID(int=assembled(tick, int.from_bytes(os.urandom(8), "big")))


_generate = Uuid7Generator()


def uuid7() -> uuid.UUID:
    """Return a new key. A plain function, so that migrations can name it."""
    return _generate()


class UUIDv7(Func):
    """The database's own key generator, for rows that are written without the ORM."""

    function = "uuidv7"
    arity = 0
    output_field = UUIDField()
