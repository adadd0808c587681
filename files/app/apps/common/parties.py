"""Whose columns and steps a shared row has, as a migration declares it.

Policies say which rows somebody reaches; this says what in such a row is theirs to write. It binds the application
alone: the owner of the tables and the functions of the ledger write what they have to. The platform writes what is
somebody's, except in a row in which who acts has a say of their own, and not what is final.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from django.db.migrations import RunSQL

from apps.common.row_security import APPLICATION, closed

ACTOR = "nullif(current_setting('app.current_user_id', true), '')::uuid"


@dataclass(frozen=True, kw_only=True)
class Side:
    """Somebody who has a say in a row. acts: SQL on `{row}` that tells whether it is they who act, the `actor`.

    alone: not even the platform does it for them.
    """

    name: str
    acts: str
    alone: bool = False

    @property
    def words(self) -> str:
        return self.name.replace("_", " ")


# Nobody in particular: `acts_for_platform` (accounts.0014) answers for it.
PLATFORM = Side(name="platform", acts="false")
# Its functions have rights of their own: nobody whom this binds ever is the ledger.
LEDGER = Side(name="ledger", acts="false", alone=True)


def named(name: str, *columns: str) -> Side:
    """Return the person whom one of these columns of the row names."""
    return Side(name=name, acts=f"actor IN ({', '.join(f'{{row}}.{column}' for column in columns)})")


@dataclass(frozen=True, kw_only=True)
class Parties:
    """What is whose in the rows of a table. Columns and steps ("open>closed") are words of one text.

    final: columns that stay as they were written, whoever acts; none: the application changes no row of the table.
    by: columns of one side; in a new row the others leave them empty. steps: of `status`, by side; those of no side are
    the platform's. stamps: columns that say when the row came to one of these states. once: columns that are written
    once, and hold that moment. author: the side that writes a new row. new: who writes a new row on which this SQL
    condition holds. removed_by: who takes a row away. dated: the database sets `created_at`. parties: who else has a
    say in the row, and so does nothing there for the platform: between them the sides name all whose row it is.
    """

    table: str
    final: str = ""
    by: Mapping[Side, str] = field(default_factory=dict)
    steps: Mapping[Side, str] = field(default_factory=dict)
    stamps: Mapping[str, str] = field(default_factory=dict)
    once: str = ""
    author: Side | None = None
    new: Mapping[Side, str] = field(default_factory=dict)
    removed_by: Side | None = None
    dated: bool = False
    parties: Sequence[Side] = ()

    def sides(self) -> Sequence[Side]:
        """Return everybody who has a say, each of them once."""
        named = [self.author, *self.by, *self.steps, *self.new, self.removed_by, *self.parties]
        return list(dict.fromkeys(side for side in named if side))

    def triggers(self) -> RunSQL:
        """Return the triggers. That of a new row sorts behind `admits_who_…`, that of a change behind legal steps."""
        bodies = self._bodies()
        return RunSQL(
            self._functions() + "".join(self._trigger(name, event) for name, (event, _) in bodies.items()),
            "".join(f"DROP TRIGGER {name} ON {self.table}; DROP FUNCTION {name}();" for name in bodies),
        )

    def instead_of(self, before: "Parties") -> RunSQL:
        """Return what an earlier migration declared said anew: the same triggers, whose functions change."""
        if self._bodies().keys() != before._bodies().keys():
            raise ValueError(f"{self.table}: other triggers than before, drop and make them")
        return RunSQL(self._functions(), before._functions())

    def _functions(self) -> str:
        return "".join(self._function(name, *body) for name, body in self._bodies().items())

    def _bodies(self) -> dict[str, tuple[str, Sequence[str]]]:
        """Return event and statements by the trigger's name."""
        bodies: dict[str, tuple[str, Sequence[str]]] = {}
        if beginning := self._beginning():
            bodies["begins_by_parties"] = ("INSERT", beginning)
        if self.final:
            bodies["whose_columns"] = ("UPDATE", self._changes())
        if self.removed_by:
            may = self._may(self.removed_by, "OLD")
            refused = _refusal(f"removed_by_{self.removed_by.name}", "take such a row away", self.removed_by)
            bodies["whose_rows"] = ("DELETE", [_unless(may, refused)])
        return {f"{self.table}_{name}": body for name, body in bodies.items()}

    def _function(self, name: str, event: str, statements: Sequence[str]) -> str:
        body = "\n            ".join(statements)
        # With the rights of who writes: the policies say which order they see.
        return f"""
        CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql
            SET search_path = pg_catalog, pg_temp AS $function$
        DECLARE
            actor uuid := {ACTOR};
            subject text := '';
        BEGIN
            {body}
            RETURN {"OLD" if event == "DELETE" else "NEW"};
        END $function$;
        {closed(f"{name}()")}
        """

    def _trigger(self, name: str, event: str) -> str:
        return f"""
        CREATE TRIGGER {name} BEFORE {event} ON {self.table}
            FOR EACH ROW WHEN (current_user = '{APPLICATION}') EXECUTE FUNCTION {name}();
        """

    def _beginning(self) -> list[str]:
        made = ["NEW.created_at := statement_timestamp();"] if self.dated else []
        # The policies would let the platform write in the author's name, a party who is staff as well.
        authored = {self.author: "true"} if self.author else {}
        for side, condition in {**authored, **self.new}.items():
            refused = _refusal(f"new_by_{side.name}", "write such a row", side)
            made.append(f"IF {condition} THEN {_unless(self._may(side, 'NEW'), refused)} END IF;")
        # What a column may hold, as text, before somebody wrote something.
        filled = "coalesce(NEW.{0}::text, '') NOT IN ('', '0', '0.00', 'false')"
        others = {side: columns for side, columns in self.by.items() if side != self.author}
        return [*made, *(self._guard(columns, filled, side, "NEW") for side, columns in others.items())]

    def _changes(self) -> list[str]:
        changed = "NEW.{0} IS DISTINCT FROM OLD.{0}"
        made = [_final(self.final, changed)]
        made += [_final(self.once, f"OLD.{{0}} IS NOT NULL AND {changed}")] if self.once else []
        made += [self._guard(columns, changed, side, "OLD") for side, columns in self.by.items()]
        if self.steps:
            cases = (
                f"WHEN OLD.status || '>' || NEW.status IN ({_listed(taken)}) THEN {self._step(side)}"
                for side, taken in self.steps.items()
            )
            steps = "\n                ".join(cases)
            made.append(f"""IF NEW.status <> OLD.status THEN CASE
                {steps}
                ELSE {self._step(PLATFORM)}
            END CASE; END IF;""")
        for column in self.once.split():
            made.append(f"IF {changed.format(column)} THEN NEW.{column} := statement_timestamp(); END IF;")
        for column, statuses in self.stamps.items():
            made.append(f"""NEW.{column} := CASE WHEN NEW.status <> OLD.status AND NEW.status IN ({_listed(statuses)})
                THEN statement_timestamp() ELSE OLD.{column} END;""")
        return made

    def _guard(self, columns: str, condition: str, side: Side, row: str) -> str:
        refused = _unless(self._may(side, row), _refusal(f"%s_by_{side.name}", "write", side))
        return f"subject := {_first(columns, condition)}; IF subject <> '' THEN {refused} END IF;"

    def _step(self, side: Side) -> str:
        refused = _refusal(f"%s_by_{side.name}", "take this step of the", side)
        return f"subject := 'status'; {_unless(self._may(side, 'OLD'), refused)}"

    def _may(self, side: Side, row: str) -> str:
        """Return the condition that this side acts, or the platform, unless who acts has a say in the row."""
        acts = f"coalesce({side.acts.format(row=row)}, false)"
        if side.alone:
            return acts
        acting = [f"coalesce({each.acts.format(row=row)}, false)" for each in self.sides() if each != PLATFORM]
        platform = " AND NOT ".join(["public.acts_for_platform()", *dict.fromkeys(acting)])
        return f"{acts} OR {platform}"


