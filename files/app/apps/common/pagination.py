"""Pages of a list in order of time, found by a position and not by counting (keyset pagination).

A page costs the same wherever it lies, and rows that come or go move no other row to another page. What it cannot
know: a row has the time when it was written and is seen when its transaction commits, so one that commits late may
land behind a reader who has passed. A person does not miss it; an export leaves out what is younger than its `lag`.
"""

import base64
import struct
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar
from uuid import UUID

from django.db.models import F, Model, QuerySet
from django.db.models.fields.tuple_lookups import TupleGreaterThan, TupleLessThan
from django.db.models.functions import Now

PAGE_ROWS = 20
NEWEST_FIRST = ("-created_at", "-id")
OLDEST_FIRST = ("created_at", "id")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Order and side, microseconds since EPOCH, key; then the checksum of these.
POSITION = struct.Struct(">Bq16s")
CHECKSUM = struct.Struct(">I")

Row = TypeVar("Row", bound=Model)


class BrokenCursorError(ValueError):
    """A cursor that this list did not give out, or that was damaged on its way: begin with the first page again."""


@dataclass(frozen=True, kw_only=True)
class Page(Generic[Row]):
    """Rows of a list, and the cursors of the pages beside them; "" where there is none."""

    rows: list[Row]
    next: str
    previous: str


@dataclass(frozen=True, kw_only=True)
class _Cursor:
    """A place in a list: what stands after one of its rows, or before it."""

    newest_first: bool
    before: bool
    created_at: datetime
    id: UUID

    @classmethod
    def of_row(cls, row: Any, *, newest_first: bool, before: bool) -> "_Cursor":
        return cls(newest_first=newest_first, before=before, created_at=row.created_at, id=row.id)

    @classmethod
    def of_token(cls, token: str, *, newest_first: bool) -> "_Cursor":
        """Read a cursor of a list in this order. Raises BrokenCursorError."""
        try:
            packed = base64.urlsafe_b64decode(f"{token}=")
            (flags, microseconds, key), (checksum,) = POSITION.unpack(packed[:-4]), CHECKSUM.unpack(packed[-4:])
            created_at = EPOCH + timedelta(microseconds=microseconds)
        except (ValueError, struct.error, OverflowError) as error:
            raise BrokenCursorError(f"{token[:60]!r} is no cursor.") from error
        found = cls(newest_first=bool(flags & 1), before=bool(flags & 2), created_at=created_at, id=UUID(bytes=key))
        # Of the ways to write the same bytes in base64 one is ours.
        if checksum != zlib.crc32(packed[:-4]) or found.token() != token:
            raise BrokenCursorError(f"The cursor {token[:60]!r} is damaged.")
        if found.newest_first != newest_first:
            raise BrokenCursorError(f"The cursor {token!r} is of a list in the other order.")
        return found

    def token(self) -> str:
        microseconds = (self.created_at - EPOCH) // timedelta(microseconds=1)
        packed = POSITION.pack(self.newest_first | self.before << 1, microseconds, self.id.bytes)
        packed += CHECKSUM.pack(zlib.crc32(packed))
        return base64.urlsafe_b64encode(packed).decode().rstrip("=")

    def rows_beyond(self) -> TupleGreaterThan | TupleLessThan:
        """Return the condition on rows: one comparison of both columns, which an index on them answers."""
        older = self.newest_first != self.before
        beyond = TupleLessThan if older else TupleGreaterThan
        return beyond((F("created_at"), F("id")), (self.created_at, self.id))


def page(rows: QuerySet[Row], cursor: str = "", *, size: int = PAGE_ROWS, lag: timedelta = timedelta(0)) -> Page[Row]:
    """Return at most `size` rows of a list in one query: its first ones, or those that the cursor of a page leads to.

    rows: ordered by NEWEST_FIRST or OLDEST_FIRST; without an order the newest come first. Its filter is not in the
    cursor: the caller gives the same one each time. lag: leave out rows younger than this.
    Raises BrokenCursorError for a cursor that is damaged or of the other order, ValueError for rows in another order or
    a size below 1.
    """
    order = tuple(rows.query.order_by) or NEWEST_FIRST
    if order not in {NEWEST_FIRST, OLDEST_FIRST}:
        raise ValueError(f"Pages are in the order {NEWEST_FIRST} or {OLDEST_FIRST}, not {order}.")
    if size < 1:
        raise ValueError(f"A page has at least one row, not {size}.")
    if lag:
        rows = rows.filter(created_at__lt=Now() - lag)
    place = _Cursor.of_token(cursor, newest_first=order == NEWEST_FIRST) if cursor else None
    if place:
        rows = rows.filter(place.rows_beyond())
    backwards = place is not None and place.before
    rows = rows.order_by(*order)
    # One more than wanted says whether the list goes on.
    found = list((rows.reverse() if backwards else rows)[: size + 1])
    goes_on, found = len(found) > size, found[:size]
    if backwards:
        found.reverse()
    # Where a reader comes from there is a page.
    has_previous, has_next = (goes_on, True) if backwards else (place is not None, goes_on)

    def beside(row: Row, *, before: bool) -> str:
        return _Cursor.of_row(row, newest_first=order == NEWEST_FIRST, before=before).token()

    return Page(
        rows=found,
        next=beside(found[-1], before=False) if found and has_next else "",
        previous=beside(found[0], before=True) if found and has_previous else "",
    )
