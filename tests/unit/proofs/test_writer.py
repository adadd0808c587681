"""The client of the proofs: a commit in doubt is neither lost nor kept twice, and what ends it is told."""

import time
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from tests.host import clients
from tests.proofs import tools
from tests.proofs.tools import Writer


class Database:
    """Rows, and what happens to the insert of a number: an error before the row is kept, or after it."""

    def __init__(self) -> None:
        self.rows: list[str] = []
        self.before: dict[int, Exception] = {}
        self.after: dict[int, Exception] = {}
        self.inserts = 0

    def __enter__(self) -> "Database":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def transaction(self) -> "Database":
        return self

    def execute(self, statement: str, values: Any = ()) -> list[tuple[str]]:
        """Answer the statements of a writer."""
        if statement == clients.INSERT_SKILL:
            self.inserts += 1
            if error := self.before.get(self.inserts):
                raise error
            self.rows.append(values["slug"])
            if error := self.after.get(self.inserts):
                raise error
        return [(row,) for row in self.rows]


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> Database:
    made = Database()
    monkeypatch.setattr(clients, "connect", lambda *_: made)
    monkeypatch.setattr(tools, "RETRY_SECONDS", 0)
    return made


@pytest.fixture
def write(database: Database) -> Callable[[int], Writer]:
    """Have a writer try so many inserts; it has ended then, whatever ended it."""

    def run(inserts: int) -> Writer:
        writer = Writer({})
        writer.start()
        while database.inserts < inserts and writer.is_alive():
            time.sleep(0.01)
        writer.stop()
        return writer

    return run


def test_a_row_in_doubt_is_not_lost_whether_it_was_kept_or_not(
    database: Database, write: Callable[[int], Writer]
) -> None:
    database.before[2] = psycopg.OperationalError("the server closed the connection")
    database.after[3] = psycopg.OperationalError("the server closed the connection")
    writer = write(5)
    assert len(writer.in_doubt) == 2
    assert len(database.rows) == len(writer.acknowledged) + 1
    assert writer.lost() == set()


def test_an_acknowledged_row_that_is_gone_is_lost(database: Database, write: Callable[[int], Writer]) -> None:
    writer = write(3)
    gone = database.rows.pop(1)
    assert writer.lost() == {gone}


def test_a_row_that_is_there_twice_is_told(database: Database, write: Callable[[int], Writer]) -> None:
    database.after[2] = psycopg.OperationalError("the server closed the connection")
    writer = write(3)
    database.rows.append(next(iter(writer.in_doubt)))
    with pytest.raises(AssertionError, match="kept twice"):
        writer.lost()


def test_a_row_that_nobody_wrote_is_told(database: Database, write: Callable[[int], Writer]) -> None:
    writer = write(3)
    database.rows.append("proof-stranger")
    with pytest.raises(AssertionError, match="nobody wrote these"):
        writer.lost()


def test_an_error_that_is_not_the_databases_ends_the_writer_and_is_raised(
    database: Database, write: Callable[[int], Writer]
) -> None:
    database.before[2] = RuntimeError("no password")
    with pytest.raises(AssertionError, match=r"ended early.*no password"):
        write(5)
