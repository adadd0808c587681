"""SQL for the triggers of migrations. What a migration passes in is frozen there; only the wording is shared."""

from collections.abc import Mapping, Sequence

from django.db.migrations import RunSQL


def status_transitions(table: str, transitions: Mapping[str, Sequence[str]]) -> RunSQL:
    """Refuse each change of `status` that `transitions` does not list. "" is the state of a new row."""
    name = f"{table}_status_transition"
    pairs = [f"{before}>{after}" for before, nexts in transitions.items() for after in nexts]
    arguments = ", ".join(f"'{argument}'" for argument in [name, *pairs])
    return RunSQL(
        f"""
        CREATE TRIGGER {name}_on_insert BEFORE INSERT ON {table}
            FOR EACH ROW EXECUTE FUNCTION enforce_status_transition({arguments});
        CREATE TRIGGER {name}_on_update BEFORE UPDATE ON {table}
            FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status)
            EXECUTE FUNCTION enforce_status_transition({arguments});
        """,
        f"""
        DROP TRIGGER {name}_on_update ON {table};
        DROP TRIGGER {name}_on_insert ON {table};
        """,
    )


def append_only(table: str) -> RunSQL:
    """Refuse UPDATE, DELETE and TRUNCATE to everyone, the owner included."""
    return RunSQL(
        f"""
        CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table}
            FOR EACH ROW EXECUTE FUNCTION refuse_change();
        CREATE TRIGGER {table}_append_only_truncate BEFORE TRUNCATE ON {table}
            FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
        """,
        f"""
        DROP TRIGGER {table}_append_only_truncate ON {table};
        DROP TRIGGER {table}_append_only ON {table};
        """,
    )


def revoke(table: str, privileges: str) -> RunSQL:
    """Take `privileges` from every role but the owner; the way back gives them to the application's role again."""
    take = f"""
        DO $revoke$
        DECLARE holder regrole;
        BEGIN
            FOR holder IN
                SELECT DISTINCT entry.grantee::regrole FROM pg_class, aclexplode(relacl) AS entry
                WHERE pg_class.oid = '{table}'::regclass AND entry.grantee NOT IN (0, relowner)
            LOOP
                EXECUTE format('REVOKE {privileges} ON {table} FROM %s', holder);
            END LOOP;
        END $revoke$;
        """  # noqa: S608 (both come from migrations, never from outside)
    give_back = f"""
        DO $grant$
        BEGIN
            IF to_regrole('freelance_user') IS NOT NULL THEN
                GRANT {privileges} ON {table} TO freelance_user;
            END IF;
        END $grant$;
        """
    return RunSQL(take, give_back)
