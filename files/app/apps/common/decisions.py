"""Who decides: staff, in their own name, and about nothing in which they are a party. For migrations."""

from django.db.migrations import RunSQL

from apps.common.parties import ACTOR
from apps.common.row_security import APPLICATION
from apps.common.sql import refusal, refuse_if, row_trigger


def decided_by_no_party(table: str, decisions: str, parties: str) -> RunSQL:
    """Refuse a change by who is a party of the row, and a step or decision in somebody else's name.

    decisions: the words of `status` that are one; parties: a query for NEW that returns one array of keys. It binds the
    application. A job of the platform, which is nobody, names who decided outside of it.
    """
    by_no_party = refuse_if(
        "parties && ARRAY[actor, NEW.handled_by_id]",
        refusal(
            f"{table}_handled_by_no_party", "handled_by_id",
            f"{table}: %s is handled by none of those whom it is about", "NEW.id",
            hint="Let another member of staff decide, in their own name.",
        ),
    )  # fmt: skip
    return row_trigger(
        # Sorts before what Parties says of the columns.
        table, f"{table}_decided_by_no_party", "BEFORE UPDATE",
        f"parties := ({parties});",
        by_no_party,
        in_own_name(table, decisions),
        declare=f"actor uuid := {ACTOR}; parties uuid[];",
        when=f"current_user = '{APPLICATION}'",
    )  # fmt: skip


def in_own_name(table: str, decisions: str, *, column: str = "handled_by_id", rule: str = "handled_by_who_acts") -> str:
    """Return the PL/pgSQL statement that refuses a step in the name of another than the `actor`, or a decision in
    nobody's. column: who is named; rule: the constraint's name behind the table's."""
    states = ", ".join(f"'{status}'" for status in decisions.split())
    return refuse_if(
        f"""(NEW.status, NEW.{column}) IS DISTINCT FROM (OLD.status, OLD.{column})
                AND (NEW.{column} <> actor OR NEW.{column} IS NULL AND NEW.status IN ({states}))""",
        refusal(
            f"{table}_{rule}", column,
            f'{table}: %s becomes "%s" by nobody, or in the name of somebody else', "NEW.id", "NEW.status",
            hint="Name the member of staff who decides, and act as them.",
        ),
    )  # fmt: skip
