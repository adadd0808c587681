"""What a seed decides: keys, moments, long tails. Moments are whole microseconds since 1970 until they are written."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from hashlib import blake2b
from itertools import accumulate
from random import Random
from typing import TypeVar

from apps.common.keys import TICKS_PER_MILLISECOND, assembled

SECOND = 1_000_000
MINUTE, HOUR, DAY = 60 * SECOND, 3600 * SECOND, 86_400 * SECOND
CHINA = timezone(timedelta(hours=8))
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# The marketplace's fixed clock: the first person joins at the one, "now" is the other.
BEGINS = int(datetime(2025, 1, 1, tzinfo=CHINA).timestamp()) * SECOND
NOW = int(datetime(2026, 7, 1, tzinfo=CHINA).timestamp()) * SECOND

Value = TypeVar("Value")


def moment(at: int) -> datetime:
    """Return the datetime of a moment."""
    return _EPOCH + timedelta(microseconds=at)


def yuan(cents: int) -> str:
    """Return an amount as numeric(12,2) takes it."""
    sign, rest = ("-", -cents) if cents < 0 else ("", cents)
    return f"{sign}{rest // 100}.{rest % 100:02d}"


class Keys:
    """UUIDv7 keys of a seed: the same table, name and moment have the same key, so none has to be remembered."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def __call__(self, table: str, name: object, at: int) -> str:
        """Return 32 hexadecimal digits, which sort as the database sorts keys."""
        digest = blake2b(f"{self._seed}:{table}:{name}".encode(), digest_size=8).digest()
        return f"{assembled(at * TICKS_PER_MILLISECOND // 1000, int.from_bytes(digest, 'big')):032x}"

    def chance(self, table: str) -> Random:
        """Return a table's own source of chance: more rows in one table change no other."""
        return Random(f"{self._seed}:{table}")  # noqa: S311 (not for secrets)


def zipf(count: int, exponent: float) -> list[float]:
    """Return cumulative weights, as `Random.choices` takes them, of ranks 1 to `count`: the first ones get most."""
    return list(accumulate(1 / rank**exponent for rank in range(1, count + 1)))


def later(chance: Random, earliest: int, latest: int) -> int:
    """Return a moment between the two, later ones more likely: a marketplace that grows."""
    return earliest + int((latest - earliest) * chance.random() ** 0.6)


def happens(chance: Random, share: float) -> bool:
    """Return True that often."""
    return chance.random() < share


def pick(chance: Random, weighted: Sequence[tuple[Value, float]]) -> Value:
    """Return one of the values; the weights add up to 1."""
    left = chance.random()
    for value, weight in weighted:
        left -= weight
        if left < 0:
            return value
    return weighted[-1][0]
