"""SQL of migrations for rows that hang on an order: who may write them, and when. Functions of orders.0007."""

from collections.abc import Sequence

from django.db.migrations import RunSQL

from apps.common.parties import Side

_PARTY = "SELECT FROM public.orders_order WHERE id = {row}.order_id AND actor IN"
CLIENT = Side(name="client", acts=f"EXISTS ({_PARTY} (client_id))")
FREELANCER = Side(name="freelancer", acts=f"EXISTS ({_PARTY} (freelancer_id))")
PARTY = Side(name="party", acts=f"EXISTS ({_PARTY} (client_id, freelancer_id))")


def of_other_party(name: str, *, than: str) -> Side:
    """Return the party of the row's order that the column `than` does not name."""
    return Side(name=name, acts=f"actor <> {{row}}.{than} AND {PARTY.acts}")


def party_only(table: str, field: str) -> RunSQL:
    """Refuse a person in the foreign key `field` who is neither client nor freelancer of the row's order."""
    name = f"{table}_{field}_is_a_party"
    return RunSQL(
        f"""
        CREATE TRIGGER {name} BEFORE INSERT OR UPDATE OF order_id, {field}_id ON {table}
            FOR EACH ROW EXECUTE FUNCTION enforce_party_of_order('{name}', '{field}_id');
        """,
        f"DROP TRIGGER {name} ON {table}",
    )


def only_while_order_is(table: str, state: str, statuses: Sequence[str]) -> RunSQL:
    """Refuse a new row unless its order is in one of `statuses`; `state` is their name in the constraint."""
    name = f"{table}_order_is_{state}"
    arguments = ", ".join(f"'{argument}'" for argument in [name, *statuses])
    return RunSQL(
        f"""
        CREATE TRIGGER {name} BEFORE INSERT ON {table}
            FOR EACH ROW EXECUTE FUNCTION enforce_order_status({arguments});
        """,
        f"DROP TRIGGER {name} ON {table}",
    )
