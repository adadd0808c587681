"""What a database's upkeep would do: plans made from what was measured. Nothing here talks to a server."""

import dataclasses
import datetime
import re
from collections.abc import Iterable, Sequence

# What REINDEX CONCURRENTLY leaves when it is interrupted; PostgreSQL appends a number where the name is taken.
LEFTOVER = re.compile(r"_cc(?:new|old)[0-9]*\Z")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Limits:
    """From where on something is done."""

    analyze_changed_percent: int
    analyze_changed_rows_min: int
    analyze_parents_days: int
    vacuum_dead_percent: int
    vacuum_dead_rows_min: int
    vacuum_age_transactions: int
    vacuum_age_multixacts: int
    reindex_density_percent_min: int
    reindex_size_mib_min: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Table:
    """A table as the server's statistics tell it; `name` is qualified and quoted."""

    name: str
    is_parent: bool  # partitioned: autovacuum never analyzes it
    rows: int
    dead_rows: int
    changed_rows: int  # since the last ANALYZE
    analyzed_days_ago: float | None  # None: this server knows of none
    age_transactions: int  # of the oldest row version, its TOAST included
    age_multixacts: int  # the same for what several transactions hold locked
    is_catalog: bool  # of pg_catalog, which autovacuum analyzes well


@dataclasses.dataclass(frozen=True, kw_only=True)
class Index:
    """An index; `name` and `table` are qualified and quoted, `relation` is the bare name."""

    name: str
    relation: str
    valid: bool
    building: bool  # somebody builds it at this moment
    concurrent: bool  # it can be rebuilt beside its users
    measurable: bool  # pgstatindex measures B-trees alone
    size_bytes: int
    collations: list[str]  # those whose version the operating system has changed


@dataclasses.dataclass(frozen=True, kw_only=True)
class Action:
    """A statement and why it is to be run."""

    statement: str
    why: str


def in_window(hour: int, start_hour: int, end_hour: int) -> bool:
    """Tell whether an hour lies in a window, which may span midnight. Equal hours: all day."""
    if start_hour < end_hour:
        return start_hour <= hour < end_hour
    return start_hour == end_hour or hour >= start_hour or hour < end_hour


def analyze(tables: Iterable[Table], limits: Limits) -> list[Action]:
    """Refresh the statistics of tables whose rows changed, and of parents, which nobody else looks after."""
    actions = []
    for table in tables:
        if table.is_catalog:
            continue
        why = ""
        wanted = max(limits.analyze_changed_rows_min, table.rows * limits.analyze_changed_percent // 100)
        if table.analyzed_days_ago is None:
            why = "never analyzed on this server"
        elif table.is_parent and table.analyzed_days_ago >= limits.analyze_parents_days:
            why = f"a partitioned table, analyzed {table.analyzed_days_ago:.0f} days ago"
        elif table.changed_rows >= wanted:
            why = f"{table.changed_rows} of {table.rows} rows changed, {wanted} allowed"
        if why:
            actions.append(Action(statement=f"ANALYZE {table.name}", why=why))
    return actions


def vacuum(tables: Iterable[Table], limits: Limits) -> list[Action]:
    """Clean what autovacuum left: the oldest first, then the most dead rows.

    Without truncation, which would lock out readers, on the replicas too.
    """
    actions = []
    for table in sorted(tables, key=lambda one: (-one.age_transactions, -one.age_multixacts, -one.dead_rows, one.name)):
        if table.is_parent:
            continue
        wanted = max(limits.vacuum_dead_rows_min, (table.rows + table.dead_rows) * limits.vacuum_dead_percent // 100)
        why = ""
        if table.age_transactions >= limits.vacuum_age_transactions:
            why = f"age {table.age_transactions} transactions, {limits.vacuum_age_transactions} allowed"
        elif table.age_multixacts >= limits.vacuum_age_multixacts:
            why = f"age {table.age_multixacts} multixacts, {limits.vacuum_age_multixacts} allowed"
        if why:
            actions.append(Action(statement=f"VACUUM (FREEZE, TRUNCATE false) {table.name}", why=why))
        elif table.dead_rows >= wanted:
            why = f"{table.dead_rows} dead rows beside {table.rows}, {wanted} allowed"
            actions.append(Action(statement=f"VACUUM (TRUNCATE false) {table.name}", why=why))
    return actions


def leftovers(indexes: Iterable[Index]) -> list[Action]:
    """Remove what an interrupted rebuild left. An invalid index of another name is somebody's to look at."""
    return [
        Action(statement=f"DROP INDEX CONCURRENTLY {index.name}", why="left by an interrupted rebuild")
        for index in indexes
        if not index.valid and not index.building and LEFTOVER.search(index.relation)
    ]


def to_measure(indexes: Iterable[Index], limits: Limits) -> list[Index]:
    """Choose the indexes that are worth reading: measuring reads the whole index. The largest first."""
    size_bytes_min = limits.reindex_size_mib_min * 2**20
    chosen = [i for i in indexes if i.valid and i.concurrent and i.measurable and i.size_bytes >= size_bytes_min]
    return sorted((index for index in chosen if not index.collations), key=lambda index: -index.size_bytes)


def rebuild(index: Index, why: str) -> Action:
    """Rebuild an index beside its users."""
    return Action(statement=f"REINDEX (CONCURRENTLY) INDEX {index.name}", why=why)


def reindex_bloated(index: Index, density_percent: float, limits: Limits) -> list[Action]:
    """Rebuild an index whose leaves are emptier than allowed."""
    if not 0 <= density_percent < limits.reindex_density_percent_min:
        return []
    why = f"{index.size_bytes // 2**20} MiB, leaves {density_percent:.0f} % full"
    return [rebuild(index, f"{why}, {limits.reindex_density_percent_min} % wanted")]


def reindex_collated(indexes: Iterable[Index]) -> list[Action]:
    """Rebuild indexes whose order may be wrong: the version of their collation is another one now."""
    return [
        rebuild(index, f"version of collation {', '.join(index.collations)} changed")
        for index in indexes
        if index.valid and index.concurrent and index.collations
    ]


def by_hand(indexes: Iterable[Index]) -> list[str]:
    """Name the indexes of a changed collation that can't be rebuilt beside their users."""
    return [index.name for index in indexes if index.valid and index.collations and not index.concurrent]


def expired(names: Sequence[str], now: datetime.datetime, days: int) -> list[str]:
    """Choose the files that are older than so many days by their name's date, _YYYYmmdd; others are not ours."""
    limit = f"{now - datetime.timedelta(days=days):%Y%m%d}"
    dated = {name: found[1] for name in names if (found := re.search(r"_([0-9]{8})(?:_[0-9]{6})?\.", name))}
    return sorted(name for name, date in dated.items() if date < limit)