def in_own_name(table: str, *columns: str) -> RunSQL:
    """Refuse a row of the application in which none of these columns names who acts, unless the platform does.

    The policy would, but it is asked after the triggers BEFORE, and those with the rights of the owner answer to who
    sees nothing. The name sorts this one before them; the words are the policy's.
    """
    name = f"{table}_admits_who_acts"
    new = ", ".join(f"NEW.{column}" for column in columns)
    return RunSQL(
        f"""
        CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $function$
        BEGIN
            IF NOT (coalesce({ACTOR} IN ({new}), false) OR public.acts_for_platform()) THEN
                RAISE EXCEPTION USING
                    ERRCODE = 'insufficient_privilege', SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME,
                    COLUMN = '{columns[0]}', CONSTRAINT = '{name}',
                    MESSAGE = 'new row violates row-level security policy for table "{table}" ({name})',
                    HINT = 'Act as the person whom the row names, or as the platform.';
            END IF;
            RETURN NEW;
        END $function$;
        {closed(f"{name}()")}
        CREATE TRIGGER {name} BEFORE INSERT OR UPDATE OF {", ".join(columns)} ON {table}
            FOR EACH ROW WHEN (current_user = '{APPLICATION}') EXECUTE FUNCTION {name}();
        """,
        f"DROP TRIGGER {name} ON {table}; DROP FUNCTION {name}();",
    )


def _listed(words: str) -> str:
    return ", ".join(f"'{word}'" for word in words.split())


def _first(columns: str, condition: str) -> str:
    """Return SQL for the name of the first of these columns on which the condition holds, or ''."""
    return (
        "CASE " + " ".join(f"WHEN {condition.format(name)} THEN '{name}'" for name in columns.split()) + " ELSE '' END"
    )


def _final(columns: str, changed: str) -> str:
    refused = _refusal("%s_is_final", "change")
    return f"subject := {_first(columns, changed)}; IF subject <> '' THEN {refused} END IF;"


def _unless(condition: str, refused: str) -> str:
    return f"IF NOT ({condition}) THEN {refused} END IF;"


def _refusal(rule: str, doing: str, side: Side | None = None) -> str:
    """Return the statement that refuses. `rule` is the constraint's name behind the table's, %s the column's name."""
    who, hint = "nobody", "Leave it out of what you write."
    if side == LEDGER:
        who, hint = "the ledger", "Call its functions: they move the money and take the step together."
    elif side:
        who = f"the {side.words}"
        hint = f"Act as {who}." if side == PLATFORM or side.alone else f"Act as {who}, or as the platform."
    constraint = f"format('%s_{rule}', TG_TABLE_NAME{', subject' if '%s' in rule else ''})"
    return f"""RAISE EXCEPTION USING
                    ERRCODE = 'insufficient_privilege', SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME,
                    COLUMN = subject, CONSTRAINT = {constraint}, HINT = '{hint}',
                    MESSAGE = format('it is for {who} to {doing} %s (%s)',
                        concat_ws(' of ', nullif(subject, ''), TG_TABLE_NAME), {constraint});"""
